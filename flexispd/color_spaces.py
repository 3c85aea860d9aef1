"""
The colour spaces that a picture can be written in: primaries, white and curve, from which the look, the ICC profiles
and whatever works in linear light take their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from flexispd.profile_params import ColorSpace
from flexispd.types import Float32, Float64

Chromaticity = tuple[float, float]

D65_XY: Chromaticity = (0.3127, 0.3290)


@dataclass(frozen=True, slots=True)
class Curve:
    """
    How light is encoded, both 0..1: linear near black, a power above.

    Attributes:
        cut: Light up to which the encoding is linear; 0 for a mere power.
        slope: Of that part.
        scale, offset, power: Above it, the encoded value is scale * light ** (1 / power) - offset.
    """

    cut: float
    slope: float
    scale: float
    offset: float
    power: float

    def to_linear(self, encoded: ArrayLike) -> Float64:
        """Encoded values to light, both 0..1, elementwise."""
        values = np.asarray(encoded, np.float64)
        light = ((values + self.offset) / self.scale) ** self.power
        return np.where(values <= self.slope * self.cut, values / self.slope, light)

    def to_encoded(self, light: Float32) -> Float32:
        """Light to encoded values, both 0..1, elementwise."""
        power = self.scale * light ** (1 / self.power) - self.offset
        return np.where(light <= self.cut, self.slope * light, power).astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class RGBSpace:
    """
    A display-referred RGB space.

    Attributes:
        name: As profiles have it.
        description: What viewers show; ASCII.
        red, green, blue, white: CIE 1931 chromaticities x, y.
        curve: How light is encoded.
    """

    name: ColorSpace
    description: str
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity
    curve: Curve

    @property
    def to_xyz(self) -> Float64:
        """Linear RGB to XYZ under the space's own white, which has Y = 1 (SMPTE RP 177), shape (3, 3)."""
        primaries = np.stack([xy_to_xyz(c) for c in (self.red, self.green, self.blue)], axis=1)
        return np.asarray(primaries * np.linalg.solve(primaries, xy_to_xyz(self.white)))

    @property
    def luminance(self) -> tuple[float, float, float]:
        """What linear R, G and B add to luminance; together 1, rounded as IEC 61966-2-1 rounds them."""
        red, green, _ = (round(float(weight), 4) for weight in self.to_xyz[1])
        return red, green, round(1 - red - green, 4)


def xy_to_xyz(xy: Chromaticity) -> Float64:
    """The colour of chromaticity xy whose luminance is 1, shape (3,)."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


_SRGB_CURVE = Curve(cut=0.0031308, slope=12.92, scale=1.055, offset=0.055, power=2.4)  # IEC 61966-2-1:1999, 5 and 6

SRGB = RGBSpace(
    "srgb",
    "sRGB IEC61966-2.1",
    red=(0.640, 0.330),
    green=(0.300, 0.600),
    blue=(0.150, 0.060),
    white=D65_XY,
    curve=_SRGB_CURVE,
)
"""Primaries and white of ITU-R BT.709-2, curve of IEC 61966-2-1:1999."""

DISPLAY_P3 = RGBSpace(
    "display-p3",
    "Display P3",
    red=(0.680, 0.320),
    green=(0.265, 0.690),
    blue=(0.150, 0.060),
    white=D65_XY,
    curve=_SRGB_CURVE,
)
"""Primaries of SMPTE RP 431-2 under D65 (SMPTE EG 432-1), with the curve of sRGB."""

ADOBE_RGB = RGBSpace(
    "adobe-rgb",
    "Compatible with Adobe RGB (1998)",
    red=(0.640, 0.330),
    green=(0.210, 0.710),
    blue=(0.150, 0.060),
    white=D65_XY,
    curve=Curve(cut=0.0, slope=1.0, scale=1.0, offset=0.0, power=563 / 256),
)
"""Adobe RGB (1998) Color Image Encoding, version 2005-05, 4.3."""

REC2020 = RGBSpace(
    "rec2020",
    "Rec. ITU-R BT.2020",
    red=(0.708, 0.292),
    green=(0.170, 0.797),
    blue=(0.131, 0.046),
    white=D65_XY,
    curve=Curve(cut=0.018053968510807, slope=4.5, scale=1.09929682680944, offset=0.09929682680944, power=1 / 0.45),
)
"""ITU-R BT.2020-2, tables 3 and 4, its constants to the digits at which both parts of the curve meet smoothly."""

SPACES: dict[ColorSpace, RGBSpace] = {space.name: space for space in (SRGB, DISPLAY_P3, ADOBE_RGB, REC2020)}
