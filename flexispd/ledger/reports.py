"""What people ask: how many, which, why, and how fast."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row
from typing import Any

from flexispd.ledger.captures import SELECT, Record, State, record_of
from flexispd.ledger.store import Ledger, path_bytes

RATE_S = 600.0
"""The last ten minutes say how fast it goes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a capture's history."""

    at_s: float
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """What a list of captures shows of a row; `name` is the raw's path below `inbox`. Cheaper than a record."""

    id: int
    state: State
    inbox: str
    name: str
    version: int
    profile: str
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What programs are told of a row, in plain texts: ten thousand records would take a second to make.

    Attributes:
        folder: The raw's folder below its inbox.
        outputs: Names from the folder of the receipt on, such as `web/DSC1.natural.jpg`.
        receipt: Below the outbox.
    """

    id: int
    path: str
    folder: str
    version: int
    shot: int
    state: str
    reason: str
    cause: str
    profile: str
    arrived_s: float
    changed_s: float
    attempts: int
    failures: int
    outputs: list[str]
    receipt: str | None
    twin: int | None

    @classmethod
    def of(cls, record: Record) -> Summary:
        """A record in short."""
        plain = {name: getattr(record, name) for name in _PLAIN}
        outputs = [name for name, _, _ in record.outputs]
        receipt = None if record.receipt is None else str(record.receipt)
        return cls(path=str(record.capture.raw), folder=str(record.folder), outputs=outputs, receipt=receipt, **plain)


_PLAIN = (
    "id", "version", "shot", "state", "reason", "cause", "profile", "arrived_s", "changed_s", "attempts", "failures",
    "twin",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How fast pictures appear.

    Attributes:
        per_minute: Over the last ten minutes, or since the first of them in that time.
        bytes_per_minute: What they take in the outbox.
        frame_s: Median time that one picture took, None when there has been none.
    """

    per_minute: float
    bytes_per_minute: float
    frame_s: float | None

    def full_in_min(self, free_bytes: int | None, free_min_mb: int) -> float | None:
        """Minutes until rendering pauses for want of room; None while nothing is written, or nobody knows the room."""
        if free_bytes is None or self.bytes_per_minute <= 0:
            return None
        return round(max(free_bytes - free_min_mb * (1 << 20), 0) / self.bytes_per_minute, 1)


def counts(ledger: Ledger) -> dict[State, int]:
    """Rows of each state, those without any included."""
    found = {
        row["state"]: row["n"] for row in ledger.kept_rows("select state, count(*) as n from capture group by state")
    }
    return {state: found.get(state, 0) for state in State}


def waiting_for(ledger: Ledger) -> dict[str, int]:
    """Waiting rows by what they wait for."""
    rows = ledger.rows("select cause, count(*) as n from capture where state = 'waiting' group by cause order by cause")
    return {row["cause"]: row["n"] for row in rows}


def pace(ledger: Ledger, at_s: float) -> Pace:
    """How fast it went lately."""
    rows = ledger.rows(
        "select changed_s, render_ms, (select sum(json_extract(value, '$[2]')) from json_each(outputs)) as size_bytes"
        " from capture where state = 'done' and changed_s > ? order by changed_s",
        at_s - RATE_S,
    )
    if not rows:
        return Pace(0.0, 0.0, None)
    times = sorted(row["render_ms"] for row in rows)
    frame_s = times[len(times) // 2] / 1000
    minutes = max(at_s - rows[0]["changed_s"] + frame_s, 1.0) / 60
    return Pace(len(rows) / minutes, sum(row["size_bytes"] or 0 for row in rows) / minutes, frame_s)


def render_s(ledger: Ledger, ids: Collection[int]) -> float | None:
    """
    How long these rows took to render, all together; one that was found rendered counts as the mean of the others.

    None when nobody can tell.
    """
    rows = ledger.rows("select id, render_ms from capture where render_ms > 0")
    known = {row["id"]: row["render_ms"] for row in rows}
    times = [known[id_] for id_ in ids if id_ in known]
    return sum(times) / len(times) * len(ids) / 1000 if times else None


def listed(ledger: Ledger, state: State | None = None, limit: int | None = None) -> Iterator[Record]:
    """Rows in the order of arrival, the last `limit` of them; superseded ones only when asked for."""
    return map(record_of, _listed(ledger, SELECT, state, limit))


def lines(ledger: Ledger, state: State | None = None, limit: int | None = None) -> Iterator[Line]:
    """The same rows as `listed`, in short."""
    select = (
        "select capture.id, state, inbox, path, version, profile.name, reason"
        " from capture join profile on profile.look = capture.profile"
    )
    for id_, named, inbox, path, version, profile, reason in _listed(ledger, select, state, limit):
        name = os.fsdecode(path[len(inbox) :].lstrip(b"/"))
        yield Line(id_, State(named), os.fsdecode(inbox), name, version, profile, reason)


def summaries(ledger: Ledger, state: State | None = None, limit: int | None = None) -> Iterator[Summary]:
    """The same rows as `listed`, for programs."""
    select = (
        "select capture.id, path, length(inbox), version, shot, state, reason, cause, profile.name, arrived_s,"
        " changed_s, attempts, failures, outputs, receipt, twin"
        " from capture join profile on profile.look = capture.profile"
    )
    for id_, path, inbox_bytes, *plain, outputs, receipt, twin in _listed(ledger, select, state, limit):
        folder = os.path.dirname(path[inbox_bytes:].lstrip(b"/")) or b"."  # noqa: PTH120  (bytes)
        names = [name for name, _, _ in json.loads(outputs)]
        below = None if receipt is None else os.fsdecode(receipt)
        values: list[Any] = [*plain, names, below, twin]
        yield Summary(id_, os.fsdecode(path), os.fsdecode(folder), *values)


def _listed(ledger: Ledger, select: str, state: State | None, limit: int | None) -> list[Row]:
    chosen = "state = ?" if state else "state != 'superseded'"
    values = ([state] if state else []) + [-1 if limit is None else limit]
    return ledger.rows(f"select * from ({select} where {chosen} order by capture.id desc limit ?) order by id", *values)


def find(ledger: Ledger, wanted: str) -> list[Record]:
    """
    All versions of the captures that somebody may mean: by id, path, file name, stem, or a picture's name.

    The first of these ways that finds anything decides.
    """
    rows = []
    if wanted.isdecimal() and len(wanted) < 19:
        rows = ledger.rows("select path from capture where id = ?", int(wanted))
    if not rows:
        rows = ledger.rows("select distinct path from capture where path = ?", path_bytes(os.path.abspath(wanted)))  # noqa: PTH100
    if not rows:
        found = ledger.rows("select distinct path, target from capture")
        name = Path(wanted).name.casefold()
        rows = [row for row in found if name in _names(row["path"], row["target"])]
    paths = dict.fromkeys(row["path"] for row in rows)
    return [record_of(row) for path in paths for row in ledger.rows(f"{SELECT} where path = ? order by version", path)]


def _names(path: bytes, target: bytes | None) -> set[str]:
    """What a capture may be called, without folders and blind to case."""
    raw = Path(os.fsdecode(path))
    names = {raw.name, raw.stem}
    if target is not None:
        base = Path(os.fsdecode(target)).name
        names |= {base, *(base + suffix for suffix in (".jpg", ".png", ".tif", ".json"))}
    return {name.casefold() for name in names}


def raws(ledger: Ledger, count: int) -> list[Path]:
    """The raws of the captures that arrived last, newest first."""
    rows = ledger.rows("select path from capture where version = 1 order by id desc limit ?", count)
    return [Path(os.fsdecode(row["path"])) for row in rows]


def history(ledger: Ledger, id_: int) -> list[Entry]:
    """Everything that happened to a row, oldest first."""
    rows = ledger.rows("select at_s, state, reason from history where capture = ? order by id", id_)
    return [Entry(row["at_s"], State(row["state"]), row["reason"]) for row in rows]


def leftovers(ledger: Ledger) -> list[tuple[Path, str]]:
    """Files of the inboxes that are no part of a capture, and why (the name of a `capture.pair.Reason`)."""
    rows = ledger.rows("select path, reason from leftover order by path")
    return [(Path(os.fsdecode(row["path"])), row["reason"]) for row in rows]


def published(ledger: Ledger) -> Iterator[Record]:
    """Every row that has outputs, superseded ones too."""
    return map(record_of, ledger.rows(f"{SELECT} where receipt is not null order by capture.id"))


def latest(ledger: Ledger, count: int) -> list[Record]:
    """The captures that were finished last, newest first."""
    rows = ledger.rows(f"{SELECT} where state = 'done' order by changed_s desc limit ?", count)
    return [record_of(row) for row in rows]
