"""latest.jpg while the worker is busy, and when the daemon or its worker is killed over it."""

from __future__ import annotations

import io
import itertools
import os
import signal
from pathlib import Path

import numpy as np
from faults_invariant import assert_invariant
from faults_raws import raw_bytes
from faults_studio import Studio, wait_for
from PIL import Image

from flexispd.ledger import State


def jpeg_bytes(seed: int) -> bytes:
    """A companion that is like no other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def shoot(studio: Studio, number: int, edge_px: int = 64) -> Path:
    """A raw with its JPEG, which is there first."""
    studio.drop(f"IMG_{number:04}.JPG", jpeg_bytes(number), raw=False)
    return studio.drop(f"IMG_{number:04}.dng", raw_bytes(9000 + number, edge_px))


def shown(studio: Studio) -> bytes:
    latest = studio.outbox / "latest.jpg"
    return latest.read_bytes() if latest.exists() else b""


def test_the_newest_is_shown_while_the_worker_is_busy_with_others(studio: Studio) -> None:
    """
    Its preview, before it is rendered and while a backlog waits; at the end its picture.
    """
    for number in range(40):
        studio.drop(f"card/OLD_{number:04}.dng", raw_bytes(8000 + number, 600))
    studio.configure(log={"level": "debug"})
    studio.start()
    newest = [shoot(studio, number, 600) for number in range(3)][-1]

    wait_for(lambda: shown(studio) == jpeg_bytes(2), 30, "the preview")
    assert sum(record.state is State.QUEUED for record in studio.records()) > 5, "nobody was busy"
    record = studio.wait_state(newest, State.DONE, deadline_s=90)
    assert record.target is not None
    picture = (studio.outbox / record.target.parent / f"{record.target.name}.jpg").read_bytes()
    wait_for(lambda: shown(studio) == picture, 30, "the picture")

    names = [(event["event"], event.get("source", event.get("capture"))) for event in studio.events()]
    preview = names.index(("latest.shown", str(newest.with_suffix(".JPG"))))
    assert preview < names.index(("capture.rendered", str(newest)))
    assert_invariant(studio, rerun=False)


def test_a_file_of_somebody_elses_is_left_alone_and_ours_is_known_after_a_restart(studio: Studio) -> None:
    """
    Said once; when it is moved away, the newest capture is shown again.
    """
    latest = studio.outbox / "latest.jpg"
    latest.write_bytes(b"my own picture")
    studio.start()
    for number in range(2):
        studio.wait_state(shoot(studio, number), State.DONE)
    assert latest.read_bytes() == b"my own picture"
    assert len(studio.events("latest.refused")) == 1

    latest.unlink()
    studio.wait_state(shoot(studio, 2), State.DONE)
    wait_for(lambda: len(shown(studio)) > 0, 30)
    assert studio.stop() == 0
    studio.start()
    before = shown(studio)
    shoot(studio, 3)
    wait_for(lambda: shown(studio) != before, 30, "the next one")
    assert studio.events("latest.refused") == []
    assert_invariant(studio)


def test_whoever_is_killed_over_it_the_file_stays_whole_and_ours(studio: Studio) -> None:
    """
    Daemon and worker in turn, while captures arrive; nothing half is left, and nothing of ours is refused.
    """
    numbers = itertools.count()
    for round_ in range(4):
        studio.start()
        for _ in range(5):
            shoot(studio, next(numbers))
        wait_for(lambda: len(studio.events("capture.recorded")) > 0, 30)
        if round_ % 2:
            studio.kill()
        else:
            for pid in studio.workers():
                os.kill(pid, signal.SIGKILL)
            studio.wait_idle()
            assert studio.stop() == 0
    studio.start()
    last = shoot(studio, next(numbers))
    record = studio.wait_state(last, State.DONE)
    assert record.target is not None
    picture = (studio.outbox / f"{record.target}.jpg").read_bytes()
    wait_for(lambda: shown(studio) == picture, 30, "the last picture")

    assert studio.events("latest.refused") == []
    assert_invariant(studio)
