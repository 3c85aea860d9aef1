"""
What the daemon costs on this machine: many files at once, many small captures, one file, and nothing at all.

    python tests/faults/bench_daemon.py [known] [drain] [latency] [idle]

Each of the four starts a daemon of its own on the CPU, in a temporary folder. Timings depend on the disk and on what
else the machine does, so this is a benchmark and no test; all four together take about eight minutes.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faults_processes import children_of
from faults_raws import raw_bytes
from faults_studio import Studio, wait_for

from flexispd.ledger import State, reports

FILES = 60_000
CAPTURES = 2_000
ARRIVALS = 50
IDLE_FILES = 40_000
IDLE_S = 60.0
QUIET_S = 0.5


def main(wanted: list[str]) -> None:
    """Print one line for each figure."""
    for name, measure in MEASURES.items():
        if not wanted or name in wanted:
            measure()


@contextmanager
def studio() -> Iterator[Studio]:
    with tempfile.TemporaryDirectory() as folder:
        made = Studio(Path(folder) / "studio")
        made.configure(arrival={"quiet_s": QUIET_S, "scan_s": 30.0})
        try:
            yield made
        finally:
            made.close()


def known() -> None:
    """A burst of empty raws: when the ledger has them all, while the worker already tries them."""
    with studio() as made:
        made.start()
        started = time.monotonic()
        create(made.inbox / "burst", FILES)
        created = time.monotonic()
        wait_for(lambda: rows(made) == FILES, 300, "all are known")
        seconds = time.monotonic() - created
        show(f"{FILES} files known", f"{seconds:.1f} s after the last was made ({created - started:.1f} s)")
        show("supervisor's memory, peak", f"{memory_mb(made):.0f} MB")


def drain() -> None:
    """Small captures that are all there at the start."""
    with studio() as made:
        for number in range(CAPTURES):
            made.drop(f"card/IMG_{number:05}.dng", raw_bytes(number))
        made.environment = {"PYTHONPATH": str(Path(__file__).parent / "inject"), "FLEXISPD_TEST_INJECT": "ledger-time"}
        made.start()
        started = time.monotonic()
        while counted(made, State.DONE) < CAPTURES:
            time.sleep(2)  # rarely, because whoever reads the ledger keeps its log from being tidied up
        seconds = time.monotonic() - started
        show(f"{CAPTURES} captures of 64 x 64 px", f"{seconds:.1f} s, {1000 * seconds / CAPTURES:.1f} ms each")
        show("supervisor's memory, peak", f"{memory_mb(made):.0f} MB")
        made.stop()
        spent_s = float(made.said().split("ledger_spent_s=")[1].split()[0])
        show("of which the ledger's transactions", f"{1000 * spent_s / CAPTURES:.2f} ms each")


def latency() -> None:
    """From closing a file to the row in the ledger, one file at a time."""
    with studio() as made:
        made.start()
        closed: dict[Path, float] = {}
        moments = random.Random(1)
        for number in range(ARRIVALS):
            path = made.drop(f"IMG_{number:03}.dng", raw_bytes(number))
            closed[path] = time.time()
            time.sleep(moments.uniform(0.4, 1.4))
        made.wait_idle(60)
        waits = [r.arrived_s - closed[r.capture.raw] for r in made.records()]
        median, worst = statistics.median(waits), max(waits)
        show(f"file closed to queued, quiet_s {QUIET_S}", f"median {median:.2f} s, worst {worst:.2f} s of {ARRIVALS}")


def idle() -> None:
    """Processor time of daemon and worker while nothing happens."""
    with studio() as made:
        made.start()
        made.pause()
        create(made.inbox / "archive", IDLE_FILES)
        wait_for(lambda: rows(made) == IDLE_FILES, 300, "all are known")
        time.sleep(5)
        processes = [made.main_pid(), *children_of(made.main_pid())]
        before, started = sum(map(cpu_s, processes)), time.monotonic()
        time.sleep(IDLE_S)
        share = (sum(map(cpu_s, processes)) - before) / (time.monotonic() - started)
        show(f"idle with {IDLE_FILES} files, scan_s 30", f"{100 * share:.2f} % of a core")


MEASURES: dict[str, Callable[[], None]] = {"known": known, "drain": drain, "latency": latency, "idle": idle}


def create(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        os.close(os.open(folder / f"IMG_{number:05}.nef", os.O_CREAT | os.O_WRONLY))


def counted(made: Studio, *states: State) -> int:
    with made.ledger() as ledger:
        return 0 if ledger is None else sum(n for state, n in reports.counts(ledger).items() if state in states)


def rows(made: Studio) -> int:
    return counted(made, *State)


def memory_mb(made: Studio) -> float:
    text = Path(f"/proc/{made.main_pid()}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(what: str, figure: str) -> None:
    sys.stdout.write(f"{what:44}{figure}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
