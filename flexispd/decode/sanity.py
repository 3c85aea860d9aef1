"""
Mosaics that no camera took: blank ones, and ones that end in nothing.

A copy that stopped, or space that was reserved and never written, leaves zeros that decode without an error. Such a
frame must become an error here, because every later stage would make a picture of it.
"""

from __future__ import annotations

import numpy as np

from flexispd.errors import CorruptRawError
from flexispd.types import UInt16

TAIL_SHARE = 0.01
"""Blank rows at the end, as a share of all rows, from which on a frame counts as cut short."""

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
