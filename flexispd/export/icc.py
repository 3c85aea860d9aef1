"""
ICC profiles of RGB spaces that three primaries, a white and one curve describe: what tells a viewer which red is meant.

Built here instead of shipped as a binary, so that every number can be checked and the bytes never change.
Version 2.4 (ICC.1:2001-04), not 4: every viewer since the nineties reads it, some still ignore version 4, and a
matrix with a curve says the same in both.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from flexispd.color_spaces import Chromaticity, Curve, RGBSpace, xy_to_xyz
from flexispd.types import Float64

PCS_WHITE = (0.9642, 1.0, 0.8249)
"""D50 as XYZ, the white of ICC's connection space (ICC.1:2001-04, 6.1.11)."""

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""XYZ to the sharpened cone responses in which whites are adapted (ICC.1:2010, annex E)."""

CURVE_POINTS = 1024
"""Enough that linear interpolation between them errs by less than a step of 16 bit."""


@cache
def display_profile(space: RGBSpace) -> bytes:
    """The space as an ICC display profile of at most 2.7 KB; the same bytes on every call and machine."""
    colorants = adapted_colorants(space)  # columns R, G, B
    curve = _curve(space.curve)
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
    adapted: Float64 = _adaptation(space.white) @ space.to_xyz
    return adapted


def _adaptation(white: Chromaticity) -> Float64:
    """Bradford adaptation of XYZ from `white` to D50, shape (3, 3)."""
    gains = (BRADFORD @ np.array(PCS_WHITE)) / (BRADFORD @ xy_to_xyz(white))
    adaptation: Float64 = np.linalg.solve(BRADFORD, gains[:, None] * BRADFORD)
    return adaptation


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


def _curve(curve: Curve) -> bytes:
    """A power as its exponent, of which eight bits are below one; any other curve as a table."""
    if not curve.cut:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * curve.power))
    light = curve.to_linear(np.linspace(0.0, 1.0, CURVE_POINTS))
    return b"curv" + bytes(4) + struct.pack(">I", CURVE_POINTS) + np.rint(65535 * light).astype(">u2").tobytes()


def _xyz(values: tuple[float, ...] | Float64) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: tuple[float, ...] | Float64) -> bytes:
    """Numbers as s15Fixed16: 1.0 is 65536."""
    encoded: bytes = np.rint(np.asarray(values) * 65536).astype(">i4").tobytes()
    return encoded
