"""
Log lines in a file, bounded in size, by a thread of its own: a network drive that hangs must not hang whoever logs.

    FOLDER/flexispd.log      the current file
    FOLDER/flexispd.log.1    the one before it, and so on; the oldest is deleted

Nothing here raises, and no line is worth waiting for. While the file cannot be written, lines are dropped, and every
`RETRY_S` it is tried again.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

NAME = "flexispd.log"
RETRY_S = 30.0
CLOSE_TIMEOUT_S = 1.0
IDLE_S = 5.0
"""After so long without a line the file is let go of, so that a quiet volume can be unmounted."""

LINES_MAX = 10_000
"""Lines that may wait for the disk; more are dropped."""


class RotatingFile:
    """
    A file of lines that begins anew when it is full.

    Args:
        folder: Made when it is missing, but not its parents: they are there, or their volume is not.
        size_max: Bytes; only a single line that is longer makes a longer file.
        files: How many are kept, the current one included.
        clock: Seconds that only grow.
    """

    def __init__(self, folder: Path, size_max: int, files: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / NAME
        self._size_max = size_max
        self._files = files
        self._clock = clock
        self._descriptor: int | None = None
        self._device: int | None = None  # of the parent, when the file was first opened
        self._retry_at_s = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether the file is held on to."""
        return self._descriptor is not None

    def write(self, line: str) -> None:
        """Append a line, or drop it. The file is opened by the first."""
        if self._clock() < self._retry_at_s:
            return
        try:
            self._append(line.encode("utf-8", "backslashreplace") + b"\n")
        except (OSError, ValueError):
            self.close()
            self._retry_at_s = self._clock() + RETRY_S

    def close(self) -> None:
        """Let go of the file, and so of its volume. The next line opens it again."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _append(self, data: bytes) -> None:
        descriptor = self._opened()
        status = os.fstat(descriptor)
        if status.st_nlink == 0:  # somebody deleted it, and would look for the lines in vain
            self.close()
            descriptor = self._opened()
        elif status.st_size and status.st_size + len(data) > self._size_max:
            self._rotate()
            descriptor = self._opened()
        while data:
            data = data[os.write(descriptor, data) :]

    def _opened(self) -> int:
        if self._descriptor is not None:
            return self._descriptor
        folder = self._path.parent
        device = folder.parent.stat().st_dev
        if self._device not in (None, device):  # unmounted meanwhile: this is the disk below
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), str(folder))
        folder.mkdir(exist_ok=True)
        self._device = device
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, 0o666)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":  # a power cut or a full disk ended that line
            os.write(self._descriptor, b"\n")
        return self._descriptor

    def _rotate(self) -> None:
        self.close()
        for number in count(self._files):  # more than there may be: the number was lowered since
            try:
                self._numbered(number).unlink()
            except FileNotFoundError:
                break
        for number in range(self._files - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        if self._files == 1:
            self._path.unlink()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{NAME}.{number}") if number else self._path


class LogFile:
    """A rotating file behind a thread, until it is closed. Arguments as of RotatingFile."""

    def __init__(self, folder: Path, size_max: int, files: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.made_of = (folder, size_max, files)
        self._file = RotatingFile(folder, size_max, files, clock)
        self._items: queue.Queue[str | threading.Event | None] = queue.Queue(LINES_MAX)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._work, name="log file", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Hand a line over, or drop it when the disk has fallen too far behind. Never waits."""
        with suppress(queue.Full):
            self._items.put_nowait(line)

    def flush(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Wait until all lines so far are written, or dropped. False when it takes longer."""
        reached = threading.Event()
        with suppress(queue.Full):
            self._items.put(reached, timeout=timeout_s)
        return reached.wait(timeout_s)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what waits, and let go of the file. False when the disk does not answer: then as soon as it does."""
        try:
            self._items.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
        except queue.Full:
            self._given_up.set()
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._given_up.is_set():
            try:
                item = self._items.get(timeout=IDLE_S if self._file.is_open else None)
            except queue.Empty:
                self._file.close()
                continue
            if item is None:
                break
            if isinstance(item, str):
                self._file.write(item)
            else:
                item.set()
        self._file.close()
