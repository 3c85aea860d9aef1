"""
16-bit PNG mosaics with a JSON file beside them, as the night photography challenges of NTIRE hand them out.

The container is checked here, chunk by chunk, before a decoder sees it: depending on its version, OpenCV returns the
upper part of a truncated PNG as if it were the whole.
"""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from flexispd.decode.formats import PNG_SIGNATURE
from flexispd.decode.limits import check_area
from flexispd.errors import CorruptRawError, TransientError, UnsupportedRawError
from flexispd.types import UInt16

_COPY_AGAIN = "Copy it again, or export the pair again."
_KINDS = {0: "greyscale", 2: "RGB colour", 3: "palette colour", 4: "greyscale with alpha", 6: "RGB colour with alpha"}


def decode(data: bytes, name: str) -> UInt16:
    """
    The mosaic in a PNG file, shape (H, W).

    Args:
        data: The whole file.
        name: The file, ready to be shown.

    Raises:
        UnsupportedRawError: A PNG, but not one 16-bit value a site.
        CorruptRawError: Truncated, altered, or not a PNG.
        TransientError: Not enough memory.
    """
    _check_container(data, name)
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise TransientError(
                f"There is not enough memory for {name}.", remedy="Free memory and try again."
            ) from error
        values = None
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise CorruptRawError(f"{name} is damaged: its pixels cannot be unpacked.", remedy=_COPY_AGAIN)
    return np.asarray(values, np.uint16)


def _check_container(data: bytes, name: str) -> None:
    """Signature, kind and size of the picture, and length and checksum of every chunk up to the last."""
    if not data.startswith(PNG_SIGNATURE):
        raise CorruptRawError(f"{name} is not a PNG file.", remedy=_COPY_AGAIN)
    view, at = memoryview(data), len(PNG_SIGNATURE)
    seen: set[bytes] = set()
    while b"IEND" not in seen:
        if at + 12 > len(data):
            raise CorruptRawError(f"{name} ends before its picture does.", remedy=_COPY_AGAIN)
        size, kind = struct.unpack_from(">I4s", data, at)
        body_ends = at + 8 + size
        if body_ends + 4 > len(data):
            raise CorruptRawError(f"{name} ends before its picture does.", remedy=_COPY_AGAIN)
        if zlib.crc32(view[at + 4 : body_ends]) != struct.unpack_from(">I", data, body_ends)[0]:
            raise CorruptRawError(f"{name} is damaged: a checksum does not match.", remedy=_COPY_AGAIN)
        if not seen:
            _check_header(kind, bytes(view[at + 8 : body_ends]), name)
        seen.add(kind)
        at = body_ends + 4
    if b"IDAT" not in seen:
        raise CorruptRawError(f"{name} holds no pixels.", remedy=_COPY_AGAIN)


def _check_header(kind: bytes, header: bytes, name: str) -> None:
    if kind != b"IHDR" or len(header) != 13:
        raise CorruptRawError(f"{name} is damaged: it does not begin with a header.", remedy=_COPY_AGAIN)
    width, height, bits, color = struct.unpack_from(">IIBB", header)
    if (bits, color) != (16, 0):
        raise UnsupportedRawError(
            f"{name} is a {bits}-bit {_KINDS.get(color, 'unknown')} PNG, not a mosaic.",
            remedy="Give the sensor's values as a 16-bit greyscale PNG, one value a site.",
        )
    check_area(width, height, name)
