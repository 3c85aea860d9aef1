"""
A frame seen from afar: averages over square cells, and the smooth way back from cells to pixels.

What depends on a neighbourhood is found on the cells of the whole frame and then evaluated at each pixel's own place,
so a tile of any size gets what the frame would get there, and no tile needs to see its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from flexispd.develop.exposure import camera_rgb
from flexispd.develop.local_light import b_spline
from flexispd.develop.tiling import Slices, at_once

CELLS_MAX = 384
"""Cells along the longer side, at most."""

BLOCK_PX = 256
"""Pixels of a row that are interpolated together."""

STRIP_CELLS = 16
"""Rows of cells averaged at a time, so that no second frame is held in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """
    The cells of one frame.

    Attributes:
        size: Height and width of the frame in packed samples.
        edge: Edge of a cell in packed samples; the last ones may be cut off by the frame's border.
        rows, columns: Weight of each cell at each row and column of pixels, (2 h, cells down) and (2 w, cells across).
    """

    size: tuple[int, int]
    edge: int
    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, size: tuple[int, int], device: torch.device) -> Cells:
        """The cells of a frame of `size` (h, w) in packed samples."""
        edge = -(-max(size) // CELLS_MAX)
        rows, columns = (_weights(length, edge).to(device) for length in size)
        return cls(size, edge, rows, columns)

    @property
    def longer_side(self) -> int:
        """Cells along the longer side."""
        return max(self.rows.shape[1], self.columns.shape[1])

    def averages(self, balanced: Callable[[Slices], Tensor], of: Callable[[Tensor], Tensor]) -> Tensor:
        """
        The mean over each cell of what `of` makes of the frame's camera RGB, (3, cells down, cells across).

        Args:
            balanced: Gives the balanced planes (4, h, w) of a part of the frame.
            of: Works on camera RGB (3, h, w), sample by sample, before anything is averaged.
        """
        height, width = self.size
        step = STRIP_CELLS * self.edge

        def strip(top: int) -> Tensor:
            light = of(camera_rgb(balanced((slice(top, min(top + step, height)), slice(0, width)))))
            return functional.avg_pool2d(light[None], self.edge, ceil_mode=True)[0]

        strips = at_once(range(0, height, step), strip, self.rows.device)
        return torch.cat(strips, dim=1)

    def at(self, grids: Tensor, rows: slice, columns: slice) -> Tensor:
        """The values of grids (C, cells down, cells across) at the pixels of a part of the frame, (C, h, w)."""
        down = self._near(rows, self.rows)
        at_rows = self.rows[rows, down] @ grids[:, down]  # (C, h, cells across)
        out = grids.new_empty((len(grids), rows.stop - rows.start, columns.stop - columns.start))
        # Of all cells along a long row only a few have weight at any pixel: most of the product would be with zeros.
        for left in range(columns.start, columns.stop, BLOCK_PX):
            block = slice(left, min(left + BLOCK_PX, columns.stop))
            across = self._near(block, self.columns)
            place = slice(left - columns.start, block.stop - columns.start)
            torch.matmul(at_rows[:, :, across], self.columns[block, across].T, out=out[:, :, place])
        return out

    def about(self, grids: Tensor, rows: slice, columns: slice) -> Tensor:
        """All values of grids (C, cells down, cells across) that have any weight in a part of the frame."""
        return grids[:, self._near(rows, self.rows), self._near(columns, self.columns)]

    def _near(self, pixels: slice, weights: Tensor) -> slice:
        """The cells that have any weight at these pixels."""
        size = 2 * self.edge
        return slice(max(0, pixels.start // size - 2), min(weights.shape[1], (pixels.stop - 1) // size + 3))


@lru_cache(maxsize=4)
def _weights(length: int, edge: int) -> Tensor:
    """
    Cubic B-spline weights of the cells along a side of `length` packed samples, for each of its pixels.

    Those of the last sizes are kept, because a camera's frames are of one size; nobody may change them.
    """
    pixels = torch.arange(2 * length, dtype=torch.float64)
    return b_spline((pixels + 0.5) / (2 * edge) - 0.5, -(-length // edge))


def box_mean(grids: Tensor, radius: int) -> Tensor:
    """The mean of grids (C, h, w) over squares of 2 `radius` + 1 cells, of which only those in the frame count."""
    means = grids.double()  # running sums would lose digits
    for dim in (1, 2):
        length = means.shape[dim]
        place = torch.arange(length, device=means.device)
        first, last = (place - radius).clamp_min(0), (place + radius + 1).clamp_max(length)
        until = torch.cat([torch.zeros_like(means.narrow(dim, 0, 1)), means.cumsum(dim)], dim)
        count = (last - first).view(-1, 1) if dim == 1 else last - first
        means = (until.index_select(dim, last) - until.index_select(dim, first)) / count
    return means.to(grids)


def guided(guide: Tensor, target: Tensor, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """
    Slopes (C, h, w) and offset (h, w) of the guided filter: `(slopes * guide).sum(0) + offset` is `target` smoothed
    along the edges of the guide.

    Where the guide's variance is far below `epsilon` the result is the target's mean, where it is far above it follows
    the guide. Slopes and offset are kept apart because they are smooth: they can be found on a small copy and evaluated
    on the guide at full size, which is the fast guided filter. He, Sun, Tang, "Guided image filtering" (2010), with
    their filter for colour; He, Sun, "Fast guided filter" (2015).

    Args:
        guide: (C, h, w), on the cells.
        target: (h, w).
        radius: Of the windows, in cells.
        epsilon: In squared units of the guide.
    """
    channels = len(guide)
    products = (guide[:, None] * guide).flatten(0, 1)
    means = box_mean(torch.cat([guide, target[None], products, guide * target]), radius)
    mean, mean_target, square, product = torch.split(means, [channels, 1, channels**2, channels])
    covariance = square.view(channels, channels, *target.shape) - mean[:, None] * mean
    damped = covariance.permute(2, 3, 0, 1) + epsilon * torch.eye(channels, device=guide.device)
    slopes = torch.linalg.solve(damped, (product - mean * mean_target).permute(1, 2, 0)).permute(2, 0, 1)
    smooth = box_mean(torch.cat([slopes, mean_target - (slopes * mean).sum(0, keepdim=True)]), radius)
    return smooth[:-1], smooth[-1]
