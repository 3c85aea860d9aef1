"""
Which daemon works with a state folder, and how it is doing.

Two files in the state folder. `daemon.lock` is locked by the daemon as long as it lives, by whatever way it ends; what
the file says matters only while it is locked. `status.json` is what only the daemon knows, such as what a worker is
doing; what became of captures is in the ledger.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flexispd.errors import SetupError, displayable

LOCK = "daemon.lock"
STATUS = "status.json"

LOCK_TRIES_S = 1.0
"""A command that looks whether a daemon runs has the lock for less than a millisecond."""

_LOOK_S = 0.02
_STATUS_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Daemon:
    """
    A daemon that runs.

    Attributes:
        pid: Its process; 0 in the first moment of its life.
        since_s: When it started, in seconds since the epoch.
    """

    pid: int
    since_s: float


class Hold:
    """The lock of a state folder, held until `release` or the end of the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def check(self) -> None:
        """SetupError when the file is not there any more, or another: then somebody else may have the state folder."""
        if self._descriptor is not None and not _is_named(self._descriptor, self._path):
            raise gone(self._path)

    def release(self) -> None:
        """Let another daemon start. May be called again."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def hold(state: Path) -> Hold:
    """
    Become the daemon of a state folder, which is made when it does not exist.

    SetupError when another daemon has it, or when it cannot be written to.
    """
    with _usable(state):
        state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _locked(descriptor, fcntl.LOCK_EX, LOCK_TRIES_S):
                daemon = _written(descriptor)
                raise SetupError(
                    f"flexispd is already running as process {daemon.pid} since {clock(daemon.since_s)}.",
                    remedy="Stop that one first, or name another state folder in the configuration.",
                )
            text = json.dumps({"pid": os.getpid(), "since_s": time.time()}).encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)
        except BaseException:
            os.close(descriptor)
            raise
    return Hold(state / LOCK, descriptor)


def gone(path: Path) -> SetupError:
    """A file of the state folder was removed or replaced under the daemon."""
    return SetupError(
        f"{displayable(path)} was removed or replaced while flexispd was running.",
        remedy="Leave the state folder alone, and start flexispd again: it finds finished pictures by their content.",
    )


def running(state: Path) -> Daemon | None:
    """The daemon that works with a state folder now, if there is one. SetupError when nobody may look."""
    with _usable(state):
        try:
            descriptor = os.open(state / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            # Shared, so that commands do not take one another for a daemon; closing the file gives it back.
            return None if _locked(descriptor, fcntl.LOCK_SH, 0) else _written(descriptor)
        finally:
            os.close(descriptor)


def write_status(state: Path, status: Mapping[str, Any]) -> None:
    """
    Say how the daemon is doing, in place of what it said before; a reader sees one or the other, whole.

    Not durable, because it says nothing about a daemon that has ended; and never an error, because a daemon that cannot
    say how it is doing, on a full disk for example, still works.
    """
    temporary = state / f".{STATUS}.new"
    with suppress(OSError):
        temporary.write_text(json.dumps(status))
        temporary.replace(state / STATUS)


def read_status(state: Path) -> dict[str, Any] | None:
    """What a daemon said last, with its `pid`, even when it has ended since; None when there is nothing to read."""
    try:
        with (state / STATUS).open("rb") as file:
            status = json.loads(file.read(_STATUS_BYTES_MAX))
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None


def clock(at_s: float) -> str:
    """The time of day, with the date when it was not today."""
    then = time.localtime(at_s)
    today = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", then)


def _locked(descriptor: int, kind: int, patience_s: float) -> bool:
    """Whether the lock was to be had, tried again for as long as `patience_s`."""
    until_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                return False
            time.sleep(_LOOK_S)
        else:
            return True


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _written(descriptor: int) -> Daemon:
    """What the holder of the lock wrote into it; it may not have come to it yet."""
    try:
        said = json.loads(os.pread(descriptor, 1000, 0))
        return Daemon(int(said["pid"]), float(said["since_s"]))
    except (ValueError, KeyError, TypeError):
        return Daemon(0, os.fstat(descriptor).st_mtime)


@contextmanager
def _usable(state: Path) -> Iterator[None]:
    """The operating system's errors about a state folder, as ours."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SetupError(
            f"The state folder {displayable(state)} cannot be used: {reason}.",
            remedy="Check its permissions, or name another with `state` in the configuration.",
        ) from error
