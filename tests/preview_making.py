"""JPEGs such as cameras leave beside their raws and in them."""

import io
import struct

import numpy as np
from PIL import ExifTags, Image

CORNER = (200, 30, 20)


def jpeg(seed: int = 0, size: tuple[int, int] = (96, 64), orientation: int | None = None, **options: object) -> bytes:
    """Grey noise with a red corner at the top left; an orientation in its EXIF, if it is to have one."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(90, 160, (height, width, 1)).repeat(3, axis=2).astype(np.uint8)
    pixels[: height // 3, : width // 3] = CORNER
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, exif=exif, **options)
    return file.getvalue()


def red_corner(data: bytes) -> tuple[int, int]:
    """Which corner of a picture, as its pixels lie, is the red one: (0 top or 1 bottom, 0 left or 1 right)."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    redness = pixels[..., 0] - pixels[..., 2]
    height, width = redness.shape
    upper, left = redness[: height // 2].mean() > redness[height // 2 :].mean(), redness[:, : width // 2].mean()
    return int(not upper), int(left < redness[:, width // 2 :].mean())


def with_preview(dng: bytes, preview: bytes) -> bytes:
    """A DNG of ours with a JPEG in a second directory, where cameras put their previews."""
    data = bytearray(dng + bytes(len(dng) % 2))
    (entries,) = struct.unpack_from("<H", data, 8)
    next_at = 10 + 12 * entries
    tags = [(254, 4, 1), (259, 3, 6), (513, 4, len(data) + 2 + 12 * 4 + 4), (514, 4, len(preview))]
    struct.pack_into("<I", data, next_at, len(data))
    data += struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        data += struct.pack("<HHII", tag, kind, 1, value)
    return bytes(data + bytes(4) + preview)
