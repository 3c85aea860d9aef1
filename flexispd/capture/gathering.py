"""
From files that were seen to captures that have arrived: settled, paired, and told once for every change.

Pure: it is told what was seen and what time it is. A capture has arrived when all of its files are still. A raw that
probably gets a sidecar waits a while for it; a PNG mosaic without its JSON is told with a doubt. A companion JPEG holds
nothing up, because nothing of it goes into the picture.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from flexispd.capture.formats import Kind, kind_of, kind_of_name, stem_of
from flexispd.capture.groups import Group, Groups, group_of
from flexispd.capture.listing import Seen
from flexispd.capture.pair import Reason
from flexispd.capture.records import Arrival, Capture, Observation
from flexispd.capture.settle import Settler
from flexispd.errors import displayable

if TYPE_CHECKING:
    from flexispd.config import ArrivalParams

NEIGHBOURS = 3
"""A raw waits for what one of so many captures that arrived before it in its folder had."""

GONE_GRACE_S = 3.0
"""
A file has to be missing so long to be gone: some programs replace a file by deleting it first, and when a whole inbox
is replaced or unmounted, its files seem to go one by one.
"""

_Sent = tuple[tuple[str, ...], tuple[Observation, ...], str | None]


class Gathering:
    """What is known of one inbox's files, and what of it has been told."""

    def __init__(self, inbox: Path, params: ArrivalParams) -> None:
        self._inbox = inbox
        self._params = params
        self._files: dict[str, Observation] = {}
        self._groups = Groups()
        self.settler = Settler(params.quiet_s)
        self._dirty: dict[Group, None] = {}  # to be paired anew, in order
        self._complete: set[Group] = set()  # somebody said so: nothing is waited for
        self._sent: dict[str, _Sent] = {}  # raw -> what was told of it last
        self._held: dict[str, float] = {}  # raw -> until when it waits for sidecars
        self._ends: list[tuple[float, Group]] = []  # a heap of those times
        self._customs: dict[Path, deque[set[Kind]]] = {}  # folder -> sidecars of its latest captures
        self._missing: dict[str, float] = {}  # picture -> since when
        self._leftovers: dict[str, Reason] = {}
        self._leftovers_told = True

    @property
    def settling(self) -> int:
        """Files that may still change, raws that wait for a sidecar, and stems that are to be paired anew."""
        return len(self.settler) + len(self._held) + len(self._dirty)

    @property
    def backlog(self) -> bool:
        """Whether `arrivals` has more to say at once."""
        return bool(self._dirty)

    def __contains__(self, path: str) -> bool:
        """Whether this file was there when it was last looked for."""
        return path in self._files

    def see(self, seen: Seen) -> None:
        """A file as it was looked at."""
        path, now = seen.path, seen.observation
        if now is None:
            self._forget(path, seen.at_s)
        elif self._files.get(path) != now or path in self.settler:
            self._missing.pop(path, None)
            self._files[path] = now
            self._groups.add(path, seen.receipt)
            self.settler.observe(path, now, seen.at_s)

    def submit(self, path: str) -> bool:
        """Nothing of this file's group is waited for any longer. False when there is no such file."""
        if path not in self._files:
            return False
        group = group_of(path)
        for member in self._groups.paths(group):
            self.settler.submit(member)
        self._complete.add(group)
        self._dirty[group] = None
        return True

    def group(self, path: str) -> tuple[str, ...]:
        """The known files that could belong to a file."""
        return self._groups.paths(group_of(path))

    def arrivals(self, now_s: float, groups_max: int) -> list[Arrival]:
        """Captures that have arrived, or look otherwise than they were told last; of so many groups at most."""
        for path in self.settler.take_settled():
            self._dirty[group_of(path)] = None
        while self._ends and self._ends[0][0] <= now_s:
            self._dirty[heapq.heappop(self._ends)[1]] = None
        arrivals: list[Arrival] = []
        for group in list(islice(self._dirty, groups_max)):
            del self._dirty[group]
            arrivals += self._arrivals_of(group, now_s)
        return arrivals

    def take_gone(self, now_s: float) -> list[Path]:
        """Pictures that were there, and are not any more, or are no captures any more."""
        gone = []
        while self._missing:
            path, since_s = next(iter(self._missing.items()))
            if now_s < since_s + GONE_GRACE_S:
                break
            del self._missing[path]
            gone.append(Path(path))
        return gone

    def forgive(self) -> None:
        """The inbox as a whole was away: what is missing since then is not gone, it is not known any more."""
        self._missing.clear()

    def take_leftovers(self) -> dict[Path, Reason] | None:
        """All files that were not used and why, if that has changed since the last call."""
        if self._leftovers_told:
            return None
        self._leftovers_told = True
        return {Path(path): reason for path, reason in self._leftovers.items()}

    @property
    def leftovers_changed(self) -> bool:
        """Whether `take_leftovers` has something to say."""
        return not self._leftovers_told

    def pictures(self) -> frozenset[Path]:
        """All raws and PNG files that are there."""
        return frozenset(Path(path) for path in self._files if _is_picture(path))

    def next_due_s(self) -> float | None:
        """When `arrivals` or `take_gone` may have more to say; what is due in `settler` comes on top."""
        times = [self._ends[0][0]] if self._ends else []
        if self._missing:
            times.append(next(iter(self._missing.values())) + GONE_GRACE_S)
        return min(times, default=None)

    def _forget(self, path: str, at_s: float) -> None:
        if self._files.pop(path, None) is None:
            return
        self.settler.observe(path, None, at_s)
        self._dirty[self._groups.remove(path)] = None
        self._sent.pop(path, None)
        self._held.pop(path, None)
        if self._leftovers.pop(path, None) is not None:
            self._leftovers_told = False
        if _is_picture(path):
            self._missing[path] = at_s

    def _arrivals_of(self, group: Group, now_s: float) -> Iterator[Arrival]:
        complete = group in self._complete
        self._complete.discard(group)
        pairing = self._groups.pairing(group)
        captures: dict[Capture, str | None] = dict.fromkeys(pairing.captures)
        reasons: dict[str, Reason] = {}
        for left in pairing.leftovers:
            if left.reason is Reason.WAITING_FOR_JSON:
                captures[Capture(left.path)] = f"waiting for {displayable(stem_of(left.path))}.json"
            elif str(left.path) not in self.settler:
                reasons[str(left.path)] = left.reason
        self._leave(group, reasons)
        pictures = {str(capture.raw) for capture in captures}
        for path in self._groups.paths(group):
            if path not in pictures and self._sent.pop(path, None) is not None:
                self._missing[path] = now_s  # a PNG that turned out to be a raw's preview
        for capture, doubt in captures.items():
            arrival = self._arrival(capture, doubt)
            if arrival is not None and (complete or not self._waits(capture, group, now_s)):
                self._send(arrival)
                yield arrival

    def _arrival(self, capture: Capture, doubt: str | None) -> Arrival | None:
        """The capture as it is now; None while one of its files may still change, and when nothing is new."""
        if capture.companion is not None and str(capture.companion) in self.settler:
            capture = replace(capture, companion=None)
        files = list(capture.files())
        paths = [str(path) for path in files]
        if any(path in self.settler for path in paths):
            return None
        observed = {file: self._files[path] for file, path in zip(files, paths, strict=True)}
        if self._sent.get(paths[0]) == (tuple(paths), tuple(observed.values()), doubt):
            return None
        folder = capture.raw.parent.relative_to(self._inbox)
        return Arrival(self._inbox, folder, capture, observed, doubt)

    def _send(self, arrival: Arrival) -> None:
        capture, raw = arrival.capture, str(arrival.capture.raw)
        if raw not in self._sent and kind_of(capture.raw) is Kind.RAW:
            self._customs.setdefault(capture.raw.parent, deque(maxlen=NEIGHBOURS)).append(_sidecars(capture))
        self._sent[raw] = tuple(map(str, arrival.observed)), tuple(arrival.observed.values()), arrival.doubt
        self._held.pop(raw, None)
        self._missing.pop(raw, None)

    def _waits(self, capture: Capture, group: Group, now_s: float) -> bool:
        """Whether a raw that is told for the first time waits for sidecars that it probably gets."""
        raw = str(capture.raw)
        if raw in self._sent or kind_of(capture.raw) is not Kind.RAW or not self._expects(capture):
            return False
        if raw not in self._held:
            self._held[raw] = now_s + self._params.pair_wait_s
            heapq.heappush(self._ends, (self._held[raw], group))
        return now_s < self._held[raw]

    def _expects(self, capture: Capture) -> bool:
        if self._params.sidecars == "always":
            return not _sidecars(capture)
        if self._params.sidecars == "never":
            return False
        customs = self._customs.get(capture.raw.parent, ())
        return any(usual - _sidecars(capture) for usual in customs)

    def _leave(self, group: Group, reasons: dict[str, Reason]) -> None:
        """Note why files of a group are not used; those that may still change keep what was noted of them."""
        for path in self._groups.paths(group):
            if path not in self.settler and self._leftovers.get(path) != reasons.get(path):
                self._leftovers_told = False
                if path in reasons:
                    self._leftovers[path] = reasons[path]
                else:
                    del self._leftovers[path]


def _sidecars(capture: Capture) -> set[Kind]:
    sidecars = {Kind.JSON: capture.json, Kind.XMP: capture.xmp}
    return {kind for kind, path in sidecars.items() if path is not None}


def _is_picture(path: str) -> bool:
    return kind_of_name(path) in (Kind.RAW, Kind.PNG)
