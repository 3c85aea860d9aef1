"""
From the developed picture to the pixels of one file: its colour space, upright, cut, made smaller, sharpened, signed,
and in the depth of its format. What an export does not ask for leaves every bit as it is.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flexispd.color_spaces import SPACES, Curve, RGBSpace
from flexispd.export.encode import Pixels, pixel_type, upright
from flexispd.export.watermark import marked
from flexispd.profile import CropParams, ExportParams
from flexispd.types import Float32, Picture

SHARPENING_RADIUS_PX = 0.7
"""Deviation of the blur that sharpening is the difference from: as fine as a reduced picture can show."""

SHARPENING = 1.5
"""Share of that difference which a full `sharpening` adds."""

HALO = 0.12
"""Most that a pixel comes nearer to black or white by sharpening, share of its distance from them."""


BAND_ROWS = 64
"""Rows of a smaller picture made together, so that their light is found in the cache and needs little memory."""


def fitted(picture: Picture, export: ExportParams, crop: CropParams) -> Picture:
    """The picture as one file shows it, upright; a warning in the report if there is no room for the watermark."""
    depth = pixel_type(export)
    pixels = cropped(upright(_in_space(picture, export), picture.orientation), crop.aspect)
    height, width = pixels.shape[:2]
    size = fit_size((width, height), export.edge_px)
    if size != (width, height):
        space = SPACES[export.color_space]
        smaller = reduced(pixels, size, space.curve)
        if export.sharpening:
            smaller = sharpened(smaller, export.sharpening, space)
        pixels = _quantised(smaller, depth)
    pixels = at_depth(pixels, depth)
    report = picture.report
    if export.watermark.strip():
        signed = marked(pixels, export.watermark)
        if signed is None:
            warning = f"A picture of {size[0]}x{size[1]} pixels has no room for its watermark."
            report = {**report, "warnings": [*report.get("warnings", ()), warning]}
        else:
            pixels = signed
    return Picture(pixels, 1, report, export.color_space)


def cropped(pixels: Pixels, aspect: str) -> Pixels:
    """The middle of an upright picture in an aspect of `CropParams`, as large as it can be."""
    height, width = pixels.shape[:2]
    columns, rows = crop_size((width, height), aspect)
    left, top = (width - columns) // 2, (height - rows) // 2
    return np.ascontiguousarray(pixels[top : top + rows, left : left + columns])


def crop_size(size: tuple[int, int], aspect: str) -> tuple[int, int]:
    """Width and height of what an aspect leaves; the longer side stays the longer, a square counts as wide."""
    if aspect == "original":
        return size
    width, height = size
    short, long = sorted(int(part) for part in aspect.split(":"))
    across, down = (long, short) if width >= height else (short, long)
    if width * down > height * across:
        return max(1, round(height * across / down)), height
    return width, max(1, round(width * down / across))


def fit_size(size: tuple[int, int], edge_px: int) -> tuple[int, int]:
    """Width and height with the longer side no longer than `edge_px`; 0 is no limit, and nothing is enlarged."""
    longer = max(size)
    if not 0 < edge_px < longer:
        return size
    width, height = (max(1, round(side * edge_px / longer)) for side in size)
    return width, height


def reduced(pixels: Pixels, size: tuple[int, int], curve: Curve) -> Float32:
    """
    A smaller picture, encoded R, G, B on 0..1, averaged in light as if the camera had had larger pixels.

    The weights fall off towards the neighbours, against stripes where fine structures meet larger pixels, and none is
    negative: no ring lies around a star.
    """
    values = np.arange(np.iinfo(pixels.dtype).max + 1)
    light = curve.to_linear(values / values[-1]).astype(np.float32)
    height, width = pixels.shape[:2]
    columns, rows = size
    scale = height / rows
    smaller = np.empty((rows, columns, 3), np.float32)
    for top in range(0, rows, BAND_ROWS):
        bottom = min(rows, top + BAND_ROWS)
        # A row is made of what lies less than one row of the smaller picture away from its middle.
        first, last = max(0, math.floor((top - 1) * scale)), min(height, math.ceil((bottom + 1) * scale))
        box = (0, top * scale - first, width, bottom * scale - first)
        for color in range(3):
            plane = Image.fromarray(light.take(pixels[first:last, :, color]))
            band = plane.resize((columns, bottom - top), Image.Resampling.HAMMING, box)
            smaller[top:bottom, :, color] = np.asarray(band)
    return curve.to_encoded(smaller.clip(0, 1))


def sharpened(encoded: Float32, amount: float, space: RGBSpace) -> Float32:
    """A picture of 0..1 with its finest edges clearer, all three colours by the same; lines beside them stay faint."""
    luma = encoded @ np.asarray(space.luminance, np.float32)
    edges = luma - cv2.GaussianBlur(luma, (0, 0), SHARPENING_RADIUS_PX)
    clearer = (luma + SHARPENING * amount * edges).clip(luma * (1 - HALO), luma + HALO * (1 - luma))
    return (encoded + (clearer - luma)[..., None]).clip(0, 1)


def at_depth(values: NDArray[Any], depth: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    """Pixels as uint8 or uint16; what has that depth is returned as it is."""
    if values.dtype == depth:
        return values
    if depth is np.uint16:
        return values.astype(np.uint16) * np.uint16(257)  # the official networks give 8 bits
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _in_space(picture: Picture, export: ExportParams) -> NDArray[Any]:
    """Pixels in the colour space of an export; translated if they were not rendered in it."""
    if export.color_space == picture.space:
        return picture.values
    if export.color_space in picture.elsewhere:
        return picture.elsewhere[export.color_space]
    source, target = SPACES[picture.space], SPACES[export.color_space]
    values = at_depth(picture.values, pixel_type(export))
    peak = np.iinfo(values.dtype).max
    light = source.curve.to_linear(values / peak) @ (np.linalg.inv(target.to_xyz) @ source.to_xyz).T
    return _quantised(target.curve.to_encoded(light.clip(0, 1).astype(np.float32)), pixel_type(export))


def _quantised(encoded: Float32, depth: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    return np.rint(encoded * np.iinfo(depth).max).astype(depth)
