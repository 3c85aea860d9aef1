"""Signals become flags, and wake whoever sleeps; so do threads that have something to say."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType


class Signals:
    """
    SIGTERM and SIGINT ask to stop, a second one to hurry; SIGHUP asks to reload.

    Attributes:
        descriptor: Becomes readable when there is something to look at.
        stop, hurry: What was asked for.
    """

    def __init__(self) -> None:
        self.descriptor, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stop = False
        self.hurry = False
        self._reload = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def wake(self) -> None:
        """Make `descriptor` readable. From any thread."""
        with suppress(BlockingIOError):  # full of earlier calls that nobody has looked at yet
            os.write(self._wake, b"\0")

    def drain(self) -> None:
        """Make it unreadable again, until the next call."""
        with suppress(BlockingIOError):
            while os.read(self.descriptor, 4096):
                pass

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last call; any number of times counts once."""
        wanted, self._reload = self._reload, False
        return wanted

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self.hurry = self.stop
            self.stop = True
        self.wake()
