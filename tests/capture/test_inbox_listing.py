"""What lies in an inbox, and what has become of it since."""

import os
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flexispd.capture.listing import Listing, Survey
from flexispd.capture.records import Observation

NOBODY = 65534


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder that belongs to whoever runs the test; root, who may read everything, becomes nobody for its time."""
    with TemporaryDirectory() as name:
        was_root = os.geteuid() == 0
        if was_root:
            os.chown(name, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if was_root:
                os.seteuid(0)


class Lister:
    """A listing of a folder that exists, with a clock that counts its readings."""

    def __init__(self, root: Path, *ignored: str) -> None:
        self.root = root
        self.absence: Iterator[str | None] = iter(())
        self.watched: list[str] = []
        ticks = count(1)
        self.listing = Listing(
            str(root), ignored, lambda: next(self.absence, None), self.watched.append, lambda: float(next(ticks))
        )

    def names(self, survey: Survey) -> dict[str, bool]:
        """Path below the root -> whether it is there."""
        return {
            str(Path(seen.path).relative_to(self.root)): seen.observation is not None
            for seen in sorted(survey.seen, key=lambda seen: seen.path)
        }

    def scan(self) -> dict[str, bool]:
        return self.names(self.listing.scan())

    def look(self, *names: str) -> dict[str, bool]:
        return self.names(self.listing.look([str(self.root / name) for name in names]))


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def test_everything_is_found_once_and_then_only_what_has_changed(tmp_path: Path) -> None:
    """
    New, changed and gone, in all depths.
    """
    lister = Lister(fill(tmp_path, "DSC1.NEF", "a/DSC2.NEF", "a/b/DSC3.NEF"))

    survey = lister.listing.scan()
    assert lister.names(survey) == {"DSC1.NEF": True, "a/DSC2.NEF": True, "a/b/DSC3.NEF": True}
    assert (survey.new, survey.files, survey.folders, survey.whole) == (3, 3, 3, True)
    assert lister.scan() == {}

    (tmp_path / "DSC1.NEF").write_bytes(b"longer")
    (tmp_path / "a/b/DSC3.NEF").unlink()
    fill(tmp_path, "c/d/DSC4.NEF")
    survey = lister.listing.scan()
    assert lister.names(survey) == {"DSC1.NEF": True, "a/b/DSC3.NEF": False, "c/d/DSC4.NEF": True}
    assert (survey.new, survey.changed, survey.gone, survey.files) == (1, 1, 1, 3)
    assert lister.scan() == {}


def test_a_file_is_observed_by_size_and_both_times(tmp_path: Path) -> None:
    """
    Whatever year the camera believes it is.
    """
    raw = fill(tmp_path, "DSC1.NEF") / "DSC1.NEF"
    os.utime(raw, ns=(0, 4_102_444_800 * 10**9))
    now = raw.stat()

    (seen,) = Lister(tmp_path).listing.scan().seen

    assert seen.observation == Observation(0, 4_102_444_800 * 10**9, now.st_ctime_ns)


def test_every_folder_is_watched_before_it_is_read_and_ignored_ones_never(tmp_path: Path) -> None:
    """
    So nothing comes in between, and what nobody wants costs no watch.
    """
    lister = Lister(
        fill(tmp_path, "a/x.NEF", "@eaDir/x.NEF", ".hidden/x.NEF", "Trash/x.NEF", "b/proxy1/x.NEF"), "TRASH", "proxy?"
    )

    assert lister.scan() == {"a/x.NEF": True}
    assert sorted(lister.watched) == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "b")]


def test_names_are_ignored_by_the_usual_patterns_and_the_users(tmp_path: Path) -> None:
    """
    Blind to case, files and folders alike, in listings and in looks.
    """
    ignored = ("x.NEF.part", ".in.x.NEF.", "~x.NEF", ".syncthing.x.NEF.tmp", "x_Proxy.NEF", "X.BAK")
    lister = Lister(fill(tmp_path, "x.NEF", *ignored), "*_proxy.*", "*.bak")

    assert lister.scan() == {"x.NEF": True}
    assert lister.look(*ignored) == {}


def test_a_temporary_file_is_found_under_its_final_name(tmp_path: Path) -> None:
    """
    Uploads appear by being renamed.
    """
    lister = Lister(fill(tmp_path, ".in.x.NEF."))
    lister.scan()
    (tmp_path / ".in.x.NEF.").rename(tmp_path / "x.NEF")

    assert lister.look(".in.x.NEF.", "x.NEF") == {"x.NEF": True}


def test_only_regular_files_count(tmp_path: Path) -> None:
    """
    A link to one is one; a pipe is never opened; a circle is not entered.
    """
    elsewhere = fill(tmp_path / "elsewhere", "real.NEF", "folder/other.NEF")
    root = fill(tmp_path / "inbox", "a/DSC1.NEF")
    (root / "link.NEF").symlink_to(elsewhere / "real.NEF")
    (root / "dangling.NEF").symlink_to(elsewhere / "missing.NEF")
    (root / "loop.NEF").symlink_to("loop.NEF")
    (root / "a" / "parent").symlink_to(root)
    (root / "out").symlink_to(elsewhere / "folder")
    os.mkfifo(root / "pipe.NEF")
    os.mkfifo(root / "pipe.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.NEF"))
    lister = Lister(root)

    assert lister.scan() == {"a/DSC1.NEF": True, "link.NEF": True}
    assert lister.look("pipe.NEF", "pipe.json", "socket.NEF", "dangling.NEF", "loop.NEF", "a/parent", "out") == {}

    (elsewhere / "real.NEF").write_bytes(b"longer")
    assert lister.scan() == {"link.NEF": True}


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9.NEF", b"two\nlines\t.NEF", b"-rf.NEF", "🌃.NEF".encode(), b"n" * 251 + b".NEF", b"\xe2\x80\xae.NEF"],
)
def test_any_name_is_found_and_lost(name: bytes, tmp_path: Path) -> None:
    """
    File names are bytes, and so are those of folders.
    """
    folder = tmp_path / os.fsdecode(name)
    fill(folder, os.fsdecode(name))
    lister = Lister(tmp_path)

    (seen,) = lister.listing.scan().seen
    assert os.fsencode(seen.path) == os.fsencode(tmp_path) + b"/" + name + b"/" + name

    (folder / os.fsdecode(name)).unlink()
    (seen,) = lister.listing.look([seen.path]).seen
    assert seen.observation is None


def test_a_look_at_a_new_folder_finds_all_below_it(tmp_path: Path) -> None:
    """
    A tree that was moved in makes one event.
    """
    lister = Lister(tmp_path)
    lister.scan()
    fill(tmp_path, "card/DCIM/100/DSC1.NEF", "card/DCIM/101/DSC2.NEF", "card/@eaDir/DSC1.NEF")

    assert lister.look("card") == {"card/DCIM/100/DSC1.NEF": True, "card/DCIM/101/DSC2.NEF": True}
    assert lister.scan() == {}


def test_a_look_below_an_unknown_folder_begins_at_that_folder(tmp_path: Path) -> None:
    """
    Its own event may come later, or never.
    """
    lister = Lister(tmp_path)
    lister.scan()
    fill(tmp_path, "a/b/DSC1.NEF", "a/DSC2.NEF", ".x/DSC3.NEF")

    assert lister.look("a/b/DSC1.NEF", ".x/DSC3.NEF") == {"a/DSC2.NEF": True, "a/b/DSC1.NEF": True}


def test_a_look_at_a_folder_that_has_gone_loses_what_was_in_it(tmp_path: Path) -> None:
    """
    Also when a file has taken its name.
    """
    lister = Lister(fill(tmp_path, "a/b/DSC1.NEF", "c/DSC2.NEF", "keep.NEF"))
    lister.scan()
    (tmp_path / "a").rename(tmp_path / "z")
    (tmp_path / "c/DSC2.NEF").unlink()
    (tmp_path / "c").rmdir()
    fill(tmp_path, "c")

    assert lister.look("a", "c") == {"a/b/DSC1.NEF": False, "c": True, "c/DSC2.NEF": False}
    assert lister.look("z") == {"z/b/DSC1.NEF": True}
    assert lister.scan() == {}


def test_a_look_outside_the_inbox_finds_nothing(tmp_path: Path) -> None:
    """
    Whatever somebody submits.
    """
    lister = Lister(fill(tmp_path, "inbox/x.NEF", "other/y.NEF") / "inbox")
    lister.scan()

    assert lister.listing.look([str(tmp_path / "other/y.NEF"), "/", str(tmp_path)]).seen == []


def test_a_due_file_is_told_though_it_has_not_changed(tmp_path: Path) -> None:
    """
    That it has not is what is asked; the time is from before the look.
    """
    lister = Lister(fill(tmp_path, "x.NEF", "y.NEF", "z.NEF"))
    first = {seen.path: seen for seen in lister.listing.scan().seen}
    (tmp_path / "y.NEF").write_bytes(b"longer")
    (tmp_path / "z.NEF").unlink()

    survey = lister.listing.look((), due=sorted(first))

    assert lister.names(survey) == {"x.NEF": True, "y.NEF": True, "z.NEF": False}
    assert survey.seen[0].observation == first[survey.seen[0].path].observation
    assert survey.seen[0].at_s > first[survey.seen[0].path].at_s
    assert (survey.changed, survey.gone) == (1, 1)


def test_our_own_receipts_are_known(tmp_path: Path) -> None:
    """
    By how they begin, whenever they change.
    """
    (tmp_path / "a.json").write_text('{\n  "schema": "flexispd-receipt/1"\n}')
    (tmp_path / "b.json").write_text("{}")

    seen = {Path(seen.path).name: seen.receipt for seen in Lister(tmp_path).listing.scan().seen}

    assert seen == {"a.json": True, "b.json": False}


def test_nothing_is_gone_while_the_inbox_is_away(tmp_path: Path) -> None:
    """
    Neither in a listing nor in a look, and not when it goes in the middle of one.
    """
    lister = Lister(fill(tmp_path, "x.NEF", "y.NEF"))
    lister.scan()
    (tmp_path / "x.NEF").unlink()
    (tmp_path / "new.NEF").touch()

    lister.absence = iter(["It is away."])
    survey = lister.listing.scan()
    assert (survey.absent, survey.seen, survey.scanned) == ("It is away.", [], False)

    lister.absence = iter(["It is away."])
    survey = lister.listing.look([str(tmp_path / "x.NEF")], due=[str(tmp_path / "y.NEF")])
    assert (survey.absent, survey.seen, survey.unsure) == ("It is away.", [], [str(tmp_path / "y.NEF")])

    lister.absence = iter([None, "It is away."])
    survey = lister.listing.scan()
    assert lister.names(survey) == {"new.NEF": True}
    assert (survey.absent, survey.whole) == ("It is away.", False)

    assert lister.scan() == {"x.NEF": False}


def test_what_lies_in_a_folder_that_may_not_be_read_is_not_gone(folder_of_nobody: Path) -> None:
    """
    Its reason is told, the others are listed, and when it may be read again nothing has changed.
    """
    lister = Lister(fill(folder_of_nobody, "shut/x.NEF", "shut/deep/y.NEF", "open/z.NEF"))
    lister.scan()
    for mode in (0o000, 0o600):
        (folder_of_nobody / "shut").chmod(mode)
        try:
            survey = lister.listing.scan()
        finally:
            (folder_of_nobody / "shut").chmod(0o700)
        assert lister.names(survey) == {}
        assert set(survey.unreadable.values()) == {"Permission denied"}
        assert (survey.scanned, survey.whole, survey.files) == (True, False, 3)

    assert lister.scan() == {}
