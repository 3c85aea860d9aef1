"""How large a frame may be. Checked before memory is asked for, because a header can claim anything."""

from __future__ import annotations

from flexispd.errors import CorruptRawError, UnsupportedRawError

FILE_BYTES_MAX = 2 * 2**30
"""The largest raws of single frames stay below 0.5 GB."""

SITES_MAX = 400_000_000
"""Twice the largest Bayer sensor of today."""

BITS_PER_SITE_MIN = 0.1
"""No compression of a real mosaic comes near: its noise alone takes more than a bit a site."""


def check_file_size(size_bytes: int, name: str) -> None:
    """
    Refuse a file that is empty or larger than any raw.

    Raises:
        CorruptRawError: Empty.
        UnsupportedRawError: Too large.
    """
    if size_bytes == 0:
        raise CorruptRawError(f"{name} is empty.", remedy="Copy it from the card again.")
    if size_bytes > FILE_BYTES_MAX:
        raise UnsupportedRawError(
            f"{name} has {size_bytes / 1e9:.1f} GB, more than a single frame can have.",
            remedy="Give single frames, not films or bursts.",
        )


def check_area(width: int, height: int, name: str, size_bytes: int | None = None) -> None:
    """
    Refuse a frame of a size that cannot be, or that a file of `size_bytes` cannot hold.

    Raises:
        CorruptRawError: The file is too small for its picture, or a side is shorter than a Bayer cell.
        UnsupportedRawError: More sites than any sensor has.
    """
    if min(width, height) < 2:
        raise CorruptRawError(f"{name} says that it is {width}x{height} pixels.", remedy="Copy it from the card again.")
    if width * height > SITES_MAX:
        raise UnsupportedRawError(
            f"{name} says that it has {width * height / 1e6:.0f} megapixels; the limit is {SITES_MAX // 1_000_000}.",
            remedy="If the picture really is that large, export it in parts.",
        )
    if size_bytes is not None and 8 * size_bytes < BITS_PER_SITE_MIN * width * height:
        raise CorruptRawError(
            f"{name} has {size_bytes} bytes, too few for the {width}x{height} pixels that it promises.",
            remedy="Copy it from the card again; previews and samples cut to their metadata hold no picture.",
        )
