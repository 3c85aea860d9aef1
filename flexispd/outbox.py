"""
Whether pictures can be written to the outbox: its volume is there, it may be written to, and there is room.

The question is asked in a thread of its own, because an outbox on a network that went away answers nobody. While the
answer is no, nothing is rendered, nothing is lost, and the question is asked again, more and more rarely.
"""

from __future__ import annotations

import errno
import os
import queue
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flexispd.capture.filesystem import mount_of
from flexispd.errors import displayable
from flexispd.export.publish import Anchor, remove_stale_temporaries

OPEN_CHECK_S = 10.0
BLOCKED_CHECK_S = (2.0, 2.0, 5.0, 15.0, 30.0)
"""Between questions while nothing can be written; longer when room was found and then proved too small."""

_REMEDIES = {
    errno.ENOSPC: "Make room.",
    errno.EDQUOT: "Make room, or have the quota raised.",
    errno.EROFS: "Mount it writable.",
    errno.EACCES: "Give the user of flexispd the right to write there.",
    errno.EPERM: "Give the user of flexispd the right to write there.",
}

ANSWER_S_MAX = 30.0
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What was found.

    Attributes:
        problem: Why nothing can be written, as a sentence with its remedy; None when it can.
        free_bytes: For a user like us; None when nobody could say.
        mount: Where its volume is mounted.
        anchor: The folder as it is.
    """

    problem: str | None
    free_bytes: int | None = None
    mount: Path | None = None
    anchor: Anchor | None = None


class Outbox:
    """
    The outbox's state as the supervisor knows it. Nothing here blocks.

    Attributes:
        problem: Why nothing is written now, or None. Begins with a sentence, because nobody has looked yet.
        known: Whether anybody has looked, or waited for the answer in vain.
        anchor: The folder as it was when it was last looked at; what is written must go there.
        free_min_mb: What is to be left free.
        recovered: Set when the outbox itself is found well after it was not; whoever acts on it clears it. A picture
            that could not be written while the outbox was well has a trouble of its own, such as one folder's rights.
    """

    def __init__(self, folder: Path, free_min_mb: int, mount: Path | None, wake: Callable[[], None]) -> None:
        self.folder = folder
        self.problem: str | None = "The outbox is being looked at."
        self.known = False
        self.free_bytes: int | None = None
        self.mount = mount
        self.anchor: Anchor | None = None
        self.free_min_mb = free_min_mb
        self.recovered = False
        self._ill = True  # as far as anybody knows
        self._wake = wake
        self._due_s = 0.0
        self._asked_s: float | None = None
        self._setbacks = 0
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="outbox", daemon=True)
        self._thread.start()

    def step(self, now_s: float) -> bool:
        """Take the answer that has come, ask again when it is time. Whether the problem is another than before."""
        before = self.problem
        with suppress(queue.Empty):
            self._take(self._answers.get_nowait(), now_s)
        if self._asked_s is None and now_s >= self._due_s:
            self._asked_s = now_s
            self._work.put(self._ask)
        elif self._asked_s is not None and now_s - self._asked_s > ANSWER_S_MAX:
            self.problem = f"{displayable(self.folder)} does not answer. Check its disk or its network."
        self.known |= before != self.problem
        return before != self.problem

    def blocked(self, problem: str, now_s: float) -> None:
        """A worker could not write there."""
        if self.problem is None:
            self._setbacks += 1
        self.problem = problem
        wait_s = BLOCKED_CHECK_S[min(self._setbacks, len(BLOCKED_CHECK_S)) - 1]
        self._due_s = now_s + wait_s

    def worked(self) -> None:
        """Something was written, so what comes next is not the same trouble again."""
        self._setbacks = 0

    def clean(self, folder: Path, at_s: float) -> None:
        """Delete what a dead worker left half-written in a folder."""
        self._work.put(lambda: _clean(folder, at_s))

    def next_due_s(self) -> float | None:
        """When `step` has something to do again; None while an answer is awaited."""
        return self._due_s if self._asked_s is None else None

    def close(self) -> None:
        """Ask no more. A question that hangs is left hanging."""
        self._work.put(None)

    def settle(self, timeout_s: float) -> None:
        """Wait until what was asked for has been done, but not for ever."""
        done = threading.Event()
        self._work.put(done.set)
        done.wait(timeout_s)

    def _take(self, answer: Answer, now_s: float) -> None:
        self._asked_s = None
        self.recovered |= self._ill and answer.problem is None
        self._ill = answer.problem is not None
        self.problem = answer.problem
        self.free_bytes = answer.free_bytes
        self.mount = answer.mount or self.mount
        self.anchor = answer.anchor or self.anchor
        self._due_s = now_s + (OPEN_CHECK_S if answer.problem is None else BLOCKED_CHECK_S[0])

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _ask(self) -> None:
        self._answers.put(look(self.folder, self.free_min_mb * MB, self.mount))
        self._wake()


def look(folder: Path, free_min_bytes: int, expected: Path | None) -> Answer:
    """
    Whether anything can be written to `folder`, found out by writing.

    `expected` is where its volume was mounted before. When that is not mounted now, the folder that shows in its place
    belongs to another disk, and is left alone.
    """
    shown = displayable(folder)
    try:
        mount = mount_of(folder).point
        if expected is not None and mount != expected and mount in expected.parents:
            return Answer(f"The volume of {shown} is not mounted at {displayable(expected)}. Mount it.")
        anchor = Anchor.of(folder)
        status = os.statvfs(folder)
        free = status.f_bavail * status.f_frsize
        _write_something(folder)
    except FileNotFoundError:
        return Answer(f"{shown} is not there. Mount its volume, or make the folder.")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, "Check its disk and its permissions.")
        return Answer(f"{shown} cannot be written to: {reason}. {remedy}")
    if free < free_min_bytes:
        left, wanted = free // MB, free_min_bytes // MB
        problem = f"Only {left} MB are free in {shown}, and {wanted} are to be left. Make room, or lower free_min_mb."
        return Answer(problem, free, mount, anchor)
    return Answer(None, free, mount, anchor)


def _write_something(folder: Path) -> None:
    """A few bytes to the disk and away again: some full or read-only disks are only found out in this way."""
    probe = folder / f".flexispd-{secrets.token_hex(8)}.tmp"
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"flexispd")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def _clean(folder: Path, at_s: float) -> None:
    with suppress(OSError):
        remove_stale_temporaries(folder, at_s)
