"""For the workers: which capture is next, what its bytes are, what it is called, and how it ended."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest
from ledger_making import (
    INBOX,
    OUTBOX,
    arrival,
    claimed,
    finished,
    names,
    new_ledger,
    record_one,
    render_one,
    sha256,
    state_of,
)

from flexispd.errors import CaptureError
from flexispd.ledger import Ledger, State, arrivals, reports, requests, work


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger as a daemon has it that has just started."""
    made = new_ledger(tmp_path)
    yield made
    made.close()


def recognise(ledger: Ledger, id_: int, content: str) -> work.Twin | None:
    """The worker has hashed a capture."""
    return work.recognise(ledger, id_, sha256(content), sha256(content), 1.0)


def test_a_capture_goes_from_queued_to_done_and_every_step_is_written_down(ledger: Ledger) -> None:
    """
    The whole history can be told, and nothing else happened.
    """
    record_one(ledger, arrival("a/DSC1.NEF"), at_s=1.0)

    done = render_one(ledger, at_s=2.0)

    assert (done.state, done.attempts, done.target) == (State.DONE, 1, PurePath("a/DSC1.natural"))
    assert done.receipt == PurePath("a/DSC1.natural.json")
    assert [name for name, _, _ in done.outputs] == ["DSC1.natural.jpg"]
    assert (done.device, done.render_ms, done.camera) == ("cpu", 2000.0, "Canon")
    told = [(entry.at_s, entry.state, entry.reason) for entry in reports.history(ledger, done.id)]
    assert told == [(1.0, "queued", "arrived"), (2.0, "running", "given to a worker"), (2.0, "done", "rendered")]
    assert work.claim(ledger, 3.0, idle=True) is None


def test_the_newest_goes_first_while_it_is_young_and_the_backlog_behind_it(ledger: Ledger) -> None:
    """
    Somebody waits for what was just taken; what lay there before goes in the order of arrival.
    """
    for name in ("old1.NEF", "old2.NEF"):
        record_one(ledger, arrival(name), at_s=0.0, lane=arrivals.BACKLOG)
    for name in ("new1.NEF", "new2.NEF"):
        record_one(ledger, arrival(name), at_s=0.0)

    order = [claimed(ledger, at_s=work.LIVE_S).capture.raw.name for _ in range(4)]

    assert order == ["new2.NEF", "new1.NEF", "old1.NEF", "old2.NEF"]


def test_what_is_no_longer_young_takes_its_turn(ledger: Ledger) -> None:
    """
    A burst that took too long is finished from its beginning; a clock that was set back makes nothing young.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        record_one(ledger, arrival(name), at_s=1000.0)

    assert claimed(ledger, at_s=1000.0 + work.LIVE_S + 1).capture.raw.name == "a.NEF"
    assert claimed(ledger, at_s=10.0).capture.raw.name == "b.NEF"


def test_what_was_there_when_the_daemon_died_is_tried_alone(ledger: Ledger) -> None:
    """
    By an idle worker and before all others, so that only the guilty one is blamed.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        record_one(ledger, arrival(name))
    running = [claimed(ledger).id, claimed(ledger).id]

    assert sorted(record.id for record in work.recover(ledger, 1.0)) == sorted(running)
    assert work.claim(ledger, 1.0, idle=False) is None
    first = claimed(ledger, idle=True)
    assert first.suspect
    assert first.id == min(running)
    assert first.attempts == 2
    assert work.recover(ledger, 2.0)[0].id == first.id


def test_three_failures_of_its_own_put_a_capture_aside(ledger: Ledger) -> None:
    """
    With the reason of the last; being put back without blame does not count.
    """
    record_one(ledger, arrival("a.NEF"))
    work.put_back(ledger, [claimed(ledger).id], "the worker was replaced", 1.0)

    states = [work.blame(ledger, claimed(ledger).id, "it kills workers", 1.0, failures_max=3) for _ in range(3)]

    assert states == [State.QUEUED, State.QUEUED, State.QUARANTINED]
    row = work.get(ledger, 1)
    assert row is not None
    assert (row.reason, row.suspect, row.attempts) == ("failed 3 times: it kills workers", False, 4)
    assert work.claim(ledger, 2.0, idle=True) is None


def test_success_forgets_failures(ledger: Ledger) -> None:
    """
    They were not the capture's after all.
    """
    record_one(ledger, arrival("a.NEF"))
    work.blame(ledger, claimed(ledger).id, "it kills workers", 1.0, failures_max=3)

    done = render_one(ledger)

    assert (done.failures, done.suspect) == (0, False)


def test_waiting_ends_when_its_time_has_come_or_what_it_waits_for(ledger: Ledger) -> None:
    """
    The first time that it was in doubt is remembered, for whoever warns after ten minutes.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        record_one(ledger, arrival(name))
    for due_s, cause in ((100.0, "whole file"), (0.0, "outbox"), (0.0, "volume")):
        work.wait(ledger, claimed(ledger).id, cause, "not now", 10.0, due_s=due_s)  # type: ignore[arg-type]
    assert reports.waiting_for(ledger) == {"outbox": 1, "volume": 1, "whole file": 1}

    assert work.wake(ledger, 99.0) == 0
    assert work.wake(ledger, 100.0) == 1
    assert work.release(ledger, "outbox", 100.0, "there is room") == 1
    assert work.release(ledger, "volume", 100.0, "it is back", Path("/other")) == 0
    assert work.release(ledger, "volume", 100.0, "it is back", INBOX) == 1
    assert reports.counts(ledger)[State.QUEUED] == 3
    work.wait(ledger, 3, "whole file", "still cut off", 200.0, due_s=210.0)
    row = work.get(ledger, 3)
    assert row is not None
    assert row.doubt_since_s == 10.0


def test_a_clock_that_was_set_back_keeps_nothing_waiting(ledger: Ledger) -> None:
    """
    What is due in a far future was due long ago.
    """
    record_one(ledger, arrival("a.NEF"))
    work.wait(ledger, claimed(ledger).id, "whole file", "cut off", 9000.0, due_s=9010.0)

    assert work.wake(ledger, 1000.0) == 1


def test_the_same_bytes_are_rendered_once(ledger: Ledger) -> None:
    """
    Whether the other one is finished or still being rendered, and whichever of them was hashed first.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        record_one(ledger, arrival(name))
    render_one(ledger, content="same")
    second, third = claimed(ledger), claimed(ledger)

    assert recognise(ledger, second.id, "same") == work.Twin(3, INBOX / "c.NEF", same_path=False)
    assert recognise(ledger, third.id, "same") is not None
    row = work.get(ledger, second.id)
    assert row is not None
    assert (row.state, row.twin, row.reason) == (State.DUPLICATE, 3, "the same bytes as /inbox/c.NEF")


def test_of_two_that_are_rendered_at_once_the_first_that_was_hashed_wins(ledger: Ledger) -> None:
    """
    The newest is often ahead of an older one with the same bytes.
    """
    for name in ("a.NEF", "b.NEF"):
        record_one(ledger, arrival(name))
    newer, older = claimed(ledger), claimed(ledger)
    assert newer.id > older.id

    assert recognise(ledger, newer.id, "same") is None
    assert recognise(ledger, older.id, "same") is not None
    assert state_of(ledger, older.id) == "duplicate"


def test_a_duplicate_takes_the_place_of_a_capture_that_vanishes(ledger: Ledger) -> None:
    """
    Else the photograph would be lost with a copy of it lying there; the other copies stay duplicates, now of that one.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        record_one(ledger, arrival(name))
    rows = [claimed(ledger).id for _ in range(3)]
    for id_ in rows:
        recognise(ledger, id_, "same")

    work.vanished(ledger, rows[0], 2.0)

    assert [state_of(ledger, id_) for id_ in rows] == ["vanished", "duplicate", "queued"]
    assert getattr(work.get(ledger, rows[1]), "twin", None) == rows[2]


@pytest.mark.parametrize("when", ["queued again", "quarantined", "hashed again"])
def test_a_duplicate_takes_the_place_of_a_capture_that_gets_other_bytes(ledger: Ledger, when: str) -> None:
    """
    The bytes that they shared are then the duplicate's alone.
    """
    record_one(ledger, arrival("copy.NEF"))
    record_one(ledger, arrival("a.NEF"))
    first, copy = claimed(ledger), claimed(ledger)
    recognise(ledger, first.id, "same")
    recognise(ledger, copy.id, "same")
    if when == "quarantined":
        work.quarantine(ledger, first.id, "broken", 1.0)
    else:
        work.put_back(ledger, [first.id], "the worker was replaced", 1.0, suspect=True)

    if when == "hashed again":
        assert claimed(ledger).id == first.id
        recognise(ledger, first.id, "other")
    else:
        record_one(ledger, arrival("a.NEF", changed=2))

    assert state_of(ledger, copy.id) == "queued"


def test_a_duplicate_takes_the_place_of_a_version_that_never_got_a_picture(ledger: Ledger) -> None:
    """
    The capture was overwritten while it was being rendered, and its newer version has other bytes.
    """
    record_one(ledger, arrival("copy.NEF"))
    record_one(ledger, arrival("a.NEF"))
    first, copy = claimed(ledger), claimed(ledger)
    recognise(ledger, first.id, "same")
    recognise(ledger, copy.id, "same")
    record_one(ledger, arrival("a.NEF", changed=2))
    second = claimed(ledger)
    recognise(ledger, second.id, "other")

    work.quarantine(ledger, first.id, "it was written to while it was read", 2.0)

    assert state_of(ledger, first.id) == "superseded"
    assert state_of(ledger, copy.id) == "queued"


def test_a_file_that_was_only_touched_makes_no_new_version(ledger: Ledger) -> None:
    """
    Its row goes up in the older one, which then knows the file as it is now, and its id is never given again.
    """
    record_one(ledger, arrival("a.NEF"))
    render_one(ledger, content="same")
    record_one(ledger, arrival("a.NEF", changed=2))
    touched = claimed(ledger)

    twin = recognise(ledger, touched.id, "same")

    assert twin == work.Twin(1, INBOX / "a.NEF", same_path=True)
    assert work.get(ledger, touched.id) is None
    assert state_of(ledger, 1) == "done"
    assert reports.history(ledger, 1)[-1].reason == "its file was touched, and has the same bytes"
    assert record_one(ledger, arrival("a.NEF", changed=2)) is None
    other = record_one(ledger, arrival("b.NEF"))
    assert other is not None
    assert other.id > touched.id


def test_an_older_version_that_ends_after_a_newer_one_is_history(ledger: Ledger) -> None:
    """
    Both were being rendered; its pictures stay.
    """
    record_one(ledger, arrival("a.NEF"))
    first = claimed(ledger)
    recognise(ledger, first.id, "one")
    record_one(ledger, arrival("a.NEF", changed=2))
    render_one(ledger, content="other")
    assert state_of(ledger, first.id) == "running"

    work.finish(ledger, finished(first, work.name(ledger, first.id, names(first))), OUTBOX, 3.0)

    row = work.get(ledger, first.id)
    assert row is not None
    assert (row.state, row.reason) == (State.SUPERSEDED, "version 2 took its place")
    assert row.outputs
    assert [record.version for record in reports.listed(ledger)] == [2]


def test_an_older_version_that_is_tried_again_finds_that_it_is_history(ledger: Ledger) -> None:
    """
    Its file has the newer version's bytes by now; it is no duplicate of itself.
    """
    record_one(ledger, arrival("a.NEF"))
    first = claimed(ledger)
    record_one(ledger, arrival("a.NEF", changed=2))
    render_one(ledger, content="other")

    twin = recognise(ledger, first.id, "other")

    assert twin is not None
    assert state_of(ledger, first.id) == "superseded"


def test_a_version_that_became_a_copy_of_another_capture_ends_the_older_one(ledger: Ledger) -> None:
    """
    Every capture has one current version, also when that is a duplicate.
    """
    for name in ("a.NEF", "b.NEF"):
        record_one(ledger, arrival(name))
    render_one(ledger, content="b")
    render_one(ledger, content="a")
    record_one(ledger, arrival("a.NEF", changed=2))

    copy = render_one(ledger, content="b")

    assert copy.state is State.DUPLICATE
    assert state_of(ledger, 1) == "superseded"


def test_a_name_is_given_once_and_kept(ledger: Ledger) -> None:
    """
    Two cameras with the same counter, and disks that are blind to case.
    """
    for name in ("DSC1.NEF", "dsc1.CR2"):
        record_one(ledger, arrival(name))
    first, second = claimed(ledger), claimed(ledger)

    assert work.name(ledger, first.id, names(first)) == PurePath("dsc1.natural")
    assert work.name(ledger, first.id, names(first)) == PurePath("dsc1.natural")
    assert work.name(ledger, second.id, names(second)) == PurePath("DSC1.natural.2")
    assert work.name(ledger, first.id, names(first), another=True) == PurePath("dsc1.natural.3")


def test_names_of_any_bytes_are_names(ledger: Ledger) -> None:
    """
    A name in Latin-1 is no text, and has a picture all the same.
    """
    name = os.fsdecode(b"caf\xe9\n.NEF")
    record_one(ledger, arrival(name))

    done = render_one(ledger)

    assert done.target == PurePath(os.fsdecode(b"caf\xe9\n.natural"))
    assert done.outputs[0][0] == os.fsdecode(b"caf\xe9\n.natural.jpg")
    assert [record.id for record in reports.find(ledger, name)] == [done.id]


def test_names_may_end(ledger: Ledger) -> None:
    """
    Then it is the capture's error, and no endless search.
    """
    for name in ("a/DSC1.NEF", "b/DSC1.NEF"):
        record_one(ledger, arrival(name))
    first, second = claimed(ledger), claimed(ledger)
    work.name(ledger, first.id, [PurePath("x")])

    with pytest.raises(CaptureError, match="taken"):
        work.name(ledger, second.id, [PurePath("X")])


def test_what_was_asked_for_again_is_never_a_duplicate(ledger: Ledger) -> None:
    """
    The same bytes are the point of it; the older version is history as soon as work on the new one begins.
    """
    record_one(ledger, arrival("a.NEF"))
    render_one(ledger, content="same")
    requests.reprocess(ledger, requests.reprocessable(ledger), None, 2.0)

    second = render_one(ledger, content="same")

    assert (second.version, second.state, second.shot) == (2, State.DONE, 1)
    assert second.target == PurePath("a.natural.2")
    assert state_of(ledger, 1) == "superseded"


def test_what_was_found_finished_is_said_to_be(ledger: Ledger) -> None:
    """
    After a ledger was lost the pictures are found again by content.
    """
    record_one(ledger, arrival("a.NEF"))
    record = claimed(ledger)
    recognise(ledger, record.id, "a")
    done = finished(record, work.name(ledger, record.id, names(record)))
    found = type(done)(**{name: getattr(done, name) for name in done.__slots__} | {"up_to_date": True})

    work.finish(ledger, found, OUTBOX, 1.0)

    assert reports.history(ledger, record.id)[-1].reason == "found finished"


def test_patience_begins_anew_when_the_volume_is_back(ledger: Ledger) -> None:
    """
    A night without its card is no reason to take the first failure of a capture afterwards for the last.
    """
    record_one(ledger, arrival("a.nef"))
    row = claimed(ledger)
    work.wait(ledger, row.id, "volume", "the inbox is not there", 0.0)
    assert work.release(ledger, "volume", 50_000.0, "the inbox is there", INBOX) == 1

    record = work.get(ledger, row.id)
    assert record is not None
    assert record.doubt_since_s is None


def test_whoever_is_freed_with_a_row_is_found_without_looking_at_all_rows(ledger: Ledger) -> None:
    """
    Sixty thousand files whose times were touched would else cost sixty thousand looks at sixty thousand rows.
    """
    (plan,) = ledger.rows("explain query plan update capture set twin = 1 where twin = 2")
    assert "capture_by_twin" in plan["detail"]
