"""What people ask: how many, which, why, and how fast."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_making import INBOX, arrival, claimed, new_ledger, record_one, render_one

from flexispd.ledger import Ledger, State, arrivals, reports, work


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger as a daemon has it that has just started."""
    made = new_ledger(tmp_path)
    yield made
    made.close()


def test_every_state_is_counted(ledger: Ledger) -> None:
    """
    Also those that no row is in.
    """
    for name in ("a.NEF", "b.NEF"):
        record_one(ledger, arrival(name))
    render_one(ledger)

    counts = reports.counts(ledger)

    assert set(counts) == set(State)
    assert {state.value: number for state, number in counts.items() if number} == {"done": 1, "queued": 1}


def test_pace_is_that_of_the_last_ten_minutes(ledger: Ledger) -> None:
    """
    In pictures and bytes a minute; what was long ago does not count, and nothing at all is zero.
    """
    assert reports.pace(ledger, 0.0) == reports.Pace(0.0, 0.0, None)
    for number in range(7):
        record_one(ledger, arrival(f"{number}.NEF"))
        render_one(ledger, at_s=1000.0 + 20 * number)

    pace = reports.pace(ledger, 1120.0)

    assert pace.per_minute == pytest.approx(7 / (122 / 60))
    assert pace.bytes_per_minute == pytest.approx(7 * len(b"picture") / (122 / 60))
    assert pace.frame_s == 2.0
    assert reports.pace(ledger, 1120.0 + reports.RATE_S).per_minute == 0.0


def test_what_is_rendered_again_takes_as_long_as_it_took(ledger: Ledger) -> None:
    """
    Each as long as itself, for a large one among small ones is no median; one that was found rendered, their mean.
    """
    assert reports.render_s(ledger, []) is None
    ids = [record_one(ledger, arrival(f"{number}.NEF")).id for number in range(4)]
    assert reports.render_s(ledger, ids) is None
    for _ in ids:
        render_one(ledger)
    with ledger.writing() as db:
        for id_, milliseconds in zip(ids, (1000, 1000, 10_000, 0), strict=True):
            db.execute("update capture set render_ms = ? where id = ?", (milliseconds, id_))

    assert reports.render_s(ledger, ids[:3]) == 12.0
    assert reports.render_s(ledger, ids) == 16.0


def test_a_summary_says_of_a_row_what_its_record_does(ledger: Ledger) -> None:
    """
    With and without pictures, in a sub-folder and in none, of names that are not UTF-8.
    """
    for name in ("a.NEF", "2026/night/b.NEF", "c\udcff.NEF"):
        record_one(ledger, arrival(name))
    for _ in range(2):
        render_one(ledger)

    summaries = list(reports.summaries(ledger))

    assert summaries == [reports.Summary.of(record) for record in reports.listed(ledger)]
    assert [summary.folder for summary in summaries] == [".", "2026/night", "."]
    assert list(reports.summaries(ledger, State.QUEUED, limit=1)) == summaries[:1]


def test_summaries_of_a_whole_season_are_made_at_once(ledger: Ledger) -> None:
    """
    In less than half of the time that records take, so that `flexispd ls --json` answers at once too.
    """
    season = [arrival(f"{n}.NEF", xmp=f"{n}.xmp", companion=f"{n}.JPG") for n in range(2000)]
    arrivals.record(ledger, season, 1.0, arrivals.LIVE)

    def fastest_s(rows: Callable[[Ledger], Iterator[object]]) -> float:
        times_s = []
        for _ in range(5):
            started_s = time.process_time()
            assert len(list(rows(ledger))) == 2000
            times_s.append(time.process_time() - started_s)
        return min(times_s)

    assert fastest_s(reports.summaries) < fastest_s(reports.listed) / 2


def test_lists_are_in_the_order_of_arrival(ledger: Ledger) -> None:
    """
    A limit takes the last ones.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        record_one(ledger, arrival(name))
    work.quarantine(ledger, claimed(ledger).id, "broken", 1.0)

    assert [record.id for record in reports.listed(ledger)] == [1, 2, 3]
    assert [record.id for record in reports.listed(ledger, limit=2)] == [2, 3]
    assert [record.id for record in reports.listed(ledger, State.QUARANTINED)] == [3]
    assert reports.raws(ledger, 2) == [INBOX / "c.NEF", INBOX / "b.NEF"]


@pytest.mark.parametrize("wanted", ["1", "/inbox/a/DSC1.NEF", "DSC1.NEF", "dsc1.nef", "DSC1", "DSC1.natural.jpg"])
def test_a_capture_is_found_by_what_people_call_it(ledger: Ledger, wanted: str) -> None:
    """
    With all of its versions; a longer name that begins alike is another.
    """
    record_one(ledger, arrival("a/DSC1.NEF"))
    render_one(ledger)
    record_one(ledger, arrival("a/DSC1.NEF", changed=2))
    record_one(ledger, arrival("DSC10.NEF"))

    assert [(record.id, record.version) for record in reports.find(ledger, wanted)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("wanted", ["99", "9" * 30, "", "/", "nothing", "\udce9", "a" * 5000])
def test_what_is_not_there_is_not_found(ledger: Ledger, wanted: str) -> None:
    """
    Whatever somebody types.
    """
    record_one(ledger, arrival("a.NEF"))

    assert reports.find(ledger, wanted) == []


def test_pictures_are_listed_with_those_of_older_versions(ledger: Ledger) -> None:
    """
    All that must be in the outbox; and the last ones, newest first.
    """
    for number, name in enumerate(("a.NEF", "b.NEF")):
        record_one(ledger, arrival(name))
        render_one(ledger, at_s=float(number))
    record_one(ledger, arrival("a.NEF", changed=2))
    render_one(ledger, at_s=5.0)
    record_one(ledger, arrival("c.NEF"))

    assert [record.id for record in reports.published(ledger)] == [1, 2, 3]
    assert [record.id for record in reports.latest(ledger, 5)] == [3, 2]
