"""The log file is bounded, whole lines only, and never in anybody's way."""

import os
import threading
from pathlib import Path

import pytest

from flexispd import log_file
from flexispd.log_file import NAME, RETRY_S, LogFile, RotatingFile


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_a_full_file_is_put_aside(tmp_path: Path) -> None:
    """
    The newest number is 1, and no more are kept than were asked for.
    """
    file = RotatingFile(tmp_path, size_max=10, files=3)

    for number in range(9):
        file.write(f"line{number}")

    assert contents(tmp_path) == {
        NAME: "line8\n", f"{NAME}.1": "line7\n", f"{NAME}.2": "line6\n",
    }  # fmt: skip


def test_lines_share_a_file_until_it_is_full(tmp_path: Path) -> None:
    """
    The size counts from what was there before, and a line longer than a file gets one of its own.
    """
    (tmp_path / NAME).write_text("before\n")
    file = RotatingFile(tmp_path, size_max=20, files=2)

    file.write("1")
    file.write("x" * 30)
    assert contents(tmp_path) == {NAME: "x" * 30 + "\n", f"{NAME}.1": "before\n1\n"}
    file.write("2")
    file.write("3")

    assert contents(tmp_path) == {NAME: "2\n3\n", f"{NAME}.1": "x" * 30 + "\n"}


def test_one_file_alone_begins_anew(tmp_path: Path) -> None:
    """
    There is none to put it aside to.
    """
    file = RotatingFile(tmp_path, size_max=10, files=1)
    for number in range(3):
        file.write(f"line{number}")

    assert contents(tmp_path) == {NAME: "line2\n"}


def test_files_beyond_a_lowered_number_are_removed(tmp_path: Path) -> None:
    """
    The configuration said ten before, and says two now.
    """
    for number in range(1, 10):
        (tmp_path / f"{NAME}.{number}").write_text("old\n")
    file = RotatingFile(tmp_path, size_max=1, files=2)
    file.write("a")
    file.write("b")

    assert contents(tmp_path) == {NAME: "b\n", f"{NAME}.1": "a\n"}


def test_a_line_that_was_cut_off_is_ended_first(tmp_path: Path) -> None:
    """
    A power cut or a full disk leaves half a line, which must not spoil the next.
    """
    (tmp_path / NAME).write_text('{"event": "fra')
    RotatingFile(tmp_path, size_max=1000, files=2).write("whole")

    assert contents(tmp_path)[NAME].splitlines() == ['{"event": "fra', "whole"]


def test_a_deleted_file_is_made_again(tmp_path: Path) -> None:
    """
    Whoever deleted it, or the folder, would look in vain for what comes next.
    """
    file = RotatingFile(tmp_path / "logs", size_max=1000, files=2)
    file.write("a")
    (tmp_path / "logs" / NAME).unlink()
    (tmp_path / "logs").rmdir()
    file.write("b")

    assert contents(tmp_path / "logs") == {NAME: "b\n"}


def test_what_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    """
    Not at every line, because a volume that is away answers slowly.
    """
    clock = Clock()
    file = RotatingFile(tmp_path / "away" / "logs", 1000, 2, clock)

    file.write("a")
    (tmp_path / "away").mkdir()
    clock.now_s += RETRY_S - 1
    file.write("b")
    assert list((tmp_path / "away").iterdir()) == []

    clock.now_s += 1
    file.write("c")
    assert contents(tmp_path / "away" / "logs") == {NAME: "c\n"}


def test_a_full_disk_is_survived() -> None:
    """
    The real error of a real device: /dev/full takes nothing.
    """
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full here")
    file = RotatingFile(Path("/dev"), 1000, 2)
    file._path = Path("/dev/full")

    file.write("a")

    assert file._descriptor is None


@pytest.mark.parametrize("what", ["folder", "link", "pipe"])
def test_what_is_no_file_is_left_alone(what: str, tmp_path: Path) -> None:
    """
    A pipe without a reader would wait for ever, and a link leads out of the outbox.
    """
    path = tmp_path / NAME
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)

    RotatingFile(tmp_path, 1000, 2).write("a")

    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]


def test_a_file_is_let_go_of(tmp_path: Path) -> None:
    """
    An open file would keep its volume from being unmounted; a later line opens it again.
    """
    file = RotatingFile(tmp_path, 1000, 2)
    file.write("a")
    file.close()
    file.close()
    assert not any(str(tmp_path) in target for target in open_files())

    file.write("b")
    assert contents(tmp_path) == {NAME: "a\nb\n"}


def test_another_disk_in_the_place_of_the_volume_is_left_alone(tmp_path: Path) -> None:
    """
    A volume that was unmounted leaves an empty folder, on the disk below.
    """
    clock = Clock()
    file = RotatingFile(tmp_path / "logs", 1000, 2, clock)
    file.write("a")
    file.close()
    (tmp_path / "logs" / NAME).unlink()
    (tmp_path / "logs").rmdir()
    mounted, file._device = file._device, -1

    file.write("b")
    assert list(tmp_path.iterdir()) == []

    file._device = mounted
    clock.now_s += RETRY_S
    file.write("c")
    assert contents(tmp_path / "logs") == {NAME: "c\n"}


def test_a_quiet_file_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    So that a volume can be unmounted while nothing happens; the next line opens the file again.
    """
    monkeypatch.setattr(log_file, "IDLE_S", 0.001)
    file = LogFile(tmp_path, 1_000_000, 2)
    closed = threading.Event()
    close = file._file.close

    def close_and_tell() -> None:
        close()
        closed.set()

    monkeypatch.setattr(file._file, "close", close_and_tell)
    for number in (1, 2):
        file.write("line")
        assert closed.wait(10)
        assert file.flush(10)
        closed.clear()
        assert contents(tmp_path)[NAME] == number * "line\n"
    assert file.close()


def open_files() -> list[str]:
    """What this process holds open."""
    return [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    """
    Nobody waits, nothing is lost, nothing is mixed.
    """
    file = LogFile(tmp_path, 1_000_000, 2)

    def say(who: int) -> None:
        for number in range(200):
            file.write(f"{who} {number}")

    threads = [threading.Thread(target=say, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.close()

    lines = contents(tmp_path)[NAME].splitlines()
    assert sorted(lines) == sorted(f"{who} {number}" for who in range(4) for number in range(200))


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """
    As a network drive does: logging goes on, closing gives up, and the thread lets go once the disk answers.
    """
    answering = threading.Event()

    class Hanging(Clock):
        def __call__(self) -> float:
            answering.wait()
            return 0.0

    file = LogFile(tmp_path, 1_000_000, 2, Hanging())
    for number in range(20_000):
        file.write(str(number))

    assert not file.flush(timeout_s=0.01)
    assert not file.close(timeout_s=0.01)
    answering.set()
    file._thread.join(10)
    assert not file._thread.is_alive()
    assert not any(str(tmp_path) in target for target in open_files())
