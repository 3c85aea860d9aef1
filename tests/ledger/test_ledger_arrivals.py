"""From the inboxes into the ledger: what is new, what changed, what is gone."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_making import (
    INBOX,
    WARM,
    arrival,
    claimed,
    new_ledger,
    record_one,
    render_one,
    state_of,
)

from flexispd.capture.pair import Reason
from flexispd.ledger import Ledger, State, arrivals, profiles, reports, work
from flexispd.profile import parse_profile


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger as a daemon has it that has just started."""
    made = new_ledger(tmp_path)
    yield made
    made.close()


def test_a_new_capture_is_queued_with_its_look_and_a_shot_number(ledger: Ledger) -> None:
    """
    Everything that it needs later is written down when it arrives.
    """
    first = record_one(ledger, arrival("a/DSC1.NEF", json="DSC1.json"), at_s=5.0)
    second = record_one(ledger, arrival("DSC2.NEF"))

    assert first is not None
    assert second is not None
    row = work.get(ledger, first.id)
    assert row is not None
    assert (row.state, row.reason, row.version, row.profile, row.arrived_s) == (
        State.QUEUED,
        "arrived",
        1,
        "natural",
        5,
    )
    assert row.capture == arrival("a/DSC1.NEF", json="DSC1.json").capture
    assert row.folder.as_posix() == "a"
    assert [row.shot, getattr(work.get(ledger, second.id), "shot", None)] == [1, 2]


def test_the_same_scan_again_changes_nothing(ledger: Ledger) -> None:
    """
    A scan may report a capture any number of times.
    """
    found = [arrival("a.NEF"), arrival("b.NEF")]
    arrivals.record(ledger, found, 1.0, arrivals.LIVE)

    assert arrivals.record(ledger, found, 2.0, arrivals.LIVE) == []
    assert len(reports.history(ledger, 1)) == 1


def test_a_mosaic_without_its_metadata_waits_and_is_queued_when_it_comes(ledger: Ledger) -> None:
    """
    As long as it takes; it stays the first version.
    """
    first = record_one(ledger, arrival("a.png", doubt="waiting for a.json"))
    assert first is not None
    assert (first.state, first.reason) == (State.WAITING, "waiting for a.json")
    assert reports.waiting_for(ledger) == {"metadata": 1}

    joined = record_one(ledger, arrival("a.png", json="a.json"))

    assert joined is not None
    assert (joined.id, joined.version, joined.state, joined.reason) == (first.id, 1, State.QUEUED, "a.json joined")


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (arrival("a.NEF", xmp="a.xmp"), "a.xmp joined"),
        (arrival("a.NEF", changed=2), "a.NEF changed"),
    ],
)
def test_what_changes_a_rendered_capture_makes_a_new_version(ledger: Ledger, later: object, reason: str) -> None:
    """
    The old one stays until the new one's bytes are known; then it is history, with the reason, and keeps its pictures.
    """
    record_one(ledger, arrival("a.NEF"))
    first = render_one(ledger)

    recorded = record_one(ledger, later)  # type: ignore[arg-type]

    assert recorded is not None
    assert (recorded.version, recorded.state, recorded.reason) == (2, State.QUEUED, reason)
    assert state_of(ledger, first.id) == "done"
    second = render_one(ledger)
    old = work.get(ledger, first.id)
    assert old is not None
    assert (old.state, old.reason, old.outputs) == (State.SUPERSEDED, f"version 2: {reason}", first.outputs)
    assert (second.state, second.shot) == (State.DONE, old.shot)
    assert second.target != old.target


def test_a_new_version_keeps_the_look_that_the_capture_had(ledger: Ledger) -> None:
    """
    A sidecar that comes late is no wish for another look.
    """
    record_one(ledger, arrival("a.NEF"))
    render_one(ledger)
    profiles.set_active(ledger, parse_profile(WARM, "warm"), WARM)

    record_one(ledger, arrival("a.NEF", xmp="a.xmp"))

    assert claimed(ledger).profile == "natural"


def test_a_capture_that_changes_before_it_is_rendered_stays_one_version(ledger: Ledger) -> None:
    """
    There is no picture to keep, and its failures were those of other bytes.
    """
    record_one(ledger, arrival("a.NEF"))
    work.blame(ledger, claimed(ledger).id, "it is cut off", 1.0, failures_max=1)

    again = record_one(ledger, arrival("a.NEF", changed=2))

    assert again is not None
    assert (again.version, again.state) == (1, State.QUEUED)
    row = claimed(ledger)
    assert (row.failures, row.suspect, row.observed[INBOX / "a.NEF"].mtime_ns) == (0, False, 2)


def test_a_sidecar_that_goes_away_or_a_companion_makes_nothing_new(ledger: Ledger) -> None:
    """
    The picture had the one, and does not need the other.
    """
    record_one(ledger, arrival("a.NEF", xmp="a.xmp"))
    render_one(ledger)

    assert record_one(ledger, arrival("a.NEF")) is None
    assert record_one(ledger, arrival("a.NEF", xmp="a.xmp", companion="a.JPG")) is None
    row = work.get(ledger, 1)
    assert row is not None
    assert row.capture.companion == INBOX / "a.JPG"


def test_what_vanishes_before_it_is_rendered_is_said_and_comes_back(ledger: Ledger) -> None:
    """
    What was rendered stays as it is, because cards are emptied.
    """
    record_one(ledger, arrival("a.NEF"))
    render_one(ledger)
    record_one(ledger, arrival("b.NEF"))

    assert arrivals.vanish(ledger, INBOX, 2.0, lambda _: True) == [2]
    assert [state_of(ledger, id_) for id_ in (1, 2)] == ["done", "vanished"]

    back = record_one(ledger, arrival("b.NEF"))
    assert back is not None
    assert (back.id, back.state, back.reason) == (2, State.QUEUED, "came back")


def test_another_inbox_says_nothing_about_this_one(ledger: Ledger) -> None:
    """
    A card that was pulled out takes only its own captures with it.
    """
    record_one(ledger, arrival("a.NEF"))

    assert arrivals.vanish(ledger, Path("/other"), 2.0, lambda _: True) == []


def test_leftovers_are_those_of_the_last_listing(ledger: Ledger) -> None:
    """
    Of each inbox for itself.
    """
    arrivals.list_leftovers(ledger, INBOX, {INBOX / "a.json": Reason.NO_PICTURE, INBOX / "b.txt": Reason.UNKNOWN})
    arrivals.list_leftovers(ledger, Path("/other"), {Path("/other/c.json"): Reason.NO_PICTURE})
    arrivals.list_leftovers(ledger, INBOX, {INBOX / "b.txt": Reason.UNKNOWN})

    assert reports.leftovers(ledger) == [(INBOX / "b.txt", "unknown"), (Path("/other/c.json"), "no_picture")]


def switch_to_warm(state: Path, ready: object, go: object) -> None:
    """Another process sets a profile at some moment."""
    ledger = Ledger.open(state)
    ready.set()  # type: ignore[attr-defined]
    go.wait(30)  # type: ignore[attr-defined]
    profiles.set_active(ledger, parse_profile(WARM, "warm"), WARM)
    ledger.close()


def test_a_profile_that_another_process_sets_counts_from_one_capture_on(ledger: Ledger, tmp_path: Path) -> None:
    """
    No capture falls between two looks: those before have the old one, all after the new one.
    """
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    process = context.Process(target=switch_to_warm, args=(tmp_path, ready, go))
    process.start()
    assert ready.wait(30)

    for number in range(3000):
        if number == 20:
            go.set()
        record_one(ledger, arrival(f"{number}.NEF"))
        if number > 100 and number % 20 == 0 and not process.is_alive():
            break
    process.join(30)
    record_one(ledger, arrival("last.NEF"))

    looks = [record.profile for record in reports.listed(ledger)]
    assert process.exitcode == 0
    assert looks == sorted(looks), "natural before warm"
    assert (looks[0], looks[-1]) == ("natural", "warm")
