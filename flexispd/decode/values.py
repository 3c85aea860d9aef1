"""Values that several sources of metadata state in their own ways, checked once: neutrals, matrices, orientations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from flexispd.types import Float64

NEUTRAL_RANGE = (0.05, 20.0)
"""Camera neutrals beyond this, relative to green, are no light but an error of whoever wrote them."""

# exiftool's words, and exifread's; index + 1 is the EXIF value.
_ORIENTATIONS = (
    ("horizontal (normal)", "normal", "top-left"),
    ("mirror horizontal", "mirrored horizontal", "top-right"),
    ("rotate 180", "rotated 180", "bottom-right"),
    ("mirror vertical", "mirrored vertical", "bottom-left"),
    ("mirror horizontal and rotate 270 cw", "mirrored horizontal then rotated 90 ccw", "left-top"),
    ("rotate 90 cw", "rotated 90 cw", "right-top"),
    ("mirror horizontal and rotate 90 cw", "mirrored horizontal then rotated 90 cw", "right-bottom"),
    ("rotate 270 cw", "rotated 90 ccw", "left-bottom"),
)


def orientation_from_text(text: str) -> int | None:
    """EXIF orientation 1 to 8 from a digit, exiftool's words or EXIF's own, in any case; None if it is none of them."""
    words = " ".join(text.lower().split())
    if words in tuple("12345678"):
        return int(words)
    return next((value for value, names in enumerate(_ORIENTATIONS, 1) if words in names), None)


def neutral_from(rgb: Sequence[float]) -> tuple[float, float, float] | None:
    """Camera RGB of grey scaled to green = 1, or None if it cannot be one."""
    low, high = NEUTRAL_RANGE
    red, green, blue = rgb
    if not all(math.isfinite(value) and value > 0 for value in rgb):
        return None
    red, blue = red / green, blue / green
    return (red, 1.0, blue) if low <= red <= high and low <= blue <= high else None


def usable_matrix(numbers: Sequence[float]) -> Float64 | None:
    """Nine numbers, row by row, as a 3x3 matrix; None unless it can be inverted."""
    if len(numbers) != 9:
        return None
    matrix = np.asarray(numbers, np.float64).reshape(3, 3)
    if not np.isfinite(matrix).all():
        return None
    scale = float(np.abs(matrix).max())
    return matrix if scale > 0 and abs(np.linalg.det(matrix / scale)) > 1e-6 else None
