"""
One watched folder: what arrives in it, told step by step to a supervisor that never waits.

    kernel --hints--> inbox <--surveys-- its thread, which lists the folder and looks at files
                        |
                        v
                      step: arrivals, what is gone, what is left over, and notes for the log

Complete listings are the truth: at the start, every `scan_s`, and at once after any doubt. Hints only say where to look
before that. Nothing in the folder is ever written.
"""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flexispd.capture.errands import Errands
from flexispd.capture.gathering import Gathering
from flexispd.capture.listing import Listing, Seen, Survey
from flexispd.capture.lookout import Lookout
from flexispd.capture.pair import Reason
from flexispd.capture.records import Arrival
from flexispd.capture.volume import Volume
from flexispd.capture.watch import Doubt, Watch
from flexispd.errors import displayable

if TYPE_CHECKING:
    from flexispd.config import ArrivalParams

GROUPS_PER_STEP = 500
"""Stems that one step pairs at most, so that it takes some hundredths of a second."""

SEEN_PER_STEP = 5000
"""Files of a survey that one step takes note of at most, for the same reason."""

LOOKS_MAX = 5000
"""Files that one errand looks at, so that its first results come soon."""

AUDIT_S = 2.0
"""Between two checks that what is watched is still the inbox."""

HANGING_S = 30.0
"""A disk that is silent for longer, while it is being looked at, counts as absent."""

SHORT_SCAN_S = 2.0
"""Between two listings where nobody tells of changes, if they are cheap."""

RETRY_WATCHING_S = 600.0
"""Between two tries to watch, after the kernel had no watches left."""

AFTER_FAILURE_S = 10.0
"""Before an inbox whose thread failed is listed again."""

LEFTOVERS_S = 2.0
"""Between two tellings of what is left over, while files are arriving."""

SCAN_S_MAX = 300.0
"""Between two listings, however long one takes."""

WARNINGS_MAX = 20
"""Unreadable folders that one survey warns of."""

Cause = Literal["startup", "timer", "manual"] | Doubt


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the log: a constant name, and fields with their units in their names."""

    event: str
    level: Literal["debug", "info", "warning", "error"]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """
    What an inbox has to tell.

    Attributes:
        root: The inbox.
        arrivals: Captures that are complete, or changed since they were told; each with `doubt` waits for its JSON.
        gone: Raws and PNG mosaics that were there and are not any more.
        present: All raws and PNG files that are there; told with the first complete listing, and one asked for by hand.
        leftovers: All files that belong to no capture and why; told when that has changed.
        notes: For the log.
        settling: Files that may still change, captures that wait for sidecars, and what the next step will tell.
        mode: "events" or "scan", and after a colon why.
        absent: Why the inbox is not there or does not answer, as a sentence; None when all is well. Nothing counts as
            gone meanwhile.
        listed: Whether it has been listed at least once, be it that parts could not be read.
    """

    root: Path
    arrivals: list[Arrival]
    gone: list[Path]
    present: frozenset[Path] | None
    leftovers: dict[Path, Reason] | None
    notes: list[Note]
    settling: int
    mode: str
    absent: str | None
    listed: bool


class Inbox:
    """
    A watched folder.

    Args:
        root: Absolute; need not exist.
        arrival: How long to wait for what.
        ignore: Patterns of file and folder names that are passed over, besides the usual ones.
        wake: Called from other threads when `step` has something to do.
        expected_mount: Where its volume was mounted in an earlier life; without that it counts as absent.
    """

    def __init__(
        self,
        root: Path,
        arrival: ArrivalParams,
        ignore: Iterable[str],
        wake: Callable[[], None],
        expected_mount: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        errands: Errands[Survey | None] | None = None,
    ) -> None:
        self.root = root
        self._scan_s = arrival.scan_s
        self._watch = Watch(wake)
        volume = Volume(root, expected_mount)
        listing = Listing(os.fspath(root), ignore, volume.absence, self._watch.add, clock)
        self._lookout = Lookout(root, arrival.watch, volume, self._watch, listing)
        self._errands = errands or Errands(wake, f"inbox {displayable(root.name)}")
        self._gathering = Gathering(root, arrival)
        self._now_s = 0.0
        self._hints: dict[str, None] = {}
        self._due: list[str] = []  # files whose second look is due
        self._submitted: dict[str, None] = {}
        self._survey: Survey | None = None  # the last that was brought, while it is being read
        self._unread: deque[Seen] = deque()
        self._asked: tuple[list[str], list[str]] = ([], [])  # of those two, what is being looked at
        self._cause: Cause | None = "startup"  # why everything has to be listed
        self._scanning: Cause | None = None  # why everything is being listed
        self._scan_from_s = 0.0  # no listing before that, whatever the cause
        self._scan_due_s = 0.0  # the next listing by the timer
        self._audit_due_s = 0.0
        self._watch_again_s: float | None = None
        self._leftovers_due_s = 0.0
        self._absent: str | None = None
        self._listed = False
        self._present_wanted = True
        self._unreadable: set[str] = set()
        self._told: dict[str, str | None] = {}  # kind of note -> what it said last

    @property
    def mount(self) -> Path | None:
        """Where the volume that holds the inbox is mounted, once it has been there."""
        return self._lookout.mount

    def step(self, now_s: float) -> Step:
        """Do what can be done at once. `now_s` is the monotonic clock's."""
        self._now_s = now_s
        notes: list[Note] = []
        answer = self._errands.answer()
        present = None
        if isinstance(answer, BaseException):
            notes += self._failed(answer)
        elif answer is not None:
            self._survey, self._unread = answer, deque(answer.seen)
        if self._survey is not None:
            for _ in range(min(SEEN_PER_STEP, len(self._unread))):
                self._gathering.see(self._unread.popleft())
            if not self._unread:
                survey, self._survey = self._survey, None
                present = self._digest(survey, notes)
        arrivals = self._gathering.arrivals(now_s, GROUPS_PER_STEP)
        if self._errands.since_s is None and self._survey is None:
            self._take_hints()
            self._send()
        if self._absent is not None:
            self._gathering.forgive()  # nothing is gone while everything is
        absent = self._absence()
        notes += self._news(absent)
        return Step(
            self.root,
            arrivals,
            self._gathering.take_gone(now_s),
            present,
            self._leftovers(),
            notes,
            self._gathering.settling + len(self._unread) + len(self._submitted) + len(self._asked[1]),
            self._lookout.mode,
            absent,
            self._listed,
        )

    def next_due_s(self) -> float | None:
        """When `step` has something to do although nobody wakes it; on the monotonic clock."""
        times = [self._gathering.next_due_s()]
        if self._gathering.backlog or self._unread:
            times.append(self._now_s)
        if self._gathering.leftovers_changed:
            times.append(self._leftovers_due_s)
        if self._errands.since_s is not None:
            silent_s = self._silent_since_s(self._errands.since_s) + HANGING_S
            times.append(silent_s if silent_s > self._now_s else None)
        else:
            times += [self._scan_due_s, self._scan_from_s if self._cause else None]
            if self._absent is None:
                times += [self._gathering.settler.next_due_s(), self._audit_due_s if self._watch.armed else None]
                times.append(self._now_s if self._hints or self._due or self._submitted else None)
        return min((at_s for at_s in times if at_s is not None), default=None)

    def knows(self, path: Path) -> bool:
        """Whether a file was there when it was last looked for."""
        return os.fspath(path) in self._gathering

    def submit(self, path: Path, now_s: float) -> None:
        """A file of the inbox is complete, and so is whatever belongs to it: wait for nothing more."""
        self._now_s = now_s
        self._submitted[os.path.abspath(path)] = None  # noqa: PTH100  (links stay as they are)

    def rescan(self, reason: Literal["manual"] | Doubt, now_s: float) -> None:
        """List everything now; asked for by hand, `present` is told again."""
        self._now_s = now_s
        self._cause = self._cause or reason
        self._scan_from_s = now_s
        self._present_wanted = self._present_wanted or reason == "manual"

    def close(self) -> None:
        """Watch nothing more. A look at the disk that hangs is not waited for."""
        self._errands.close()
        self._watch.disarm()

    # What the thread is sent to do.

    def _take_hints(self) -> None:
        """Hints stay where their number is limited until those before them have been looked at."""
        if self._hints:
            return
        hints, doubt = self._watch.take()
        self._hints = dict.fromkeys(hints)
        if doubt is not None and self._cause not in ("mount", "root_recreated"):
            self._cause = doubt if doubt in ("mount", "root_recreated") else self._cause or doubt

    def _send(self) -> None:
        """The next errand: a complete listing, if one is due, else a look at what is hinted at."""
        now_s = self._now_s
        if self._absent is None:
            self._due += self._gathering.settler.due(now_s)
        if (self._cause is not None and now_s >= self._scan_from_s) or now_s >= self._scan_due_s:
            self._send_scan()
        elif self._absent is not None:
            return
        elif self._hints or self._due or self._submitted:
            self._send_look()
        elif self._watch.armed and now_s >= self._audit_due_s:
            self._audit_due_s = now_s + AUDIT_S
            self._errands.send(self._audit, now_s)

    def _send_scan(self) -> None:
        cause = self._scanning = "mount" if self._absent is not None else self._cause or "timer"
        self._cause = None
        self._hints.clear()  # a listing that begins now sees what they are about
        again = self._watch_again_s is not None and self._now_s >= self._watch_again_s
        if again:
            self._watch_again_s = self._now_s + RETRY_WATCHING_S
        anew = again or cause in ("startup", "overflow", "mount", "root_recreated", "handler_error")
        self._audit_due_s = self._now_s + AUDIT_S
        self._errands.send(lambda: self._lookout.scan(anew), self._now_s)

    def _send_look(self) -> None:
        due, self._due = self._due[:LOOKS_MAX], self._due[LOOKS_MAX:]
        hinted = list(islice(self._hints, LOOKS_MAX))
        for path in hinted:
            del self._hints[path]
        submitted, self._submitted = list(self._submitted), {}
        self._asked = due, submitted
        for path in submitted:
            hinted += [path, *self._gathering.group(path)]
        self._errands.send(lambda: self._lookout.look(hinted, due), self._now_s)

    def _audit(self) -> None:
        self._lookout.audit()

    # What it brings back.

    def _digest(self, survey: Survey, notes: list[Note]) -> frozenset[Path] | None:
        cause, self._scanning = self._scanning, None
        (_, submitted), self._asked = self._asked, ([], [])
        for path in survey.unsure:
            self._gathering.settler.postpone(path, self._now_s)
        self._absent = survey.absent
        if survey.absent is not None:
            self._submitted.update(dict.fromkeys(submitted))
            self._cause = None
            self._scan_due_s = self._scan_from_s = self._now_s + min(SHORT_SCAN_S, self._scan_s)
            return None
        unknown = [path for path in submitted if not self._gathering.submit(path)]
        notes += [Note("inbox.not_submitted", "warning", {"file": displayable(path)}) for path in unknown]
        notes += self._blind_spots(survey)
        if cause is None:
            return None
        return self._reconciled(survey, cause, notes)

    def _reconciled(self, survey: Survey, cause: Cause, notes: list[Note]) -> frozenset[Path] | None:
        """Everything has been listed."""
        if cause in ("mount", "root_recreated"):
            self._gathering.forgive()
        cost_s = survey.ended_s - survey.began_s
        found = survey.new or survey.changed or survey.gone
        fields: dict[str, Any] = {"reason": cause, "files": survey.files, "new": survey.new, "changed": survey.changed}
        fields |= {"gone": survey.gone, "duration_ms": round(1000 * cost_s, 1)}
        notes.append(Note("reconcile", "info" if found or cause != "timer" else "debug", fields))
        if self._watch.armed:
            pause_s = max(self._scan_s, 200 * cost_s)
        else:
            pause_s = max(min(SHORT_SCAN_S, self._scan_s), 50 * cost_s)
        self._scan_due_s = self._now_s + min(pause_s, max(SCAN_S_MAX, self._scan_s))
        self._scan_from_s = self._now_s + min(max(0.2, 2 * cost_s), SCAN_S_MAX)
        notes += self._watching(survey.folders)
        self._listed = True
        if not (self._present_wanted and survey.whole):
            return None
        self._present_wanted = False
        return self._gathering.pictures()

    def _watching(self, folders: int) -> Iterator[Note]:
        """How changes are noticed, when that is news."""
        mode, _, why = self._lookout.mode.partition(": ")
        if self._is_news("mode", self._lookout.mode):
            yield Note("watch.mode", "info", {"mode": mode, "why": why})
        limit = self._lookout.limit
        if self._is_news("limit", limit) and limit is not None:
            yield Note("watch.limit", "warning", {"setting": limit, "folders": folders})
        if limit is None:
            self._watch_again_s = None
        elif self._watch_again_s is None:
            self._watch_again_s = self._now_s + RETRY_WATCHING_S

    def _blind_spots(self, survey: Survey) -> Iterator[Note]:
        """Folders that could not be read, each once until a listing could read it again."""
        new = sorted(survey.unreadable.keys() - self._unreadable)
        self._unreadable = set(survey.unreadable) if survey.scanned else self._unreadable | survey.unreadable.keys()
        for folder in new[:WARNINGS_MAX]:
            fields = {"folder": displayable(folder), "problem": survey.unreadable[folder]}
            yield Note("inbox.unreadable", "warning", fields)

    def _failed(self, error: BaseException) -> Iterator[Note]:
        """An errand came to nothing, by a fault of ours or of a library: begin anew, in a while."""
        (due, submitted), self._asked = self._asked, ([], [])
        for path in due:
            self._gathering.settler.postpone(path, self._now_s)
        self._submitted.update(dict.fromkeys(submitted))
        self._cause, self._scanning = self._cause or "handler_error", None
        self._scan_from_s = self._scan_due_s = self._now_s + AFTER_FAILURE_S
        if self._is_news("failure", repr(error)):
            details = "".join(traceback.format_exception(error))
            yield Note("inbox.failed", "error", {"problem": repr(error), "details": details})

    def _news(self, absent: str | None) -> Iterator[Note]:
        """Whether the inbox has gone or come back."""
        if self._is_news("absent", absent):
            if absent is not None:
                yield Note("inbox.absent", "warning", {"problem": absent})
            else:
                yield Note("inbox.present", "info")

    def _is_news(self, kind: str, said: str | None) -> bool:
        before = self._told.get(kind)
        self._told[kind] = said
        return said != before

    def _absence(self) -> str | None:
        if self._errands.since_s is not None and self._now_s >= self._silent_since_s(self._errands.since_s) + HANGING_S:
            return f"{displayable(self.root)} does not answer; its file system may hang."
        return self._absent

    def _silent_since_s(self, sent_s: float) -> float:
        """Since when the disk has not answered; a long listing is slow, and answers all the time."""
        return max(sent_s, self._lookout.answered_s)

    def _leftovers(self) -> dict[Path, Reason] | None:
        if self._gathering.settling and self._now_s < self._leftovers_due_s:
            return None
        leftovers = self._gathering.take_leftovers()
        if leftovers is not None:
            self._leftovers_due_s = self._now_s + LEFTOVERS_S
        return leftovers
