"""
The training loop that every network shares: optimiser, cosine schedule, averaged weights, checkpoints, progress.

A run that is stopped at any moment goes on from its last checkpoint as if it had not been stopped. What is published
is the exponential moving average of the weights, which is steadier than the last step (Polyak and Juditsky 1992).

Batches are cut in threads beside the optimiser's, from photographs that lie decoded in memory, so the device never
waits for data.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from flexispd.errors import SetupError, displayable
from flexispd.log import log
from flexispd.strict_toml import Choice, Number, Whole, field
from flexispd.training.curve import Point, draw
from flexispd.training.muon import Muon
from flexispd.training.photos import PatchSampler

THREADS = 4
AHEAD = 8
"""Threads that cut batches, and how many batches they are ahead; a GPU needs several, a CPU hardly one."""


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"muon": Muon, "adam": torch.optim.Adam}


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast a network learns."""

    steps: int = field(dataclasses.MISSING, Whole(1, 100_000_000), "Optimiser steps of the whole run.")
    optimizer: Literal["muon", "adam"] = field(
        "muon",
        Choice(("muon", "adam")),
        "Muon is many times as fast as Adam on networks of convolutions; it likes twice the learning rate.",
    )
    learning_rate: float = field(4e-3, Number(1e-7, 1), "Peak of the cosine schedule.")
    warmup_steps: int = field(200, Whole(0, 1_000_000), "Steps in which the learning rate rises to its peak.")
    average: float = field(0.999, Number(0, 0.999999), "Decay of the moving average of the weights, per step.")
    gradient_max: float = field(1.0, Number(1e-6, 1e6), "Norm to which a longer gradient is cut.")
    report_steps: int = field(1000, Whole(1, 1_000_000), "Steps between two checkpoints, each with a validation.")
    mine_at: float = field(0.0, Number(0, 1), "Share of the run after which hard patches are looked for; 0 is never.")
    precision: Literal["float32", "bfloat16"] = field(
        "float32",
        Choice(("float32", "bfloat16")),
        "Of the activations. Newer processors learn twice as fast with bfloat16; float32 gets further in the end.",
    )
    seed: int = field(2022, Whole(0, 2**31), "Of the first weights and of everything that is drawn at random.")

    @property
    def mine_step(self) -> int:
        """The step before which hard patches are looked for; the end of the run if they never are."""
        return round(self.mine_at * self.steps) or self.steps


@dataclass(frozen=True, slots=True)
class Task:
    """
    What a network learns.

    Attributes:
        loss: One batch's loss, a scalar tensor on the module's device. Called with the module and what `sample` gave.
        validate: Figure to report for a module, larger is better.
        figure: Name of that figure, with its unit.
        sample: What a step learns from, from the step's number alone, so that a resumed run sees the same. It runs in
            several threads at once.
        batch: Patches or scenes in one step, for the rate that is reported.
        sampler: Where patches come from that hard ones can be looked for in, or None.
        mine: Finds hard patches for a module: one map of weights for each photograph of the sampler.
    """

    loss: Callable[[nn.Module, Any], Tensor]
    validate: Callable[[nn.Module], float]
    figure: str
    sample: Callable[[int], Any] = int
    batch: int = 1
    sampler: PatchSampler | None = None
    mine: Callable[[nn.Module], list[Tensor]] | None = None


@dataclass(slots=True)
class _Learner:
    """All that a checkpoint holds."""

    module: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    sampler: PatchSampler | None
    history: list[Point] = dataclasses.field(default_factory=list)
    step: int = 0


def train(
    module: nn.Module,
    task: Task,
    schedule: Schedule,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    minutes: float = math.inf,
) -> nn.Module | None:
    """
    Train `module` to the schedule's end, from `checkpoint` if there is one, and return the averaged network.

    The checkpoint is replaced every `report_steps`, when `minutes` are over and at the end, and beside it a picture
    of the curve so far; delete it to start anew. A run may be given more or fewer steps than before, but no other seed.

    Returns:
        None if `minutes` were over before the end.

    Raises:
        SetupError: The checkpoint is of another seed or optimizer, or has gone further than the schedule does.
    """
    module.train().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(module).requires_grad_(False)
    optimizer = OPTIMIZERS[schedule.optimizer](module.parameters(), lr=schedule.learning_rate)
    learner = _Learner(module, averaged, optimizer, task.sampler)
    if checkpoint.exists():
        _restore(checkpoint, schedule, learner)
    started, first, total = time.monotonic(), learner.step, torch.zeros((), device=device)
    for step, batch in _batches(task, schedule, learner):
        total += _optimized(learner, task, schedule, batch)
        learner.step = step + 1
        late = time.monotonic() - started > 60 * minutes
        if learner.step % schedule.report_steps == 0 or learner.step == schedule.steps or late:
            count = learner.step % schedule.report_steps or schedule.report_steps
            _report(
                learner, task, schedule, float(total) / count, (time.monotonic() - started) / (learner.step - first)
            )
            total.zero_()
            _save(checkpoint, schedule, learner)
            draw(learner.history, task.figure, checkpoint.with_suffix(".png"))
        if late and learner.step < schedule.steps:
            return None
    return averaged.eval()


def _batches(task: Task, schedule: Schedule, learner: _Learner) -> Iterator[tuple[int, Any]]:
    """Each step that is still to do with its batch; hard patches are looked for when their time has come."""
    middle = max(learner.step, schedule.mine_step)
    yield from prefetched(task.sample, learner.step, middle)
    if learner.step == schedule.mine_step < schedule.steps and task.sampler is not None and task.mine is not None:
        log.info("train.mining", step=learner.step)
        task.sampler.hard = task.mine(learner.averaged.eval())
    yield from prefetched(task.sample, middle, schedule.steps)


def prefetched(sample: Callable[[int], Any], first: int, last: int) -> Iterator[tuple[int, Any]]:
    """Steps `first` .. `last` - 1, each with its sample, made in threads a few steps ahead."""
    with ThreadPoolExecutor(THREADS, "sample") as pool:
        waiting = deque(pool.submit(sample, step) for step in range(first, min(first + AHEAD, last)))
        for step in range(first, last):
            done = waiting.popleft().result()
            if step + AHEAD < last:
                waiting.append(pool.submit(sample, step + AHEAD))
            yield step, done


def _optimized(learner: _Learner, task: Task, schedule: Schedule, batch: Any) -> Tensor:
    """One step of the optimiser; its loss."""
    for group in learner.optimizer.param_groups:
        group["lr"] = schedule.learning_rate * rate(learner.step, schedule)
    learner.optimizer.zero_grad(set_to_none=True)
    loss = task.loss(_in_precision(learner.module, schedule.precision), batch)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(learner.module.parameters(), schedule.gradient_max)
    learner.optimizer.step()
    decay = min(schedule.average, (1 + learner.step) / (10 + learner.step))
    with torch.no_grad():
        for mean, value in zip(learner.averaged.parameters(), learner.module.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
    return loss.detach()


def _in_precision(module: nn.Module, precision: str) -> nn.Module:
    """The network with activations of less precision; what goes in and comes out, and the loss, is float32."""
    return module if precision == "float32" else _Bfloat16(module)


class _Bfloat16(nn.Module):
    """The parameters are those of the network inside."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        with torch.autocast(inputs[0].device.type, torch.bfloat16):
            out: Tensor = self.module(*inputs)
        return out.float()


def rate(step: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at `step`: a linear warm-up, then half a cosine down to 0."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    position = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * position))


def _report(learner: _Learner, task: Task, schedule: Schedule, loss: float, step_s: float) -> None:
    figure = task.validate(learner.averaged.eval())
    learner.history.append((learner.step, loss, figure))
    log.info(
        "train.progress",
        step=learner.step,
        steps=schedule.steps,
        loss=round(loss, 6),
        **{task.figure: round(figure, 3)},
        patches_per_s=round(task.batch / step_s, 1),
        left_min=round(step_s * (schedule.steps - learner.step) / 60, 1),
    )


def _save(path: Path, schedule: Schedule, learner: _Learner) -> None:
    state = {
        "step": learner.step,
        "seed": schedule.seed,
        "moved_by": schedule.optimizer,
        "history": learner.history,
        "hard": learner.sampler.hard if learner.sampler is not None else [],
        "module": learner.module.state_dict(),
        "averaged": learner.averaged.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
    }
    temporary = path.with_name(path.name + ".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _restore(path: Path, schedule: Schedule, learner: _Learner) -> None:
    """Fill the learner from a checkpoint."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["seed"] != schedule.seed or state["step"] > schedule.steps:
        raise SetupError(
            f"{displayable(path)} is of seed {state['seed']} after {state['step']} steps; this run does not follow it.",
            remedy="Delete it to start anew, or ask for more steps.",
        )
    if (moved_by := state.get("moved_by", "adam")) != schedule.optimizer:
        raise SetupError(
            f"{displayable(path)} was begun with the optimizer {moved_by}; {schedule.optimizer} cannot go on from it.",
            remedy=f'Delete it to start anew, or set optimizer = "{moved_by}".',
        )
    learner.step, learner.history = int(state["step"]), [tuple(point) for point in state["history"]]
    if learner.sampler is not None:
        learner.sampler.hard = state["hard"]
    learner.module.load_state_dict(state["module"])
    learner.averaged.load_state_dict(state["averaged"])
    learner.optimizer.load_state_dict(state["optimizer"])
    log.info("train.resumed", step=learner.step)
