"""What the inboxes tell, on its way into the ledger: kept until it is there, in the order in which it was seen."""

from __future__ import annotations

from collections import deque

from flexispd.capture.inbox import Step
from flexispd.errors import displayable
from flexispd.latest import Latest
from flexispd.ledger import Ledger, arrivals
from flexispd.log import log

LOGGED_ONE_BY_ONE = 20
"""Arrivals in one turn that get a line each; of more, only their number is logged."""


class Intake:
    """Steps of inboxes that are not in the ledger yet."""

    def __init__(self, ledger: Ledger, latest: Latest) -> None:
        self._ledger = ledger
        self._latest = latest
        self._steps: deque[Step] = deque()

    @property
    def empty(self) -> bool:
        """Whether everything is in the ledger."""
        return not self._steps

    def take(self, step: Step) -> None:
        """Keep a step, if anything in it is for the ledger."""
        if step.arrivals or step.gone or step.present is not None or step.leftovers is not None:
            self._steps.append(step)

    def write(self, at_s: float, lane: int) -> None:
        """All of it into the ledger. LedgerError leaves the rest for later; what is written twice is written once."""
        while self._steps:
            step = self._steps[0]
            self._record(step, at_s, lane)
            self._lose(step, at_s)
            if step.leftovers is not None:
                arrivals.list_leftovers(self._ledger, step.root, step.leftovers)
            self._steps.popleft()

    def _record(self, step: Step, at_s: float, lane: int) -> None:
        # The kernel's time of arrival, unlike a camera's clock, says which came first.
        found = sorted(step.arrivals, key=lambda arrival: arrival.observed[arrival.capture.raw].ctime_ns)
        recorded = arrivals.record(self._ledger, found, at_s, lane)
        if lane == arrivals.LIVE:
            self._latest.arrived(found, recorded)
        for change in recorded[:LOGGED_ONE_BY_ONE]:
            log.info(
                "capture.recorded",
                id=change.id,
                capture=displayable(change.arrival.capture.raw),
                state=change.state,
                version=change.version,
                reason=change.reason,
            )
        if len(recorded) > LOGGED_ONE_BY_ONE:
            log.info("captures.recorded", count=len(recorded))

    def _lose(self, step: Step, at_s: float) -> None:
        gone, present = frozenset(step.gone), step.present
        if not gone and present is None:
            return
        lost = arrivals.vanish(
            self._ledger, step.root, at_s, lambda raw: raw in gone or (present is not None and raw not in present)
        )
        if lost:
            log.warning("captures.vanished", count=len(lost), inbox=displayable(step.root))
