"""A line of text in the lower right corner: white, on a soft shadow of its own, so that any ground lets it be read."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from flexispd.export.letters import composed, font_of
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
    size = _fitting(text, width, height)
    if size is None:
        return None
    ink = _ink(text, size)
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


def _fitting(text: str, width: int, height: int) -> int | None:
    """Size of the letters in pixels: the usual one, or what the picture has room for; None if that is too small."""
    usual = max(SIZE_PX_MIN, round(HEIGHT * max(width, height)))
    for size in range(usual, SIZE_PX_MIN - 1, -1):
        left, top, right, bottom = font_of(size).getbbox(composed(text))
        margins = 2 * round(MARGIN * size)
        if right - left + margins <= width and bottom - top + margins <= height:
            return size
    return None


def _ink(text: str, size: int) -> Float32:
    """How much of each pixel the letters cover, 0..1, cut to the letters."""
    font = font_of(size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(composed(text)))
    image = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), composed(text), fill=255, font=font)
    return np.asarray(image, np.float32) / np.float32(255)
