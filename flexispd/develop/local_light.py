"""
Local light: exposure that depends on where in the frame a pixel lies and how bright it is.

A grid of EVs, a few places across, a few down, and a few zones of brightness deep. Between places it is a cubic
B-spline over the whole frame, so that nothing of the grid shows and a tile gets what the frame would get there; between
zones it follows the pixel's own brightness, so that there is nothing that could draw a halo around a lamp.

The bilateral grid is Chen, Paris and Durand, "Real-time edge-aware image processing with the bilateral grid" (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PLACES = 8
"""Places across and down."""

ZONES_EV = (-5.0, -2.5, 0.0, 2.5)
"""Middle of each zone, in EV from mid grey; darker and brighter pixels belong to the last zone on their side."""

ZONE_STEP_EV = 2.5

LOCAL_EV_MAX = 0.4
"""Bound of the grid. Between two zones the gain then falls by at most 0.48 EV an EV, and shadows and highlights take
at most 0.45 more: the tone scale stays monotone."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalLight:
    """
    The local exposure of one frame.

    Attributes:
        steps: What `zone_steps` makes of the grid, (Z, PLACES, PLACES).
        rows, columns: What each place says in each row and column of the frame, (H, PLACES) and (W, PLACES).
    """

    steps: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, grid: Tensor, size: tuple[int, int]) -> LocalLight:
        """The local exposure of a frame of `size` (H, W): `grid` in EV within LOCAL_EV_MAX of 0, and on its device."""
        rows, columns = (spline_weights(length).to(grid) for length in size)
        return cls(zone_steps(grid), rows, columns)

    def fields(self, rows: slice, columns: slice) -> Tensor:
        """The `zone_steps` at each pixel of a part of the frame, (Z, n)."""
        return spread(self.steps, self.rows[rows], self.columns[columns]).flatten(1)


def spline_weights(length: int) -> Tensor:
    """
    Weight of each place at each of `length` pixels along one side, (length, PLACES); each row adds up to 1.

    A cubic B-spline whose first and last place lie at the frame's borders; beyond them the grid continues unchanged.
    """
    return b_spline((torch.arange(length, dtype=torch.float64) + 0.5) / length * (PLACES - 1), PLACES)


def b_spline(position: Tensor, places: int) -> Tensor:
    """
    Cubic B-spline weights of `places` at 0, 1, ... for each position within half a place of them, (n,) to (n, places).

    What lies beyond the first and the last place counts as that place, so that each row adds up to 1.
    """
    distance = (position[:, None] - torch.arange(-2, places + 2, dtype=position.dtype)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp_min(0) ** 3 / 6
    weights = torch.where(distance < 1, near, far)  # (n, places + 4)
    inside = weights[:, 2:-2].clone()
    inside[:, 0] += weights[:, :2].sum(1)
    inside[:, -1] += weights[:, -2:].sum(1)
    return inside.float()


def zone_steps(grid: Tensor) -> Tensor:
    """The EV of the first zone, and what each of the others adds to the one before it; (Z, ...) to the same."""
    return torch.cat([grid[:1], grid.diff(dim=0)])


def spread(grid: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Grids (..., PLACES, PLACES) at every pixel, (..., h, w), with the weights (h, PLACES) and (w, PLACES)."""
    return rows @ grid @ columns.T


def local_ev(steps: Tensor, ev: Tensor) -> Tensor:
    """
    The EV of each pixel (n,) from its brightness in EV from mid grey, (n,).

    Args:
        steps: What `zone_steps` makes of each zone's EV at the pixels' places, (Z, n).
    """
    position, out = ev / ZONE_STEP_EV, steps[0]
    for step, middle_ev in zip(steps[1:], ZONES_EV, strict=False):
        share = (position - middle_ev / ZONE_STEP_EV).clamp_(0, 1)
        out = torch.addcmul(out, step, share.mul(-2).add_(3).mul_(share).mul_(share))
    return out
