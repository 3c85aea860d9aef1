"""Scenarios 26 to 29: which capture is which, when files vanish, come back changed, come twice or come late."""

import json
import os
import shutil
import time
from collections.abc import Iterator

import pytest
from faults_invariant import assert_invariant
from faults_raws import raw_bytes
from faults_studio import Original, Studio, wait_for

from flexispd.ledger import State, reports

PAIR_WAIT_S = 3.0


@pytest.fixture(scope="module")
def studio(shared_studio: Studio) -> Iterator[Studio]:
    shared_studio.configure(arrival={"pair_wait_s": PAIR_WAIT_S})
    shared_studio.start()
    yield shared_studio
    assert_invariant(shared_studio)


def metadata(iso: int) -> bytes:
    return json.dumps({"iso": iso, "orientation": 1}).encode()


def test_scenario_26_a_file_that_vanishes_is_recorded_so_and_leaves_nothing(studio: Studio) -> None:
    """
    Before it is settled nothing is known of it; while it is queued it becomes vanished, with the reason.
    """
    early = studio.drop("vanish/early.dng", raw_bytes(2600))
    studio.remove(early)
    studio.raws.discard(early)
    studio.pause()
    queued = studio.drop("vanish/queued.dng", raw_bytes(2601))
    studio.wait_state(queued, State.QUEUED)
    studio.remove(queued)

    record = studio.wait_state(queued, State.VANISHED)
    assert studio.cli("resume").returncode == 0

    assert record.reason
    assert studio.record(early) is None
    back = studio.drop("vanish/queued.dng", raw_bytes(2601))
    studio.wait_state(back, State.DONE)
    assert_invariant(studio, rerun=False)


def test_scenario_26_a_card_that_was_rendered_may_be_emptied(studio: Studio) -> None:
    """
    What has its picture stays done when the file goes.
    """
    path = studio.drop("vanish/done.dng", raw_bytes(2602))
    studio.wait_state(path, State.DONE)
    studio.remove(path)
    time.sleep(2.5)  # two scans

    record = studio.record(path)
    assert record is not None
    assert record.state is State.DONE
    assert_invariant(studio, rerun=False)


def test_scenario_27_a_path_that_is_written_anew_is_a_new_version(studio: Studio) -> None:
    """
    The camera counts from 0001 again: the old picture stays, and the new one has a name of its own.
    """
    path = studio.drop("counter/DSC_0001.dng", raw_bytes(2700))
    first = studio.wait_state(path, State.DONE)
    studio.drop("counter/DSC_0001.dng", raw_bytes(2701))

    def second_version() -> bool:
        record = studio.record(path)
        return record is not None and record.version == 2 and record.state is State.DONE

    wait_for(second_version, 30, "the second version")

    second = studio.record(path)
    assert second is not None
    assert second.target != first.target
    old = next(record for record in studio.records() if record.id == first.id)
    assert old.state is State.SUPERSEDED
    assert old.outputs == first.outputs
    assert_invariant(studio, rerun=False)


def test_scenario_27_a_file_that_is_only_touched_is_not_rendered_again(studio: Studio) -> None:
    """
    A new time with the same bytes changes neither versions nor pictures.
    """
    path = studio.drop("counter/touched.dng", raw_bytes(2702))
    studio.wait_state(path, State.DONE)
    before = studio.outbox_files()

    os.utime(path, (1_000_000_000, 1_000_000_000))
    studio.remember(path)
    time.sleep(2.5)
    studio.wait_idle()

    assert studio.outbox_files() == before
    record = studio.record(path)
    assert record is not None
    assert (record.version, record.state) == (1, State.DONE)
    assert_invariant(studio, rerun=False)


def test_scenario_28_identical_bytes_are_rendered_once_and_equal_names_twice(studio: Studio) -> None:
    """
    A copy under another name is a duplicate that names its twin; two bodies with one counter are two pictures.
    """
    original = studio.drop("twins/one.dng", raw_bytes(2800))
    rendered = studio.wait_state(original, State.DONE)
    copy = studio.inbox / "twins" / "two.dng"
    shutil.copy2(original, copy)
    duplicate = studio.wait_state(studio.remember(copy), State.DUPLICATE)
    bodies = [studio.drop(f"body{body}/DSC_0042.dng", raw_bytes(2801 + body)) for body in (1, 2)]
    records = [studio.wait_state(body, State.DONE) for body in bodies]

    assert duplicate.twin == rendered.id
    assert duplicate.outputs == ()
    assert "one.dng" in duplicate.reason
    assert records[0].target != records[1].target
    assert records[0].shot != records[1].shot
    assert_invariant(studio, rerun=False)


def test_scenario_29_a_sidecar_in_time_is_waited_for(studio: Studio) -> None:
    """
    Where neighbours have sidecars a raw waits for its own, so there is one version, made with it.
    """
    studio.drop("late/first.json", metadata(100), raw=False)
    studio.wait_state(studio.drop("late/first.dng", raw_bytes(2900)), State.DONE)

    raw = studio.drop("late/second.dng", raw_bytes(2901))
    time.sleep(PAIR_WAIT_S / 2)
    assert studio.record(raw) is None
    studio.drop("late/second.json", metadata(200), raw=False)

    record = studio.wait_state(raw, State.DONE)
    assert record.version == 1
    assert record.capture.json is not None
    assert_invariant(studio, rerun=False)


def test_scenario_29_a_sidecar_that_comes_later_makes_a_new_version(studio: Studio) -> None:
    """
    The reason says which file joined; the earlier picture stays.
    """
    raw = studio.drop("later/frame.dng", raw_bytes(2910))
    first = studio.wait_state(raw, State.DONE)
    studio.drop("later/frame.json", metadata(3200), raw=False)

    def second_version() -> bool:
        record = studio.record(raw)
        return record is not None and record.version == 2 and record.state is State.DONE

    wait_for(second_version, 30, "the second version")

    assert any("frame.json joined" in entry.reason for entry in studio.history(raw))
    kept = next(record for record in studio.records() if record.id == first.id)
    assert kept.state is State.SUPERSEDED
    assert_invariant(studio, rerun=False)


def test_scenario_29_metadata_of_a_raw_that_never_comes_is_listed(studio: Studio) -> None:
    """
    It is no capture, and nobody has to guess what it is.
    """
    orphan = studio.drop("orphan/never.json", metadata(1), raw=False)

    def listed() -> bool:
        with studio.ledger() as ledger:
            assert ledger is not None
            return orphan in dict(reports.leftovers(ledger))

    wait_for(listed, 15, "the orphan is listed")
    assert "never.json" in studio.cli("ls", "--leftovers").stdout
    assert all("orphan" not in str(record.capture.raw) for record in studio.records())
    assert_invariant(studio, rerun=False)


def test_scenario_28_a_duplicate_takes_its_twins_place_when_that_vanishes_before_it_was_rendered(
    studio: Studio,
) -> None:
    """
    Whichever of two equal files stays, its picture exists in the end.
    """
    studio.pause()
    data = raw_bytes(2850)
    first, second = studio.drop("either/a.dng", data), studio.drop("either/b.dng", data)
    studio.wait_state(first, State.QUEUED)
    studio.wait_state(second, State.QUEUED)
    studio.remove(first)
    studio.wait_state(first, State.VANISHED)
    assert studio.cli("resume").returncode == 0

    studio.wait_state(second, State.DONE)
    assert studio.originals[second] == Original(studio.originals[second].sha256, second.stat().st_mtime_ns)
    assert_invariant(studio, rerun=False)
