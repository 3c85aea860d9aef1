"""
Kill -9 at random moments while captures arrive, many times over: in the end everything is there once.

FLEXISPD_KILLS says how often, 40 by default; `make soak` does it 500 times. One test kills the daemon with everything
that belongs to it, the other its worker. The name of each test has its seed; FLEXISPD_SEED repeats a run.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from faults_invariant import assert_invariant
from faults_raws import raw_bytes
from faults_studio import Studio, wait_for

from flexispd.ledger import State
from flexispd.presence import read_status

KILLS = int(os.environ.get("FLEXISPD_KILLS", "40"))
SEED = int(os.environ["FLEXISPD_SEED"])

START_S = 4.0
"""About as long as a daemon takes until it renders; kills fall before and after it."""

SHOT_EVERY_S = 1.5


@contextmanager
def captures_arriving(studio: Studio, seed: int) -> Iterator[None]:
    """A camera that takes a picture now and then; some with a sidecar, some written in two steps."""
    enough = threading.Event()
    moments = random.Random(-seed)

    def shoot() -> None:
        number = 0
        while not enough.wait(moments.uniform(0, 2 * SHOT_EVERY_S)):
            number += 1
            name = f"card{number % 3}/DSC_{number:05}"
            data = raw_bytes(10_000 + number)
            if number % 5 == 0:
                studio.drop(f"{name}.json", b'{"iso": 800}', raw=False)
            if number % 4 == 0:
                path = studio.inbox / f"{name}.dng"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data[: len(data) // 2])
                time.sleep(0.2)
            studio.drop(f"{name}.dng", data)

    camera = threading.Thread(target=shoot)
    camera.start()
    try:
        yield
    finally:
        enough.set()
        camera.join()


def assert_each_is_rendered_once(studio: Studio) -> None:
    """Run until nothing is left, without faults."""
    done = studio.once(600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    current = {record.capture.raw: record for record in studio.records() if record.state is not State.SUPERSEDED}
    assert current.keys() == studio.raws
    assert {record.state for record in current.values()} == {State.DONE}
    assert_invariant(studio)


@pytest.mark.parametrize("seed", [SEED])
def test_the_daemon_is_killed_again_and_again(studio: Studio, seed: int) -> None:
    """
    The daemon with its workers, as when the power goes, from the first moment of a start to the middle of publishing.
    """
    moments = random.Random(seed)
    with captures_arriving(studio, seed):
        for _ in range(KILLS):
            studio.launch()
            time.sleep(moments.triangular(0, START_S * 1.6, START_S))
            studio.kill()

    assert_each_is_rendered_once(studio)


@pytest.mark.parametrize("seed", [SEED + 1])
def test_a_worker_is_killed_again_and_again(studio: Studio, seed: int) -> None:
    """
    The daemon goes on, with another worker each time; no capture is blamed for what others did.
    """
    moments = random.Random(seed)
    studio.configure(worker={"failures_max": 100})
    studio.start()
    with captures_arriving(studio, seed):
        for _ in range(KILLS):
            victims = wait_for(studio.workers, 60, "a worker")
            if moments.random() < 0.85:  # let it become ready, so that it is killed while it works
                wait_for(lambda pids=victims: any(ready(studio, pid) for pid in pids), 60, "it is ready")  # type: ignore[misc]
            time.sleep(moments.uniform(0, 1.0))
            for victim in victims:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            wait_for(lambda gone=set(victims): not gone & set(studio.workers()), 10, "it is gone")  # type: ignore[misc]
    studio.wait_idle(120)
    assert studio.alive()
    assert studio.stop() == 0

    assert_each_is_rendered_once(studio)


def ready(studio: Studio, pid: int) -> bool:
    """Whether the daemon says that this worker has started."""
    status = read_status(studio.state) or {}
    return any(worker["pid"] == pid and worker["state"] != "starting" for worker in status.get("workers", ()))
