"""
Hot and dead pixels, which long exposures at night have by the hundred: found and replaced before anything looks at
them.

A site is defective when it leaves the range of its eight neighbours of the same colour by more than noise can, and when
the sites of other colours around it do not share the excess. The second condition spares stars and distant lamps,
which the lens spreads over more than one site.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from flexispd.types import NoiseProfile

SIGMAS = 8.0
"""Deviations of the noise by which a defect leaves its neighbours' range."""

BEYOND = 0.5
"""And by which share of their highest (lowest) value: a hot pixel is not just the top of a texture."""

SHARED_HOT, SHARED_DEAD = 0.12, 0.5
"""Share of the excess that other colours may show before it counts as light. Light has bright points like stars; points
of darkness it hardly has, so a dead pixel needs less proof."""

SHARE_MAX = 0.01
"""No sensor has more defects than this, not even a hot one after minutes."""

REACH = 2
"""Packed samples around the frame that a judgement at its border looks at."""

STRIP_ROWS = 64
"""Rows looked at together, so that the neighbours of a site are still in the cache."""

_NEIGHBORS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)


def repair_defects(planes: Tensor, noise: NoiseProfile) -> int:
    """
    Replace defective sites of linear planes (4, h, w) in place by the median of their neighbours; returns how many.

    All sites are judged before any is replaced, so the order of the search does not matter. Where more than
    `SHARE_MAX` of a frame looks defective it is the noise profile that is wrong, and nothing is replaced.
    """
    _, height, width = planes.shape
    if min(height, width) < 3:
        return 0
    shot, read = (torch.tensor(n, device=planes.device)[:, None, None] for n in (noise.shot, noise.read))
    around = functional.pad(planes[None], (REACH,) * 4, mode="reflect")[0]
    found = []
    for top in range(0, height, STRIP_ROWS):
        strip = around[:, top + 1 : min(top + STRIP_ROWS, height) + 3, 1:-1]
        suspects = _suspects(strip, shot, read)
        suspects[:, 1] += top
        found.append(suspects)
    sites = torch.cat(found)
    if len(sites) == 0 or len(sites) > SHARE_MAX * planes.numel():
        return 0
    plane, row, column = sites.unbind(1)
    neighbors = torch.stack([around[plane, row + i + REACH, column + j + REACH] for i, j in _NEIGHBORS])
    middle = neighbors.sort(dim=0).values[3:5].mean(dim=0)
    excess = planes[plane, row, column] - middle
    allowed = torch.where(excess > 0, SHARED_HOT, SHARED_DEAD) * excess.abs()
    defective = (_witnesses(around, sites) * excess.sign() < allowed).all(dim=0)
    planes[plane[defective], row[defective], column[defective]] = middle[defective]
    return int(defective.sum())


def _witnesses(around: Tensor, sites: Tensor) -> Tensor:
    """How far each of the eight nearest sites of the mosaic, which have other colours, exceeds its own; (8, n)."""
    plane, row, column = sites.unbind(1)
    shared = []
    for i, j in _NEIGHBORS:
        y, x = 2 * row + plane // 2 + i, 2 * column + plane % 2 + j  # in the mosaic; -1 lies in the cell before
        other = 2 * (y % 2) + x % 2
        shared.append(_excess(around, other, y.div(2, rounding_mode="floor"), x.div(2, rounding_mode="floor")))
    return torch.stack(shared)


def _suspects(strip: Tensor, shot: Tensor, read: Tensor) -> Tensor:
    """(n, 3) plane, row, column of the sites of a strip (4, rows + 2, w + 2) that leave their neighbours' range."""
    center = strip[:, 1:-1, 1:-1]
    highest, lowest = _range(strip)
    high = highest.clamp_min(0)
    hot = center - highest > BEYOND * high + SIGMAS * torch.sqrt(shot * high + read)
    low = lowest.clamp_min(0)
    dead = lowest - center > BEYOND * low + SIGMAS * torch.sqrt(shot * low + read)
    return (hot | dead).nonzero()


def _range(strip: Tensor) -> tuple[Tensor, Tensor]:
    """Highest and lowest of the eight neighbours of every inner site."""
    left, middle, right = strip[..., :-2], strip[..., 1:-1], strip[..., 2:]
    highest, lowest = torch.maximum(left, right), torch.minimum(left, right)
    row_high, row_low = torch.maximum(highest, middle), torch.minimum(lowest, middle)
    high = torch.maximum(torch.maximum(row_high[:, :-2], row_high[:, 2:]), highest[:, 1:-1])
    return high, torch.minimum(torch.minimum(row_low[:, :-2], row_low[:, 2:]), lowest[:, 1:-1])


def _excess(around: Tensor, plane: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """How far sites lie above the mean of their four nearest neighbours of the same colour."""
    row, column = row + REACH, column + REACH
    nearest = [around[plane, row + i, column + j] for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    return around[plane, row, column] - torch.stack(nearest).mean(dim=0)
