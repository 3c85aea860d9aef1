"""A hue of the colour wheel that editors show, as the hue angle of OKLab that the knobs mean."""

from __future__ import annotations

import colorsys
import math

# Björn Ottosson, "A perceptual color space for image processing" (2020): linear sRGB to LMS, cube roots of LMS to a, b.
_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_A = (1.9779984951, -2.4285922050, 0.4505937099)
_TO_B = (0.0259040371, 0.7827717662, -0.8086757660)


def oklab_hue(degrees: float) -> float:
    """Hue in OKLab, 0..360, of the pure colour at a hue of HSL, in degrees: red 0 is 29, blue 240 is 264."""
    encoded = colorsys.hls_to_rgb(degrees % 360 / 360, 0.5, 1.0)
    linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in encoded]  # IEC 61966-2-1
    roots = [sum(w * c for w, c in zip(row, linear, strict=True)) ** (1 / 3) for row in _TO_LMS]
    a, b = (sum(w * c for w, c in zip(row, roots, strict=True)) for row in (_TO_A, _TO_B))
    return math.degrees(math.atan2(b, a)) % 360
