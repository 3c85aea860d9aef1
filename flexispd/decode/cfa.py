"""
Bayer phase arithmetic: which site of the 2x2 cell has which colour.

A cell lists its sites row by row: (0, 0), (0, 1), (1, 0), (1, 1). Planes are R, Gr, Gb, B, where Gr is the green on
red's row. All four phases are one layout seen from another corner, so one formula serves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from flexispd.types import CFA, FourPlanes, UInt16

T = TypeVar("T")


def sites(cfa: CFA) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(row, column) within the cell of R, Gr, Gb, B."""
    row, column = cfa.value
    return (row, column), (row, 1 - column), (1 - row, column), (1 - row, 1 - column)


def from_letters(letters: str) -> CFA | None:
    """Phase of a cell such as "RGGB" written row by row, or None if it is not a Bayer cell."""
    return CFA.__members__.get(letters)


def planes_of_cell(cell: Sequence[T], cfa: CFA) -> tuple[T, T, T, T]:
    """Four values of a cell, row by row, reordered to R, Gr, Gb, B."""
    red, green_r, green_b, blue = (cell[2 * row + column] for row, column in sites(cfa))
    return red, green_r, green_b, blue


def cell_of_planes(planes: Sequence[T], cfa: CFA) -> tuple[T, T, T, T]:
    """Four values in the order R, Gr, Gb, B, reordered to the cell, row by row."""
    at = dict(zip(sites(cfa), planes, strict=True))
    return at[0, 0], at[0, 1], at[1, 0], at[1, 1]


def split(values: UInt16, cfa: CFA) -> tuple[UInt16, UInt16, UInt16, UInt16]:
    """Views of a (H, W) mosaic: R, Gr, Gb, B. At odd sizes the planes differ by one row or column."""
    red, green_r, green_b, blue = (values[row::2, column::2] for row, column in sites(cfa))
    return red, green_r, green_b, blue


def unpack(planes: UInt16, cfa: CFA) -> UInt16:
    """(4, h, w) planes to a (2h, 2w) mosaic of the given phase: the inverse of `split`."""
    _, height, width = planes.shape
    values = np.empty((2 * height, 2 * width), planes.dtype)
    for view, plane in zip(split(values, cfa), planes, strict=True):
        view[...] = plane
    return values


def four(values: Sequence[float]) -> FourPlanes:
    """One value for all planes, three for R, G, B, or four, as four."""
    if len(values) == 1:
        return (values[0],) * 4
    if len(values) == 3:
        return values[0], values[1], values[1], values[2]
    red, green_r, green_b, blue = values
    return red, green_r, green_b, blue
