"""
Where the sensor really saturates, read from the frame.

A white level from a file or a table is often a few percent above the count at which sites stop rising. The sites of a
lamp then look unclipped at different levels after white balance, and the lamp turns magenta. A frame with clipped
lamps shows the true level: a pile of sites at the same count in every channel, with nothing above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from flexispd.decode.cfa import split
from flexispd.types import CFA, FourPlanes, UInt16

LOWEST_SHARE = 0.8
"""A pile lower than this share of the stated range is a bright wall, not saturation."""

_BINS_PER_RANGE = 200  # bins of 0.5 % of the stated range
_HALF_WINDOWS = (2, 5)  # a pile is 2.5 % of the range wide by noise, up to 5 % where a camera stored 8 bit or curves
_SITES_MIN = 50
_SITES_MAX = 500_000  # a bright frame is sampled; its pile shows all the same
_DENSITY_RATIO = 5.0  # pile over the bins just below it; a scene's own histogram falls off gently
_AGREEMENT = 0.02  # share of the range within which channels saturate together
_GAIN_MIN = 0.002  # a level lowered by less than this is left as stated


def saturation_levels(values: UInt16, cfa: CFA, black: FourPlanes, white: FourPlanes) -> FourPlanes | None:
    """
    Counts at which R, Gr, Gb, B saturate, where the frame shows it and they lie clearly below `white`; else None.

    Both greens and at least one of red and blue must pile up at one common count: a wall that happens to be the
    brightest thing in the frame piles up at different counts, because camera neutrals are not grey.
    """
    found = [_pile(plane, *levels) for plane, *levels in zip(split(values, cfa), black, white, strict=True)]
    red, green_r, green_b, blue = found
    if green_r is None or green_b is None:
        return None
    greens = (green_r + green_b) / 2
    tolerance = _AGREEMENT * (white[1] - black[1])
    agreeing = [level for level in found if level is not None and abs(level - greens) <= tolerance]
    if len(agreeing) < 3 or any(abs(level - greens) > tolerance for level in (green_r, green_b)):
        return None
    common = median(agreeing)
    red, blue = (level if level in agreeing else common for level in (red, blue))
    levels = _at_most((red, green_r, green_b, blue), white)
    lowered = max(1 - level / stated for level, stated in zip(levels, white, strict=True))
    return levels if lowered >= _GAIN_MIN else None


def _at_most(levels: Sequence[float | None], white: FourPlanes) -> FourPlanes:
    red, green_r, green_b, blue = (
        stated if level is None else min(level, stated) for level, stated in zip(levels, white, strict=True)
    )
    return red, green_r, green_b, blue


def _pile(plane: UInt16, black: float, white: float) -> float | None:
    """The count that nine tenths of the saturated sites of one plane reach, or None without a pile."""
    bright: NDArray[np.uint16] = plane[plane > black + (LOWEST_SHARE - 0.05) * (white - black)]
    if bright.size < _SITES_MIN:
        return None
    bright = bright[:: 1 + bright.size // _SITES_MAX]
    width = (white - black) / _BINS_PER_RANGE
    first = int(_BINS_PER_RANGE * (LOWEST_SHARE - 0.05))
    bins = ((bright - black) / width).astype(np.int64) - first
    bins = np.clip(bins, 0, _BINS_PER_RANGE - 1 - first)  # white itself, and what a wrong white level leaves above it
    counts = np.bincount(bins)
    lowest = int(_BINS_PER_RANGE * LOWEST_SHARE) - first
    if counts.size <= lowest:
        return None
    mode = lowest + int(np.argmax(counts[lowest:]))
    for half in _HALF_WINDOWS:
        window = slice(max(0, mode - half), mode + half + 1)
        if _stands_out(counts, window):
            return float(np.percentile(bright[(bins >= window.start) & (bins < window.stop)], 10))
    return None


def _stands_out(counts: NDArray[np.int64], window: slice) -> bool:
    """Whether the bins of the window are many, much denser than those below, and have next to nothing above."""
    inside, above = counts[window], counts[window.stop :].sum()
    below = counts[max(0, window.start - 2 * inside.size) : window.start]
    piled = inside.sum()
    if piled < _SITES_MIN or above > 0.02 * piled or below.size == 0:
        return False
    return bool(inside.mean() >= _DENSITY_RATIO * below.mean())
