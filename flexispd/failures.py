"""
What is done about a capture that could not be rendered: each kind of failure has its own remedy.

    vanished                         looked for again for a while, because its volume may have gone and come back;
                                     if only a sidecar was removed, it is tried again without
    blocked, transient, incomplete   tried again, more and more rarely; what stays incomplete is put aside
    setup                            tried again, more and more rarely, until its networks are in place
    unsupported                      put aside, until its files change or somebody says retry
    device, bug                      tried again alone, and put aside when it has failed too often

A device that fails with one capture after another is ill itself, and no capture is blamed for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flexispd.config import Config
from flexispd.errors import displayable
from flexispd.jobs import Failed
from flexispd.ledger import Ledger, Record, State, work
from flexispd.log import log
from flexispd.outbox import Outbox
from flexispd.workers import Worker

AGAIN_S = (2.0, 300.0)
"""Least and most time before a file that could not be read, or is not whole, is tried again; it doubles between."""

LOOKED_FOR_S = 60.0
"""
A raw that a worker does not find is looked for so long, unless its inbox knows that it is gone. It may be out of sight
with its volume, which the inbox has not noticed yet; and one that comes back as it was is no news to the inbox then.
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last thing that went wrong, for `status`."""

    at_s: float
    event: str
    problem: str


class Failures:
    """
    Answers to failures, in the ledger first.

    Attributes:
        config: How long to be patient, and how often to try.
        trouble: What went wrong last.
        quarantined: How many captures this daemon has put aside.
        ill_device: What the device said, when it failed with one capture after another; None once it has rendered one.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        outbox: Outbox,
        present: Callable[[Path], bool],
        gone: Callable[[Path, Path], bool],
    ) -> None:
        self.config = config
        self.trouble: Trouble | None = None
        self.quarantined = 0
        self.ill_device: str | None = None
        self._failed_on_device: set[int] = set()  # since a capture was last rendered
        self._ledger = ledger
        self._outbox = outbox
        self._present = present  # whether an inbox's volume is there
        self._gone = gone  # whether an inbox knows that this file is not there any more

    def answer(self, worker: Worker, record: Record, message: Failed, now_s: float, at_s: float) -> None:
        """A worker could not render a capture."""
        reason = f"{message.problem} {message.remedy}"
        if not self._present(record.inbox) and message.kind in ("vanished", "transient", "incomplete"):
            work.wait(self._ledger, record.id, "volume", "the inbox is not there", at_s)
            return
        match message.kind:
            case "vanished":
                self._look_for(record, reason, at_s)
            case "blocked":
                self._try_again(record, "outbox", reason, at_s)  # sooner, if it is the outbox that was the matter
                self._outbox.blocked(reason, now_s)
                self.troubled("outbox.blocked", reason, at_s)
            case "transient":
                self._try_again(record, "file access", reason, at_s)
            case "incomplete":
                self._expect_more(record, reason, at_s)
            case "setup":
                self._try_again(record, "networks", reason, at_s)
            case "unsupported":
                self.put_aside(record, reason, at_s)
            case "device":
                self._suspect_device(record, reason, at_s)
                worker.kill(f"the device failed: {message.problem}", record.id)
            case "bug":
                log.error(
                    "worker.bug",
                    capture=displayable(record.capture.raw),
                    problem=message.problem,
                    traceback=message.details,
                )
                self.blame(record, reason, at_s)

    def rendered(self) -> None:
        """A capture was rendered, so the device works."""
        self.ill_device = None
        self._failed_on_device.clear()

    def _suspect_device(self, record: Record, reason: str, at_s: float) -> None:
        """Of a capture and the device, which one is to blame: the device, if it fails with others too."""
        self._failed_on_device.add(record.id)
        if len(self._failed_on_device) == 1:
            self.blame(record, reason, at_s)
        else:
            self.ill_device = reason
            work.put_back(self._ledger, [record.id], reason, at_s)
            self.troubled("device.ill", reason, at_s)
            log.error("device.ill", problem=reason)

    def _look_for(self, record: Record, reason: str, at_s: float) -> None:
        known = self._gone(record.inbox, record.capture.raw)
        beside = [path for path in record.capture.files() if self._gone(record.inbox, path)]
        if beside and not known:
            work.without(self._ledger, record, beside, at_s)
        elif not known and at_s - (record.doubt_since_s or at_s) < LOOKED_FOR_S:
            self._try_again(record, "file access", reason, at_s)
        else:
            work.vanished(self._ledger, record.id, at_s)
            log.warning("capture.vanished", capture=displayable(record.capture.raw))

    def _expect_more(self, record: Record, reason: str, at_s: float) -> None:
        if at_s - (record.doubt_since_s or at_s) < self.config.arrival.incomplete_s:
            self._try_again(record, "whole file", reason, at_s)
        else:
            self.put_aside(record, reason, at_s)

    def _try_again(self, record: Record, cause: work.Cause, reason: str, at_s: float) -> None:
        """Later, and more and more rarely, but at the latest when it is time to warn."""
        since_s = record.doubt_since_s or at_s
        age_s, warn_s = at_s - since_s, self.config.arrival.incomplete_s
        due_s = at_s + min(max(age_s, AGAIN_S[0]), AGAIN_S[1])
        if age_s < warn_s:
            due_s = min(due_s, since_s + warn_s)
        work.wait(self._ledger, record.id, cause, reason, at_s, due_s)
        tell = log.warning if age_s >= warn_s else log.info
        tell("capture.waiting", capture=displayable(record.capture.raw), cause=cause, reason=reason)

    def put_aside(self, record: Record, reason: str, at_s: float) -> None:
        """It will not be rendered as it is."""
        work.quarantine(self._ledger, record.id, reason, at_s)
        self._quarantined(record, reason, at_s)

    def blame(self, record: Record, reason: str, at_s: float) -> None:
        """It may have been the capture's own fault."""
        state = work.blame(self._ledger, record.id, reason, at_s, self.config.worker.failures_max)
        if state is State.QUARANTINED:
            self._quarantined(record, reason, at_s)
        else:
            log.warning("capture.failed", capture=displayable(record.capture.raw), reason=reason)

    def _quarantined(self, record: Record, reason: str, at_s: float) -> None:
        self.quarantined += 1
        log.warning("capture.quarantined", capture=displayable(record.capture.raw), reason=reason)
        self.troubled("capture.quarantined", reason, at_s)

    def troubled(self, event: str, problem: str, at_s: float) -> None:
        """Something went wrong that people should see."""
        self.trouble = Trouble(at_s, event, problem)
