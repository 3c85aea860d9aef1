"""
XMP sidecars: what a photographer's tools noted about a shot, such as a corrected orientation.

Only plain shot data is read; develop settings of other programs mean nothing here. A sidecar may not declare a document
type, so nothing in it can expand to more than it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

from flexispd.decode.values import orientation_from_text

SIZE_BYTES_MAX = 2**20

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PREFIXES = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/xap/1.0/": "xmp",
}


class XmpError(ValueError):
    """The sidecar cannot be read; the message says why."""


def facts(data: bytes) -> dict[str, Any]:
    """
    Fields of ShotInfo that the sidecar states; values that make no sense count as absent.

    Raises:
        XmpError: Not well-formed, too large, or with a document type.
    """
    found: dict[str, Any] = {}
    properties = _properties(data)
    for name, key, read in _FIELDS:
        text = properties.get(key, "").strip()
        value = read(text) if text else None
        if value is not None:
            found.setdefault(name, value)
    gps = _gps(properties)
    return found | ({"gps": gps} if gps else {})


def root_of(data: bytes) -> ElementTree.Element:
    """
    The outermost element of an XMP file.

    Raises:
        XmpError: Not well-formed, too large, or with a document type.
    """
    if len(data) > SIZE_BYTES_MAX:
        raise XmpError(f"it has {len(data)} bytes, the limit is {SIZE_BYTES_MAX}")
    # In any encoding that ElementTree knows, a DOCTYPE shows these letters once null bytes are gone.
    if b"<!DOCTYPE" in data.replace(b"\0", b""):
        raise XmpError("it declares a document type")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise XmpError(f"it is not well-formed XML ({error})") from error


def _properties(data: bytes) -> dict[str, str]:
    """Simple properties as "prefix:name" -> text, whether written as attributes, elements or one-item lists."""
    properties: dict[str, str] = {}
    for description in root_of(data).iter(f"{RDF}Description"):
        for name, text in description.attrib.items():
            properties.setdefault(_short(name), text)
        for child in description:
            item = child.find(f".//{RDF}li")
            properties.setdefault(_short(child.tag), (child if item is None else item).text or "")
    return properties


def _short(qualified: str) -> str:
    namespace, _, name = qualified.removeprefix("{").rpartition("}")
    return f"{_PREFIXES.get(namespace, '')}:{name}"


def _positive(text: str) -> float | None:
    try:
        value = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return value if value > 0 else None


def _time(text: str) -> str | None:
    """ISO 8601 to the form of EXIF. A time zone is dropped: EXIF means the camera's clock."""
    match = re.match(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?", text)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups(default="00")
    return f"{year}:{month}:{day} {hour}:{minute}:{second}"


def _gps(properties: dict[str, str]) -> dict[str, float] | None:
    latitude = _degrees(properties.get("exif:GPSLatitude", ""), "NS", 90.0)
    longitude = _degrees(properties.get("exif:GPSLongitude", ""), "EW", 180.0)
    if latitude is None or longitude is None:
        return None
    gps = {"latitude": latitude, "longitude": longitude}
    altitude = _positive(properties.get("exif:GPSAltitude", ""))
    if altitude is not None:
        gps["altitude_m"] = -altitude if properties.get("exif:GPSAltitudeRef") == "1" else altitude
    return gps


def _degrees(text: str, letters: str, limit: float) -> float | None:
    """Signed degrees from "56,17.906N" or "56,17,54N"."""
    match = re.fullmatch(rf"(\d{{1,3}}),(\d{{1,2}}(?:\.\d+)?)(?:,(\d{{1,2}}(?:\.\d+)?))?([{letters}])", text.strip())
    if match is None:
        return None
    degrees, minutes, seconds, letter = match.groups(default="0")
    value = int(degrees) + float(minutes) / 60 + float(seconds) / 3600
    if value > limit:
        return None
    return -value if letter == letters[1] else value


def _text(text: str) -> str | None:
    return text


_FIELDS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("make", "tiff:Make", _text),
    ("model", "tiff:Model", _text),
    ("lens", "aux:Lens", _text),
    ("lens", "exifEX:LensModel", _text),
    ("iso", "exifEX:PhotographicSensitivity", _positive),
    ("iso", "exif:ISOSpeedRatings", _positive),
    ("exposure_s", "exif:ExposureTime", _positive),
    ("f_number", "exif:FNumber", _positive),
    ("focal_length_mm", "exif:FocalLength", _positive),
    ("orientation", "tiff:Orientation", orientation_from_text),
    ("taken_at", "exif:DateTimeOriginal", _time),
    ("taken_at", "xmp:CreateDate", _time),
)
