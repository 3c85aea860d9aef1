"""
Which files have stopped changing: those that look the same twice, `quiet_s` apart.

Pure: it is told how files look and what time it is, and never looks itself. The clock is the monotonic one of whoever
looks. Age by the file's own times would be no help: cameras' programs set the camera's clock on a file after writing
it, and two clocks never agree.

    observe ---> due (look again now) ---> observe, the same as before ---> settled
                  ^                              |
                  +------- it has changed -------+

Nothing here costs more than the number of files that are due.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from flexispd.capture.records import Observation


@dataclass(slots=True)
class _Moving:
    """A file that has not settled: how it looks, since when, and whether it is to be looked at again now."""

    observation: Observation
    since_s: float
    asked: bool = False


class Settler:
    """
    The files that may still change.

    Files are named by their whole path. A file that has settled is forgotten here, and so is a deleted one; a settled
    file that changes is simply observed anew.
    """

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._moving: dict[str, _Moving] = {}
        self._agenda: list[tuple[float, str]] = []  # a heap; entries of files that changed since are passed over
        self._settled: list[str] = []

    def __len__(self) -> int:
        return len(self._moving)

    def __contains__(self, path: str) -> bool:
        return path in self._moving

    def observe(self, path: str, observation: Observation | None, now_s: float) -> None:
        """How a file looked at `now_s`; None when it is not there any more."""
        if observation is None:
            self._moving.pop(path, None)
            return
        known = self._moving.get(path)
        if known is None or known.observation != observation:
            self._moving[path] = _Moving(observation, now_s)
            heapq.heappush(self._agenda, (now_s + self._quiet_s, path))
        elif now_s >= known.since_s + self._quiet_s:
            self.submit(path)
        elif known.asked:
            self.postpone(path, known.since_s)

    def submit(self, path: str) -> None:
        """A file is complete: somebody who knows says so."""
        if self._moving.pop(path, None) is not None:
            self._settled.append(path)

    def postpone(self, path: str, now_s: float) -> None:
        """A file that was due could not be looked at: ask again `quiet_s` after `now_s`."""
        known = self._moving.get(path)
        if known is not None:
            known.asked = False
            heapq.heappush(self._agenda, (now_s + self._quiet_s, path))

    def due(self, now_s: float) -> list[str]:
        """Files that have to be looked at again now; each is named once, until it is observed or postponed."""
        due = []
        while self._agenda and self._agenda[0][0] <= now_s:
            at_s, path = heapq.heappop(self._agenda)
            known = self._moving.get(path)
            if known is not None and not known.asked and known.since_s + self._quiet_s <= at_s:
                known.asked = True
                due.append(path)
        return due

    def next_due_s(self) -> float | None:
        """When `due` may have something to say; None while nothing moves."""
        return self._agenda[0][0] if self._agenda else None

    def take_settled(self) -> list[str]:
        """Files that have settled since the last call, each once."""
        settled, self._settled = self._settled, []
        return settled
