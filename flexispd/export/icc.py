"""
ICC profiles of RGB spaces that three primaries, a white and one curve describe: what tells a viewer which red is meant.

Built here instead of shipped as a binary, so that every number can be checked and the bytes never change.
Version 2.4 (ICC.1:2001-04), not 4: every viewer since the nineties reads it, some still ignore version 4, and a
matrix with a curve says the same in both.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from flexispd.types import Float64

Chromaticity = tuple[float, float]

PCS_WHITE = (0.9642, 1.0, 0.8249)
"""D50 as XYZ, the white of ICC's connection space (ICC.1:2001-04, 6.1.11)."""

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""XYZ to the sharpened cone responses in which whites are adapted (ICC.1:2010, annex E)."""

CURVE_POINTS = 1024
"""Enough that linear interpolation between them errs by less than a step of 16 bit."""


@dataclass(frozen=True, slots=True)
class RGBSpace:
    """
    A display-referred RGB space.

    Attributes:
        description: What viewers show; ASCII.
        red, green, blue, white: CIE 1931 chromaticities x, y.
        to_linear: Encoded value to light, both 0..1, elementwise.
    """

    description: str
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity
    to_linear: Callable[[Float64], Float64]


def _srgb_to_linear(encoded: Float64) -> Float64:
    """Inverse of the sRGB encoding, IEC 61966-2-1:1999, equations 5 and 6."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


SRGB = RGBSpace(
    "sRGB IEC61966-2.1",
    red=(0.640, 0.330),
    green=(0.300, 0.600),
    blue=(0.150, 0.060),
    white=(0.3127, 0.3290),
    to_linear=_srgb_to_linear,
)
"""Primaries and white of ITU-R BT.709-2, curve of IEC 61966-2-1:1999."""


@cache
def display_profile(space: RGBSpace) -> bytes:
    """The space as an ICC display profile of about 2.7 KB; the same bytes on every call and machine."""
    colorants = adapted_colorants(space)  # columns R, G, B
    curve = _curve(space.to_linear)
    tags = {
        b"desc": _description(space.description),
        b"cprt": b"text" + bytes(4) + b"No copyright, use freely\0",
        b"wtpt": _xyz(PCS_WHITE),  # a display's white is what its viewer is adapted to
        b"chad": b"sf32" + bytes(4) + _fixed(_adaptation(space.white)),
        b"rXYZ": _xyz(colorants[:, 0]),
        b"gXYZ": _xyz(colorants[:, 1]),
        b"bXYZ": _xyz(colorants[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    return _assemble(tags)


def adapted_colorants(space: RGBSpace) -> Float64:
    """Linear RGB of the space to XYZ under D50, shape (3, 3)."""
    primaries = np.stack([_xyz_of(c) for c in (space.red, space.green, space.blue)], axis=1)
    amounts = np.linalg.solve(primaries, _xyz_of(space.white))
    adapted: Float64 = _adaptation(space.white) @ (primaries * amounts)
    return adapted


def _adaptation(white: Chromaticity) -> Float64:
    """Bradford adaptation of XYZ from `white` to D50, shape (3, 3)."""
    gains = (BRADFORD @ np.array(PCS_WHITE)) / (BRADFORD @ _xyz_of(white))
    adaptation: Float64 = np.linalg.solve(BRADFORD, gains[:, None] * BRADFORD)
    return adaptation


def _xyz_of(chromaticity: Chromaticity) -> Float64:
    x, y = chromaticity
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    """Header, tag table and tag data; equal data is stored once."""
    table, data, places = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for signature, content in tags.items():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        table += signature + struct.pack(">2I", places[content], len(content))
    header = struct.pack(
        ">I4xI4s4s4s6H4s28x12s",
        start + len(data),
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *(1999, 10, 18, 0, 0, 0),  # a constant, because bytes must not depend on the day: sRGB's own date
        b"acsp",
        _fixed(PCS_WHITE),
    )
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _description(text: str) -> bytes:
    """Type textDescriptionType: the ASCII form, and empty Unicode and Macintosh forms."""
    ascii_text = text.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(ascii_text)) + ascii_text + bytes(4 + 4 + 2 + 1 + 67)


def _curve(to_linear: Callable[[Float64], Float64]) -> bytes:
    light = to_linear(np.linspace(0.0, 1.0, CURVE_POINTS))
    return b"curv" + bytes(4) + struct.pack(">I", CURVE_POINTS) + np.rint(65535 * light).astype(">u2").tobytes()


def _xyz(values: tuple[float, ...] | Float64) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: tuple[float, ...] | Float64) -> bytes:
    """Numbers as s15Fixed16: 1.0 is 65536."""
    encoded: bytes = np.rint(np.asarray(values) * 65536).astype(">i4").tobytes()
    return encoded
