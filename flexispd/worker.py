"""
A process that renders: started by the supervisor, given captures through a pipe, and expendable.

It never outlives its supervisor. It does not listen to Ctrl-C, SIGTERM or SIGHUP, which may reach every process of a
service at once: the supervisor decides what becomes of the frame in flight, and ends a worker by closing its pipe or by
SIGKILL. What it publishes is whole or not there, so it may be killed at any moment.

Importing this file is cheap. What is not, torch above all, comes when the process is already safe.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from flexispd.errors import FlexispError, WeightsError, displayable
from flexispd.jobs import Unready, WorkerOptions

_PR_SET_PDEATHSIG = 1


def serve(connection: Connection, options: WorkerOptions) -> None:
    """
    Render what comes through the pipe until it is closed or the device fails; the target of a spawned process.

    The thread that started this process must live as long as it shall, because the kernel takes that thread's end for
    its parent's.
    """
    _end_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    channel = Channel(connection)
    try:
        from flexispd.stages import Stages, warmed_up

        models, ready = warmed_up(options)
    except FlexispError as error:
        channel.send(Unready(error.problem, error.remedy, weights=isinstance(error, WeightsError)))
        return
    except Exception as error:  # a driver that does not fit, a library that is missing
        problem = f"The worker cannot start: {type(error).__name__}: {displayable(str(error))[:500]}."
        channel.send(Unready(problem, "Run `flexispd doctor`."))
        return
    stages = Stages(channel.send, models, options.queue_bytes)
    channel.send(ready)
    channel.receive_forever(stages.take)


class Channel:
    """The worker's end of the pipe. Nothing is left to do when the other end is gone, so then the process ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: Any) -> None:
        """Say something, from any thread."""
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            os._exit(0)

    def receive_forever(self, take: Callable[[Any], None]) -> None:
        """Hand everything that is said to `take`."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # at once: threads are at work, and nobody waits for what they make
            take(message)


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, however that happens."""
    parent = multiprocessing.parent_process()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent.pid:
        os._exit(0)  # it died before we asked
