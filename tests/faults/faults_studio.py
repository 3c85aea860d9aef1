"""
A studio for one scenario: an inbox, an outbox, a state folder, and a daemon that is a real process.

The test plays camera and operator. What it puts into the inbox goes through `drop` and its relatives, so that
`assert_invariant` knows afterwards what has to be there, unchanged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from faults_processes import children_of, command_line, group_of, is_daemon

from flexispd.errors import ConfigError
from flexispd.ledger import Ledger, LedgerError, Record, State, reports

INJECT = Path(__file__).resolve().parent / "inject"
REPOSITORY = INJECT.parent.parent.parent

T = TypeVar("T")

READY_S = 60.0
"""A start takes some three seconds; this is for a machine that does much else."""

IDLE = (
    State.WAITING,
    State.DONE,
    State.QUARANTINED,
    State.DUPLICATE,
    State.SUPERSEDED,
    State.VANISHED,
)
"""States in which nobody works on a capture, and nobody is about to."""


def wait_for(predicate: Callable[[], T | None], deadline_s: float, what: str = "") -> T:
    """Poll until `predicate` gives something true, and return it; an AssertionError after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while True:
        if found := predicate():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what or predicate}")
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Original:
    """A file as the test put it into the inbox."""

    sha256: str
    mtime_ns: int


class Studio:
    """
    One inbox, one outbox, one daemon.

    Attributes:
        latest: The copy of the newest picture, for a viewer.
        originals: What lies in the inbox, as it has to stay.
        raws: Those of them that are captures and have to be in the ledger.
        foreign: Files in the outbox that are somebody else's.
        expected_running: Whether the scenario wants the daemon to be alive now.
        prefix: Put in front of every command of flexispd, to run it inside a namespace.
    """

    def __init__(self, folder: Path, prefix: Sequence[str] = (), root: Path = Path("/")) -> None:
        self.folder = folder
        self.prefix = list(prefix)
        self.root = root
        self.inbox, self.outbox, self.state = folder / "inbox", folder / "outbox", folder / "state"
        self.config_path = folder / "config.toml"
        self.latest = self.outbox / "latest.jpg"
        self.stdout_path = folder / "daemon.log"
        self.stderr_path = folder / "daemon.err"
        self.settings: dict[str, Any] = {
            "inbox": str(self.inbox),
            "outbox": str(self.outbox),
            "state": str(self.state),
            "arrival": {"quiet_s": 0.3, "pair_wait_s": 1.0, "scan_s": 1.0, "incomplete_s": 600.0},
            "worker": {"device": "cpu", "threads": 1, "job_timeout_s": 60.0},
            "output": {"free_min_mb": 0},
        }
        self.environment: dict[str, str] = {}
        self.originals: dict[Path, Original] = {}
        self.raws: set[Path] = set()
        self.foreign: set[Path] = set()
        self.expected_running = False
        self.process: subprocess.Popen[bytes] | None = None
        self._log_from = 0
        for made in (self.inbox, self.outbox, self.state):
            made.mkdir(parents=True, exist_ok=True)

    # ---- the daemon

    def configure(self, **sections: Any) -> None:
        """Change the configuration and write it: sections as dicts, keys of the top as they are."""
        for key, value in sections.items():
            if isinstance(value, dict):
                self.settings.setdefault(key, {}).update(value)
            else:
                self.settings[key] = value
        top = [f"{key} = {json.dumps(value)}" for key, value in self.settings.items() if not isinstance(value, dict)]
        for name, section in self.settings.items():
            if isinstance(section, dict):
                top += [f"\n[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        self.config_path.write_text("\n".join(top) + "\n")

    def inject(self, fault: str | None, *, once: bool = True) -> None:
        """
        The fault that the next daemon has built in, see inject/sitecustomize.py; None for none.

        `once`: it strikes once in all processes together, so that a restarted one is spared.
        """
        self.environment = {}
        if fault is not None:
            marker = self.folder / f"struck-{fault.split(':')[0]}"
            marker.unlink(missing_ok=True)
            self.environment = {"PYTHONPATH": str(INJECT), "FLEXISPD_TEST_INJECT": fault}
            if once:
                self.environment["FLEXISPD_TEST_MARKER"] = str(marker)

    def struck(self) -> bool:
        """Whether the injected fault happened."""
        return any(self.folder.glob("struck-*"))

    def command(self, *arguments: str) -> list[str]:
        """A command of flexispd as the operating system starts it."""
        return [*self.prefix, sys.executable, "-m", "flexispd", *arguments]

    def launch(self, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        """Start the daemon without waiting for anything."""
        if not self.config_path.exists():
            self.configure()
        self._log_from = self.stdout_path.stat().st_size if self.stdout_path.exists() else 0
        with self.stdout_path.open("ab") as log, self.stderr_path.open("ab") as chatter:
            self.process = subprocess.Popen(
                [*wrapper, *self.command("run", "--config", str(self.config_path), *arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=chatter,
                env=self.env(),
                cwd=self.folder,
                start_new_session=True,
            )

    def start(self, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        """Start the daemon and wait until it is ready."""
        self.launch(*arguments, wrapper=wrapper)
        self.expected_running = True
        wait_for(lambda: self.events("service.ready") or not self.alive(), READY_S, "the daemon is ready")
        assert self.alive(), self.said()

    def env(self) -> dict[str, str]:
        """The environment of the daemon."""
        inherited = {key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
        return {**inherited, "OMP_NUM_THREADS": "1", "FLEXISPD_LOG": "json", **self.environment}

    def alive(self) -> bool:
        """Whether the daemon runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, deadline_s: float = 40.0) -> int:
        """SIGTERM, as systemd stops a service; the exit status."""
        assert self.process is not None
        self.expected_running = False
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGTERM)
        return self.process.wait(deadline_s)

    def signal(self, number: signal.Signals) -> None:
        """A signal to the daemon's main process alone."""
        os.kill(self.main_pid(), number)

    def main_pid(self) -> int:
        """The daemon itself, and not the command that put it into a namespace."""
        assert self.process is not None
        if not self.prefix:
            return self.process.pid
        return next(pid for pid in group_of(self.process.pid) if is_daemon(pid))

    def workers(self) -> list[int]:
        """Processes that the daemon has as workers now."""
        if not self.alive():
            return []
        return [pid for pid in children_of(self.main_pid()) if b"spawn_main" in command_line(pid)]

    def kill(self) -> None:
        """Kill -9 for the daemon and all of its processes at the same time, as when the power goes."""
        assert self.process is not None
        self.expected_running = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def close(self) -> None:
        """Leave nothing running, however the test ended."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGCONT)
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def cli(self, *arguments: str, deadline_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        """A command that an operator gives while the daemon runs, or does not."""
        return subprocess.run(
            [*self.command(*arguments), "--config", str(self.config_path)],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=deadline_s,
            check=False,
            env={
                key: value for key, value in self.env().items() if not key.startswith(("FLEXISPD_TEST", "PYTHONPATH"))
            },
            cwd=self.folder,
        )

    def pause(self) -> None:
        """`flexispd pause`, and the daemon has seen it."""
        before = len(self.events("service.paused"))
        done = self.cli("pause")
        assert done.returncode == 0, done.stderr
        wait_for(lambda: len(self.events("service.paused")) > before, 10, "the daemon pauses")

    def once(self, deadline_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`run --once`: everything that can be done is done, then the process ends."""
        if not self.config_path.exists():
            self.configure()
        done = self.cli("run", "--once", deadline_s=deadline_s)
        with self.stdout_path.open("a") as log:
            log.write(done.stdout)
        return done

    def launch_once(self, deadline_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`run --once` with the injected fault; what it printed is the output."""
        self.launch("--once")
        assert self.process is not None
        code = self.process.wait(deadline_s)
        return subprocess.CompletedProcess([], code, self.said(), "")

    # ---- the camera

    def drop(self, name: str | bytes, data: bytes, *, raw: bool = True) -> Path:
        """Put a file into the inbox at once, and remember it."""
        path = self.inbox / os.fsdecode(name)
        self.seen(path).parent.mkdir(parents=True, exist_ok=True)
        self.seen(path).write_bytes(data)
        return self.remember(path, raw=raw)

    def remember(self, path: Path, *, raw: bool = True) -> Path:
        """What lies there now has to stay as it is."""
        there = self.seen(path)
        self.originals[path] = Original(_sha256(there), there.stat().st_mtime_ns)
        if raw:
            self.raws.add(path)
        return path

    def remove(self, path: Path) -> None:
        """The photographer empties the card."""
        self.seen(path).unlink()
        self.originals.pop(path, None)

    # ---- looking

    def seen(self, path: Path) -> Path:
        """Where the test finds what the daemon calls `path`; differs inside a namespace."""
        return self.root / path.relative_to("/")

    def records(self) -> list[Record]:
        """All rows of the ledger, superseded ones too, in the order of arrival; none before there is a ledger."""
        with self.ledger() as ledger:
            if ledger is None:
                return []
            return sorted(
                [*reports.listed(ledger), *reports.listed(ledger, State.SUPERSEDED)], key=lambda record: record.id
            )

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger | None]:
        """The ledger, for looking; None before there is one."""
        state = self.seen(self.state)
        with tempfile.TemporaryDirectory() as copies:
            if (state / "ledger.sqlite").exists() and not self.state.samefile(state):
                # On a disk that only the namespace sees, and SQLite follows the link that leads there to the wrong end.
                for file in state.glob("ledger.sqlite*"):
                    shutil.copy(file, copies)
                state = Path(copies)
            ledger = None
            for _ in range(20):
                if not (state / "ledger.sqlite").exists():
                    break
                with contextlib.suppress(LedgerError, ConfigError):  # the daemon may be making it this very moment
                    ledger = Ledger.open(state)
                    break
                time.sleep(0.1)
            try:
                yield ledger
            finally:
                if ledger is not None:
                    ledger.close()

    def record(self, path: Path) -> Record | None:
        """The latest version of one capture."""
        versions = [record for record in self.records() if record.capture.raw == path]
        return max(versions, key=lambda record: record.version) if versions else None

    def history(self, path: Path) -> list[reports.Entry]:
        """What happened to the latest version."""
        record = self.record(path)
        with self.ledger() as ledger:
            assert record is not None
            assert ledger is not None
            return reports.history(ledger, record.id)

    def wait_state(self, path: Path, *states: State, deadline_s: float = 30.0) -> Record:
        """Wait until the latest version of a capture is in one of these states; that row."""

        def found() -> Record | None:
            record = self.record(path)
            return record if record is not None and record.state in states else None

        try:
            return wait_for(found, deadline_s)
        except AssertionError:
            raise AssertionError(f"{path.name} is {self.record(path)}, not one of {states}\n{self.said()}") from None

    def wait_idle(self, deadline_s: float = 60.0) -> list[Record]:
        """Wait until everything that was dropped is known, and nobody works any more; all rows."""

        def idle() -> bool:
            records = self.records()
            known = {record.capture.raw for record in records}
            return self.raws <= known and all(record.state in IDLE for record in records)

        try:
            wait_for(idle, deadline_s)
        except AssertionError:
            records = self.records()
            missing = self.raws - {record.capture.raw for record in records}
            busy = [(r.capture.raw.name, r.state, r.reason) for r in records if r.state not in IDLE]
            raise AssertionError(f"not idle: missing {missing}, busy {busy}\n{self.said()}") from None
        return self.records()

    def events(self, name: str | None = None) -> list[Mapping[str, Any]]:
        """What this run of the daemon logged, one event or all."""
        if not self.stdout_path.exists():
            return []
        with self.stdout_path.open("rb") as file:
            file.seek(self._log_from)
            lines = file.read().decode("utf-8", "backslashreplace").split("\n")
        found: list[Mapping[str, Any]] = []
        for line in lines:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and (name is None or event.get("event") == name):
                    found.append(event)
        return found

    def said(self, characters: int = 6000) -> str:
        """The end of what the daemon printed."""
        files = [path for path in (self.stdout_path, self.stderr_path) if path.exists()]
        return "\n".join(path.read_text(errors="backslashreplace")[-characters:] for path in files)

    def outputs(self) -> list[Path]:
        """Pictures in the outbox, by the path that the daemon knows them by."""
        return [path for path in self.outbox_files() if path.suffix in (".jpg", ".png", ".tif")]

    def outbox_files(self) -> list[Path]:
        """Every file of the outbox but the logs and latest.jpg, by the path that the daemon knows it by."""
        root = self.seen(self.outbox)
        found = []
        for folder, folders, names in os.walk(root):
            if Path(folder) == root and "logs" in folders:
                folders.remove("logs")
            found += [self.outbox / Path(folder, name).relative_to(root) for name in names]
        return sorted(path for path in found if path != self.outbox / "latest.jpg")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
