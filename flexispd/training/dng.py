"""
Mosaics as DNG files: how synthetic raws reach LibRaw, in the demo, the benchmarks and the tests.

One uncompressed 16-bit plane in a little-endian TIFF, with the DNG 1.4 tags that a decoder needs and no preview. DNG
knows one white level for a mosaic and one noise profile for both greens: the lowest white is written, and the mean of
the greens. LibRaw takes no frame of fewer than 22 pixels a side, and trims one line more at an odd margin.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from flexispd.decode.cfa import cell_of_planes
from flexispd.decode.illuminants import ILLUMINANT_CCT_K
from flexispd.types import FourPlanes, Mosaic, NoiseProfile, ShotInfo, UInt16

# TIFF 6.0 field types: (code, struct letter, bytes)
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 10, 12
_PLAIN = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", DOUBLE: "d"}

_EXIF_IFD, _GPS_IFD, _STRIP_OFFSET = 34665, 34853, 273

Margins = tuple[int, int, int, int]
"""Masked rows and columns around the visible area: top, left, bottom, right."""


class _Directory:
    """Entries of one IFD, kept by tag because TIFF wants them in rising order."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[int, int, bytes]] = {}

    def add(self, tag: int, kind: int, values: Iterable[float] | str) -> None:
        """Store `values` under `tag`; text is terminated by a null byte."""
        if isinstance(values, str):
            values = values.encode("utf-8", "replace") + b"\0"
        numbers = list(values)
        if kind in (RATIONAL, SRATIONAL):
            data = b"".join(_rational(value, signed=kind == SRATIONAL) for value in numbers)
        elif kind == DOUBLE:
            data = struct.pack(f"<{len(numbers)}d", *numbers)
        else:
            data = struct.pack(f"<{len(numbers)}{_PLAIN[kind]}", *(int(value) for value in numbers))
        self.entries[tag] = (kind, len(numbers), data)

    def size_bytes(self) -> int:
        """Length of the directory and of the values that do not fit into its entries."""
        return 2 + 12 * len(self.entries) + 4 + sum(_padded(len(d)) for _, _, d in self.entries.values() if len(d) > 4)

    def serialise(self, offset: int) -> bytes:
        """The directory as it stands at `offset` of the file, its long values behind it."""
        values_at = offset + 2 + 12 * len(self.entries) + 4
        head, tail = [struct.pack("<H", len(self.entries))], []
        for tag, (kind, count, data) in sorted(self.entries.items()):
            if len(data) <= 4:
                field = data.ljust(4, b"\0")
            else:
                field = struct.pack("<I", values_at)
                tail.append(data.ljust(_padded(len(data)), b"\0"))
                values_at += _padded(len(data))
            head.append(struct.pack("<HHI", tag, kind, count) + field)
        return b"".join([*head, struct.pack("<I", 0), *tail])


def write_dng(mosaic: Mosaic, *, margins: Margins = (0, 0, 0, 0), table: UInt16 | None = None) -> bytes:
    """
    The mosaic and everything that its ShotInfo knows, as the bytes of a DNG file.

    Args:
        mosaic: Any size from 22x22 and any phase. Black levels go in per channel, rounded to 1/10000.
        margins: Masked pixels to put around the visible area, as sensors have them; they hold the black level, and
            ActiveArea says where they end.
        table: LinearizationTable. The values are then indices into it, while black and white count in its output.
    """
    image, exif, gps = _Directory(), _exif_directory(mosaic.shot), _gps_directory(mosaic.shot)
    values = _with_margins(mosaic, margins)
    _add_layout(image, values, mosaic, margins)
    _add_levels(image, mosaic, table)
    _add_identity(image, mosaic.shot)
    _add_color(image, mosaic.shot)
    for tag, directory in ((_EXIF_IFD, exif), (_GPS_IFD, gps)):
        if directory.entries:
            image.add(tag, LONG, [0])  # placeholder: the size of the directory must be final first

    exif_at = 8 + image.size_bytes()
    gps_at = exif_at + exif.size_bytes()
    pixels_at = gps_at + gps.size_bytes()
    image.add(_STRIP_OFFSET, LONG, [pixels_at])
    for tag, offset in ((_EXIF_IFD, exif_at), (_GPS_IFD, gps_at)):
        if tag in image.entries:
            image.add(tag, LONG, [offset])
    header = struct.pack("<2sHI", b"II", 42, 8)
    return b"".join(
        [header, image.serialise(8), exif.serialise(exif_at), gps.serialise(gps_at), values.astype("<u2").tobytes()]
    )


def _with_margins(mosaic: Mosaic, margins: Margins) -> UInt16:
    top, left, bottom, right = margins
    height, width = mosaic.values.shape
    dark = round(min(mosaic.black_level))
    whole = np.full((top + height + bottom, left + width + right), dark, np.uint16)
    whole[top : top + height, left : left + width] = mosaic.values
    return whole


def _add_layout(image: _Directory, values: UInt16, mosaic: Mosaic, margins: Margins) -> None:
    height, width = values.shape
    top, left, bottom, right = margins
    image.add(254, LONG, [0])  # NewSubfileType: the full picture
    image.add(256, LONG, [width])
    image.add(257, LONG, [height])
    image.add(258, SHORT, [16])
    image.add(259, SHORT, [1])  # Compression: none
    image.add(262, SHORT, [32803])  # PhotometricInterpretation: CFA
    image.add(_STRIP_OFFSET, LONG, [0])
    image.add(274, SHORT, [mosaic.shot.orientation])
    image.add(277, SHORT, [1])
    image.add(278, LONG, [height])
    image.add(279, LONG, [values.size * 2])
    image.add(284, SHORT, [1])
    image.add(33421, SHORT, [2, 2])
    image.add(33422, BYTE, cell_of_planes((0, 1, 1, 2), mosaic.cfa))
    image.add(50706, BYTE, [1, 4, 0, 0])  # DNGVersion
    image.add(50707, BYTE, [1, 1, 0, 0])  # DNGBackwardVersion
    if any(margins):
        image.add(50829, LONG, [top, left, height - bottom, width - right])  # ActiveArea


def _add_levels(image: _Directory, mosaic: Mosaic, table: UInt16 | None) -> None:
    if table is not None:
        image.add(50712, SHORT, table.tolist())
    if len(set(mosaic.black_level)) == 1:
        image.add(50714, RATIONAL, mosaic.black_level[:1])
    else:
        image.add(50713, SHORT, [2, 2])  # BlackLevelRepeatDim
        image.add(50714, RATIONAL, cell_of_planes(mosaic.black_level, mosaic.cfa))
    image.add(50717, LONG, [min(mosaic.white_level)])


def _add_identity(image: _Directory, shot: ShotInfo) -> None:
    for tag, text in ((271, shot.make), (272, shot.model), (306, shot.taken_at)):
        if text:
            image.add(tag, ASCII, text)
    unique = " ".join(text for text in (shot.make, shot.model) if text)
    image.add(50708, ASCII, unique or "flexispd synthetic")  # UniqueCameraModel is required


def _add_color(image: _Directory, shot: ShotInfo) -> None:
    for matrix, tag, illuminant_tag in zip(shot.color_matrices[:2], (50721, 50722), (50778, 50779), strict=False):
        image.add(tag, SRATIONAL, np.asarray(matrix.xyz_to_camera, np.float64).ravel().tolist())
        image.add(illuminant_tag, SHORT, [_nearest_illuminant(matrix.cct_k)])
    if shot.as_shot_neutral is not None:
        image.add(50728, RATIONAL, shot.as_shot_neutral)
    if shot.noise_profile is not None:
        image.add(51041, DOUBLE, _noise_pairs(shot.noise_profile))


def _nearest_illuminant(cct_k: float) -> int:
    """EXIF LightSource code of the standard illuminant nearest in reciprocal temperature."""
    standard = (17, 20, 21, 22, 23)  # A, D55, D65, D75, D50
    return min(standard, key=lambda code: abs(1 / ILLUMINANT_CCT_K[code] - 1 / cct_k))


def _noise_pairs(profile: NoiseProfile) -> list[float]:
    """(shot, read) of red, green and blue, one after the other."""

    def three(planes: FourPlanes) -> tuple[float, float, float]:
        return planes[0], (planes[1] + planes[2]) / 2, planes[3]

    return [value for pair in zip(three(profile.shot), three(profile.read), strict=True) for value in pair]


def _exif_directory(shot: ShotInfo) -> _Directory:
    exif = _Directory()
    for tag, value in ((33434, shot.exposure_s), (33437, shot.f_number), (37386, shot.focal_length_mm)):
        if value is not None:
            exif.add(tag, RATIONAL, [value])
    if shot.iso is not None:
        exif.add(34855, LONG if shot.iso > 65535 else SHORT, [shot.iso])
    for tag, text in ((36867, shot.taken_at), (42036, shot.lens)):
        if text:
            exif.add(tag, ASCII, text)
    return exif


def _gps_directory(shot: ShotInfo) -> _Directory:
    gps = _Directory()
    if not shot.gps:
        return gps
    gps.add(0, BYTE, [2, 3, 0, 0])
    for tag, name, letters in ((1, "latitude", "NS"), (3, "longitude", "EW")):
        degrees = shot.gps[name]
        gps.add(tag, ASCII, letters[degrees < 0])
        gps.add(tag + 1, RATIONAL, _sexagesimal(abs(degrees)))
    if "altitude_m" in shot.gps:
        gps.add(5, BYTE, [shot.gps["altitude_m"] < 0])
        gps.add(6, RATIONAL, [abs(shot.gps["altitude_m"])])
    return gps


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    minutes = (degrees % 1) * 60
    return math.floor(degrees), math.floor(minutes), (minutes % 1) * 60


def _rational(value: float, *, signed: bool) -> bytes:
    """The nearest fraction with a denominator up to 10000, or larger for values that need it to keep six digits."""
    exact = Fraction(value)
    near = exact.limit_denominator(10_000)
    if exact and abs(near / exact - 1) > 1e-6:
        near = exact.limit_denominator(50_000_000)
    return struct.pack("<ii" if signed else "<II", near.numerator, near.denominator)


def _padded(size_bytes: int) -> int:
    """TIFF values start at even offsets."""
    return size_bytes + size_bytes % 2
