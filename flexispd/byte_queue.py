"""A queue between two threads that is full when its items are heavy, not when they are many."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ByteQueue(Generic[T]):
    """First in, first out; holds at most `bytes_max`, or one item of any weight."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def put(self, item: T, size_bytes: int) -> None:
        """Append `item`, when there is room for its `size_bytes`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._items or self._bytes + size_bytes <= self._bytes_max)
            self._items.append((item, size_bytes))
            self._bytes += size_bytes
            self._changed.notify_all()

    def get(self) -> T:
        """Take the oldest item, when there is one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items))
            item, size_bytes = self._items.popleft()
            self._bytes -= size_bytes
            self._changed.notify_all()
            return item
