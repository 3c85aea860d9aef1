"""A row of the ledger as a record."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path, PurePath
from sqlite3 import Connection, Row
from typing import Any

from flexispd.capture.records import Arrival, Capture, Observation


class State(StrEnum):
    """Where a version of a capture is; docs/operations.md says what each means and what changes it."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class Record:
    """
    One version of one capture.

    Attributes:
        folder: The raw's folder, relative to its inbox.
        cause: What a waiting row waits for: "metadata", "whole file", "file access", "outbox", "volume" or "networks".
        profile: Name of the profile that it was stamped with; `profile_sha256` is its content, `look` its snapshot.
        target: Below the outbox, without extension; None until a worker has read it.
        outputs: (name, SHA-256, size in bytes) of each; names from the receipt's folder on, as `web/DSC1.jpg`.
        twin: Of a duplicate, the id of the row with the same bytes.
    """

    id: int
    version: int
    shot: int
    inbox: Path
    capture: Capture
    observed: Mapping[Path, Observation]
    state: State
    reason: str
    cause: str
    origin: str
    profile: str
    profile_sha256: str
    look: str
    suspect: bool
    attempts: int
    failures: int
    arrived_s: float
    changed_s: float
    due_s: float
    doubt_since_s: float | None
    target: PurePath | None
    twin: int | None
    receipt: PurePath | None
    outputs: tuple[tuple[str, str, int], ...]
    device: str | None
    render_ms: float | None
    taken_at: str | None
    camera: str | None

    @property
    def folder(self) -> PurePath:
        """The raw's folder, relative to its inbox."""
        return self.capture.raw.parent.relative_to(self.inbox)


SELECT = (
    "select capture.*, profile.name as profile_name, profile.sha256 as profile_sha256"
    " from capture join profile on profile.look = capture.profile"
)
"""Begins every query whose rows become records."""

ROLES = ("raw", "json", "xmp", "companion")
DECISIVE = ("raw", "json", "xmp")
"""The files that decide how the picture looks."""

Files = dict[str, list[Any]]
"""Role -> [path, size_bytes, mtime_ns, ctime_ns], as it stands in the column `files`."""


def files_of(arrival: Arrival) -> Files:
    """The files of an arrival in the form of the ledger."""
    files: Files = {}
    for role in ROLES:
        path: Path | None = getattr(arrival.capture, role)
        if path is not None:
            seen = arrival.observed[path]
            files[role] = [str(path), seen.size_bytes, seen.mtime_ns, seen.ctime_ns]
    return files


def dumped(files: Files) -> str:
    """As JSON; bytes of names that are no UTF-8 are lone surrogates there, which JSON escapes."""
    return json.dumps(files)


def record_of(row: Row) -> Record:
    """A row of a `SELECT` query as a record."""
    files: Files = json.loads(row["files"])
    paths = {role: Path(seen[0]) for role, seen in files.items()}
    return Record(
        inbox=_inbox(row["inbox"]),
        capture=Capture(**paths),
        observed={paths[role]: Observation(*seen[1:]) for role, seen in files.items()},
        state=State(row["state"]),
        profile=row["profile_name"],
        profile_sha256=row["profile_sha256"],
        look=row["profile"],
        suspect=bool(row["suspect"]),
        target=_below_outbox(row["target"]),
        receipt=_below_outbox(row["receipt"]),
        outputs=tuple((name, sha256, size_bytes) for name, sha256, size_bytes in json.loads(row["outputs"])),
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = (
    "id", "version", "shot", "reason", "cause", "origin", "attempts", "failures", "arrived_s", "changed_s", "due_s",
    "doubt_since_s", "twin", "device", "render_ms", "taken_at", "camera",
)  # fmt: skip


def move(
    db: Connection, ids: Iterable[int], state: State, reason: str, at_s: float, *, cause: str = "", due_s: float = 0
) -> None:
    """Put rows into a state, and write it into their history. The only place where a state changes."""
    ids = list(ids)
    db.executemany(
        "update capture set state = ?, reason = ?, cause = ?, changed_s = ?, due_s = ? where id = ?",
        [(state, reason, cause, at_s, due_s, id_) for id_ in ids],
    )
    note(db, ids, state, reason, at_s)


def note(db: Connection, ids: Iterable[int], state: State, reason: str, at_s: float) -> None:
    """Write something into the history of rows."""
    db.executemany(
        "insert into history (capture, at_s, state, reason) values (?, ?, ?, ?)",
        [(id_, at_s, state, reason) for id_ in ids],
    )


@cache
def _inbox(blob: bytes) -> Path:
    return Path(os.fsdecode(blob))


def _below_outbox(blob: bytes | None) -> PurePath | None:
    return None if blob is None else PurePath(os.fsdecode(blob))
