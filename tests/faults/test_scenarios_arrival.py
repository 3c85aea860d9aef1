"""
Scenarios 1 to 6, 8 and 30: how files come into an inbox, slowly, in parts, under other names, with wrong clocks.

One daemon serves all of them, each in a folder of its own, and the second run at the end is over all of them together.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from faults_invariant import assert_invariant
from faults_raws import cut, raw_bytes, write_slowly, zero_tail
from faults_studio import Studio, wait_for
from preview_making import jpeg

from flexispd.ledger import Ledger, Record, State
from flexispd.ledger.work import LIVE_S

QUIET_S = 0.8
INCOMPLETE_S = 4.0
SHOWN_S = 1.5
"""A capture is on the screen so soon after it was recorded, however busy this machine is with other things."""


@pytest.fixture(scope="module")
def studio(shared_studio: Studio) -> Iterator[Studio]:
    shared_studio.configure(
        arrival={"quiet_s": QUIET_S, "pair_wait_s": 1.0, "scan_s": 1.0, "incomplete_s": INCOMPLETE_S}
    )
    shared_studio.start()
    yield shared_studio
    assert_invariant(shared_studio)


def rendered_once(studio: Studio, path: Path) -> Record:
    record = studio.wait_state(path, State.DONE)
    assert (record.version, len(record.outputs)) == (1, 1)
    return record


def test_scenario_01_a_raw_written_in_chunks_is_rendered_once(studio: Studio) -> None:
    """
    20 chunks: nothing is recorded before the last one and the quiet time, and then it is rendered at the first try.
    """
    path = studio.inbox / "chunks.dng"

    def unknown() -> None:
        assert studio.record(path) is None

    write_slowly(path, raw_bytes(1), chunks=20, pause_s=QUIET_S / 5, between=unknown)
    written_s = time.time()
    studio.remember(path)

    record = rendered_once(studio, path)
    assert record.attempts == 1
    assert record.arrived_s >= written_s + QUIET_S - 0.1
    assert_invariant(studio, rerun=False)


def test_scenario_02_a_writer_that_pauses_longer_than_the_quiet_time_costs_a_try_and_no_error(studio: Studio) -> None:
    """
    Half a file that has settled waits for the rest with a reason; then there is one picture and no error is left.
    """
    path = studio.inbox / "pausing.dng"
    data = raw_bytes(2)
    path.write_bytes(cut(data, 0.5))
    waiting = studio.wait_state(path, State.WAITING)
    assert waiting.cause == "whole file"
    assert waiting.outputs == ()

    with path.open("ab") as file:
        file.write(data[len(cut(data, 0.5)) :])
    studio.remember(path)

    record = rendered_once(studio, path)
    assert record.failures == 0
    assert_invariant(studio, rerun=False)


def test_scenario_03_a_preallocated_copy_that_stalls_is_not_published(studio: Studio) -> None:
    """
    A file of full length that ends in zeros waits for the rest; after a while there is a warning; the rest heals it.
    """
    path = studio.inbox / "stalled.dng"
    data = raw_bytes(3)
    path.write_bytes(zero_tail(data))
    waiting = studio.wait_state(path, State.WAITING)
    assert waiting.cause == "whole file"
    assert "blank" in waiting.reason or "cut short" in waiting.reason

    def warned() -> bool:
        told = [event for event in studio.events() if "stalled.dng" in str(event.get("capture"))]
        return any(event["level"] == "warning" for event in told)

    wait_for(warned, INCOMPLETE_S + 10, "a warning about the incomplete file")
    record = studio.record(path)
    assert record is not None
    assert record.state in (State.WAITING, State.QUARANTINED)
    assert record.outputs == ()
    path.write_bytes(data)
    studio.remember(path)

    rendered_once(studio, path)
    assert_invariant(studio, rerun=False)


@pytest.mark.parametrize("temporary", ["{}.part", ".in.{}.", ".syncthing.{}.tmp"])
def test_scenario_04_an_upload_under_a_temporary_name_is_rendered_after_its_rename(
    studio: Studio, temporary: str
) -> None:
    """
    What uploaders call a file while they write it is never recorded.
    """
    name = f"upload{len(temporary)}.dng"
    uploading, path = studio.inbox / temporary.format(name), studio.inbox / name
    data = raw_bytes(40 + len(temporary))
    uploading.write_bytes(cut(data, 0.4))
    time.sleep(QUIET_S + 1.5)  # time for a scan to fall into the trap
    uploading.write_bytes(data)
    assert all(record.capture.raw.name != uploading.name for record in studio.records())

    uploading.rename(path)
    studio.remember(path)

    assert rendered_once(studio, path).attempts == 1
    assert_invariant(studio, rerun=False)


def test_scenario_05_files_moved_in_from_this_and_another_disk_are_rendered_once(
    studio: Studio, tmp_path: Path
) -> None:
    """
    A rename within the disk shows no writing at all, one from another disk is a copy.
    """
    here = tmp_path / "moved.dng"
    here.write_bytes(raw_bytes(50))
    there = Path("/dev/shm") / f"flexispd-test-{os.getpid()}.dng"
    there.write_bytes(raw_bytes(51))
    assert there.stat().st_dev != studio.inbox.stat().st_dev

    here.rename(studio.inbox / "moved.dng")
    shutil.move(there, studio.inbox / "copied.dng")

    for name in ("moved.dng", "copied.dng"):
        rendered_once(studio, studio.remember(studio.inbox / name))
    assert_invariant(studio, rerun=False)


def test_scenario_06_a_card_tree_is_moved_in_and_grows_later(studio: Studio, tmp_path: Path) -> None:
    """
    The whole tree is rendered, mirrored in the outbox, and so is what is written deep inside afterwards.
    """
    card = tmp_path / "CARD"
    for number in range(4):
        folder = card / "DCIM" / f"10{number}ACME"
        folder.mkdir(parents=True)
        (folder / f"DSC_{number}.DNG").write_bytes(raw_bytes(60 + number))

    card.rename(studio.inbox / "CARD")
    moved = [studio.remember(path) for path in sorted((studio.inbox / "CARD").rglob("*.DNG"))]
    for path in moved:
        record = rendered_once(studio, path)
        assert record.target is not None
        assert record.target.parent == path.parent.relative_to(studio.inbox)
    later = studio.drop("CARD/DCIM/103ACME/NEW/deep/later.dng", raw_bytes(69))

    rendered_once(studio, later)
    assert_invariant(studio, rerun=False)


def test_scenario_08_in_a_burst_of_raw_and_jpeg_the_newest_is_always_next(studio: Studio) -> None:
    """
    20 frames a second: whenever a worker takes a frame it is the newest that is known, as long as that is young; the
    numbers are in the order of arrival; a companion JPEG belongs to its raw and is no capture; latest.jpg shows the
    newest all the time.
    """
    studio.wait_idle()
    frames = []
    shown: list[tuple[float, bytes]] = []
    latest = studio.outbox / "latest.jpg"
    for number in range(540):
        if number < 500:
            frames.append(studio.drop(f"burst/IMG_{number:04}.dng", raw_bytes(800 + number)))
            studio.drop(f"burst/IMG_{number:04}.JPG", jpeg(number), raw=False)
        time.sleep(1 / 20)
        shown.append((time.time(), latest.read_bytes() if latest.exists() else b""))

    studio.wait_idle(240)

    records = [record for record in studio.records() if record.capture.raw in frames]
    assert [record.state for record in records] == [State.DONE] * len(frames)
    assert [record.id for record in records] == sorted(record.id for record in records)
    arrived = [record.arrived_s for record in records]
    order = [record.capture.raw for record in sorted(records, key=lambda record: record.arrived_s)]
    assert arrived == sorted(arrived)
    assert [path.name for path in order] == sorted(path.name for path in order)
    assert all(record.capture.companion is not None for record in records)
    with studio.ledger() as ledger:
        assert ledger is not None
        assert_newest_first(ledger, {record.id: record.arrived_s for record in records})
    assert_newest_shown(studio, records, shown)
    assert_invariant(studio, rerun=False)


def assert_newest_shown(studio: Studio, records: list[Record], shown: list[tuple[float, bytes]]) -> None:
    """Each look at latest.jpg found the newest capture of a moment ago or a newer one; in the end it is its picture."""
    pictures = [(studio.outbox / f"{record.target}.jpg").read_bytes() for record in records]
    numbers = {jpeg(number): number for number in range(len(records))} | {data: n for n, data in enumerate(pictures)}
    seen = [(at_s, numbers.get(data, -1)) for at_s, data in shown]
    assert [number for _, number in seen] == sorted(number for _, number in seen)
    for at_s, number in seen:
        known = [n for n, record in enumerate(records) if record.arrived_s <= at_s - SHOWN_S]
        assert number >= max(known, default=-1), seen
    wait_for(lambda: (studio.outbox / "latest.jpg").read_bytes() == pictures[-1], 10, "the last picture is shown")


def assert_newest_first(ledger: Ledger, arrived_s: Mapping[int, float]) -> None:
    """
    Replay the history: of all that were queued, the newest was given to the worker while it was young.

    Then the oldest is next, which on a slow machine comes before the burst is done.
    """
    queued: set[int] = set()
    for row in ledger.rows("select capture, state, at_s from history order by id"):
        if row["capture"] not in arrived_s:
            continue
        if row["state"] == State.QUEUED:
            queued.add(row["capture"])
            continue
        if row["state"] == State.RUNNING:
            newest = max(queued)
            young = row["at_s"] - arrived_s[newest] <= LIVE_S
            assert row["capture"] == (newest if young else min(queued))
        queued.discard(row["capture"])


@pytest.mark.parametrize(("name", "seed", "mtime_s"), [("seventies.dng", 300, 0), ("future.dng", 301, 4_070_908_800)])
def test_scenario_30_a_wrong_time_in_the_file_has_no_effect(studio: Studio, name: str, seed: int, mtime_s: int) -> None:
    """
    A camera's clock that stands at 1970 or 2099 makes a file neither settled at once nor never.
    """
    path = studio.inbox / name
    path.write_bytes(raw_bytes(seed))
    os.utime(path, (mtime_s, mtime_s))
    dropped_s = time.time()
    studio.remember(path)

    record = rendered_once(studio, path)
    assert record.arrived_s >= dropped_s + QUIET_S - 0.1
    assert record.id == max(other.id for other in studio.records())
    assert_invariant(studio, rerun=False)
