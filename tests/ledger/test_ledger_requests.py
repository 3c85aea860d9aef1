"""What people ask of the ledger: retry, reprocess, submit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_making import INBOX, WARM, arrival, claimed, new_ledger, record_one, render_one, state_of

from flexispd.ledger import Ledger, State, arrivals, profiles, reports, requests, work
from flexispd.profile import parse_profile


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger as a daemon has it that has just started."""
    made = new_ledger(tmp_path)
    yield made
    made.close()


def test_retry_takes_what_stands_still_and_forgets_its_failures(ledger: Ledger) -> None:
    """
    Quarantined, vanished, waiting; never what is done, a duplicate, or without its metadata.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF", "d.NEF", "e.NEF"):
        record_one(ledger, arrival(name))
    work.blame(ledger, claimed(ledger).id, "broken", 1.0, failures_max=1)
    work.vanished(ledger, claimed(ledger).id, 1.0)
    work.wait(ledger, claimed(ledger).id, "whole file", "cut off", 1.0, due_s=10.0)
    render_one(ledger, content="same")
    render_one(ledger, content="same")
    record_one(ledger, arrival("f.png", doubt="waiting for f.json"))

    queued = requests.retry(ledger, range(1, 8), 2.0)

    assert sorted(record.id for record in queued) == [3, 4, 5]
    assert {id_: state_of(ledger, id_) for id_ in range(1, 7)} == {
        1: "duplicate",
        2: "done",
        3: "queued",
        4: "queued",
        5: "queued",
        6: "waiting",
    }
    row = work.get(ledger, 5)
    assert row is not None
    assert (row.failures, row.reason) == (0, "asked for again")


def test_retry_of_all_means_those_that_are_quarantined(ledger: Ledger) -> None:
    """
    What vanished or waits has its own reason.
    """
    for name in ("a.NEF", "b.NEF"):
        record_one(ledger, arrival(name))
    work.quarantine(ledger, claimed(ledger).id, "broken", 1.0)
    work.vanished(ledger, claimed(ledger).id, 1.0)

    assert [record.id for record in requests.retry(ledger, None, 2.0)] == [2]


def test_reprocessing_makes_a_version_of_each_current_picture(ledger: Ledger) -> None:
    """
    Under the look that is asked for or the one that it had, behind what arrives meanwhile; once, not once a request.
    """
    for name in ("a.NEF", "b.NEF"):
        record_one(ledger, arrival(name))
    render_one(ledger, at_s=100.0)
    render_one(ledger, at_s=200.0)  # b.NEF is the second, because it is no longer young
    warm = parse_profile(WARM, "warm")
    look = profiles.keep(ledger, warm, WARM)

    recent = requests.reprocessable(ledger, since_s=150.0)
    assert recent == [2]
    assert requests.reprocess(ledger, recent, look, 300.0) == 1
    assert requests.reprocess(ledger, requests.reprocessable(ledger), None, 300.0) == 1
    assert requests.reprocessable(ledger) == []
    record_one(ledger, arrival("c.NEF"), at_s=300.0)

    rows = [claimed(ledger, 301.0) for _ in range(3)]
    order = [(record.capture.raw.name, record.version, record.profile) for record in rows]
    assert order == [("c.NEF", 1, "natural"), ("b.NEF", 2, "warm"), ("a.NEF", 2, "natural")]


def test_a_file_that_changes_while_it_is_to_be_reprocessed_is_one_version(ledger: Ledger) -> None:
    """
    It is rendered once, from what it is then, and under the look that was asked for.
    """
    record_one(ledger, arrival("a.NEF"))
    render_one(ledger)
    warm = parse_profile(WARM, "warm")
    look = profiles.keep(ledger, warm, WARM)
    requests.reprocess(ledger, requests.reprocessable(ledger), look, 1.0)

    again = record_one(ledger, arrival("a.NEF", changed=2))

    assert again is not None
    assert (again.version, again.state) == (2, State.QUEUED)
    assert claimed(ledger).profile == "warm"


def test_what_got_a_newer_version_while_somebody_thought_about_it_is_not_reprocessed(ledger: Ledger) -> None:
    """
    Between the list and the answer to "Render them again?" minutes may pass; the others are queued all the same.
    """
    record_one(ledger, arrival("a.nef"))
    render_one(ledger, content="a")
    found = [*requests.reprocessable(ledger), 4711]
    record_one(ledger, arrival("a.nef", changed=9))

    assert requests.reprocess(ledger, found, None, 5.0) == 0


def test_submitted_files_are_handed_over_once_each(ledger: Ledger) -> None:
    """
    In any order, however often they were submitted.
    """
    for name in ("a.NEF", "b.NEF"):
        requests.submit(ledger, INBOX / name, 1.0)

    assert requests.submitted(ledger) == [INBOX / "a.NEF", INBOX / "b.NEF"]
    assert requests.submitted(ledger) == []


def test_a_snapshot_outlives_the_file_of_its_profile(ledger: Ledger) -> None:
    """
    And the active one is what was set last.
    """
    warm = parse_profile(WARM, "warm")
    profiles.set_active(ledger, warm, WARM)
    record_one(ledger, arrival("a.NEF"))
    arrivals.record(ledger, [], 1.0, arrivals.LIVE)

    assert profiles.active(ledger) == warm
    assert profiles.active_name(ledger) == ("warm", warm.sha256)
    assert profiles.snapshot(ledger, claimed(ledger).look).white_balance.warmth_mired == 5


def test_a_copy_of_a_profile_under_another_name_is_another_look(ledger: Ledger) -> None:
    """
    Its name stands in the names of the outputs, even if its content is the same so far.
    """
    profiles.set_active(ledger, parse_profile(WARM, "warm"), WARM)
    record_one(ledger, arrival("a.NEF"))
    profiles.set_active(ledger, parse_profile(WARM, "mine"), WARM)
    record_one(ledger, arrival("b.NEF"))

    assert [record.profile for record in reports.listed(ledger)] == ["warm", "mine"]


def test_a_ledger_that_no_daemon_has_started_with_has_no_look(tmp_path: Path) -> None:
    """
    Then the configuration's counts.
    """
    fresh = Ledger.create(tmp_path / "fresh")

    assert profiles.active(fresh) is None
    assert profiles.active_name(fresh) is None
    fresh.close()
