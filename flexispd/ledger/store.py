"""The file of the ledger: its tables, its transactions, and the few settings that daemon and command line share."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flexispd.errors import ConfigError, SetupError, TransientError, displayable
from flexispd.presence import gone

NAME = "ledger.sqlite"
SCHEMA = 1
SYNCED = "synced"
"""Setting: when everything was durable last, in seconds since the epoch."""

BUSY_S = 5.0
"""How long one process waits for another's transaction; they last milliseconds."""

# Paths are blobs, because names are bytes. Times are seconds since the epoch, for people.
_TABLES = """
create table capture (
    id integer primary key autoincrement, -- the order of arrival; no id is given twice
    inbox blob not null,
    path blob not null,                   -- the raw, absolute
    version integer not null,
    shot integer not null,                -- one number for all versions of a capture; {counter} in names
    files text not null,                  -- JSON: role -> [path, size, mtime_ns, ctime_ns]
    state text not null,
    reason text not null,
    cause text not null default '',       -- what a waiting row waits for, in one word
    origin text not null,                 -- arrival | reprocess
    profile text not null references profile(look),
    lane integer not null,                -- 0 arrived while somebody watched, 1 backlog
    suspect integer not null default 0,   -- was there when a worker died: tried again alone
    attempts integer not null default 0,  -- counted before the work begins
    failures integer not null default 0,  -- those that are its own
    arrived_s real not null,
    changed_s real not null,              -- when the state last changed
    due_s real not null default 0,        -- not before
    doubt_since_s real,                   -- first failure of these very files
    raw_sha256 text,
    content_sha256 text,                  -- of all that decides the picture
    target blob,                          -- below the outbox, without extension
    target_key blob unique,               -- the same for file systems that are blind to case
    twin integer,                         -- of a duplicate: the row that is rendered
    receipt blob,
    outputs text not null default '[]',   -- JSON: [name, sha256, size_bytes], names from the receipt's folder on
    device text,
    render_ms real,
    taken_at text,
    camera text,
    unique (path, version)
);
create index capture_by_state on capture (state, suspect, lane, id);
create index capture_by_shot on capture (shot);
create index capture_by_content on capture (content_sha256);
create index capture_by_twin on capture (twin) where twin is not null;
create index capture_by_due on capture (due_s) where state = 'waiting';
create index capture_by_cause on capture (cause) where state = 'waiting';
create index capture_by_change on capture (state, changed_s);
create table profile (
    look text primary key,                -- name and content: a copy under another name is another look
    name text not null, sha256 text not null, text text not null
);
create table history (
    id integer primary key, capture integer not null, at_s real not null, state text not null, reason text not null
);
create index history_of_capture on history (capture);
create table leftover (path blob primary key, inbox blob not null, reason text not null);
create table request (id integer primary key, kind text not null, path blob not null, at_s real not null);
create table setting (key text primary key, value text not null);
"""


class LedgerError(TransientError):
    """The ledger cannot be read or written now; nothing may be published without it."""


class Ledger:
    """
    An open ledger. One thread uses it; other processes may have it open too.

    Attributes:
        path: The SQLite file, on a local disk: its write-ahead log does not work over a network.
        spent_s: Time spent in transactions, for whoever measures.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.spent_s = 0.0
        self._db = connection
        self._file: os.stat_result | None = None
        self._loose = False  # something was written that is not durable yet
        self._kept: dict[str, tuple[tuple[int, int], list[sqlite3.Row]]] = {}

    @classmethod
    def create(cls, folder: Path) -> Ledger:
        """The ledger of a state folder, made if it is not there. LedgerError, ConfigError as `open`."""
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(
                f"The state folder {displayable(folder)} cannot be made: {error.strerror}.",
                remedy="Make it, or choose another with `state` in the configuration.",
            ) from None
        ledger = cls(path, _connect(path, path))
        with _translated(path):
            ledger._db.execute("pragma journal_mode = wal")
        with ledger.writing() as db:
            if db.execute("pragma user_version").fetchone()[0] == 0:
                for statement in _statements(_TABLES):
                    db.execute(statement)
                db.execute(f"pragma user_version = {SCHEMA}")
        ledger._check_schema()
        return ledger

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """
        The ledger of a state folder that has one.

        Raises SetupError when there is none, ConfigError when a newer flexispd made it, LedgerError when it cannot be
        read now.
        """
        path = folder / NAME
        if not path.is_file():
            raise SetupError(
                f"There is no ledger in {displayable(folder)}.",
                remedy="Start the daemon once with `flexispd run`, or give the --config that it was started with.",
            )
        ledger = cls(path, _connect(path, f"{path.absolute().as_uri()}?mode=rw"))
        ledger._check_schema()
        return ledger

    def check_file(self) -> None:
        """SetupError when the file is gone, or another than before: SQLite would write on, and nobody would read."""
        try:
            now = self.path.stat()
        except OSError:
            raise gone(self.path) from None
        if self._file is not None and not os.path.samestat(self._file, now):
            raise gone(self.path)
        self._file = now

    def close(self) -> None:
        """Let go of the file; SQLite tidies its log up when nobody else has it."""
        self._db.close()

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """
        One transaction, all or nothing. Inside another it is a part of that one.

        At its end it outlives the process, and if it is `durable` a power cut as well; one that is not becomes durable
        with the next that is, or with `sync`. What a worker can find out again need not wait for the disk.

        LedgerError when SQLite cannot: disk full, locked for long, damaged.
        """
        if self._db.in_transaction:
            yield self._db
            return
        started = time.perf_counter()
        with _translated(self.path):
            self._db.execute("pragma synchronous = " + ("full" if durable else "normal"))
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
                self._loose = not durable
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise
            finally:
                self.spent_s += time.perf_counter() - started

    def sync(self) -> None:
        """Make durable what is not. LedgerError as `writing`."""
        if self._loose:
            self.set_setting(SYNCED, time.time())  # a transaction that changed nothing would not reach the disk

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Everything that a query finds. LedgerError as `writing`."""
        with _translated(self.path):
            return list(self._db.execute(query, values).fetchall())

    def kept_rows(self, query: str) -> list[sqlite3.Row]:
        """As `rows`, for what is asked again and again: SQLite looks anew only when somebody has written meanwhile."""
        now = self.data_version(), self._db.total_changes
        if query not in self._kept or self._kept[query][0] != now:
            self._kept[query] = now, self.rows(query)
        return self._kept[query][1]

    def setting(self, key: str, default: Any = None) -> Any:
        """What was stored under a key, or `default`."""
        rows = self.rows("select value from setting where key = ?", key)
        return json.loads(rows[0][0]) if rows else default

    def set_setting(self, key: str, value: Any) -> None:
        """Store anything that JSON has; None forgets the key."""
        with self.writing() as db:
            if value is None:
                db.execute("delete from setting where key = ?", (key,))
            else:
                db.execute("insert or replace into setting values (?, ?)", (key, json.dumps(value)))

    def data_version(self) -> int:
        """A number that differs after another process has written."""
        return int(self.rows("pragma data_version")[0][0])

    def _check_schema(self) -> None:
        version = self.rows("pragma user_version")[0][0]
        if version != SCHEMA:
            raise ConfigError(
                f"{displayable(self.path)} has the form {version}, and this flexispd knows {SCHEMA}.",
                remedy="Use the flexispd that made it, or name another state folder.",
            )


def _connect(path: Path, address: Path | str) -> sqlite3.Connection:
    """A connection in autocommit mode, so that transactions are only where the code says so."""
    with _translated(path):
        connection = sqlite3.connect(address, timeout=BUSY_S, isolation_level=None, uri=isinstance(address, str))
        connection.row_factory = sqlite3.Row
        return connection


def _statements(script: str) -> Iterator[str]:
    """One by one, because executescript would end the transaction that they are in."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if pending.strip() and sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        shown = displayable(path)
        text = str(error)
        if "malformed" in text or "not a database" in text:
            raise SetupError(
                f"The ledger {shown} is damaged: {text}.",
                remedy="Put a backup in its place, or move it away: finished pictures are then found again by content.",
            ) from error
        room = "full" in text or "disk I/O" in text
        remedy = "Make room on its disk; it goes on by itself." if room else "Check the folder's permissions and disk."
        raise LedgerError(f"The ledger {shown} cannot be used: {text}.", remedy=remedy) from error


def path_bytes(path: os.PathLike[str] | str) -> bytes:
    """A path as the ledger keeps it."""
    return os.fsencode(path)
