"""Who is the daemon of a state folder, and what it says of itself."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flexispd.errors import SetupError
from flexispd.presence import LOCK, STATUS, hold, read_status, running, write_status

HOLDING = """
import sys; from pathlib import Path; from flexispd.presence import hold
kept = hold(Path(sys.argv[1])); print("held", flush=True); sys.stdin.read()
"""


def test_a_state_folder_has_one_daemon(tmp_path: Path) -> None:
    """
    The second is refused, and told which process the first is.
    """
    first = hold(tmp_path / "made" / "state")

    with pytest.raises(SetupError, match=rf"already running as process {os.getpid()} since \d\d:\d\d:\d\d\. "):
        hold(tmp_path / "made" / "state")

    first.release()
    first.release()
    hold(tmp_path / "made" / "state").release()


def test_a_daemon_that_was_killed_leaves_no_trap(tmp_path: Path) -> None:
    """
    Only the lock counts, and it ends with the process; what the file still says does not.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        found = running(tmp_path)
        assert found is not None
        assert found.pid == other.pid
        other.kill()
        other.wait()

    assert json.loads((tmp_path / LOCK).read_text())["pid"] == other.pid
    assert running(tmp_path) is None
    hold(tmp_path).release()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """
    A mistyped state folder is not made by asking who works there.
    """
    assert running(tmp_path / "typo") is None
    assert read_status(tmp_path / "typo") is None
    assert list(tmp_path.iterdir()) == []


def test_somebody_who_looks_keeps_no_daemon_from_starting(tmp_path: Path) -> None:
    """
    A daemon that meets the lock of a command waits for the moment that the command takes.
    """
    hold(tmp_path).release()
    reader = os.open(tmp_path / LOCK, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    assert running(tmp_path) is None, "other readers are no daemon"
    threading.Timer(0.05, os.close, [reader]).start()

    hold(tmp_path).release()


def test_a_lock_that_says_nothing_yet_is_a_daemon_all_the_same(tmp_path: Path) -> None:
    """
    Between locking and writing its number a daemon exists already.
    """
    held = hold(tmp_path)
    (tmp_path / LOCK).write_text("")

    found = running(tmp_path)

    assert found is not None
    assert found.pid == 0
    assert found.since_s > 0
    held.release()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """
    The message names the folder.
    """
    tmp_path.chmod(0o500)
    with pytest.raises(SetupError, match="state cannot be used: Permission denied"):
        hold(tmp_path / "state")
    tmp_path.chmod(0o700)


def test_a_file_in_the_way_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """
    A state folder that is a file is nobody's.
    """
    (tmp_path / "state").write_text("")

    with pytest.raises(SetupError, match="cannot be used"):
        hold(tmp_path / "state")
    assert running(tmp_path / "state") is None


def test_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    """
    The newest replaces the one before, and leaves no other file behind.
    """
    write_status(tmp_path, {"pid": 1, "phase": "starting"})
    write_status(tmp_path, {"pid": 1, "phase": "idle", "blocked": None})

    assert read_status(tmp_path) == {"pid": 1, "phase": "idle", "blocked": None}
    assert [path.name for path in tmp_path.iterdir()] == [STATUS]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0"])
def test_a_status_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """
    Half a file after a power cut is no error to somebody who asks how it goes.
    """
    (tmp_path / STATUS).write_text(text)

    assert read_status(tmp_path) is None


def test_a_status_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """
    The daemon goes on working when its disk is full or its folder gone.
    """
    write_status(tmp_path / "gone", {"pid": 1})
