"""For the workers: which capture is next, what its bytes are, what it is called, and how it ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from sqlite3 import Connection, Row
from typing import Literal

from flexispd.capture.formats import Kind, kind_of, stem_of
from flexispd.capture.records import Arrival, Capture
from flexispd.errors import CaptureError, displayable
from flexispd.export.names import name_key
from flexispd.jobs import Finished
from flexispd.ledger.arrivals import free_twins, lose
from flexispd.ledger.captures import ROLES, SELECT, Record, State, dumped, files_of, move, note, record_of
from flexispd.ledger.store import Ledger

LIVE_S = 60.0
"""So long after it arrived somebody may be waiting for a capture, and it overtakes the backlog."""

OFF_S_MAX = 600.0
"""Nothing is put off for longer."""

NAMES_MAX = 1000
"""Candidates that are looked at before a capture is given up; with the raw's path hashed into them, a few suffice."""

Cause = Literal["metadata", "whole file", "file access", "outbox", "volume", "networks"]


def claim(ledger: Ledger, at_s: float, *, idle: bool) -> Record | None:
    """
    Take the next capture. Its attempt is counted before the work starts, so that one that kills the process is counted.

    The newest goes first while it is young, then the others in the order in which they arrived. One that was there when
    a worker died is given to an `idle` worker only, and before all others; a busy one gets nothing until then.
    """
    with ledger.writing(durable=False) as db:
        suspect = _end(db, "min", suspect=1)
        if suspect is not None and not idle:
            return None
        chosen = suspect or _young(db, at_s) or _end(db, "min", suspect=0)
        if chosen is None:
            return None
        id_: int = chosen["id"]
        db.execute("update capture set attempts = attempts + 1 where id = ?", (id_,))
        move(db, [id_], State.RUNNING, "given to a worker", at_s)
        return record_of(db.execute(f"{SELECT} where capture.id = ?", (id_,)).fetchone())


def _end(db: Connection, end: Literal["min", "max"], *, suspect: int, lanes: tuple[int, ...] = (0, 1)) -> Row | None:
    """First or last of what is queued. Each lane is one look into the index, however long the queue is."""
    query = f"select {end}(id) as id, arrived_s from capture where state = 'queued' and suspect = ? and lane = ?"
    ends = [db.execute(query, (suspect, lane)).fetchone() for lane in lanes]
    choose = min if end == "min" else max
    return choose((row for row in ends if row["id"] is not None), key=lambda row: int(row["id"]), default=None)


def _young(db: Connection, at_s: float) -> Row | None:
    """The newest that arrived while somebody watched, as long as it is young."""
    row = _end(db, "max", suspect=0, lanes=(0,))
    # A clock that was set back must not make everything young.
    return row if row is not None and 0 <= at_s - row["arrived_s"] <= LIVE_S else None


@dataclass(frozen=True, slots=True)
class Twin:
    """The row that has the same bytes."""

    id: int
    path: Path
    same_path: bool


def recognise(ledger: Ledger, id_: int, raw_sha256: str, content_sha256: str, at_s: float) -> Twin | None:
    """
    Write down what the bytes of a running row are; the row that has the same, if it need not be rendered again.

    Then the row is closed: as a duplicate, or, when the same file was only touched, by going up in the older one.
    Otherwise it is the capture's current version from now on. Versions that were asked for are never duplicates.
    """
    with ledger.writing(durable=False) as db:
        row = db.execute("select * from capture where id = ?", (id_,)).fetchone()
        if row["content_sha256"] not in (None, content_sha256):
            free_twins(db, id_, at_s)
        db.execute(
            "update capture set raw_sha256 = ?, content_sha256 = ? where id = ?", (raw_sha256, content_sha256, id_)
        )
        same = None
        if row["origin"] == "arrival":
            same = db.execute(
                "select id, path, version, state, files from capture where content_sha256 = ? and id != ? and"
                " state in ('done', 'running') order by path != ?, id limit 1",
                (content_sha256, id_, row["path"]),
            ).fetchone()
        if same is None:
            _supersede(db, row, at_s)
            return None
        twin = Twin(same["id"], Path(os.fsdecode(same["path"])), same["path"] == row["path"])
        if not twin.same_path:
            _supersede(db, row, at_s)
            db.execute("update capture set twin = ? where id = ?", (twin.id, id_))
            move(db, [id_], State.DUPLICATE, f"the same bytes as {displayable(twin.path)}", at_s)
        elif same["version"] < row["version"]:
            _go_up(db, row, same, at_s)
        else:
            move(db, [id_], State.SUPERSEDED, f"version {same['version']} took its place", at_s)
        return twin


def _go_up(db: Connection, row: Row, older: Row, at_s: float) -> None:
    """Nothing new after all: the older version has these very bytes."""
    db.execute("update capture set files = ? where id = ?", (row["files"], older["id"]))
    db.execute("update capture set twin = ? where twin = ?", (older["id"], row["id"]))
    note(db, [older["id"]], State(older["state"]), "its file was touched, and has the same bytes", at_s)
    db.execute("delete from capture where id = ?", (row["id"],))
    db.execute("delete from history where capture = ?", (row["id"],))


def _supersede(db: Connection, row: Row, at_s: float) -> None:
    """Older versions of this row's capture are history; one that is being rendered will be when it has finished."""
    older = db.execute(
        "select id, receipt from capture where path = ? and version < ? and state not in ('superseded', 'running')",
        (row["path"], row["version"]),
    ).fetchall()
    why = db.execute("select reason from history where capture = ? order by id limit 1", (row["id"],)).fetchone()[0]
    move(db, [r["id"] for r in older], State.SUPERSEDED, f"version {row['version']}: {why}", at_s)
    for unpublished in (r["id"] for r in older if r["receipt"] is None):
        free_twins(db, unpublished, at_s)


def name(ledger: Ledger, id_: int, candidates: Iterable[PurePath], *, another: bool = False) -> PurePath:
    """
    The name of a row's outputs: the one that it has, or the first candidate that no other row has.

    `another`: what it has is taken by somebody's file, so the next candidate after it. CaptureError when none is left.
    """
    with ledger.writing(durable=False) as db:
        row = db.execute("select target, target_key from capture where id = ?", (id_,)).fetchone()
        if row["target"] is not None and not another:
            return PurePath(os.fsdecode(row["target"]))
        passed = row["target_key"] is None
        skipped: list[tuple[PurePath, bytes]] = []
        keyed = ((candidate, os.fsencode(name_key(candidate))) for candidate in islice(candidates, NAMES_MAX))
        for candidate, key in keyed:
            if not passed:
                passed = key == row["target_key"]
                skipped.append((candidate, key))
            elif _take_name(db, id_, candidate, key):
                return candidate
        for candidate, key in skipped:  # what it had was made from another template
            if not passed and _take_name(db, id_, candidate, key):
                return candidate
    raise CaptureError(
        f"{NAMES_MAX} names were tried, and all are taken.", remedy="Tidy the outbox up, or choose other output names."
    )


def _take_name(db: Connection, id_: int, candidate: PurePath, key: bytes) -> bool:
    """Give a name to a row, unless another has it."""
    if db.execute("select 1 from capture where target_key = ? and id != ?", (key, id_)).fetchone() is not None:
        return False
    db.execute("update capture set target = ?, target_key = ? where id = ?", (os.fsencode(candidate), key, id_))
    return True


def describe(ledger: Ledger, id_: int, taken_at: str | None, camera: str | None) -> None:
    """Remember what the file says of itself, as far as names need it."""
    with ledger.writing(durable=False) as db:
        db.execute("update capture set taken_at = ?, camera = ? where id = ?", (taken_at, camera, id_))


def finish(ledger: Ledger, finished: Finished, outbox: Path, at_s: float) -> None:
    """
    The outputs are whole and durable, and are now the row's.

    The row itself is durable with the next `sync`: after a power cut before that, a worker finds the receipt.
    """
    receipt = finished.receipt.relative_to(outbox)
    beside = finished.receipt.parent
    outputs = [(str(o.path.relative_to(beside)), o.sha256, o.size_bytes) for o in finished.outputs]
    with ledger.writing(durable=False) as db:
        db.execute(
            "update capture set receipt = ?, outputs = ?, device = ?, render_ms = ?, taken_at = ?, camera = ?,"
            " suspect = 0, failures = 0, doubt_since_s = null where id = ?",
            (
                os.fsencode(receipt),
                json.dumps(outputs),
                finished.device,
                sum(finished.steps_ms.values()),
                finished.taken_at,
                finished.camera,
                finished.job,
            ),
        )
        newer = _newer(db, finished.job)
        move(db, [finished.job], State.DONE, "found finished" if finished.up_to_date else "rendered", at_s)
        if newer is not None:
            move(db, [finished.job], State.SUPERSEDED, f"version {newer} took its place", at_s)


def _newer(db: Connection, id_: int) -> int | None:
    """The version that took this row's place while it was being rendered."""
    version: int | None = db.execute(
        "select max(newer.version) from capture join capture as newer on newer.path = capture.path"
        " and newer.version > capture.version and newer.content_sha256 is not null"
        " and newer.state != 'vanished' where capture.id = ?",
        (id_,),
    ).fetchone()[0]
    return version


def put_back(ledger: Ledger, ids: Iterable[int], reason: str, at_s: float, *, suspect: bool = False) -> None:
    """Into the queue again, without blame; a suspect will be tried alone."""
    ids = list(ids)
    with ledger.writing() as db:
        move(db, ids, State.QUEUED, reason, at_s)
        if suspect:
            db.executemany("update capture set suspect = 1 where id = ?", [(id_,) for id_ in ids])


def blame(ledger: Ledger, id_: int, reason: str, at_s: float, failures_max: int) -> State:
    """A failure of the capture's own: tried again alone, and quarantined after `failures_max` of them."""
    with ledger.writing() as db:
        db.execute("update capture set failures = failures + 1, suspect = 1 where id = ?", (id_,))
        failures = db.execute("select failures from capture where id = ?", (id_,)).fetchone()[0]
        if failures >= failures_max:
            return _put_aside(db, id_, f"failed {failures} times: {reason}", at_s)
        move(db, [id_], State.QUEUED, f"failed {failures} of {failures_max} times: {reason}", at_s)
        return State.QUEUED


def wait(ledger: Ledger, id_: int, cause: Cause, reason: str, at_s: float, due_s: float = 0) -> None:
    """
    Not now: tried again at `due_s`, or, when that is 0, when what it waits for has come.

    The first time since its files last changed is remembered.
    """
    with ledger.writing() as db:
        db.execute(
            "update capture set doubt_since_s = coalesce(doubt_since_s, ?), suspect = 0 where id = ?", (at_s, id_)
        )
        move(db, [id_], State.WAITING, reason, at_s, cause=cause, due_s=due_s)


def without(ledger: Ledger, record: Record, removed: Iterable[Path], at_s: float) -> None:
    """Into the queue again with the files that are left, the raw among them; a PNG waits for its metadata instead."""
    capture, removed = record.capture, set(removed)
    left = {path: seen for path, seen in record.observed.items() if path not in removed}
    files = {role: path for role in ROLES if (path := getattr(capture, role)) in left}
    now = Arrival(record.inbox, record.folder, Capture(**files), left)
    with ledger.writing() as db:
        db.execute(
            "update capture set files = ?, doubt_since_s = null where id = ?", (dumped(files_of(now)), record.id)
        )
        if capture.json in removed and kind_of(capture.raw) is Kind.PNG:
            reason = f"waiting for {displayable(stem_of(capture.raw))}.json"
            move(db, [record.id], State.WAITING, reason, at_s, cause="metadata")
        else:
            names = ", ".join(sorted(displayable(path.name) for path in removed))
            move(db, [record.id], State.QUEUED, f"{names} went away", at_s)


def wake(ledger: Ledger, at_s: float) -> int:
    """Into the queue with everything whose time has come; how many that were."""
    waiting = "select id from capture indexed by capture_by_due where state = 'waiting' and"
    # Further away than anything is ever put off: the clock was set back.
    due = f"{waiting} due_s > 0 and due_s <= ? union all {waiting} due_s > ?"
    rows = ledger.rows(due, at_s, at_s + OFF_S_MAX)
    if rows:
        with ledger.writing() as db:
            move(db, [row["id"] for row in rows], State.QUEUED, "its time has come", at_s)
    return len(rows)


def release(ledger: Ledger, cause: Cause, at_s: float, reason: str, inbox: Path | None = None) -> int:
    """Into the queue with everything that waited for this, in one inbox or in all; how many that were."""
    where, values = "state = 'waiting' and cause = ?", [cause, *([] if inbox is None else [os.fsencode(inbox)])]
    found = f"select id from capture indexed by capture_by_cause where {where}" + (" and inbox = ?" if inbox else "")
    rows = ledger.rows(found, *values)
    if rows:
        with ledger.writing() as db:
            # What it waited for was no fault of the capture's, so its patience begins anew.
            db.executemany("update capture set doubt_since_s = null where id = ?", [(row["id"],) for row in rows])
            move(db, [row["id"] for row in rows], State.QUEUED, reason, at_s)
    return len(rows)


def quarantine(ledger: Ledger, id_: int, reason: str, at_s: float) -> None:
    """Put aside with the reason, until its files change or somebody says retry."""
    with ledger.writing() as db:
        _put_aside(db, id_, reason, at_s)


def _put_aside(db: Connection, id_: int, reason: str, at_s: float) -> State:
    """Quarantined; or, when a newer version took its place meanwhile, history."""
    newer = _newer(db, id_)
    db.execute("update capture set suspect = 0 where id = ?", (id_,))
    if newer is None:
        move(db, [id_], State.QUARANTINED, reason, at_s)
        return State.QUARANTINED
    move(db, [id_], State.SUPERSEDED, f"version {newer} took its place; {reason}", at_s)
    free_twins(db, id_, at_s)
    return State.SUPERSEDED


def vanished(ledger: Ledger, id_: int, at_s: float) -> None:
    """The worker found the raw gone."""
    with ledger.writing() as db:
        lose(db, id_, at_s)


def recover(ledger: Ledger, at_s: float) -> list[Record]:
    """What a daemon that died was working on goes back into the queue, to be tried alone; returned as it was."""
    with ledger.writing() as db:
        found = [record_of(row) for row in db.execute(f"{SELECT} where state = 'running'").fetchall()]
        put_back(ledger, [r.id for r in found], "the daemon stopped while it was being rendered", at_s, suspect=True)
    return found


def get(ledger: Ledger, id_: int) -> Record | None:
    """One row as it stands; None when it is gone."""
    rows = ledger.rows(f"{SELECT} where capture.id = ?", id_)
    return record_of(rows[0]) if rows else None
