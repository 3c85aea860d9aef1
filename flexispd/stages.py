"""
The threads of a worker: while one frame is on the device, the next is read and the last is written. A fourth, in
showing.py, keeps the newest capture on the screen meanwhile.

    jobs --read, decode--> mosaics --develop--> pictures --encode, publish--> outbox

Python's lock is no obstacle: hashing, LibRaw, torch and the encoders all work without it. A capture that fails is
reported, with what kind of failure it is, and the next one is taken; only a failed device ends the process.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
import torch

from flexispd.byte_queue import ByteQueue
from flexispd.develop.color import XYZ_TO_SRGB
from flexispd.develop.memory import give_back_memory
from flexispd.develop.models import Models, all_devices, load_models
from flexispd.errors import (
    BlockedError,
    ConfigError,
    CorruptRawError,
    DeviceError,
    FlexispError,
    NameTakenError,
    SetupError,
    TransientError,
    UnsupportedRawError,
    VanishedError,
    displayable,
)
from flexispd.export.publish import Anchor, outbox_error
from flexispd.export.receipt import Inputs, Receipt, hash_inputs, name_beside
from flexispd.jobs import (
    Drop,
    Failed,
    FailureKind,
    Finished,
    Go,
    Hashed,
    Job,
    Named,
    OutputWritten,
    Permit,
    Ready,
    Show,
    Stage,
    Taken,
    WorkerOptions,
)
from flexispd.pipeline import Order, Plan, Result, Timer, decode, develop, found, plan, publish
from flexispd.profile import LutParams, Profile
from flexispd.showing import Showing
from flexispd.types import CFA, ColorMatrix, Mosaic, Picture, ShotInfo

WARM_UP_PX = 256
"""Edge of the first frame: every kernel that a frame needs is loaded and has run once."""

_KINDS: tuple[tuple[type[FlexispError], FailureKind], ...] = (
    (VanishedError, "vanished"),
    (CorruptRawError, "incomplete"),
    (UnsupportedRawError, "unsupported"),
    (BlockedError, "blocked"),
    (TransientError, "transient"),
    (DeviceError, "device"),
    (SetupError, "setup"),
    (ConfigError, "setup"),
)
"""What the supervisor is told, the narrower error first."""

StageName = Literal["read", "decode", "develop", "publish"]


def warmed_up(options: WorkerOptions) -> tuple[Models, Ready]:
    """
    The networks of `options.profile` on their device, after one frame.

    Raises:
        SetupError: The device is absent, or the weights are missing or altered.
        DeviceError, TransientError: The frame could not be developed.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    models = load_models([options.profile], options.device)
    _use(models.device)
    started = time.perf_counter()
    # Without its look-up table: one that was lost ends the captures that want it, not the worker.
    develop(_first_frame(), [replace(options.profile, lut=LutParams(), rules=())], models)
    return models, Ready(str(models.device), all_devices(), 1000 * (time.perf_counter() - started))


def _first_frame() -> Mosaic:
    """Light that grows from left to right, with some noise, as a camera with the primaries of sRGB would see it."""
    ramp = np.linspace(600, 12000, WARM_UP_PX)
    noise = np.random.default_rng(0).normal(0, 20, (WARM_UP_PX, WARM_UP_PX))
    shot = ShotInfo(color_matrices=(ColorMatrix(XYZ_TO_SRGB, 6504.0),))
    return Mosaic((ramp + noise).astype(np.uint16), CFA.RGGB, (512.0,) * 4, (16383.0,) * 4, shot)


def _use(device: torch.device) -> None:
    """Make `device` the one that this thread means when it names none."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


class _DroppedError(Exception):
    """The supervisor has no use for this job any more."""


@dataclass(slots=True, eq=False)
class _Task:
    """
    A job on its way through the threads; one of them has it at a time.

    Attributes:
        answers: What the supervisor says about this job.
        stage: The step that is running.
    """

    job: Job
    answers: SimpleQueue[Go | Drop] = field(default_factory=SimpleQueue)
    stage: StageName | None = None
    timed: Timer = field(default_factory=Timer)


@dataclass(frozen=True, slots=True, eq=False)
class _Planned:
    """A task of which it is known what will be written where, with the networks that its profile asks for."""

    task: _Task
    inputs: Inputs
    models: Models
    plan: Plan
    anchor: Anchor | None


def _to_the_end(work: Callable[[], None]) -> None:
    """Run one of the threads; without it the others would wait for ever, so the process ends with it."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
    os._exit(1)


class Stages:
    """The threads, what lies between them, and the jobs that they hold."""

    def __init__(self, send: Callable[[Any], None], models: Models, queue_bytes: int) -> None:
        self._send = send
        self._device = models.device
        self._models = dict.fromkeys(models.weights, models)
        self._tasks: dict[int, _Task] = {}
        self._given: SimpleQueue[_Task] = SimpleQueue()
        self._mosaics: ByteQueue[tuple[_Planned, Mosaic]] = ByteQueue(queue_bytes)
        self._pictures: ByteQueue[tuple[_Planned, ShotInfo, Picture]] = ByteQueue(queue_bytes)
        self._showing = Showing(send)
        for work in (self._read_all, self._develop_all, self._publish_all, self._showing.show_all):
            threading.Thread(target=_to_the_end, args=(work,), name=work.__name__, daemon=True).start()

    def take(self, message: Job | Go | Drop | Show | Permit) -> None:
        """A job, a wish, or an answer about one. Never waits."""
        if isinstance(message, Show | Permit):
            self._showing.take(message)
        elif isinstance(message, Job):
            task = self._tasks[message.id] = _Task(message)
            self._given.put(task)
        else:
            # What is dropped is forgotten here and at once: the same capture may be the next that is given.
            asking = (self._tasks.pop if isinstance(message, Drop) else self._tasks.get)(message.job, None)
            if asking is not None:
                asking.answers.put(message)

    # The loops keep no frame in a variable of their own: it would be held until the next one comes.

    def _read_all(self) -> None:
        while True:
            self._read(self._given.get())

    def _develop_all(self) -> None:
        _use(self._device)
        while True:
            self._develop(*self._mosaics.get())

    def _publish_all(self) -> None:
        while True:
            self._publish(*self._pictures.get())

    def _read(self, task: _Task) -> None:
        with self._reported(task):
            self._begin(task, "read")
            with task.timed("hash", on_device=False):
                inputs = hash_inputs(task.job.capture)
            go = self._ask(task, Hashed(task.job.id, inputs.raw.sha256, inputs.content_sha256))
            self._begin(task, "read")
            models = self._models_of(task.job.profile)
            planned = None if go.target is None else self._planned(task, inputs, models, go)
            if planned is None or not planned.plan.clearance.up_to_date:
                self._begin(task, "decode")
                mosaic = decode(task.job.capture, inputs, task.timed)
                if planned is None:
                    shot = mosaic.shot
                    go = self._ask(task, Named(task.job.id, shot.taken_at, shot.model or shot.make))
                    self._begin(task, "read")
                    planned = self._planned(task, inputs, models, go)
            if planned.plan.clearance.up_to_date:
                self._finish(task, found(planned.plan))
                return
            self._begin(task, None)
            self._mosaics.put((planned, mosaic), mosaic.values.nbytes)

    def _develop(self, planned: _Planned, mosaic: Mosaic) -> None:
        task = planned.task
        with self._reported(task):
            self._begin(task, "develop")
            (picture,) = develop(mosaic, [task.job.profile], planned.models, task.timed)
            self._begin(task, None)
            self._pictures.put((planned, mosaic.shot, picture), picture.nbytes)

    def _publish(self, planned: _Planned, shot: ShotInfo, picture: Picture) -> None:
        task = planned.task
        with self._reported(task):
            while True:
                self._begin(task, "publish")
                try:
                    result = publish(planned.plan, shot, picture, task.timed, planned.anchor)
                except NameTakenError:  # since it was planned
                    go = self._ask(task, Taken(task.job.id))
                    self._begin(task, "publish")
                    planned = self._planned(task, planned.inputs, planned.models, go)
                    if not planned.plan.clearance.up_to_date:
                        continue
                    result = found(planned.plan)
                self._finish(task, result)
                return

    def _planned(self, task: _Task, inputs: Inputs, models: Models, go: Go) -> _Planned:
        """What will be written where, under this name or the next one that the supervisor gives."""
        profile = task.job.profile
        while True:
            if go.target is None:
                raise ValueError("a name was asked for, and none was given")
            try:
                decided = plan(Order(profile, go.target), inputs, models.weights[profile.model], "stale")
            except NameTakenError:
                go = self._ask(task, Taken(task.job.id))
            else:
                return _Planned(task, inputs, models, decided, go.anchor)

    def _models_of(self, profile: Profile) -> Models:
        if profile.model not in self._models:
            self._models[profile.model] = load_models([profile], str(self._device))
        return self._models[profile.model]

    def _begin(self, task: _Task, stage: StageName | None) -> None:
        task.stage = stage
        self._send(Stage(task.job.id, stage))

    def _ask(self, task: _Task, question: Hashed | Named | Taken) -> Go:
        """Where the supervisor lets it go."""
        self._send(question)
        answer = task.answers.get()
        if isinstance(answer, Drop):
            raise _DroppedError
        return answer

    def _finish(self, task: _Task, result: Result) -> None:
        receipt = result.receipt
        if receipt is None:
            raise ValueError("a result without error has a receipt")
        finished = Finished(
            job=task.job.id,
            receipt=result.receipt_path,
            outputs=tuple(_written(path, result.receipt_path, receipt) for path in result.outputs),
            up_to_date=result.up_to_date,
            warnings=receipt.warnings,
            steps_ms=dict(task.timed.steps_ms),
            device=str(receipt.development.get("device", self._device)),
            camera=_fact(receipt, "model") or _fact(receipt, "make"),
            taken_at=_fact(receipt, "taken_at"),
        )
        del self._tasks[task.job.id]
        self._send(finished)
        self._rest()

    @contextmanager
    def _reported(self, task: _Task) -> Iterator[None]:
        """Whatever goes wrong with one job is told, and ends that job only; a failed device ends the process."""
        try:
            yield
        except _DroppedError:
            pass
        except Exception as error:
            del self._tasks[task.job.id]
            failed = _failure(task, error)
            self._send(failed)
            if failed.kind == "device":
                os._exit(1)
            self._rest()

    def _rest(self) -> None:
        """Between bursts other programs may need the memory that the next frame would find."""
        if not self._tasks:
            give_back_memory()


def _failure(task: _Task, error: Exception) -> Failed:
    job = task.job.id
    if isinstance(error, FlexispError):
        # Of a capture's own errors, a sidecar that cannot be used may be half written, a refused name stays refused.
        otherwise: FailureKind = "incomplete" if task.stage == "decode" else "unsupported"
        kind = next((kind for of, kind in _KINDS if isinstance(error, of)), otherwise)
        return Failed(job, kind, error.problem, error.remedy)
    if isinstance(error, MemoryError):
        return Failed(job, "transient", "There is not enough memory.", "Close other programs, or lower `queue_mb`.")
    return Failed(
        job,
        "bug",
        f"This is a bug in flexispd: {type(error).__name__}: {displayable(str(error))[:200]}.",
        "Report it with its traceback, and keep the file that caused it.",
        "".join(traceback.format_exception(error)),
    )


def _written(path: Path, receipt_path: Path, receipt: Receipt) -> OutputWritten:
    name = name_beside(receipt_path, path)
    (sha256,) = (output.sha256 for output in receipt.outputs if output.name == name)
    try:
        return OutputWritten(path, sha256, path.stat().st_size)
    except OSError as error:
        raise outbox_error(path, error) from error


def _fact(receipt: Receipt, name: str) -> str | None:
    """A text from the metadata of a receipt."""
    entry = receipt.metadata.get(name)
    value = entry.get("value") if isinstance(entry, dict) else None
    return value if isinstance(value, str) else None
