"""
Camera raws through LibRaw. This is the only file that imports rawpy.

LibRaw gets the bytes and never a name, so names may be anything. It opens the file, the promised size is checked, and
only then are pixels unpacked.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import rawpy

from flexispd.decode import cfa as phase
from flexispd.decode.illuminants import D65_K
from flexispd.decode.limits import check_area
from flexispd.decode.tiff import shifted_black_cell
from flexispd.decode.values import neutral_from, usable_matrix
from flexispd.errors import CorruptRawError, TransientError, UnsupportedRawError
from flexispd.types import CFA, ColorMatrix, FourPlanes, UInt8, UInt16

_COPY_AGAIN = "Copy it from the card again; if it fails there too, the file is lost."
_CONVERT = "Convert it to a mosaic DNG with Adobe DNG Converter, or set the camera to full-size raw."

_ORIENTATION_OF_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
"""LibRaw's flip (bit 0 mirrors columns, bit 1 rows, bit 2 transposes first) -> EXIF orientation."""

_SPECULAR_SHARE_MIN = 0.6
"""A camera's own white level below this share of LibRaw's is a misread tag."""


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """
    What LibRaw knows of a file.

    Attributes:
        values, cfa, black_level, white_level: As in Mosaic.
        facts: Fields of ShotInfo.
        warnings: Sentences for the receipt.
    """

    values: UInt16
    cfa: CFA
    black_level: FourPlanes
    white_level: FourPlanes
    facts: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """
    The picture that a camera left in its raw.

    Attributes:
        content: The bytes of a JPEG, unchecked; or RGB pixels, uint8 of shape (H, W, 3).
        orientation: EXIF's, of the raw.
        wide: Whether the raw's frame, as it is stored, is wider than high.
    """

    content: bytes | UInt8
    orientation: int
    wide: bool


def preview(data: bytes, name: str) -> Preview | None:
    """The largest preview in a raw, or None if it has none. Errors as `decode`."""
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(io.BytesIO(data))
            found, sizes = raw.extract_thumb().data, raw.sizes
            content = _as_embedded(found) if isinstance(found, bytes) else found
            if isinstance(content, bytes) and content[2:] not in data:
                return None  # cut short: LibRaw fills up what is missing with whatever its memory holds
            orientation = _ORIENTATION_OF_FLIP.get(sizes.flip, 1)
            return Preview(content, orientation, wide=sizes.raw_width >= sizes.raw_height)
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        return None
    except (rawpy.LibRawError, rawpy.NotSupportedError, MemoryError) as error:
        _translate(error, name)


def _as_embedded(jpeg: bytes) -> bytes:
    """Without the EXIF block that LibRaw puts in front of a JPEG that does not begin with one."""
    end = 4 + int.from_bytes(jpeg[4:6])
    if jpeg[2:4] == b"\xff\xe1" and b"\0dcraw v" in jpeg[4:end]:
        return jpeg[:2] + jpeg[end:]
    return jpeg


def decode(data: bytes, name: str) -> RawFrame:
    """
    The Bayer mosaic in a raw file.

    Args:
        data: The whole file.
        name: The file, ready to be shown.

    Raises:
        UnsupportedRawError: LibRaw does not know the format, or it is no Bayer mosaic.
        CorruptRawError: Damaged or cut short.
        TransientError: Not enough memory.
    """
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(io.BytesIO(data))
            _check_layout(raw.sizes, name)
            check_area(raw.sizes.raw_width, raw.sizes.raw_height, name, len(data))
            raw.unpack()
            return _frame(raw, shifted_black_cell(data), name)
    except (rawpy.LibRawError, rawpy.NotSupportedError, MemoryError) as error:
        _translate(error, name)


def _check_layout(sizes: Any, name: str) -> None:
    """Fujifilm's SuperCCD stands on its corner; LibRaw then states the size of the turned picture, not of the file."""
    if sizes.height > sizes.raw_height or sizes.width > sizes.raw_width:
        _refuse("comes from a sensor that is turned by 45 degrees (SuperCCD)", name)


def _translate(error: Exception, name: str) -> NoReturn:
    if isinstance(error, MemoryError | rawpy.LibRawUnsufficientMemoryError | rawpy.LibRawMemPoolOverflowError):
        raise TransientError(f"There is not enough memory for {name}.", remedy="Free memory and try again.") from error
    if isinstance(error, rawpy.LibRawTooBigError):
        raise UnsupportedRawError(f"{name} promises a picture larger than LibRaw takes.", remedy=_CONVERT) from error
    if isinstance(error, rawpy.LibRawFileUnsupportedError | rawpy.LibRawNotImplementedError | rawpy.NotSupportedError):
        raise UnsupportedRawError(
            f"{name} is damaged, or of a kind that LibRaw {_libraw_version()} cannot read.",
            remedy=f"If other programs open it: {_CONVERT[0].lower()}{_CONVERT[1:]}",
        ) from error
    if isinstance(error, rawpy.LibRawIOError):
        raise CorruptRawError(f"{name} ends before its picture does.", remedy=_COPY_AGAIN) from error
    raise CorruptRawError(f"{name} is damaged: its picture cannot be unpacked.", remedy=_COPY_AGAIN) from error


def _libraw_version() -> str:
    return ".".join(map(str, rawpy.libraw_version))


def _frame(raw: rawpy.RawPy, black_cell: Sequence[float] | None, name: str) -> RawFrame:
    cell = _cell(raw, name)
    colors = raw.color_desc.decode("ascii", "replace")
    cfa = phase.from_letters("".join(colors[index] for index in cell))
    if cfa is None:
        _refuse(f"has a {colors} colour filter that is no Bayer pattern", name)
    values = np.array(raw.raw_image_visible, np.uint16)  # a copy: the original goes with the file
    if min(values.shape) < 2:
        raise CorruptRawError(f"{name} has a visible area of {values.shape}.", remedy=_COPY_AGAIN)
    planes = phase.planes_of_cell(cell, cfa)
    black = _four_of(raw.black_level_per_channel, planes)
    if black_cell is not None:
        black = phase.planes_of_cell(black_cell, cfa)
    white = _white_level(raw, planes, black)
    if any(high <= low for low, high in zip(black, white, strict=True)):
        raise CorruptRawError(f"{name} states a white level {white} below its black level {black}.", remedy=_COPY_AGAIN)
    return RawFrame(values, cfa, black, white, _facts(raw), tuple(_warnings(raw)))


def _cell(raw: rawpy.RawPy, name: str) -> list[int]:
    """LibRaw's colour index of each site of the 2x2 cell at the visible area's corner, row by row."""
    pattern = raw.raw_pattern
    if raw.raw_type == rawpy.RawType.Stack:
        if not np.any(raw.raw_image_visible):
            raise CorruptRawError(f"{name} decodes to only zeros, so there is no picture in it.", remedy=_COPY_AGAIN)
        _refuse("has all colours at every site: it is a linear DNG, a small raw (sRAW), a scan or a Foveon file", name)
    if raw.num_colors == 1 or pattern is None:
        _refuse("has no colour filter: it comes from a monochrome sensor", name)
    if pattern.shape == (6, 6):
        _refuse("is an X-Trans file, whose colour filter repeats every 6 pixels", name)
    if pattern.shape != (2, 2):
        _refuse(f"has a colour filter that repeats every {pattern.shape[0]} pixels", name)
    return [int(index) for index in pattern.ravel()]


def _refuse(what: str, name: str) -> NoReturn:
    raise UnsupportedRawError(
        f"{name} {what}; only Bayer mosaics can be developed.",
        remedy="Use the camera's full-size Bayer raw if it has one; else develop this file with another program.",
    )


def _four_of(by_index: Any, planes: tuple[int, int, int, int]) -> FourPlanes:
    red, green_r, green_b, blue = (float(by_index[index]) for index in planes)
    return red, green_r, green_b, blue


def _white_level(raw: rawpy.RawPy, planes: tuple[int, int, int, int], black: FourPlanes) -> FourPlanes:
    """
    The camera's own saturation level where it states a plausible one, else LibRaw's for the model.

    The lower of the two is taken: too low costs a sliver of highlights, too high makes lamps magenta.
    """
    nominal = float(raw.white_level)
    own = raw.camera_white_level_per_channel
    if own is None:
        return phase.four([nominal])
    stated = _four_of(own, planes)
    plausible = [
        level if _SPECULAR_SHARE_MIN * (nominal - low) < level - low < nominal - low else nominal
        for level, low in zip(stated, black, strict=True)
    ]
    return phase.four(plausible)


def _facts(raw: rawpy.RawPy) -> dict[str, Any]:
    other = raw.other
    facts: dict[str, Any] = {
        "lens": " ".join(raw.lens.model.split()) or None,
        "iso": _positive(other.iso_speed),
        "exposure_s": _positive(other.shutter_speed),
        "f_number": _positive(other.aperture),
        "focal_length_mm": _positive(other.focal_length),
        "taken_at": other.timestamp.strftime("%Y:%m:%d %H:%M:%S") if other.timestamp.year > 1980 else None,
        "orientation": _ORIENTATION_OF_FLIP.get(raw.sizes.flip),
        "as_shot_neutral": _neutral(raw.camera_whitebalance),
    }
    matrix = usable_matrix(np.asarray(raw.rgb_xyz_matrix, np.float64)[:3].ravel().tolist())
    if matrix is not None:
        facts["color_matrices"] = (ColorMatrix(matrix, D65_K),)  # LibRaw keeps Adobe's D65 matrices
    return {name: value for name, value in facts.items() if value is not None}


def _warnings(raw: rawpy.RawPy) -> list[str]:
    aspect = raw.sizes.pixel_aspect
    if abs(aspect - 1) > 0.01:
        return [f"The pixels of this camera are not square (aspect {aspect:.3f}); the picture is not stretched."]
    return []


def _positive(value: float) -> float | None:
    return float(value) if math.isfinite(value) and value > 0 else None


def _neutral(multipliers: list[float]) -> tuple[float, float, float] | None:
    """
    Camera RGB of grey from white balance gains for R, G, B, G2.

    LibRaw marks "none" in several ways: a gain of 0 or below, or all gains 1, which no camera has ever metered.
    """
    red, green, blue, second_green = multipliers
    if min(red, green, blue) <= 0 or red == green == blue:
        return None
    green = (green + second_green) / 2 if second_green > 0 else green
    return neutral_from((green / red, 1.0, green / blue))
