"""
Stage 0: sensor counts become linear light on the device, in the one upload of a frame.

Black and white level, and one Bayer phase for all cameras. The phase is unified by continuing the frame by
one reflected row or column, which keeps every site on its own colour; mirroring the frame would not. All around
it is continued in the same way, so that the networks, which take what lies outside for black, see it nowhere near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flexispd.develop.tiling import GRID
from flexispd.types import Mosaic

BORDER = 16
"""Pixels by which a frame is continued on every side: past them, black outside changes nothing visible."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """
    A mosaic on the device.

    Attributes:
        planes: float32, (4, h, w), R, Gr, Gb, B; 0 at black, 1 at white. Noise below 0 is kept. h and w are multiples
            of the networks' grid.
        top, left: Rows and columns that were added before the frame, for its border and to unify its phase.
        height, width: Size of the mosaic that was decoded, in pixels.
    """

    planes: Tensor
    top: int
    left: int
    height: int
    width: int


def upload(mosaic: Mosaic, device: torch.device) -> Frame:
    """Bring a mosaic to the device, two bytes a site, and make it linear light there."""
    height, width = mosaic.values.shape
    top, left = (BORDER + added for added in mosaic.cfa.value)
    below, right = (BORDER + -(length + BORDER) % (2 * GRID) for length in (height + top, width + left))
    # Reflection about the first and last site: row -1 is row 1, a row of the same colours.
    values = np.pad(mosaic.values, ((top, below), (left, right)), mode="reflect")
    counts = torch.from_numpy(values).to(device)
    planes = torch.empty((4, values.shape[0] // 2, values.shape[1] // 2), device=device)
    for site, (plane, black, white) in enumerate(zip(planes, mosaic.black_level, mosaic.white_level, strict=True)):
        row, column = divmod(site, 2)
        plane.copy_(counts[row::2, column::2]).sub_(black).div_(white - black).clamp_(max=1.0)
    return Frame(planes, top, left, height, width)


def crop_of(frame: Frame) -> tuple[slice, slice]:
    """Where the decoded mosaic lies in a full-resolution picture of the frame."""
    return slice(frame.top, frame.top + frame.height), slice(frame.left, frame.left + frame.width)
