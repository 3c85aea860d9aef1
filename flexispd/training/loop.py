"""
The training loop that every network shares: Adam, cosine schedule, averaged weights, checkpoints, progress.

A run that is stopped at any moment goes on from its last checkpoint. What is published is the exponential moving
average of the weights, which is steadier than the last step (Polyak and Juditsky 1992).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flexispd.errors import SetupError, displayable
from flexispd.log import log


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How long and how fast a network learns.

    Attributes:
        steps: Optimiser steps of the whole run; the schedule ends there.
        learning_rate: Peak of the cosine schedule, reached after `warmup_steps`.
        average: Decay of the moving average of the weights, per step.
        report_steps: Steps between two checkpoints, each with a validation.
        seed: Seed of the weights and of the patches.
    """

    steps: int
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    average: float = 0.999
    gradient_max: float = 1.0
    report_steps: int = 1000
    seed: int = 2022


@dataclass(frozen=True, slots=True)
class Task:
    """
    What a network learns.

    Attributes:
        loss: One batch's loss, a scalar tensor, for the module that is trained. Called with the module and the number
            of the step, from which it has to take all its randomness, so that a resumed run sees new patches.
        validate: Figure to report for a module, larger is better.
        figure: Name of that figure, with its unit.
    """

    loss: Callable[[nn.Module, int], Tensor]
    validate: Callable[[nn.Module], float]
    figure: str


def train(module: nn.Module, task: Task, recipe: Recipe, checkpoint: Path) -> nn.Module:
    """
    Train `module` to the recipe's end, from `checkpoint` if there is one, and return the averaged network.

    The checkpoint is replaced every `report_steps` and at the end; delete it to start anew. A run may be given more or
    fewer steps than before, but no other seed.

    Raises:
        SetupError: The checkpoint is of another seed, or has gone further than the recipe does.
    """
    module.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(module).requires_grad_(False)
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    done = _restore(checkpoint, recipe, (module, averaged, optimizer)) if checkpoint.exists() else 0
    started, first = time.monotonic(), done
    for step in range(done, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * schedule(step, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss = task.loss(module, step)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), recipe.gradient_max)
        optimizer.step()
        _average(averaged, module, min(recipe.average, (1 + step) / (10 + step)))
        if (step + 1) % recipe.report_steps == 0 or step + 1 == recipe.steps:
            _save(checkpoint, recipe, (module, averaged, optimizer), step + 1)
            averaged.eval()
            seconds = (time.monotonic() - started) / (step + 1 - first)
            log.info(
                "train.progress",
                step=step + 1,
                steps=recipe.steps,
                loss=round(loss.item(), 6),
                **{task.figure: round(task.validate(averaged), 3)},
                steps_per_s=round(1 / seconds, 2),
                left_min=round(seconds * (recipe.steps - step - 1) / 60, 1),
            )
    return averaged.eval()


def schedule(step: int, recipe: Recipe) -> float:
    """Share of the peak learning rate at `step`: a linear warm-up, then half a cosine down to 0."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    position = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * position))


def _average(averaged: nn.Module, module: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, value in zip(averaged.parameters(), module.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)


Learner = tuple[nn.Module, nn.Module, torch.optim.Optimizer]
"""The network in training, its moving average, and the optimiser."""


def _save(path: Path, recipe: Recipe, learner: Learner, step: int) -> None:
    module, averaged, optimizer = (part.state_dict() for part in learner)
    state = {"step": step, "seed": recipe.seed, "module": module, "averaged": averaged, "optimizer": optimizer}
    temporary = path.with_name(path.name + ".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _restore(path: Path, recipe: Recipe, learner: Learner) -> int:
    """Fill the learner from a checkpoint, and return the steps that it has done."""
    state = torch.load(path, weights_only=True)
    if state["seed"] != recipe.seed or state["step"] > recipe.steps:
        raise SetupError(
            f"{displayable(path)} is of seed {state['seed']} after {state['step']} steps; this run does not follow it.",
            remedy="Delete it to start anew, or ask for more steps.",
        )
    module, averaged, optimizer = learner
    module.load_state_dict(state["module"])
    averaged.load_state_dict(state["averaged"])
    optimizer.load_state_dict(state["optimizer"])
    log.info("train.resumed", step=state["step"])
    return int(state["step"])
