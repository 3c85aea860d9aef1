"""
From the inboxes into the ledger: what is new, what changed, what is gone.

The same capture may be reported any number of times. A row is made only when something about it is new, so a scan of
a folder that has not changed changes nothing here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection, Row

from flexispd.capture.pair import Reason
from flexispd.capture.records import Arrival
from flexispd.errors import displayable
from flexispd.ledger.captures import DECISIVE, Files, State, dumped, files_of, move, note
from flexispd.ledger.store import Ledger, path_bytes

LIVE, BACKLOG = 0, 1

_UNPUBLISHED = (State.WAITING, State.QUEUED, State.QUARANTINED, State.VANISHED)
"""States in which a row has no outputs, so that changed files need no new version."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What an arrival meant: the row, its version, where it stands now, and why.

    Attributes:
        new_raw: The raw itself is new or has other bytes; not only what lies beside it.
    """

    id: int
    version: int
    arrival: Arrival
    state: State
    reason: str
    new_raw: bool = True


def record(ledger: Ledger, arrivals: Iterable[Arrival], at_s: float, lane: int) -> list[Recorded]:
    """
    Write down what arrived, in one transaction; returns only what was new or changed.

    A capture without a picture yet takes the new files as they are; one that is being rendered, or was, gets a new
    version under the look of the old one. A sidecar that went away makes nothing new: the picture had it.
    """
    recorded: list[Recorded] = []
    with ledger.writing() as db:
        for arrival in arrivals:
            row = _latest(db, arrival.capture.raw)
            change = _first(db, arrival, at_s, lane) if row is None else _again(db, row, arrival, at_s, lane)
            if change is not None:
                recorded.append(change if row is None else replace(change, new_raw=_other_raw(row, arrival)))
    return recorded


def vanish(ledger: Ledger, inbox: Path, at_s: float, gone: Callable[[Path], bool]) -> list[int]:
    """
    Mark what was still to be done and whose raw is `gone`; a copy of the same bytes takes its place in the queue.

    What has been rendered stays as it is, because cards are emptied.
    """
    found: list[int] = []
    with ledger.writing() as db:
        rows = db.execute(
            "select id, path from capture where state in ('queued', 'waiting') and inbox = ?", (path_bytes(inbox),)
        ).fetchall()
        found = [row["id"] for row in rows if gone(Path(os.fsdecode(row["path"])))]
        for id_ in found:
            lose(db, id_, at_s)
    return found


def lose(db: Connection, id_: int, at_s: float) -> None:
    """The raw of this row is not there any more."""
    move(db, [id_], State.VANISHED, "its file is not in the inbox any more", at_s)
    free_twins(db, id_, at_s)


def free_twins(db: Connection, id_: int, at_s: float) -> None:
    """The first duplicate of a row takes its place, because the row will not be rendered from the bytes they share."""
    twin = db.execute("select min(id) from capture where twin = ? and state = 'duplicate'", (id_,)).fetchone()[0]
    if twin is not None:
        db.execute("update capture set twin = ? where twin = ? and id != ?", (twin, id_, twin))
        db.execute("update capture set twin = null where id = ?", (twin,))
        move(db, [twin], State.QUEUED, "the capture with the same bytes is not rendered", at_s)


def list_leftovers(ledger: Ledger, inbox: Path, leftovers: Mapping[Path, Reason]) -> None:
    """Files of an inbox that are no part of a capture, in place of those that were listed before."""
    with ledger.writing() as db:
        db.execute("delete from leftover where inbox = ?", (path_bytes(inbox),))
        db.executemany(
            "insert or replace into leftover values (?, ?, ?)",
            [(path_bytes(path), path_bytes(inbox), reason.name.lower()) for path, reason in leftovers.items()],
        )


def _latest(db: Connection, raw: Path) -> Row | None:
    row: Row | None = db.execute(
        "select * from capture where path = ? order by version desc limit 1", (path_bytes(raw),)
    ).fetchone()
    return row


def _first(db: Connection, arrival: Arrival, at_s: float, lane: int) -> Recorded:
    shot = db.execute("select coalesce(max(shot), 0) + 1 from capture").fetchone()[0]
    return _insert(db, arrival, 1, shot, _active(db), lane, at_s, "arrived")


def _again(db: Connection, row: Row, arrival: Arrival, at_s: float, lane: int) -> Recorded | None:
    """What a capture means that the ledger knows already."""
    before: Files = json.loads(row["files"])
    now = files_of(arrival)
    state = State(row["state"])
    reason = _difference(before, now)
    if reason is None:
        if before != now:
            db.execute("update capture set files = ? where id = ?", (dumped(now), row["id"]))
        if state is not State.VANISHED:
            return None
        reason = "came back"
    elif state not in _UNPUBLISHED:
        if arrival.doubt is not None or not _adds(before, now):
            return None
        return _insert(db, arrival, row["version"] + 1, row["shot"], row["profile"], lane, at_s, reason)
    return _refresh(db, row, arrival, at_s, reason)


def _refresh(db: Connection, row: Row, arrival: Arrival, at_s: float, reason: str) -> Recorded:
    """The same version, with the files as they are now and a clean slate."""
    free_twins(db, row["id"], at_s)
    db.execute(
        "update capture set files = ?, inbox = ?, suspect = 0, failures = 0, doubt_since_s = null,"
        " raw_sha256 = null, content_sha256 = null where id = ?",
        (dumped(files_of(arrival)), path_bytes(arrival.inbox), row["id"]),
    )
    state, cause = (State.WAITING, "metadata") if arrival.doubt else (State.QUEUED, "")
    reason = arrival.doubt or reason
    move(db, [row["id"]], state, reason, at_s, cause=cause)
    return Recorded(row["id"], row["version"], arrival, state, reason)


def _insert(
    db: Connection, arrival: Arrival, version: int, shot: int, profile: str, lane: int, at_s: float, reason: str
) -> Recorded:
    state, cause = (State.WAITING, "metadata") if arrival.doubt else (State.QUEUED, "")
    reason = arrival.doubt or reason
    id_ = insert(
        db,
        inbox=path_bytes(arrival.inbox),
        path=path_bytes(arrival.capture.raw),
        version=version,
        shot=shot,
        files=dumped(files_of(arrival)),
        state=state,
        reason=reason,
        cause=cause,
        origin="arrival",
        profile=profile,
        lane=lane,
        arrived_s=at_s,
        changed_s=at_s,
    )
    note(db, [id_], state, reason, at_s)
    return Recorded(id_, version, arrival, state, reason)


def insert(db: Connection, **columns: object) -> int:
    """A new row; returns its id."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    id_ = db.execute(f"insert into capture ({names}) values ({marks})", tuple(columns.values())).lastrowid
    assert id_ is not None  # SQLite gives every inserted row one
    return id_


def _active(db: Connection) -> str:
    """Read in the transaction that stamps it, so that no capture falls between two looks."""
    value: str = json.loads(db.execute("select value from setting where key = 'profile'").fetchone()[0])
    return value


def _difference(before: Files, now: Files) -> str | None:
    """What happened to the files that decide the picture, as a reason; None when nothing did."""
    for role in DECISIVE:
        old, new = before.get(role), now.get(role)
        if old == new:
            continue
        if old is None or new is None:
            name = displayable(Path((new or old or [""])[0]).name)
            return f"{name} joined" if old is None else f"{name} went away"
        return f"{displayable(Path(new[0]).name)} changed"
    return None


def _other_raw(row: Row, arrival: Arrival) -> bool:
    """By path, size and time; permissions that change do not make it another."""
    before: Files = json.loads(row["files"])
    return before["raw"][:3] != files_of(arrival)["raw"][:3]


def _adds(before: Files, now: Files) -> bool:
    """Whether something is there that was not, or is not as it was."""
    return any(now[role] != before.get(role) for role in DECISIVE if role in now)
