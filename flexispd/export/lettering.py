"""A line of text as ink, for watermarks and sheets, in the font that OpenCV brings along: the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np

from flexispd.export.letters import composed
from flexispd.types import UInt8

ABOVE, BELOW = 1.25, 0.5
"""Room above and below the line that letters stand on, in their sizes; capitals with two accents need it."""

REGULAR = 400
"""Weight of the strokes."""


def text_width(text: str, size_px: int) -> int:
    """How much room a line takes."""
    return int(cv2.getTextSize((0, 0), composed(text), (0, 0), _font(), size_px, REGULAR)[2])


def text_ink(text: str, size_px: int) -> UInt8:
    """
    How much of each pixel the letters cover, 0..255, shape (H, W); W is `text_width` or a little more.

    What has no letter becomes a question mark; `letters.undrawable` tells in advance.
    """
    above, below = round(ABOVE * size_px), round(BELOW * size_px)
    # Where the canvas ends the text would go on in a second line, and the last letter may lean over its own width.
    ink = np.zeros((above + below, text_width(text, size_px) + size_px), np.uint8)
    cv2.putText(ink, composed(text), (0, above), (255,), _font(), size_px, REGULAR)
    return ink


def _font() -> cv2.FontFace:
    """One for each use, because the object is not made for several threads; it costs nothing."""
    return cv2.FontFace("sans")
