"""Nothing is rendered while nothing can be written, and nothing is written where the outbox's volume should be."""

import os
from pathlib import Path

import pytest

from flexispd.outbox import BLOCKED_CHECK_S, OPEN_CHECK_S, Outbox, look


@pytest.fixture
def outbox(tmp_path):
    """An outbox that nobody has looked at yet."""
    (tmp_path / "out").mkdir()
    outbox = Outbox(tmp_path / "out", 0, None, lambda: None)
    yield outbox
    outbox.close()


def problem(folder: Path, free_min_bytes: int = 0, expected: Path | None = None) -> str:
    """What is said to be the matter with a folder."""
    found = look(folder, free_min_bytes, expected).problem
    assert found is not None
    return found


def answered(outbox: Outbox, now_s: float) -> bool:
    """Ask, wait for the answer, take it."""
    outbox.step(now_s)
    outbox.settle(10)
    return outbox.step(now_s)


def test_a_folder_that_can_be_written_to_is_open(tmp_path):
    """
    The probe is gone afterwards.
    """
    (tmp_path / "out").mkdir()
    answer = look(tmp_path / "out", 0, None)

    assert answer.problem is None
    assert answer.free_bytes
    assert answer.mount is not None
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_folder_is_not_made(tmp_path):
    """
    It usually lies on a volume that is not there; `flexispd init` makes it where it is wanted.
    """
    assert "is not there" in problem(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_volume_that_is_not_mounted_is_not_written_to(tmp_path):
    """
    Where the mount point was seen before and is not mounted now, the folder that shows belongs to another disk.
    """
    folder = tmp_path / "nas" / "out"
    folder.mkdir(parents=True)

    assert "not mounted" in problem(folder, expected=tmp_path / "nas")
    assert list(folder.iterdir()) == []


def test_a_volume_mounted_since_is_welcome(tmp_path):
    """
    A folder that lay on the root disk and lies on a volume of its own now is no reason to stop.
    """
    assert look(tmp_path, 0, Path("/")).problem is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_says_so(tmp_path):
    """
    The operating system's reason is given, with what to do.
    """
    folder = tmp_path / "out"
    folder.mkdir(mode=0o500)

    assert "Permission denied" in problem(folder)


def test_a_file_in_the_place_of_the_outbox_says_so(tmp_path):
    """
    Nothing is replaced to make room for the folder.
    """
    (tmp_path / "out").write_text("mine")

    assert "cannot be written to" in problem(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_it_pauses_before_the_disk_is_full(tmp_path):
    """
    Less free space than is to be left is a reason to wait, and the numbers are in it.
    """
    assert "MB are free" in problem(tmp_path, free_min_bytes=1 << 62)
    assert look(tmp_path, 1 << 62, None).free_bytes is not None


def test_nobody_writes_before_somebody_has_looked(outbox):
    """
    The first answer opens it.
    """
    assert outbox.problem is not None

    assert answered(outbox, 0.0)
    assert outbox.problem is None
    assert outbox.next_due_s() == OPEN_CHECK_S


def test_a_failed_write_closes_it_until_the_next_look(outbox):
    """
    The worker's reason stands until then, and what has come true by then counts.
    """
    answered(outbox, 0.0)

    outbox.blocked("There is no space left.", 1.0)
    assert outbox.problem == "There is no space left."
    assert not outbox.step(1.0 + BLOCKED_CHECK_S[0] / 2)

    assert answered(outbox, 1.0 + BLOCKED_CHECK_S[0])
    assert outbox.problem is None


def test_trouble_that_comes_back_is_looked_at_more_and_more_rarely(outbox):
    """
    A disk with room for the probe but not for a picture must not cost a rendering every two seconds.
    """
    answered(outbox, 0.0)
    now_s, waits_s = 1.0, []
    for _ in range(6):
        outbox.blocked("There is no space left.", now_s)
        waits_s.append(outbox.next_due_s() - now_s)
        now_s = outbox.next_due_s()
        answered(outbox, now_s)

    assert waits_s == [*BLOCKED_CHECK_S, BLOCKED_CHECK_S[-1]]

    outbox.worked()
    outbox.blocked("There is no space left.", now_s)
    assert outbox.next_due_s() - now_s == BLOCKED_CHECK_S[0]


def test_what_a_dead_worker_left_is_removed(outbox, tmp_path):
    """
    Only names of our own form, and only those that no living process holds.
    """
    folder = tmp_path / "out"
    (folder / ".flexispd-0123456789abcdef.tmp").write_text("half a picture")
    (folder / ".mine.tmp").write_text("mine")

    outbox.clean(folder, 0.0)
    outbox.settle(10)

    assert [path.name for path in folder.iterdir()] == [".mine.tmp"]


def test_only_an_outbox_that_was_ill_itself_has_recovered(outbox, tmp_path):
    """
    One folder without rights must not have its pictures tried again every two seconds.
    """
    answered(outbox, 0.0)
    assert outbox.recovered
    outbox.recovered = False

    outbox.blocked("Writing to one folder is not permitted.", 1.0)
    answered(outbox, 10.0)
    assert outbox.problem is None
    assert not outbox.recovered

    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("in the way")
    answered(outbox, 100.0)
    assert outbox.problem is not None
    (tmp_path / "out").unlink()
    (tmp_path / "out").mkdir()
    answered(outbox, 200.0)
    assert outbox.recovered
