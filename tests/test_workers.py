"""A worker as a process: started, and ended, by its supervisor alone."""

import signal
import time
from pathlib import Path

from flexispd.jobs import WorkerOptions
from flexispd.profile import load_profile
from flexispd.workers import start_worker


def test_signals_of_the_group_do_not_reach_a_worker_that_is_starting():
    """
    Ctrl-C goes to every process of a terminal's group; the supervisor decides what becomes of the frame in flight.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    worker = start_worker(WorkerOptions("cpu", load_profile("natural"), 1, 1 << 20), time.monotonic())
    try:
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
    finally:
        worker.kill("the test is over")
        worker.process.join()

    (blocked,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert blocked >> (number - 1) & 1
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
