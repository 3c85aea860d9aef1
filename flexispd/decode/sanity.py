"""
Mosaics that no camera took: blank ones, ones that end in nothing, and ones whose levels are of another sensor.

A copy that stopped, or space that was reserved and never written, leaves zeros that decode without an error. Such a
frame must become an error here, because every later stage would make a picture of it.
"""

from __future__ import annotations

import numpy as np

from flexispd.decode.cfa import split
from flexispd.errors import CaptureError, CorruptRawError
from flexispd.types import CFA, FourPlanes, UInt16

TAIL_SHARE = 0.01
"""Blank rows at the end, as a share of all rows, from which on a frame counts as cut short."""

ABOVE_WHITE = 1.25
"""A site is clearly above white from this share of the range on. Clipped sites lie at white, or up to a tenth above it
where a table states the lowest level of several exposures."""

ABOVE_WHITE_SHARE = 0.01
"""More sites of a plane than this are no hot pixels."""

BELOW_BLACK = 0.05
"""Share of the range by which half of a plane may lie below black; the noise of the dark stays far within."""

_REMEDY = "Copy it from the card again; if the original looks the same, the picture is lost."


def check_content(values: UInt16, name: str) -> None:
    """
    Refuse a mosaic that is all zeros, constant, or blank at its end.

    Blank rows hold one value throughout which is zero, or the lowest of the frame (zeros that went through a
    linearization table). The check looks at whole rows from the end and stops at the first that holds a picture, so a
    good frame of 24 megapixels costs a few milliseconds.

    Args:
        values: Mosaic, shape (H, W).
        name: The file, ready to be shown.

    Raises:
        CorruptRawError: The mosaic is one of those.
    """
    height = values.shape[0]
    blank = _blank_rows_at_the_end(values)
    if blank == height:
        what = "only zeros" if values[-1, 0] == 0 else f"the value {values[-1, 0]} at every site"
        raise CorruptRawError(f"{name} decodes to {what}, so there is no picture in it.", remedy=_REMEDY)
    if blank > TAIL_SHARE * height:
        raise CorruptRawError(
            f"The last {blank} of {height} rows of {name} are blank: it was cut short.", remedy=_REMEDY
        )


def check_levels(values: UInt16, cfa: CFA, black: FourPlanes, white: FourPlanes, name: str) -> None:
    """
    Refuse levels that somebody wrote for another sensor, or mistyped: the picture would be flat white, or black.

    Args:
        values: Mosaic, shape (H, W).
        cfa, black, white: As stated.
        name: The file that states the levels, ready to be shown.

    Raises:
        CaptureError: Many sites of a plane lie clearly above white, or half of one clearly below black.
    """
    for plane, low, high in zip(split(values, cfa), black, white, strict=True):
        ceiling = low + ABOVE_WHITE * (high - low)
        above = int(np.count_nonzero(plane > ceiling))
        if above > max(4, ABOVE_WHITE_SHARE * plane.size):
            raise CaptureError(
                f"{name}: white_level {high:g} is too low, for the mosaic reaches {plane.max()}, with "
                f"{100 * above / plane.size:.0f} % of the sites of a colour above {ceiling:.0f}.",
                remedy="Set white_level to the count at which this sensor is full.",
            )
        middle = float(np.median(plane))
        if middle < low - BELOW_BLACK * (high - low):
            raise CaptureError(
                f"{name}: black_level {low:g} is too high, for half of the sites of a colour lie below {middle:.0f}.",
                remedy="Set black_level to the count of this sensor in the dark.",
            )


def _blank_rows_at_the_end(values: UInt16) -> int:
    floor = values[-1, 0]
    count = 0
    for row in values[::-1]:
        if row[0] != floor or (row != floor).any():
            break
        count += 1
    if count in (0, len(values)) or floor == 0:
        return count
    return count if floor <= np.min(values) else 0
