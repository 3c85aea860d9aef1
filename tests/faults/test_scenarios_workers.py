"""Scenarios 18 to 21, 26 and 38: processes that are killed, devices that fail, reads that fail, at the worst moment."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from faults_invariant import assert_invariant
from faults_raws import raw_bytes
from faults_studio import Studio, wait_for
from PIL import Image

from flexispd.ledger import State

RESTART_S = 5.0


def is_temporary(path: Path) -> bool:
    return path.name.startswith(".flexispd-")


@pytest.mark.parametrize(
    "moment",
    [
        "kill-after-temporary",
        "kill-after-fsync",
        "kill-after-rename:1",
        "kill-after-rename:2",
        "kill-before-receipt-recorded",
        "kill-after-receipt-recorded",
    ],
)
def test_scenario_18_a_power_cut_at_any_step_of_publishing_leaves_one_output(studio: Studio, moment: str) -> None:
    """
    After the next start the temporary is gone, or the output is taken over as it is; there are never two.
    """
    path = studio.drop("frame.dng", raw_bytes(180))
    studio.configure()
    studio.inject(moment)
    studio.launch()
    assert studio.process is not None
    assert studio.process.wait(60) == -9, studio.said()
    left = {file: studio.seen(file).stat().st_mtime_ns for file in studio.outbox_files()}
    assert any(map(is_temporary, left)) == (moment.startswith("kill-after-") and moment[11:14] in ("tem", "fsy", "ren"))
    studio.inject(None)

    done = studio.once()

    assert done.returncode == 0, done.stdout + done.stderr
    record = studio.record(path)
    assert record is not None
    assert (record.state, record.version, len(record.outputs)) == (State.DONE, 1, 1)
    assert len(studio.outputs()) == 1
    if moment.startswith(("kill-before", "kill-after-receipt")):
        assert {file: studio.seen(file).stat().st_mtime_ns for file in studio.outbox_files()} == left
    assert_invariant(studio)


def test_scenario_19_a_worker_that_is_killed_is_replaced_and_the_frame_tried_again(studio: Studio) -> None:
    """
    Another worker is started within 5 s, the frames in flight are rendered, and the daemon never stopped.
    """
    studio.inject("kill-worker")
    studio.start()
    first_worker = studio.workers()
    paths = [studio.drop(f"frame{number}.dng", raw_bytes(190 + number)) for number in range(4)]
    wait_for(studio.struck, 20, "the worker is killed")
    struck_s = time.monotonic()

    wait_for(lambda: set(studio.workers()) - set(first_worker), RESTART_S, "another worker")

    assert time.monotonic() - struck_s < RESTART_S
    for path in paths:
        record = studio.wait_state(path, State.DONE)
        assert record.attempts <= 3
    assert len(studio.events("worker.lost")) == 1
    assert_invariant(studio)


def test_a_capture_that_kills_every_worker_is_quarantined_and_the_others_are_not(studio: Studio) -> None:
    """
    It is tried alone after the first time, three times in all; frames that were in the same worker are innocent.
    """
    poison = studio.drop("poison.dng", raw_bytes(1900, edge_px=96))
    innocent = [studio.drop(f"frame{number}.dng", raw_bytes(1901 + number)) for number in range(4)]
    studio.inject("poison:96", once=False)
    studio.start()

    studio.wait_idle(120)

    record = studio.record(poison)
    assert record is not None
    assert (record.state, record.failures) == (State.QUARANTINED, 3)
    assert "SIGKILL" in record.reason
    for path in innocent:
        other = studio.record(path)
        assert other is not None
        assert (other.state, other.failures) == (State.DONE, 0)
    studio.inject(None)
    assert_invariant(studio)


def test_a_worker_that_outgrows_its_memory_is_replaced(studio: Studio) -> None:
    """
    It is ended before the machine suffers, and what it held is rendered by the next one.
    """
    studio.inject("eat-memory")
    studio.configure(worker={"memory_max_mb": 1500})
    studio.start()
    paths = [studio.drop(f"frame{number}.dng", raw_bytes(1920 + number)) for number in range(2)]

    for path in paths:
        studio.wait_state(path, State.DONE, deadline_s=60)

    assert studio.struck()
    assert ["memory" in event["reason"] for event in studio.events("worker.lost")] == [True]
    assert_invariant(studio)


def test_a_worker_that_hangs_is_replaced(studio: Studio) -> None:
    """
    A step that makes no progress for `job_timeout_s` ends the worker, not the daemon.
    """
    studio.inject("hang-in-decode")
    studio.configure(worker={"job_timeout_s": 3.0})
    studio.start()
    path = studio.drop("frame.dng", raw_bytes(1910))

    studio.wait_state(path, State.DONE, deadline_s=40)

    assert studio.struck()
    assert any("no progress" in str(event.get("reason")) for event in studio.events("worker.lost"))
    assert_invariant(studio)


@pytest.mark.parametrize(("times", "notes"), [(1, "tiles of"), (2, "on the CPU"), (None, "on the CPU")])
def test_scenario_20_out_of_device_memory_ends_in_smaller_tiles_or_on_the_cpu(
    studio: Studio, times: int | None, notes: str
) -> None:
    """
    The receipt says what happened, and the picture is the one that is made without the trouble.
    """
    path = studio.drop("frame.dng", raw_bytes(200, edge_px=256))
    studio.configure()
    studio.inject("cuda-oom" if times is None else f"cuda-oom:{times}", once=False)
    done = studio.launch_once()
    studio.inject(None)
    assert done.returncode == 0, done.stdout + done.stderr

    record = studio.record(path)
    assert record is not None
    assert record.receipt is not None
    receipt_path = studio.outbox / record.receipt
    receipt = json.loads(receipt_path.read_bytes())
    assert any(notes in warning for warning in receipt["warnings"]), receipt["warnings"]
    if notes == "on the CPU":
        assert receipt["development"]["device"] == "cpu"
    untroubled = Studio(studio.folder / "untroubled")
    untroubled.drop("frame.dng", raw_bytes(200, edge_px=256))
    assert untroubled.once().returncode == 0
    mine, other = (
        np.asarray(Image.open(picture), dtype=np.int16) for picture in (*studio.outputs(), *untroubled.outputs())
    )
    assert np.abs(mine - other).max() <= 1
    assert_invariant(studio)


@pytest.mark.parametrize("fault", ["sticky-device-error", "nan-output"])
def test_scenario_21_a_device_that_fails_is_left_and_nothing_of_it_is_published(studio: Studio, fault: str) -> None:
    """
    An error that stays, or numbers that are no picture: the process that holds the device goes, and the frame is
    rendered by the next one.
    """
    studio.inject(fault)
    studio.start()
    workers = studio.workers()
    path = studio.drop("frame.dng", raw_bytes(210))

    record = studio.wait_state(path, State.DONE, deadline_s=40)

    assert studio.struck()
    assert record.attempts == 2
    assert set(studio.workers()).isdisjoint(workers)
    assert len(studio.events("worker.lost")) == 1
    assert_invariant(studio)


def test_scenario_21_a_device_that_never_works_publishes_nothing(studio: Studio) -> None:
    """
    Three failures of its own, and the capture is put aside with the reason; no picture was ever visible.
    """
    path = studio.drop("frame.dng", raw_bytes(211))
    studio.configure()
    studio.inject("nan-output", once=False)

    done = studio.launch_once()

    assert done.returncode == 1
    record = studio.record(path)
    assert record is not None
    assert (record.state, record.failures) == (State.QUARANTINED, 3)
    assert "no picture" in record.reason
    assert studio.outbox_files() == []
    studio.inject(None)
    assert_invariant(studio)


def test_scenario_26_a_file_that_vanishes_while_it_is_rendered_is_done_or_vanished(studio: Studio) -> None:
    """
    Read completely, its picture may appear; otherwise it is vanished. There is no error besides.
    """
    studio.inject("slow-develop:2", once=False)
    studio.start()
    paths = [studio.drop(f"frame{number}.dng", raw_bytes(2650 + number)) for number in range(3)]
    for path in paths:
        studio.wait_state(path, State.RUNNING, State.QUEUED)
    wait_for(lambda: any(record.state is State.RUNNING for record in studio.records()), 20)
    for path in paths:
        studio.remove(path)

    studio.wait_idle()

    assert {record.state for record in studio.records()} <= {State.DONE, State.VANISHED}
    assert not [event for event in studio.events() if event.get("level") == "error"]
    assert_invariant(studio)


@pytest.mark.parametrize("error", ["eio-on-read", "estale-on-read"])
def test_scenario_38_a_read_that_fails_is_tried_again(studio: Studio, error: str) -> None:
    """
    It waits with the reason, is not put aside, and is rendered when the share answers again.
    """
    studio.inject(f"{error}:2")
    studio.start()
    path = studio.drop("frame.dng", raw_bytes(380))

    waiting = studio.wait_state(path, State.WAITING)
    assert waiting.cause == "file access"
    assert waiting.reason

    record = studio.wait_state(path, State.DONE, deadline_s=40)
    assert record.failures == 0
    assert not any(entry.state is State.QUARANTINED for entry in studio.history(path))
    assert studio.struck()
    assert_invariant(studio)


def test_scenario_30_an_hour_that_happens_twice_has_no_effect(studio: Studio) -> None:
    """
    Half past two before and after summer time ends: the order is that of arrival, whatever the files' clocks say.
    """
    studio.environment["TZ"] = "Europe/Berlin"
    studio.start()
    paths = []
    for number, taken_s in enumerate((1_792_891_800, 1_792_888_200)):  # 2026-10-25, 01:30 and 00:30 UTC
        path = studio.inbox / f"frame{number}.dng"
        path.write_bytes(raw_bytes(387 + number))
        os.utime(path, (taken_s, taken_s))
        studio.remember(path)
        studio.wait_state(path, State.DONE)
        paths.append(path)

    assert [record.capture.raw for record in studio.records()] == paths
    assert_invariant(studio)


def test_scenario_30_a_clock_that_is_set_back_delays_nothing(studio: Studio) -> None:
    """
    An hour back while a read is to be tried again and a file is settling: neither waits for the hour to pass.
    """
    studio.inject("eio-on-read:2")
    back = studio.folder / "clock-is-back"
    studio.environment["FLEXISPD_TEST_CLOCK"] = str(back)
    studio.start()
    first = studio.drop("first.dng", raw_bytes(385))
    studio.wait_state(first, State.WAITING)

    back.touch()
    second = studio.drop("second.dng", raw_bytes(386))

    for path in (second, first):
        studio.wait_state(path, State.DONE, deadline_s=40)
    records = studio.records()
    assert [record.capture.raw for record in records] == [first, second]
    assert records[1].arrived_s < records[0].arrived_s - 3000  # the clock is what it was said to be
    assert_invariant(studio)
