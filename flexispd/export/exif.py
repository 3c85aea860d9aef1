"""
The EXIF block of an output: what the camera knew about the shot, and what we are.

Written afresh from `ShotInfo` instead of copied from the raw, so nothing that was true of the raw only (its size, its
previews, its maker notes with offsets into it) ends up in the picture. Tags and types follow CIPA DC-008 (EXIF 2.32).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from flexispd.profile_params import ColorSpace
from flexispd.types import ShotInfo

SHORT_MAX = 65535
LONG_MAX = 2**32 - 1

UNCALIBRATED = 65535
"""What the ColorSpace tag says of every space but sRGB; the ICC profile says which it is."""


def exif_tags(
    shot: ShotInfo, software: str, size: tuple[int, int], *, gps: bool = True, space: ColorSpace = "srgb"
) -> Image.Exif:
    """
    Everything EXIF about one output, to be written by `exif.tobytes()`.

    Args:
        shot: What is None, not positive or not finite is left out: a wrong exposure is worse than none.
        software: Who made the picture, for the Software tag.
        size: Width and height in pixels, after orientation has been applied to them; the tag becomes 1.
        gps: Whether the position goes into the file.
        space: Colour space of the pixels.
    """
    base, ifd = ExifTags.Base, ExifTags.IFD
    exif = Image.Exif()
    exif.endian = "<"
    exif.update(
        _present(
            {
                base.Make: _text(shot.make),
                base.Model: _text(shot.model),
                base.Orientation: 1,
                base.XResolution: _rational(Fraction(72)),  # required; 72 says that print size is unknown
                base.YResolution: _rational(Fraction(72)),
                base.ResolutionUnit: 2,  # inch
                base.Software: _text(software),
                base.DateTime: _text(shot.taken_at),
                base.YCbCrPositioning: 1,
            }
        )
    )
    exif[ifd.Exif] = _present(
        {
            base.ExposureTime: _rational(exposure_fraction(shot.exposure_s)),
            base.FNumber: _rational(_fraction(shot.f_number, 100)),
            base.ExifVersion: b"0232",
            base.DateTimeOriginal: _text(shot.taken_at),
            base.DateTimeDigitized: _text(shot.taken_at),
            base.FocalLength: _rational(_fraction(shot.focal_length_mm, 100)),
            base.FlashPixVersion: b"0100",
            base.ColorSpace: 1 if space == "srgb" else UNCALIBRATED,
            base.ExifImageWidth: size[0],
            base.ExifImageHeight: size[1],
            base.LensModel: _text(shot.lens),
            **_sensitivity(shot.iso),
        }
    )
    if space == "adobe-rgb":
        exif[ifd.Exif][ifd.Interop] = {int(base.InteropIndex): "R03"}  # DCF 2.0: the optional colour space
    if gps and shot.gps is not None and {"latitude", "longitude"} <= shot.gps.keys():
        exif[ifd.GPSInfo] = _position(shot.gps)
    return exif


MOVED_MAX = 5e-4
"""Share of an exposure time that its fraction may be off; no photographer could tell."""


def exposure_fraction(exposure_s: float | None) -> Fraction | None:
    """
    Exposure time as a camera would print it: 0.0166667 is 1/60 and 0.769 is 10/13.

    Below a second the denominator carries the meaning, so it is the inverse that is rounded.
    """
    if exposure_s is None or not 0 < exposure_s < math.inf:
        return None
    if exposure_s >= 1:
        return _fraction(exposure_s, 1000)
    inverse = _fraction(1 / exposure_s, 100)
    if inverse is not None and abs(float(inverse) * exposure_s - 1) > MOVED_MAX:
        inverse = _fraction(1 / exposure_s, 1000)  # close to a second, hundredths are coarse
    return 1 / inverse if inverse else None


def _fraction(value: float | None, denominator_max: int) -> Fraction | None:
    """The nearest fraction, or None for what EXIF's unsigned rationals cannot hold."""
    if value is None or not 0 < value < LONG_MAX / denominator_max:
        return None
    fraction = Fraction(value).limit_denominator(denominator_max)
    return fraction if fraction > 0 else None


def _sensitivity(iso: float | None) -> dict[int, Any]:
    """ISO; above 65535 the old tag is full and the true number stands in a wider one (EXIF 2.3, annex G)."""
    if iso is None or not 0.5 <= iso <= LONG_MAX:
        return {}
    whole = round(iso)
    if whole < SHORT_MAX:
        return {ExifTags.Base.ISOSpeedRatings: whole}
    recommended_index = 2
    return {
        ExifTags.Base.ISOSpeedRatings: SHORT_MAX,
        ExifTags.Base.SensitivityType: recommended_index,
        ExifTags.Base.RecommendedExposureIndex: whole,
    }


def _position(gps: Mapping[str, float]) -> dict[int, Any]:
    tags = ExifTags.GPS
    latitude, longitude = gps["latitude"], gps["longitude"]
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # also false for NaN
        return {}
    position: dict[int, Any] = {
        tags.GPSVersionID: bytes((2, 3, 0, 0)),
        tags.GPSLatitudeRef: "N" if latitude >= 0 else "S",
        tags.GPSLatitude: _sexagesimal(latitude),
        tags.GPSLongitudeRef: "E" if longitude >= 0 else "W",
        tags.GPSLongitude: _sexagesimal(longitude),
    }
    altitude_m = gps.get("altitude_m")
    if altitude_m is not None and abs(altitude_m) < LONG_MAX / 100:
        position[tags.GPSAltitudeRef] = b"\0" if altitude_m >= 0 else b"\1"  # 1: below sea level
        position[tags.GPSAltitude] = _rational(Fraction(round(abs(altitude_m) * 100), 100))
    return position


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Degrees, minutes and seconds; a ten-thousandth of a second is 3 mm on the ground."""
    total = round(abs(degrees) * 3600 * 10_000)  # whole units, so that 59.99999 s carry over instead of becoming 60
    minutes, seconds = divmod(total, 60 * 10_000)
    return IFDRational(minutes // 60, 1), IFDRational(minutes % 60, 1), IFDRational(seconds, 10_000)


def _rational(value: Fraction | None) -> IFDRational | None:
    return None if value is None else IFDRational(value.numerator, value.denominator)


def _text(text: str | None) -> str | None:
    """Text on one line without the null that ends EXIF's strings; an empty one is no text."""
    return None if text is None else " ".join(text.replace("\0", " ").split()) or None


def _present(tags: Mapping[int, Any]) -> dict[int, Any]:
    return {int(tag): value for tag, value in tags.items() if value is not None}
