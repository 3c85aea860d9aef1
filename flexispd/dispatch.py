"""
Between the ledger and the workers: which worker gets which capture, and what follows from what a worker says.

Everything that a worker says is answered in the ledger first and in memory afterwards. When the ledger cannot be
written, what was said is kept and dealt with again later, so nothing is published that nobody remembers.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from flexispd.config import Config
from flexispd.errors import CaptureError, ConfigError, displayable
from flexispd.export.names import candidates, needs_shot
from flexispd.failures import Failures
from flexispd.jobs import (
    Failed,
    Finished,
    Hashed,
    Job,
    Named,
    Ready,
    Showable,
    Shown,
    Taken,
    Unready,
    WorkerOptions,
)
from flexispd.latest import Latest
from flexispd.ledger import Ledger, Record, State, profiles, work
from flexispd.log import log
from flexispd.outbox import MB, Outbox
from flexispd.profile import Profile
from flexispd.workers import RESTART_S, START_S_MAX, Worker, start_worker


class Dispatcher:
    """
    The workers and their jobs.

    Attributes:
        workers: Alive, or dead and not yet dealt with.
        problem: Why no worker can work: the device is absent, the weights are not right. None when one can.
        failures: What is done about captures that could not be rendered.
        latest: The newest capture, for a viewer.
    """

    def __init__(self, config: Config, ledger: Ledger, outbox: Outbox, failures: Failures) -> None:
        self.config = config
        self.workers: list[Worker] = []
        self.problem: str | None = None
        self._ledger = ledger
        self._outbox = outbox
        self.failures = failures
        self._said: deque[tuple[Worker, Any]] = deque()
        self._looks: dict[str, Profile] = {}
        self._devices: tuple[str, ...] = (config.worker.device,)
        self._failed_starts = 0
        self._start_due_s = 0.0
        self._proven = False  # the networks have rendered something
        self.latest = Latest(config, ledger, outbox)

    def step(self, now_s: float, at_s: float, *, hand_out: bool) -> None:
        """Listen, replace, and hand out what is next, if that is wanted. LedgerError leaves everything for later."""
        for worker in self.workers:
            self._said.extend((worker, message) for message in worker.messages(now_s))
        self._hear_all(now_s, at_s)
        for worker in list(self.workers):
            self._look_after(worker, now_s, at_s)
        self._staff(now_s)
        work.wake(self._ledger, at_s)
        if hand_out and self._outbox.problem is None:
            self.latest.step(self.workers)
            self._hand_out(at_s)

    def next_due_s(self, now_s: float) -> float:
        """When to look again, if nobody says anything before."""
        return now_s + 1.0 if self._start_due_s <= now_s else min(self._start_due_s, now_s + 1.0)

    def waitables(self) -> Iterator[Any]:
        """What becomes readable when a worker says something, or dies."""
        for worker in self.workers:
            yield worker.connection
            yield worker.process.sentinel

    @property
    def in_flight(self) -> int:
        """Jobs that workers hold."""
        return sum(len(worker.tasks) for worker in self.workers)

    @property
    def ready(self) -> bool:
        """Whether a worker has rendered its warm-up frame."""
        return any(worker.device is not None for worker in self.workers)

    def replace_all(self, config: Config) -> None:
        """From now on, other settings; workers that run under the old ones finish what they hold."""
        changed = self.config.worker != config.worker
        self.config = self.latest.config = self.failures.config = config
        if changed:
            self._devices, self._start_due_s, self._failed_starts = (config.worker.device,), 0.0, 0
            for worker in self.workers:
                worker.retiring = True

    def stop(self, now_s: float, at_s: float) -> None:
        """End all workers now, and put back what they hold."""
        for worker in self.workers:
            worker.kill("the daemon was stopped")
        for worker in self.workers:
            worker.process.join()
            self._said.extend((worker, message) for message in worker.messages(now_s))
        self._hear_all(now_s, at_s)
        for worker in self.workers:
            self.latest.lost(worker, at_s)
            for task in worker.tasks.values():
                for folder in task.folders:
                    self._outbox.clean(folder, at_s)
            work.put_back(self._ledger, worker.tasks, "the daemon was stopped", at_s)
            worker.tasks.clear()
        self.workers.clear()

    def kill_all(self) -> None:
        """End all workers at once, and nothing else."""
        for worker in self.workers:
            worker.kill("the daemon ended")
            worker.process.join()

    def look(self, look: str) -> Profile:
        """The profile that a capture was stamped with."""
        if look not in self._looks:
            self._looks[look] = profiles.snapshot(self._ledger, look)
        return self._looks[look]

    def folders(self, record: Record) -> tuple[Path, ...]:
        """Where a worker may have written something of this row."""
        target = self._absolute(record.target)
        if target is None:
            return ()
        try:
            return self.look(record.look).folders(target.parent)
        except ConfigError:  # a snapshot of another version of flexispd
            return (target.parent,)

    def _staff(self, now_s: float) -> None:
        """A worker for every device that has none."""
        if now_s < self._start_due_s:
            return
        staffed = {worker.options.device for worker in self.workers if not worker.retiring}
        for device in self._devices:
            if device not in staffed:
                params = self.config.worker
                active = profiles.active(self._ledger)
                assert active is not None  # the supervisor sets one before anything else
                options = WorkerOptions(device, active, params.threads, params.queue_mb * MB)
                try:
                    self.workers.append(start_worker(options, now_s))
                except OSError as error:  # no memory, no processes or no files left
                    self._not_started(f"A worker cannot be started: {os.strerror(error.errno or 0)}.", now_s)
                    return
                log.info("worker.started", device=device, pid=self.workers[-1].process.pid)

    def _hand_out(self, at_s: float) -> None:
        for worker in self.workers:
            while worker.has_room:
                with self._ledger.writing(durable=False):  # or it would count as running, and nobody had it
                    record = work.claim(self._ledger, at_s, idle=not worker.tasks)
                    job = None if record is None else self._job(record, at_s)
                if record is None:
                    break
                if job is not None:
                    worker.give(job, alone=record.suspect)

    def _job(self, record: Record, at_s: float) -> Job | None:
        """What a worker is told of a capture; None when nobody can render it."""
        try:
            profile = self.look(record.look)
        except ConfigError as error:  # a snapshot of another version of flexispd
            self.failures.put_aside(record, f"{error.problem} {error.remedy}", at_s)
            return None
        return Job(record.id, record.capture, profile, self._absolute(record.target))

    def _absolute(self, target: PurePath | None) -> Path | None:
        return None if target is None else self.config.outbox / target

    # What workers say.

    def _hear_all(self, now_s: float, at_s: float) -> None:
        while self._said:
            worker, message = self._said[0]
            self._hear(worker, message, now_s, at_s)
            self._said.popleft()

    def _hear(self, worker: Worker, message: Any, now_s: float, at_s: float) -> None:
        match message:
            case Ready():
                self._ready(worker, message)
            case Unready():
                pass  # it ends now, and is dealt with then
            case Hashed() | Named() | Taken():
                self._answer_or_drop(worker, message, now_s, at_s)
            case Finished():
                self._finished(worker, message, at_s)
            case Failed():
                self._failed(worker, message, now_s, at_s)
            case Showable() | Shown():
                self.latest.hear(worker, message)

    def _ready(self, worker: Worker, message: Ready) -> None:
        self.problem = self.failures.ill_device
        if self.problem is None:
            self._failed_starts = 0
        log.info("worker.ready", device=message.device, warm_up_ms=round(message.warm_up_ms))
        if worker.options.device in ("auto", "cuda") and len(message.devices) > 1 and not worker.retiring:
            # The first one took the best device; the others get a worker each.
            rest = tuple(device for device in message.devices if device != message.device)
            self._devices = (worker.options.device, *rest)

    def _answer_or_drop(self, worker: Worker, message: Hashed | Named | Taken, now_s: float, at_s: float) -> None:
        try:
            self._answer(worker, message, now_s, at_s)
        except CaptureError as error:  # there is no name left for it
            record = work.get(self._ledger, message.job)
            if record is not None:
                self.failures.put_aside(record, f"{error.problem} {error.remedy}", at_s)
            worker.drop(message.job)

    def _answer(self, worker: Worker, message: Hashed | Named | Taken, now_s: float, at_s: float) -> None:
        """Whether a job is to carry on, and under which name. One transaction, and nothing is said before its end."""
        twin, target = None, None
        with self._ledger.writing(durable=False):
            record = work.get(self._ledger, message.job)
            if record is not None and record.state is State.RUNNING:
                if isinstance(message, Hashed):
                    sums = message.raw_sha256, message.content_sha256
                    twin = work.recognise(self._ledger, record.id, *sums, at_s)
                target = self._target(record, message) if twin is None else None
        if record is None or record.state is not State.RUNNING:
            worker.drop(message.job)
        elif twin is not None:
            log.info("capture.duplicate", capture=displayable(record.capture.raw), same_as=displayable(twin.path))
            self.latest.twin(record.id, work.get(self._ledger, twin.id))
            worker.drop(record.id)
        else:
            worker.go(record.id, self._absolute(target), self._outbox.anchor, now_s)

    def _target(self, record: Record, message: Hashed | Named | Taken) -> PurePath | None:
        """What the outputs are called; None while that cannot be known."""
        taken_at, camera = record.taken_at, record.camera
        if isinstance(message, Hashed):
            if record.target is not None or needs_shot(self.config.output.name):
                return record.target
            taken_at = camera = None
        elif isinstance(message, Named):
            taken_at, camera = message.taken_at, message.camera
            work.describe(self._ledger, record.id, taken_at, camera)
        names = self._names(record, taken_at, camera)
        return work.name(self._ledger, record.id, names, another=isinstance(message, Taken))

    def _names(self, record: Record, taken_at: str | None, camera: str | None) -> Iterator[PurePath]:
        return candidates(
            self.config.output.name,
            record.capture.raw,
            record.folder,
            record.profile,
            record.shot,
            record.version,
            taken_at,
            camera,
        )

    def _finished(self, worker: Worker, message: Finished, at_s: float) -> None:
        task = worker.tasks.get(message.job)
        work.finish(self._ledger, message, self.config.outbox, at_s)
        worker.tasks.pop(message.job, None)
        self._outbox.worked()
        self.failures.rendered()
        self.problem, self._failed_starts, self._proven = None, 0, True
        self.latest.rendered(message)
        record = work.get(self._ledger, message.job)
        log.info(
            "capture.rendered",
            capture=displayable(task.job.capture.raw if task else message.receipt),
            picture=displayable(message.outputs[0].path) if message.outputs else None,
            profile=record.profile if record else None,
            version=record.version if record else None,
            up_to_date=message.up_to_date,
            duration_ms=round(sum(message.steps_ms.values())),
            since_arrival_s=round(at_s - record.arrived_s, 1) if record else None,
            device=message.device,
        )
        for warning in message.warnings:
            log.debug("capture.warning", capture=displayable(message.receipt), warning=warning)

    def _failed(self, worker: Worker, message: Failed, now_s: float, at_s: float) -> None:
        """Each kind of failure has its own remedy; the ledger knows it before the worker's list does."""
        record = work.get(self._ledger, message.job)
        if record is not None and record.state is State.RUNNING:
            self.failures.answer(worker, record, message, now_s, at_s)
        worker.tasks.pop(message.job, None)

    # How workers fare.

    def _look_after(self, worker: Worker, now_s: float, at_s: float) -> None:
        params = self.config.worker
        if not worker.process.is_alive():
            self._said.extend((worker, message) for message in worker.messages(now_s))  # its last words
            self._hear_all(now_s, at_s)
            self._bury(worker, now_s, at_s)
            return
        if worker.condemned is not None:
            return
        stuck = worker.stuck(now_s, params.job_timeout_s)
        used = worker.memory_bytes()
        if stuck is not None:
            reason = f"made no progress in {params.job_timeout_s:g} s while it was to {stuck.stage}"
            worker.kill(reason, stuck.job.id)
        elif used > (params.memory_max_mb * MB or _three_quarters()):
            worker.kill(f"the worker outgrew its memory: {used // MB} MB")
        elif worker.device is None and now_s - worker.started_s > START_S_MAX:
            worker.kill(f"the worker was not ready after {START_S_MAX:g} s")
        elif worker.retiring and not worker.tasks:
            worker.kill("the settings changed")

    def _bury(self, worker: Worker, now_s: float, at_s: float) -> None:
        """A worker has ended: its jobs go back, and another worker will start."""
        reason = worker.ending()
        self._take_back(worker, reason, at_s)
        self.workers.remove(worker)
        worker.connection.close()
        worker.process.join()
        if worker.retiring:
            return
        log.warning("worker.lost", device=worker.options.device, reason=reason)
        if worker.unready is not None:
            if worker.unready.weights and not self._proven:
                raise ConfigError(worker.unready.problem, remedy=worker.unready.remedy)
            reason = f"{worker.unready.problem} {worker.unready.remedy}"
            self.failures.troubled("worker.unready", reason, at_s)
            log.error("worker.unready", problem=worker.unready.problem, remedy=worker.unready.remedy)
        if worker.device is None or self.failures.ill_device is not None:
            self._not_started(reason, now_s)
        else:
            self._start_due_s = now_s + RESTART_S[min(self._failed_starts, len(RESTART_S) - 1)]

    def _take_back(self, worker: Worker, reason: str, at_s: float) -> None:
        """The jobs of a dead worker go back into the queue, and the one that it died of is blamed."""
        culprit = worker.culprit
        if culprit is None and len(worker.tasks) == 1 and not self.latest.occupies(worker):
            culprit = next(iter(worker.tasks))
        with self._ledger.writing():  # all or none: half of it would look like the death of a worker with fewer jobs
            for id_ in worker.tasks:
                record = work.get(self._ledger, id_)
                if record is None or record.state is not State.RUNNING:
                    continue
                if id_ == culprit:
                    self.failures.blame(record, reason, at_s)
                else:  # when nobody knows whose fault it was, each is tried alone
                    work.put_back(self._ledger, [id_], reason, at_s, suspect=culprit is None)
        self.latest.lost(worker, at_s)
        for task in worker.tasks.values():
            for folder in task.folders:
                self._outbox.clean(folder, at_s)
        worker.tasks.clear()

    def _not_started(self, reason: str, now_s: float) -> None:
        self._failed_starts += 1
        self._start_due_s = now_s + RESTART_S[min(self._failed_starts, len(RESTART_S) - 1)]
        self.problem = None if self.ready else reason  # another device may do


def _three_quarters() -> int:
    """Of the machine's memory, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
