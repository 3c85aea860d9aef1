"""What people ask of the ledger, whether a daemon is running or not; it sees the change within a second."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from flexispd.ledger.arrivals import BACKLOG, insert
from flexispd.ledger.captures import SELECT, Record, State, move, note, record_of
from flexispd.ledger.store import Ledger, path_bytes

_NEWEST = "version = (select max(other.version) from capture as other where other.path = capture.path)"
_AGAIN = (State.QUARANTINED, State.WAITING, State.VANISHED)


def retry(ledger: Ledger, ids: Iterable[int] | None, at_s: float) -> list[Record]:
    """
    Into the queue again, with a clean slate: these rows as far as they are quarantined, vanished or waiting.

    None means all that are quarantined. Returns the rows that were queued, as they were.
    """
    with ledger.writing() as db:
        if ids is None:
            rows = db.execute(f"{SELECT} where state = 'quarantined' order by capture.id").fetchall()
        else:
            rows = [row for i in ids for row in db.execute(f"{SELECT} where capture.id = ?", (i,)).fetchall()]
        found = [record for record in map(record_of, rows) if record.state in _AGAIN and record.cause != "metadata"]
        for record in found:
            db.execute("update capture set failures = 0, suspect = 0, doubt_since_s = null where id = ?", (record.id,))
        move(db, [record.id for record in found], State.QUEUED, "asked for again", at_s)
    return found


def reprocessable(ledger: Ledger, since_s: float | None = None) -> list[int]:
    """The current version of every capture that has a picture, rendered since a time if one is given, by id."""
    rows = ledger.rows(
        f"select id from capture where state = 'done' and changed_s >= ? and {_NEWEST} order by id", since_s or 0.0
    )
    return [row["id"] for row in rows]


def reprocess(ledger: Ledger, ids: Iterable[int], look: str | None, at_s: float) -> int:
    """
    A new version of each, behind everything else that is queued; returns how many. What got a newer version since it
    was found `reprocessable` is passed over.

    The profile is a snapshot that the ledger keeps, or None for the one that each was rendered with.
    """
    count = 0
    with ledger.writing() as db:
        for rendered in ids:
            row = db.execute(
                f"select * from capture where id = ? and state = 'done' and {_NEWEST}", (rendered,)
            ).fetchone()
            if row is None:
                continue
            columns = {name: row[name] for name in ("inbox", "path", "shot", "files", "taken_at", "camera")}
            reason = "asked for again" if look is None else "asked for under another profile"
            id_ = insert(
                db,
                **columns,
                version=row["version"] + 1,
                state=State.QUEUED,
                reason=reason,
                origin="reprocess",
                profile=look or row["profile"],
                lane=BACKLOG,
                arrived_s=at_s,
                changed_s=at_s,
            )
            note(db, [id_], State.QUEUED, reason, at_s)
            count += 1
    return count


def submit(ledger: Ledger, path: Path, at_s: float) -> None:
    """Tell the daemon, now or when it next starts, that this file is complete."""
    with ledger.writing() as db:
        db.execute("insert into request (kind, path, at_s) values ('submit', ?, ?)", (path_bytes(path), at_s))


def submitted(ledger: Ledger) -> list[Path]:
    """Files that were said to be complete, each once."""
    if not ledger.rows("select 1 from request limit 1"):
        return []
    with ledger.writing() as db:
        rows = db.execute("delete from request where kind = 'submit' returning path").fetchall()
    return [Path(os.fsdecode(row["path"])) for row in rows]
