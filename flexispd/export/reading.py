"""Finished pictures of other programs, read to be compared with ours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from flexispd.errors import CaptureError, displayable
from flexispd.types import UInt8

PIXELS_MAX = 300_000_000
"""More than any camera's; a file that says more is made to exhaust the memory."""

FORMATS = ("JPEG", "PNG", "TIFF")


def read_picture(path: Path, edge_px: int) -> UInt8:
    """
    An upright picture in sRGB, (H, W, 3), with at most `edge_px` as its longer edge.

    Colours go from the file's own ICC profile to sRGB; without one it is sRGB, as viewers assume.

    Raises:
        CaptureError: It is no JPEG, PNG or TIFF picture, or damaged.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > PIXELS_MAX:
                raise ValueError(f"it says that it has {picture.width} x {picture.height} pixels")
            picture.draft("RGB", (2 * edge_px, 2 * edge_px))
            upright = ImageOps.exif_transpose(picture)
            profile = picture.info.get("icc_profile")
            upright.thumbnail((edge_px, edge_px), Image.Resampling.BOX)
            return np.asarray(_in_srgb(upright, profile), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CaptureError(
            f"{displayable(path)} is no picture that can be read: {displayable(str(reason))}.",
            remedy="Name a JPEG, PNG or TIFF picture.",
        ) from None


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    if not profile or picture.mode not in ("RGB", "RGBA", "RGBX"):
        return rgb
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        shown = ImageCms.profileToProfile(rgb, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):  # a profile that cannot be used counts as none
        return rgb
    return rgb if shown is None else shown
