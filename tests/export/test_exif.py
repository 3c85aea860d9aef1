"""What the camera knew about a shot is in the output, for readers that we did not write."""

import io
import json
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import exifread
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from flexispd.export.encode import encode, pixel_type
from flexispd.export.exif import exif_tags, exposure_fraction
from flexispd.profile import ExportParams
from flexispd.types import Picture, ShotInfo

SHOT = ShotInfo(
    make="Canon",
    model="Canon EOS R5",
    lens="RF24-70mm F2.8 L IS USM",
    iso=3200.0,
    exposure_s=0.0166667,
    f_number=2.8,
    focal_length_mm=35.0,
    taken_at="2026:01:02 23:04:05",
    gps={"latitude": -33.85678, "longitude": 151.21527, "altitude_m": -3.25},
)
HARMLESS = ("ComponentsConfiguration", "GPSProcessingMethod", "ExifImageWidth", "ExifImageHeight")
"""Tags that exiftool misses in a JPEG and in a GPS block, and finds superfluous in a TIFF; no program minds."""

COMPONENTS = b"\1\2\3\0"
"""Y, Cb, Cr, and nothing in the fourth place (CIPA DC-008, ComponentsConfiguration)."""

FORMATS = ("jpeg", "png", "png16", "tiff16")


def encoded(shot: ShotInfo, form: str, *, gps: bool = True) -> bytes:
    params = ExportParams(format=form, gps=gps)  # type: ignore[arg-type]
    values = np.full((6, 8, 3), 99, pixel_type(params))
    return encode(Picture(values, 1, {}), shot, params, "flexispd 0.1.0, profile natural")


def read_by_pillow(exif: Image.Exif) -> Image.Exif:
    """The block as a reader of the bytes sees it."""
    read = Image.Exif()
    read.load(exif.tobytes())
    return read


def read_by_exifread(data: bytes) -> dict[str, Any]:
    return dict(exifread.process_file(io.BytesIO(data), details=False))


@pytest.mark.parametrize("form", FORMATS)
def test_exifread_finds_what_the_camera_wrote(form: str) -> None:
    """
    Make, model, lens, exposure, aperture, ISO, focal length, time, software, colour space.
    """
    tags = {name: str(tag) for name, tag in read_by_exifread(encoded(SHOT, form)).items()}

    assert tags["Image Make"] == "Canon"
    assert tags["Image Model"] == "Canon EOS R5"
    assert tags["Image Software"] == "flexispd 0.1.0, profile natural"
    assert tags["Image DateTime"] == tags["EXIF DateTimeOriginal"] == "2026:01:02 23:04:05"
    assert tags["Image Orientation"] == "Horizontal (normal)"
    assert tags["EXIF LensModel"] == "RF24-70mm F2.8 L IS USM"
    assert tags["EXIF ExposureTime"] == "1/60"
    assert tags["EXIF FNumber"] == "14/5"
    assert tags["EXIF FocalLength"] == "35"
    assert tags["EXIF ISOSpeedRatings"] == "3200"
    assert tags["EXIF ColorSpace"] == "sRGB"
    assert tags["EXIF ExifImageWidth"] == "8"
    assert tags["EXIF ExifImageLength"] == "6"


@pytest.mark.parametrize("form", FORMATS)
def test_exiftool_finds_the_same_and_nothing_to_complain_about(form: str, tmp_path: Path) -> None:
    """
    The strictest reader there is agrees on every value, and reports no error in the file's structure.
    """
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed")
    path = tmp_path / form
    path.write_bytes(encoded(SHOT, form))

    def ask(*options: str) -> str:
        command = [exiftool, *options, str(path)]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout

    (tags,) = json.loads(ask("-json", "-n"))
    complaints = ask("-validate", "-warning", "-error", "-a", "-s3").splitlines()[1:]  # the first line is their number

    assert (tags["Make"], tags["ISO"], tags["LensModel"]) == ("Canon", 3200, "RF24-70mm F2.8 L IS USM")
    assert tags["ExposureTime"] == pytest.approx(1 / 60)
    assert tags["GPSLatitude"] == pytest.approx(-33.85678, abs=1e-7)
    assert tags["GPSLongitude"] == pytest.approx(151.21527, abs=1e-7)
    assert tags["GPSAltitude"] == -3.25
    assert [line for line in complaints if not any(tag in line for tag in HARMLESS)] == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_position_stays_out_when_it_is_switched_off(form: str) -> None:
    """
    A picture for the web does not tell where its photographer lives.
    """
    assert any(name.startswith("GPS") for name in read_by_exifread(encoded(SHOT, form)))
    assert not any(name.startswith("GPS") for name in read_by_exifread(encoded(SHOT, form, gps=False)))


@pytest.mark.parametrize("form", FORMATS)
def test_a_shot_of_which_nothing_is_known_is_exported(form: str) -> None:
    """
    Fields that no source had are absent, not zero or empty.
    """
    tags = read_by_exifread(encoded(ShotInfo(), form))

    assert "Image Software" in tags
    assert not {"Image Make", "Image DateTime", "EXIF ExposureTime", "EXIF ISOSpeedRatings", "EXIF LensModel"} & set(
        tags
    )


@pytest.mark.parametrize(
    ("exposure_s", "printed"),
    [
        (0.0166667, "1/60"),
        (1 / 8000, "1/8000"),
        (1 / 32000, "1/32000"),
        (0.3, "3/10"),
        (0.4, "2/5"),
        (0.769, "10/13"),
        (1.0, "1"),
        (2.5, "5/2"),
        (30.0, "30"),
        (3600.0, "3600"),
    ],
)
def test_exposure_times_read_as_a_camera_prints_them(exposure_s: float, printed: str) -> None:
    """
    A time that came through a float is written as the fraction that it meant.
    """
    assert str(exposure_fraction(exposure_s)) == printed


@given(st.floats(min_value=1e-5, max_value=1e5))
@example(0.498046875)
@example(0.995)
def test_no_exposure_time_moves_by_more_than_one_per_mille(exposure_s: float) -> None:
    """
    Whatever is rounded, it stays the same exposure to any photographer.
    """
    fraction = exposure_fraction(exposure_s)

    assert fraction is not None
    assert fraction == pytest.approx(Fraction(exposure_s), rel=1e-3)
    assert max(fraction.numerator, fraction.denominator) < 2**32


@given(
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.floats()),
    st.dictionaries(st.sampled_from(["latitude", "longitude", "altitude_m"]), st.floats()),
    st.one_of(st.none(), st.text()),
)
def test_no_value_makes_the_block_impossible(
    number: float | None, iso: float | None, gps: dict[str, float], text: str | None
) -> None:
    """
    NaN, infinity, zero, negative and absurd numbers, and any text, are left out or written, but never raise.
    """
    shot = ShotInfo(
        make=text, model=text, lens=text, taken_at=text, iso=iso, exposure_s=number, f_number=number,
        focal_length_mm=number, gps=gps,
    )  # fmt: skip

    assert exif_tags(shot, "flexispd", (8, 6)).tobytes().startswith(b"Exif\0\0II*\0")


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_positions_keep_a_centimetre(latitude: float, longitude: float) -> None:
    """
    Degrees, minutes and seconds give the signed degrees again, and seconds never reach 60.
    """
    shot = replace(SHOT, gps={"latitude": latitude, "longitude": longitude})
    gps = read_by_pillow(exif_tags(shot, "flexispd", (8, 6))).get_ifd(0x8825)

    for reference, value, degrees in ((gps[1], gps[2], latitude), (gps[3], gps[4], longitude)):
        whole, minutes, seconds = (float(part) for part in value)
        sign = -1 if reference in ("S", "W") else 1
        assert sign * (whole + minutes / 60 + seconds / 3600) == pytest.approx(degrees, abs=1e-7)
        assert minutes < 60
        assert seconds < 60


def test_an_iso_beyond_the_old_tag_is_written_in_full() -> None:
    """
    ISO 102400 does not fit 16 bits: the old tag says 65535, the newer one the truth.
    """
    details = read_by_pillow(exif_tags(ShotInfo(iso=102400.0), "flexispd", (8, 6))).get_ifd(0x8769)

    assert details[0x8827] == 65535
    assert details[0x8830] == 2
    assert details[0x8832] == 102400


def test_a_jpeg_says_in_which_order_its_components_lie() -> None:
    """
    EXIF wants it in every compressed picture, and in no other.
    """
    picture = Picture(np.zeros((2, 3, 3), np.uint8), 1, {})
    for name, expected in (("jpeg", COMPONENTS), ("png", None)):
        data = encode(picture, SHOT, ExportParams(format=name), "flexispd")  # type: ignore[arg-type]
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif().get_ifd(0x8769).get(0x9101) == expected
