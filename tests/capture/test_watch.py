"""Hints come, and when they might not, there is a doubt. On the kernel's own events, in real folders."""

import os
import select
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from flexispd.capture import watch as watching
from flexispd.capture.watch import Watch

DEADLINE_S = 10.0


class Watched:
    """A watch of one folder, and what it has told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._awake, self._wake = os.pipe()
        self.watch = Watch(self._tell)
        self.hints: set[str] = set()
        self.doubt: str | None = None

    def _tell(self) -> None:
        os.write(self._wake, b"!")

    def until(self, told: Callable[[], bool]) -> None:
        """Take what comes until it is enough; the kernel and a thread deliver it, so it takes a moment."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not told():
            ready, _, _ = select.select([self._awake], [], [], deadline_s - time.monotonic())
            assert ready, f"told {self.hints} and {self.doubt} only"
            os.read(self._awake, 4096)
            self.take()

    def take(self) -> None:
        hints, doubt = self.watch.take()
        self.hints |= {os.path.relpath(path, self.root) for path in hints}
        self.doubt = self.doubt or doubt

    def close(self) -> None:
        self.watch.disarm()
        os.close(self._awake)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    root = tmp_path / "inbox"
    root.mkdir()
    watched = Watched(root)
    watched.watch.arm(str(root))
    yield watched
    watched.close()


def add(watched: Watched, *names: str) -> None:
    for name in names:
        (watched.root / name).mkdir(parents=True, exist_ok=True)
        watched.watch.add(str(watched.root / name))


def test_files_that_are_written_moved_and_deleted_are_hinted_at(watched: Watched) -> None:
    """
    Whatever their names are.
    """
    add(watched, "a")
    odd = os.fsdecode(b"caf\xe9\n.NEF")
    (watched.root / odd).write_bytes(b"1")
    watched.until(lambda: odd in watched.hints)
    (watched.root / odd).rename(watched.root / "a" / "x.NEF")
    watched.until(lambda: "a/x.NEF" in watched.hints)
    watched.hints.clear()
    os.utime(watched.root / "a" / "x.NEF")
    watched.until(lambda: "a/x.NEF" in watched.hints)
    watched.hints.clear()
    (watched.root / "a" / "x.NEF").unlink()
    watched.until(lambda: "a/x.NEF" in watched.hints)

    watched.watch.audit()
    watched.take()
    assert watched.doubt is None


def test_a_folder_that_was_renamed_tells_its_new_name(watched: Watched) -> None:
    """
    Also when another one has its old name since.
    """
    add(watched, "a", "a/deep")
    (watched.root / "a").rename(watched.root / "b")
    watched.until(lambda: {"a", "b"} <= watched.hints)
    add(watched, "a", "b", "b/deep")
    watched.take()
    watched.hints.clear()

    (watched.root / "b/deep/x.NEF").touch()
    (watched.root / "a/y.NEF").touch()
    watched.until(lambda: {"b/deep/x.NEF", "a/y.NEF"} <= watched.hints)

    assert not any(hint.startswith("a/deep") for hint in watched.hints)
    watched.watch.audit()
    watched.take()
    assert watched.doubt is None


def test_a_folder_that_is_added_twice_is_watched_once(watched: Watched) -> None:
    """
    Every listing adds every folder.
    """
    for _ in range(3):
        add(watched, "", "a")
    (watched.root / "a" / "x.NEF").touch()

    watched.until(lambda: "a/x.NEF" in watched.hints)


def test_a_folder_that_cannot_be_watched_is_no_error(watched: Watched) -> None:
    """
    It has gone again, or is a file by now.
    """
    (watched.root / "file").touch()
    for name in ("missing", "file", "file/x"):
        watched.watch.add(str(watched.root / name))

    watched.watch.audit()
    watched.take()
    assert watched.doubt is None
    assert watched.watch.armed


def test_a_root_that_is_deleted_and_made_again_is_doubted(watched: Watched) -> None:
    """
    The kernel watches the old one, which nobody can reach any more.
    """
    shutil.rmtree(watched.root)
    watched.root.mkdir()
    watched.until(lambda: watched.doubt == "root_recreated")

    watched.watch.arm(str(watched.root))
    (watched.root / "x.NEF").touch()
    watched.until(lambda: "x.NEF" in watched.hints)


def test_a_root_that_is_renamed_is_doubted_and_not_listened_to_any_more(watched: Watched) -> None:
    """
    Its events would come with the name of the new one.
    """
    old = watched.root.with_name("old")
    watched.root.rename(old)
    watched.root.mkdir()
    watched.until(lambda: watched.doubt == "root_recreated")
    watched.watch.arm(str(watched.root))
    watched.take()
    watched.hints.clear()

    (old / "old.NEF").touch()
    (watched.root / "new.NEF").touch()
    watched.until(lambda: "new.NEF" in watched.hints)

    assert watched.hints == {"new.NEF"}


def test_a_root_whose_parent_was_renamed_is_found_out_by_the_audit(watched: Watched) -> None:
    """
    No event tells of it.
    """
    parent = watched.root.parent
    parent.rename(parent.with_name("elsewhere"))
    try:
        watched.watch.audit()
        watched.take()
        assert watched.doubt == "mount"  # it is not there

        watched.doubt = None
        watched.root.mkdir(parents=True)
        watched.watch.audit()
        watched.take()
        assert watched.doubt == "root_recreated"
    finally:
        shutil.rmtree(parent.with_name("elsewhere"))


def test_a_lost_queue_is_a_doubt(watched: Watched) -> None:
    """
    The kernel says so in an event of its own, which goes through watchdog.
    """
    overflow = InotifyEvent(WatchDescriptor(-1), Mask(InotifyConstants.IN_Q_OVERFLOW), 0, b"")

    descriptor(watched).handle_event(overflow)
    watched.take()

    assert watched.doubt == "overflow"


def test_too_many_hints_are_a_doubt(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    They must not fill the memory.
    """
    monkeypatch.setattr(watching, "HINTS_MAX", 10)
    for number in range(12):
        watched.watch.hint(f"{watched.root}/{number}")
    watched.take()

    assert len(watched.hints) == 10
    assert watched.doubt == "overflow"


def test_an_error_in_the_handler_is_a_doubt_and_ends_nothing(watched: Watched) -> None:
    """
    Whatever it is; the thread reads on.
    """

    def fail(_: str) -> None:
        raise SystemExit

    hint, watched.watch.hint = watched.watch.hint, fail  # type: ignore[method-assign, assignment]
    (watched.root / "x.NEF").touch()
    watched.until(lambda: watched.doubt == "handler_error")

    watched.watch.hint = hint  # type: ignore[method-assign]
    (watched.root / "y.NEF").touch()
    watched.until(lambda: "y.NEF" in watched.hints)


def test_a_thread_that_has_ended_is_found_out_by_the_audit(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It says nothing itself, and neither does the kernel.
    """
    thread = descriptor(watched)
    monkeypatch.setattr(thread, "should_keep_running", lambda: False)
    (watched.root / "x.NEF").touch()
    thread.join(DEADLINE_S)

    watched.watch.audit()
    watched.take()

    assert watched.doubt == "handler_error"


def test_a_watch_that_the_kernel_does_not_have_is_found_out_by_the_audit(watched: Watched) -> None:
    """
    Its own count is compared with ours.
    """
    add(watched, "a")
    source = watched.watch._source
    assert source is not None
    source._watched["/somewhere/else"] = WatchDescriptor(99)

    watched.watch.audit()
    watched.take()

    assert watched.doubt == "handler_error"


def test_running_out_of_watches_is_a_doubt_and_gives_all_back(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The last ones belong to other programs.
    """

    def none_left(*_: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(InotifyFD, "add_callback", none_left)
    add(watched, "a")
    watched.take()

    assert watched.doubt == "watch_limit"
    assert not watched.watch.armed
    with pytest.raises(OSError, match="watch limit"):
        watched.watch.arm(str(watched.root))
    assert not watched.watch.armed


def test_a_root_that_is_not_there_cannot_be_watched(watched: Watched) -> None:
    """
    And nothing is watched then.
    """
    with pytest.raises(FileNotFoundError):
        watched.watch.arm(str(watched.root / "missing"))

    assert not watched.watch.armed


def descriptor(watched: Watched) -> InotifyFD:
    assert watched.watch._source is not None
    return watched.watch._source._descriptor
