"""
The supervisor's side of the workers: started, given jobs, listened to, and replaced when they die, hang or grow.

A worker is expendable: what it holds is in the ledger, and what it publishes is whole or not there. It is never asked
to stop rendering; it is killed, and its jobs go back into the queue.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from flexispd.export.publish import Anchor
from flexispd.jobs import Drop, Go, Hashed, Job, Named, Permit, Ready, Show, Stage, Taken, Unready, WorkerOptions

START_S_MAX = 180.0
"""Importing torch, loading the networks and rendering one small frame, on a slow and busy machine."""

RESTART_S = (0.0, 1.0, 5.0, 15.0, 30.0)
"""Before the first, second, ... start in a row that came to nothing; the last one for ever."""

AHEAD = 2
"""Jobs in a worker that are not being written yet: one on the device, one being read."""


@dataclass(slots=True)
class Task:
    """
    A job in a worker.

    Attributes:
        alone: No other job may be in the worker, so that it is known whose fault it is if the worker dies.
        folders: Where its outputs go, once that is known; a dead worker may have left temporaries there.
        stage: The step that is running; None between steps.
        since_s: When that step began, on the monotonic clock; waiting for our own answer does not count.
    """

    job: Job
    alone: bool = False
    folders: tuple[Path, ...] = ()
    stage: str | None = None
    since_s: float = 0.0


@dataclass(slots=True)
class Worker:
    """One child process and its pipe."""

    options: WorkerOptions
    process: BaseProcess
    connection: Connection
    started_s: float
    device: str | None = None  # None until it is ready
    unready: Unready | None = None
    tasks: dict[int, Task] = field(default_factory=dict)
    condemned: str | None = None  # why we killed it
    culprit: int | None = None  # the job for which we killed it
    retiring: bool = False  # gets no more jobs, because its options are not the current ones

    @property
    def fit(self) -> bool:
        """Whether anything new may be asked of it."""
        return self.device is not None and not self.retiring and self.condemned is None

    @property
    def has_room(self) -> bool:
        """Whether it can take a job, so that the next frame is read while this one is on the device."""
        pending = sum(task.stage != "publish" for task in self.tasks.values())
        return self.fit and pending < AHEAD and not any(task.alone for task in self.tasks.values())

    def send(self, message: Job | Go | Drop | Show | Permit) -> None:
        """To the worker; if it has died, its sentinel tells."""
        with suppress(OSError):
            self.connection.send(message)

    def give(self, job: Job, *, alone: bool) -> None:
        """A job, to be read next."""
        self.tasks[job.id] = Task(job, alone)
        self.send(job)

    def go(self, id_: int, target: Path | None, anchor: Anchor | None, now_s: float) -> None:
        """Let a job carry on, under this name, in the outbox as it is now."""
        task = self.tasks.get(id_)
        if task is not None:
            task.folders = task.job.profile.folders(target.parent) if target else task.folders
            task.since_s = now_s
        self.send(Go(id_, target, anchor))

    def drop(self, id_: int) -> None:
        """Let a job go."""
        self.tasks.pop(id_, None)
        self.send(Drop(id_))

    def kill(self, reason: str, culprit: int | None = None) -> None:
        """End it at once; what it held is dealt with when it is found dead."""
        if self.condemned is None:
            self.condemned, self.culprit = reason, culprit
        with suppress(OSError, ValueError):
            self.process.kill()

    def messages(self, now_s: float) -> Iterator[Any]:
        """What it has said since the last time. Stages are noted here; everything else is for the supervisor."""
        while True:
            try:
                if not self.connection.poll():
                    return
                message = self.connection.recv()
            except (OSError, EOFError):
                return
            except Exception:  # cut off in the middle of a message: it died while it was sending
                return
            if isinstance(message, Stage):
                if message.job in self.tasks:
                    self.tasks[message.job].stage, self.tasks[message.job].since_s = message.name, now_s
            else:
                if isinstance(message, Ready):
                    self.device = message.device
                elif isinstance(message, Unready):
                    self.unready = message
                elif isinstance(message, Hashed | Named | Taken) and message.job in self.tasks:
                    self.tasks[message.job].stage = None  # it waits for us
                yield message

    def memory_bytes(self) -> int:
        """What it holds of the machine's memory; 0 when it is gone."""
        with suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        return 0

    def stuck(self, now_s: float, timeout_s: float) -> Task | None:
        """A job whose present step has been running for too long."""
        running = [task for task in self.tasks.values() if task.stage is not None]
        return next((task for task in running if now_s - task.since_s > timeout_s), None)

    def ending(self) -> str:
        """How it ended, for people."""
        if self.condemned is not None:
            return self.condemned
        code = self.process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"the worker was ended by {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"


def start_worker(options: WorkerOptions, now_s: float) -> Worker:
    """A new process, spawned: a device that has been used cannot be taken through a fork."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, options), name=f"flexispd worker {options.device}")
    process.daemon = True
    # Blocked in the child too: Ctrl-C reaches the whole group, and a Python that is just starting would complain.
    resource_tracker.ensure_running()  # it would be started with the first worker, and unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return Worker(options, process, ours, now_s)


def _serve(connection: Connection, options: WorkerOptions) -> None:
    """In the worker's process: the first place that imports torch."""
    from flexispd.worker import serve

    serve(connection, options)
