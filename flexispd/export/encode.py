"""
The table of encoders: a finished picture becomes the bytes of a JPEG, PNG or TIFF file.

Everything happens in memory, never through a library's own file writer: those report a full disk by returning False,
and cv2 crashes the process on a file name that is not UTF-8. The same picture gives the same bytes. A new format is
one function and one row of `_ENCODERS`, and its file name ending in `profile.SUFFIXES`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from flexispd.color_spaces import SPACES, SRGB
from flexispd.errors import CaptureError
from flexispd.export.exif import exif_tags
from flexispd.export.icc import display_profile
from flexispd.profile import ExportParams
from flexispd.types import Picture, ShotInfo

Pixels = NDArray[Any]
"""R, G, B of every pixel, upright; shape (H, W, 3), contiguous."""

JPEG_EDGE_PX_MAX = 65500
"""libjpeg's own limit."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """
    How one format is written.

    Attributes:
        dtype: Of the pixels that it takes.
        encode: Pixels, EXIF and settings to the bytes of a file.
    """

    dtype: type[np.unsignedinteger[Any]]
    encode: Callable[[Pixels, Image.Exif, ExportParams], bytes]


def encode(picture: Picture, shot: ShotInfo, params: ExportParams, software: str) -> bytes:
    """
    The whole file: pixels turned upright, colour profile and EXIF inside.

    Args:
        picture: uint8 for the 8-bit formats and uint16 for the others, see `pixel_type`; anything else is a ValueError,
            because turning one into the other here would hide a loss of tones. So is one in another colour space.
        shot: For the EXIF block; its orientation is not looked at, the picture's is.
        params: Format and its settings.
        software: Who made this, with version and profile.

    Raises CaptureError when the picture is larger than the format allows.
    """
    encoder = _ENCODERS[params.format]
    if picture.values.dtype != encoder.dtype or picture.values.ndim != 3 or picture.values.shape[2] != 3:
        raise ValueError(f"{params.format} takes RGB of {encoder.dtype.__name__}, not {picture.values.dtype}")
    if picture.space != params.color_space:
        raise ValueError(f"the picture is in {picture.space}, not in {params.color_space}")
    pixels = upright(picture.values, picture.orientation)
    exif = exif_tags(shot, software, upright_size(picture), gps=params.gps, space=params.color_space)
    return encoder.encode(pixels, exif, params)


def pixel_type(params: ExportParams) -> type[np.unsignedinteger[Any]]:
    """np.uint8 or np.uint16: what a picture's values must be for this format."""
    return _ENCODERS[params.format].dtype


def upright(values: Pixels, orientation: int) -> Pixels:
    """
    Pixels as the photographer held the camera. A ValueError for an orientation that EXIF does not know.

    cv2 does it three times as fast as numpy's strided copy.
    """
    match orientation:
        case 1:
            return np.ascontiguousarray(values)
        case 2:
            return cv2.flip(values, 1)
        case 3:
            return cv2.rotate(values, cv2.ROTATE_180)
        case 4:
            return cv2.flip(values, 0)
        case 5:
            return cv2.transpose(values)
        case 6:
            return cv2.rotate(values, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            return cv2.rotate(cv2.transpose(values), cv2.ROTATE_180)
        case 8:
            return cv2.rotate(values, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            raise ValueError(f"EXIF orientation {orientation} is not 1 to 8")


def upright_size(picture: Picture) -> tuple[int, int]:
    """Width and height of the encoded picture."""
    height, width = picture.values.shape[:2]
    return (height, width) if picture.orientation >= 5 else (width, height)


def _jpeg(pixels: Pixels, exif: Image.Exif, params: ExportParams) -> bytes:
    if max(pixels.shape) > JPEG_EDGE_PX_MAX:
        raise CaptureError(
            f"A JPEG cannot be more than {JPEG_EDGE_PX_MAX} pixels wide or high.", remedy="Choose png, png16 or tiff16."
        )
    exif[ExifTags.IFD.Exif][ExifTags.Base.ComponentsConfiguration] = bytes((1, 2, 3, 0))  # Y, Cb, Cr
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file,
        "JPEG",
        quality=params.quality,
        subsampling=params.chroma,
        optimize=False,  # a second pass over all coefficients, for two per cent of the size
        exif=exif,
        icc_profile=display_profile(SPACES[params.color_space]),
    )
    return file.getvalue()


def _png(pixels: Pixels, exif: Image.Exif, params: ExportParams) -> bytes:
    """cv2 compresses, because it is twice as fast as Pillow, which has no 16-bit RGB; the metadata is ours."""
    settings = [
        *(cv2.IMWRITE_PNG_COMPRESSION, 1),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB),
    ]
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise RuntimeError("cv2 could not encode a PNG")
    png = encoded.data
    space = SPACES[params.color_space]
    header_end = 8 + 25  # signature, then IHDR: PNG wants the colour profile before the pixels
    name = "sRGB" if space is SRGB else space.description
    icc = name.encode("ascii") + b"\0\0" + zlib.compress(display_profile(space))
    # EXIF in PNG is the TIFF structure alone, without the six bytes that announce it in a JPEG (PNG 3, 11.3.4.5).
    chunks = _chunk(b"iCCP", icc) + _chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    return b"".join((png[:header_end], chunks, png[header_end:]))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _tiff(pixels: Pixels, exif: Image.Exif, params: ExportParams) -> bytes:
    """
    An EXIF block is a TIFF file without a picture; with the tags of one, and the pixels behind it, it is whole.

    Not compressed: deflate takes seconds for noise that hardly shrinks, and every program reads it.
    """
    height, width, channels = pixels.shape
    data = pixels.astype("<u2", copy=False).data  # the byte order of the block
    del exif[0x0213]  # YCbCrPositioning, which has no place in an RGB file
    exif[0x0100] = width
    exif[0x0101] = height
    exif[0x0102] = (16,) * channels  # BitsPerSample
    exif[0x0103] = 1  # Compression: none
    exif[0x0106] = 2  # PhotometricInterpretation: RGB
    exif[0x0111] = 0  # StripOffsets: Pillow counts from the end of the block
    exif[0x0115] = channels
    exif[0x0116] = height  # RowsPerStrip: one strip
    exif[0x0117] = data.nbytes
    exif[0x011C] = 1  # PlanarConfiguration: interleaved
    exif[0x8773] = display_profile(SPACES[params.color_space])
    return b"".join((exif.tobytes().removeprefix(b"Exif\0\0"), data))  # one copy of many megabytes, not two


_ENCODERS = {
    "jpeg": Encoder(np.uint8, _jpeg),
    "png": Encoder(np.uint8, _png),
    "png16": Encoder(np.uint16, _png),
    "tiff16": Encoder(np.uint16, _tiff),
}


def palette_png(pixels: Pixels, colors: int) -> bytes:
    """A small 8-bit picture (H, W, 3) as a PNG of at most 256 `colors`, without metadata: for web pages."""
    file = io.BytesIO()
    Image.fromarray(pixels).quantize(colors, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()
