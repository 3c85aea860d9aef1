"""
Where Canon's CR3 files keep their EXIF: four small TIFF files in boxes of an ISO base media file.

    ftyp 'crx '
    moov
      uuid 85c0b687-...
        CMT1  image directory    CMT2  EXIF directory    CMT3  maker notes    CMT4  GPS directory
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_BOXES_MAX = 64


def is_cr3(data: bytes) -> bool:
    """By the brand in its first box."""
    return data[4:12] == b"ftypcrx "


def directories(data: bytes) -> dict[str, bytes]:
    """CMT1, CMT2 and CMT4 as far as the file has them, each a whole TIFF file."""
    found: dict[str, bytes] = {}
    view = memoryview(data)
    for kind, movie in _boxes(view):
        if kind != b"moov":
            continue
        for inner, body in _boxes(movie):
            if inner == b"uuid" and body[:16] == _CANON:
                found |= {k.decode(): bytes(b) for k, b in _boxes(body[16:]) if k in (b"CMT1", b"CMT2", b"CMT4")}
    return found


def _boxes(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of the boxes in a row, up to the first that does not fit."""
    at = 0
    for _ in range(_BOXES_MAX):
        if at + 8 > len(view):
            return
        size, kind = struct.unpack_from(">I4s", view, at)
        head = 8
        if size == 1 and at + 16 <= len(view):
            (size,) = struct.unpack_from(">Q", view, at + 8)
            head = 16
        if size < head or at + size > len(view):
            return
        yield kind, view[at + head : at + size]
        at += size
