"""How the daemon is doing: for the status file that the command line reads, and in one line for systemd."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flexispd.capture.inbox import Step
from flexispd.dispatch import Dispatcher
from flexispd.errors import displayable
from flexispd.failures import Trouble
from flexispd.ledger import Ledger, State, profiles, reports
from flexispd.outbox import MB, Outbox

TOLD_MIN = 24 * 60.0
"""A disk that will be full in more than a day is no news."""


@dataclass(frozen=True, slots=True)
class Status:
    """What only the daemon knows; what became of captures is in the ledger. Times are seconds since the epoch."""

    at_s: float
    pid: int
    phase: str
    profile: str | None
    inboxes: list[dict[str, Any]]
    blocked: dict[str, str] | None
    paused: bool
    workers: list[dict[str, Any]]
    queued: int
    per_minute: float
    free_bytes: int | None
    full_in_min: float | None
    last_error: dict[str, Any] | None
    reconcile: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """As it stands in the status file."""
        return asdict(self)

    def sentence(self) -> str:
        """One line for `systemctl status`."""
        if self.blocked is not None:
            return f"{self.phase}: {self.blocked['reason']}"
        folders = "1 folder" if len(self.inboxes) == 1 else f"{len(self.inboxes)} folders"
        absent = sum(inbox["absent"] is not None for inbox in self.inboxes)
        parts = [f"watching {folders}" + (f", {absent} absent" if absent else ""), f"{self.queued} queued"]
        parts += [self.profile or "no profile", f"{self.per_minute:.0f} pictures/min"]
        parts += [", ".join(worker["device"] or "starting" for worker in self.workers) or "no worker"]
        if self.full_in_min is not None and self.full_in_min < TOLD_MIN:
            parts.append(f"disk full in about {self.full_in_min:.0f} min at this rate")
        return f"{self.phase}: " + " - ".join(parts)


def describe(
    phase: str,
    at_s: float,
    ledger: Ledger,
    steps: Mapping[Path, Step],
    dispatch: Dispatcher,
    outbox: Outbox,
    *,
    problem: tuple[str, str] | None,
    paused: bool,
    trouble: Trouble | None,
    reconcile: Mapping[str, Any] | None,
) -> Status:
    """The status as of now. LedgerError when the ledger does not answer."""
    counts = reports.counts(ledger)
    pace = reports.pace(ledger, at_s)
    active = profiles.active_name(ledger)
    if phase == "working":
        busy = dispatch.in_flight or counts[State.QUEUED] or any(step.settling for step in steps.values())
        phase = "blocked" if problem else "paused" if paused else "working" if busy else "idle"
    return Status(
        at_s=at_s,
        pid=os.getpid(),
        phase=phase,
        profile=active[0] if active else None,
        inboxes=[
            {"path": displayable(root), "mode": step.mode, "absent": step.absent, "settling": step.settling}
            for root, step in steps.items()
        ],
        blocked=None if problem is None else {"cause": problem[0], "reason": problem[1]},
        paused=paused,
        workers=[
            {
                "device": worker.device,
                "pid": worker.process.pid,
                "state": "starting" if worker.device is None else "working" if worker.tasks else "idle",
                "in_flight": len(worker.tasks),
                "rss_mb": worker.memory_bytes() // MB,
            }
            for worker in dispatch.workers
        ],
        queued=counts[State.QUEUED],
        per_minute=round(pace.per_minute, 1),
        free_bytes=outbox.free_bytes,
        full_in_min=pace.full_in_min(outbox.free_bytes, outbox.free_min_mb),
        last_error=None if trouble is None else asdict(trouble),
        reconcile=reconcile,
    )
