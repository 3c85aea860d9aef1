"""
What is known about a shot, and from where: EXIF and DNG tags, and the merging of all sources.

Each source gives the fields of ShotInfo that it knows. The first in the order JSON, XMP, EXIF, LibRaw, default wins;
where two contradict each other about something that matters, a warning says so. Only this file imports exifread.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import exifread
import numpy as np

from flexispd.decode import cfa as phase
from flexispd.decode import cr3
from flexispd.decode.illuminants import D65_K, ILLUMINANT_CCT_K, STANDARD_A_K
from flexispd.decode.values import neutral_from, usable_matrix
from flexispd.types import ColorMatrix, NoiseProfile, ShotInfo

Facts = Mapping[str, Any]
"""Names of fields of ShotInfo -> values, as one source states them."""

DEFAULT_COLOR_MATRIX = (1.0684, -0.2988, -0.1426, -0.4316, 1.3555, 0.0508, -0.1016, 0.2441, 0.5859)
"""XYZ to camera of an average camera, taken as under D65; what the baseline of the NTIRE challenges falls back to."""

# exifread reports what it cannot read through logging; here that becomes a warning of the shot.
logging.getLogger("exifread").disabled = True

_COMPARED = {"orientation": 0.0, "iso": 0.05, "exposure_s": 0.1, "f_number": 0.1, "focal_length_mm": 0.1}
"""Fields whose sources must agree, and the relative difference that rounding explains."""


def merge(sources: Sequence[tuple[str, Facts]], warnings: Sequence[str] = ()) -> ShotInfo:
    """
    One ShotInfo from sources in falling order of precedence, with what is missing taken from the defaults.

    Args:
        sources: Name ("json", "xmp", "exif", "rawpy") and facts of each.
        warnings: What went wrong while they were read.
    """
    chosen: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, facts in sources:
        for name, value in facts.items():
            if name not in chosen:
                chosen[name], origin[name] = value, source
    notes = [*warnings, *_contradictions(sources)]
    if "color_matrices" not in chosen:
        matrix = np.reshape(np.asarray(DEFAULT_COLOR_MATRIX), (3, 3))
        chosen["color_matrices"], origin["color_matrices"] = (ColorMatrix(matrix, D65_K),), "default"
        notes.append("No source has a colour matrix; that of an average camera is used, so colours are approximate.")
    chosen["color_matrices"] = tuple(sorted(chosen["color_matrices"], key=lambda matrix: matrix.cct_k))
    if "orientation" not in chosen:
        chosen["orientation"], origin["orientation"] = 1, "default"
    return ShotInfo(**chosen, sources=origin, warnings=tuple(notes))


def _contradictions(sources: Sequence[tuple[str, Facts]]) -> list[str]:
    notes = []
    for name in (*_COMPARED, "make", "model"):
        stated = [(source, facts[name]) for source, facts in sources if name in facts]
        for source, value in stated[1:]:
            first_source, first = stated[0]
            if not _agree(name, first, value):
                notes.append(f"{name} is {first} by {first_source} but {value} by {source}; {first_source} is used.")
    return notes


def _agree(name: str, first: Any, other: Any) -> bool:
    if name in _COMPARED:
        return math.isclose(first, other, rel_tol=_COMPARED[name])
    one, two = str(first).casefold(), str(other).casefold()
    return one in two or two in one


def exif_facts(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """
    Fields that the file's own EXIF and DNG tags state, and warnings. Values that make no sense count as absent.

    Args:
        data: The whole file.
    """
    try:
        tags = _cr3_tags(data) if cr3.is_cr3(data) else _tags(data)
    except Exception as error:  # a parser of hostile input may raise anything, and the pixels may be fine
        return {}, [f"EXIF could not be read ({type(error).__name__})."]
    reader = _Tags(tags)
    facts: dict[str, Any] = {
        "make": reader.text("Image Make"),
        "model": reader.text("Image Model") or reader.text("Image Tag 0xC614"),
        "lens": reader.text("EXIF LensModel") or reader.text("Image LensModel"),
        "iso": reader.iso(),
        "exposure_s": reader.positive("EXIF ExposureTime", "Image ExposureTime"),
        "f_number": reader.positive("EXIF FNumber", "Image FNumber"),
        "focal_length_mm": reader.positive("EXIF FocalLength", "Image FocalLength"),
        "taken_at": reader.time(),
        "gps": reader.gps(),
        "orientation": reader.orientation(),
    }
    if reader.numbers("Image Tag 0xC612"):  # DNGVersion
        facts |= {
            "color_matrices": reader.color_matrices(),
            "as_shot_neutral": reader.neutral(),
            "noise_profile": reader.noise_profile(),
        }
    return {name: value for name, value in facts.items() if value}, []


def _tags(data: bytes) -> dict[str, Any]:
    file = io.BytesIO(data)
    if data.startswith(b"FUJIFILMCCD-RAW"):  # RAF keeps its EXIF in the JPEG that it carries
        offset, size = struct.unpack_from(">II", data, 84)
        file = io.BytesIO(data[offset : offset + size])
    elif data[:4] in (b"IIRO", b"IIRS", b"IIU\0"):  # ORF and RW2 are TIFF but for their first four bytes
        file.write(b"II*\0")
        file.seek(0)
    return dict(exifread.process_file(file, details=False, extract_thumbnail=False))


def _cr3_tags(data: bytes) -> dict[str, Any]:
    """CR3's directories as one; each stands alone in the file, so exifread takes EXIF and GPS for the image's own."""
    parts = {name: _tags(part) for name, part in cr3.directories(data).items()}
    tags = parts.get("CMT2", {}) | parts.get("CMT1", {})
    for found in parts.get("CMT4", {}).values():
        name = _GPS_NAMES.get(getattr(found, "tag", -1))
        if name is not None:
            tags[f"GPS {name}"] = found
    return tags


_GPS_NAMES = {
    1: "GPSLatitudeRef",
    2: "GPSLatitude",
    3: "GPSLongitudeRef",
    4: "GPSLongitude",
    5: "GPSAltitudeRef",
    6: "GPSAltitude",
}


class _Tags:
    """Typed access to what exifread found. A tag that is absent or of another shape is None."""

    def __init__(self, tags: Mapping[str, Any]) -> None:
        self._tags = tags

    def numbers(self, name: str) -> list[float]:
        values = getattr(self._tags.get(name), "values", None)
        found: list[float] = []
        for value in values if isinstance(values, list | tuple) else []:
            item = value[0] if isinstance(value, tuple) and len(value) == 1 else value  # doubles come wrapped
            try:
                found.append(float(item))
            except (TypeError, ValueError, ZeroDivisionError, OverflowError):
                return []
        return found if all(map(math.isfinite, found)) else []

    def positive(self, *names: str) -> float | None:
        found = (numbers[0] for name in names if (numbers := self.numbers(name)) and numbers[0] > 0)
        return next(found, None)

    def text(self, name: str) -> str | None:
        values = getattr(self._tags.get(name), "values", None)
        if not isinstance(values, str):
            return None
        return " ".join(values.split("\0")[0].split()) or None

    def iso(self) -> float | None:
        """65535 in the old tag means that the newer one has the number."""
        old = self.positive("EXIF ISOSpeedRatings", "Image ISOSpeedRatings")
        if old is not None and old < 65535:
            return old
        return (
            self.positive("EXIF RecommendedExposureIndex", "EXIF ISOSpeed", "EXIF Tag 0x8832", "EXIF Tag 0x8833") or old
        )

    def time(self) -> str | None:
        for name in ("EXIF DateTimeOriginal", "Image DateTimeOriginal", "Image DateTime"):
            text = self.text(name)
            if text and re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", text) and not text.startswith("0000"):
                return text
        return None

    def orientation(self) -> int | None:
        numbers = self.numbers("Image Orientation")
        return int(numbers[0]) if len(numbers) == 1 and numbers[0] in range(1, 9) else None

    def gps(self) -> dict[str, float] | None:
        latitude, longitude = self._degrees("Latitude", "S", 90.0), self._degrees("Longitude", "W", 180.0)
        if latitude is None or longitude is None:
            return None
        gps = {"latitude": latitude, "longitude": longitude}
        altitude = self.positive("GPS GPSAltitude")
        if altitude is not None:
            gps["altitude_m"] = -altitude if self.numbers("GPS GPSAltitudeRef") == [1.0] else altitude
        return gps

    def _degrees(self, name: str, negative: str, limit: float) -> float | None:
        parts = self.numbers(f"GPS GPS{name}")
        if len(parts) != 3 or min(parts) < 0:
            return None
        value = parts[0] + parts[1] / 60 + parts[2] / 3600
        if value > limit:
            return None
        return -value if self.text(f"GPS GPS{name}Ref") == negative else value

    def color_matrices(self) -> tuple[ColorMatrix, ...]:
        """
        XYZ to camera of each calibration illuminant: AnalogBalance x CameraCalibration x ColorMatrix (DNG 1.4,
        chapter 6). The calibration only counts where its signature is the profile's.
        """
        balance = self.numbers("Image Tag 0xC627")
        scale = np.diag(balance) if len(balance) == 3 and min(balance) > 0 else np.eye(3)
        calibrated = self.text("Image Tag 0xC6F3") == self.text("Image Tag 0xC6F4")
        matrices: dict[float, ColorMatrix] = {}
        for matrix_tag, calibration_tag, light_tag, default_k in (
            ("0xC621", "0xC623", "0xC65A", STANDARD_A_K),
            ("0xC622", "0xC624", "0xC65B", D65_K),
        ):
            matrix = usable_matrix(self.numbers(f"Image Tag {matrix_tag}"))
            if matrix is None:
                continue
            calibration = usable_matrix(self.numbers(f"Image Tag {calibration_tag}"))
            if calibrated and calibration is not None:
                matrix = calibration @ matrix
            code = self.numbers(f"Image Tag {light_tag}")
            cct_k = ILLUMINANT_CCT_K.get(int(code[0]), default_k) if code else default_k
            matrices.setdefault(cct_k, ColorMatrix(scale @ matrix, cct_k))
        return tuple(matrices.values())

    def neutral(self) -> tuple[float, float, float] | None:
        numbers = self.numbers("Image Tag 0xC628")
        return neutral_from(numbers) if len(numbers) == 3 else None

    def noise_profile(self) -> NoiseProfile | None:
        """DNG writes (shot, read) pairs, one for all planes or one for each colour."""
        numbers = self.numbers("Image Tag 0xC761")
        shot, read = numbers[::2], numbers[1::2]
        if len(shot) != len(read) or len(shot) not in (1, 3, 4) or min(numbers) < 0 or max(shot) == 0:
            return None
        return NoiseProfile(phase.four(shot), phase.four(read), "exif")
