"""
A thread that looks at the disk for somebody who may not wait.

A network volume that has gone can keep a `stat` for minutes, and nothing can interrupt it. Then this thread stands
still, and whoever sent it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Errands(Generic[T]):
    """
    One errand at a time, done in the background.

    Args:
        wake: Called, in the background, whenever an answer is there.
        name: Of the thread, for who looks at the process.
    """

    def __init__(self, wake: Callable[[], None], name: str) -> None:
        self._wake = wake
        self._jobs: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        self._answers: SimpleQueue[T | BaseException] = SimpleQueue()
        self._since_s: float | None = None
        # A daemon thread, because a process has to be able to end while a volume hangs.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    @property
    def since_s(self) -> float | None:
        """When the errand that is under way was begun; None while there is none."""
        return self._since_s

    def send(self, job: Callable[[], T], now_s: float) -> None:
        """Begin an errand; the one before must have been answered."""
        self._since_s = now_s
        self._jobs.put(job)

    def answer(self) -> T | BaseException | None:
        """What an errand brought, once; or what it raised."""
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return None
        self._since_s = None
        return answer

    def close(self) -> None:
        """No more errands; the one under way is not waited for."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._answers.put(job())
            except BaseException as error:  # whatever it is, it must not end the thread unnoticed
                self._answers.put(error)
            self._wake()
