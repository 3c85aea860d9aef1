"""
The optimiser: Muon for the weights of layers, Adam for what is no matrix.

Muon is momentum whose step is made orthogonal, layer by layer, so that directions in which the gradient is always small
are followed as far as those in which it is large (Jordan et al., "Muon: an optimizer for hidden layers in neural
networks", 2024). Our networks are small and see many patches; with Adam they stood still long before they were full.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of x -> a x + b x^3 + c x^5 on singular values, by Jordan: five times brings all of them near 1."""

ADAM_SIZE = 0.2
"""Root mean square of a step of Adam at rate 1, about. Muon's are scaled to it, so that both share one rate (Liu et
al., "Muon is scalable for LLM training", 2025)."""

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8
"""Adam's decays and its epsilon (Kingma and Ba 2015)."""


class Muon(torch.optim.Optimizer):
    """
    Weights of two or more dimensions, seen as matrices (first dimension, all others), by Muon; the rest by Adam.

    Args:
        parameters: Of a network; those without a gradient stay as they are.
        lr: Learning rate, of the size that suits Adam.
        momentum: Decay of the gradient's average, which the step looks ahead on (Nesterov).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Move every parameter by its gradient, which `closure`, if there is one, makes anew; its loss or None."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    follow = _adam if parameter.ndim < 2 else _muon
                    follow(parameter, parameter.grad, self.state[parameter], group)
        return loss


def _muon(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    average = state.setdefault("average", torch.zeros_like(parameter))
    average.lerp_(gradient, 1 - group["momentum"])
    step = orthogonal(gradient.lerp(average, group["momentum"]).flatten(1))
    size = ADAM_SIZE * math.sqrt(max(step.shape))
    parameter.sub_(step.view(parameter.shape), alpha=group["lr"] * size)


def _adam(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    average = state.setdefault("average", torch.zeros_like(parameter))
    square = state.setdefault("square", torch.zeros_like(parameter))
    state["steps"] = steps = int(state.get("steps", 0)) + 1
    average.lerp_(gradient, 1 - FIRST)
    square.lerp_(gradient.square(), 1 - SECOND)
    deviation = (square / (1 - SECOND**steps)).sqrt().add_(TINY)
    parameter.addcdiv_(average, deviation, value=-group["lr"] / (1 - FIRST**steps))


def orthogonal(matrix: Tensor) -> Tensor:
    """
    The orthogonal matrix nearest to an (m, n) one, about: its singular values become 0.7 to 1.2 (Newton and Schulz).

    Matrices of zeros stay zeros.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x: Tensor = wide / wide.norm().clamp_min(1e-12)
    a, b, c = NEWTON_SCHULZ
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.mT
