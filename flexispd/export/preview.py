"""
A camera's own preview, made fit to be looked at.

It comes from a file that may be damaged or made to do harm, so it is decoded before it is believed: at an eighth of its
size, which reads every byte and needs little memory. Its bytes are kept as they are, unless it has to be turned.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from flexispd.export.encode import Pixels, upright

BYTES_MAX = 100_000_000
PIXELS_MAX = 160_000_000
"""More than any camera's preview has."""

TURNED_EDGE_PX = 3000
"""A preview that is turned is decoded at the smallest scale that leaves it this long, because somebody waits for it."""

QUALITY = 90

UNWRITTEN_BYTES = 16
"""So many zeros at the end, where the picture has not ended: the file was reserved and is not written yet."""


def checked_jpeg(data: bytes) -> bytes:
    """The same bytes. ValueError, OSError or whatever Pillow raises, if they are no JPEG that can be decoded."""
    picture = _opened(data)
    picture.draft("RGB", _scaled(picture, 1 / 8))
    picture.load()
    return data


def upright_jpeg(data: bytes, orientation: int, *, wide: bool) -> bytes:
    """
    An embedded JPEG as the photographer held the camera; errors as `checked_jpeg`.

    Args:
        orientation: EXIF's, of the raw that it comes from. It counts if the JPEG has none of its own.
        wide: Whether the raw's frame, as it is stored, is wider than high. A preview that is not is upright already.
    """
    picture = _opened(data)
    own = picture.getexif().get(ExifTags.Base.Orientation)
    turned_already = orientation >= 5 and wide != (picture.width >= picture.height)
    if orientation == 1 or own is not None or turned_already:
        return checked_jpeg(data)
    picture.draft("RGB", _scaled(picture, min(1.0, TURNED_EDGE_PX / max(picture.size))))
    profile = picture.info.get("icc_profile")
    return jpeg_of(np.asarray(picture.convert("RGB")), orientation, profile)


def jpeg_of(pixels: Pixels, orientation: int, profile: bytes | None = None) -> bytes:
    """A JPEG of RGB pixels, uint8, turned upright. `profile`: ICC; without one it is sRGB, as viewers assume."""
    file = io.BytesIO()
    Image.fromarray(upright(pixels, orientation)).save(file, "JPEG", quality=QUALITY, icc_profile=profile)
    return file.getvalue()


def _scaled(picture: JpegImageFile, scale: float) -> tuple[int, int]:
    """Width and height; never 0."""
    return max(1, round(scale * picture.width)), max(1, round(scale * picture.height))


def _opened(data: bytes) -> JpegImageFile:
    """A JPEG of which only the header was read; no other format is tried."""
    if len(data) > BYTES_MAX:
        raise ValueError(f"the preview has {len(data) // 1_000_000} MB")
    written = data.rstrip(b"\0")
    if len(data) - len(written) > UNWRITTEN_BYTES and not written.endswith(b"\xff\xd9"):
        raise ValueError("the end of the preview is missing")
    picture = JpegImageFile(io.BytesIO(data))
    if picture.width * picture.height > PIXELS_MAX:
        raise ValueError(f"the preview says that it has {picture.width}x{picture.height} pixels")
    return picture
