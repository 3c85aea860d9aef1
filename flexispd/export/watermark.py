"""A line of text in the lower right corner: white, on a soft shadow of its own, so that any ground lets it be read."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.export.lettering import text_ink, text_width
from flexispd.types import Float32

HEIGHT = 0.022
"""Size of the letters, share of the picture's longer side."""

SIZE_PX_MIN = 7
"""Smaller letters cannot be read."""

MARGIN = 0.8
"""Between the text and the borders, in sizes of the letters."""

INK, SHADOW = 0.9, 0.6
"""How much of the picture the letters and the darkest of their shadow cover."""

SHADOW_WIDTH = 0.16
"""Deviation of the shadow's blur, in sizes of the letters."""


def marked(pixels: NDArray[Any], text: str) -> NDArray[Any] | None:
    """
    A copy of a picture with the text; None where it is too small for letters that can be read.

    Args:
        pixels: Encoded R, G, B, upright; uint8 or uint16, shape (H, W, 3).
    """
    height, width = pixels.shape[:2]
    found = _fitting(text, width, height)
    if found is None:
        return None
    size, ink = found
    margin = round(MARGIN * size)
    pad = min(margin, ink.shape[0])
    letters = np.zeros((ink.shape[0] + margin + pad, ink.shape[1] + margin + pad), np.float32)
    letters[pad:-margin, pad:-margin] = ink
    # Thin strokes lose most of their weight when they are blurred; twice as much makes the shadow as dark as it says.
    shadow = np.minimum(2 * cv2.GaussianBlur(letters, (0, 0), SHADOW_WIDTH * size), 1)
    # Where the picture ends before the shadow does, the shadow ends too.
    rows, columns = min(letters.shape[0], height), min(letters.shape[1], width)
    cover = (INK * letters)[-rows:, -columns:, None]
    peak = np.iinfo(pixels.dtype).max
    ground = pixels[-rows:, -columns:] * (1 - SHADOW * shadow[-rows:, -columns:, None])
    done = pixels.copy()
    done[-rows:, -columns:] = np.rint(ground + cover * (peak - ground))
    return done


def _fitting(text: str, width: int, height: int) -> tuple[int, Float32] | None:
    """Size of the letters and their ink: the usual one, or what there is room for; None if that is too small."""
    usual = max(SIZE_PX_MIN, round(HEIGHT * max(width, height)))
    for size in range(usual, SIZE_PX_MIN - 1, -1):
        margins = 2 * round(MARGIN * size)
        if text_width(text, size) + margins > width:
            continue
        ink = _ink(text, size)
        if ink.shape[0] + margins <= height and ink.shape[1] + margins <= width:
            return size, ink
    return None


def _ink(text: str, size: int) -> Float32:
    """How much of each pixel the letters cover, 0..1, cut to the letters."""
    ink = text_ink(text, size)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cut.astype(np.float32) / np.float32(255)
