"""What a file says about its colours is true, as programs understand it that we did not write."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from flexispd.bench.metrics import ciede2000
from flexispd.color_spaces import ADOBE_RGB, DISPLAY_P3, REC2020, SPACES, SRGB, RGBSpace
from flexispd.export.encode import encode, pixel_type
from flexispd.export.fit import fitted
from flexispd.export.icc import adapted_colorants, display_profile
from flexispd.profile import CropParams, ExportParams
from flexispd.types import Picture, ShotInfo

SHOT = ShotInfo(
    make="Canon",
    model="EOS",
    iso=800.0,
    taken_at="2026:01:02 23:04:05",
    gps={"latitude": 47.0, "longitude": 8.0},
)
FORMATS = ("jpeg", "png", "png16", "tiff16")
WIDE = [DISPLAY_P3, ADOBE_RGB, REC2020]
DITHER_PX = 16
COLORIMETRIC = ImageCms.Intent.RELATIVE_COLORIMETRIC


def encoded(form: Any, space: Any = "srgb", *, gps: bool = True) -> bytes:
    export = ExportParams(form, color_space=space, gps=gps, edge_px=64, sharpening=0.5, watermark="Night")
    values = np.full((100, 160, 3), 99, pixel_type(export))
    picture = fitted(Picture(values, 1, {}, space), export, CropParams("16:9"))
    return encode(picture, SHOT, export, "flexispd 0.1.0, profile natural")


def asked(data: bytes, path: Path, *options: str) -> Any:
    """What exiftool says of a file."""
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed")
    path.write_bytes(data)
    run = subprocess.run([exiftool, "-json", *options, str(path)], capture_output=True, check=True, text=True)
    return json.loads(run.stdout)[0]


def seen(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.float64]:
    """CIE Lab (H, W, 3) under D50 of 8-bit pixels with an ICC profile, as littlecms has it."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    lab = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        source,
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
        renderingIntent=COLORIMETRIC,
    )
    assert lab is not None
    light, red, yellow = (np.asarray(band) for band in lab.split())
    return np.stack([light * (100 / 255), red - 128.0, yellow - 128.0], axis=-1)


def dithered(encoded: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours (N, 3) on 0..1 as N squares whose pixels have 8 bits and the colour's mean."""
    thresholds = (np.random.default_rng(1).permutation(DITHER_PX**2).reshape(DITHER_PX, DITHER_PX) + 0.5) / DITHER_PX**2
    squares = np.floor(255 * encoded[:, None, None, :] + thresholds[None, :, :, None])
    return squares.clip(0, 255).astype(np.uint8).reshape(-1, DITHER_PX, 3)


def to_srgb_by_littlecms(encoded: NDArray[np.float64], space: RGBSpace) -> NDArray[np.float64]:
    """Colours (N, 3) of a space in sRGB, on 0..1, beyond the 8 bits that Pillow gives: the mean of many pixels."""
    ours = ImageCms.ImageCmsProfile(io.BytesIO(display_profile(space)))
    shown = ImageCms.profileToProfile(
        Image.fromarray(dithered(encoded)),
        ours,
        ImageCms.createProfile("sRGB"),
        renderingIntent=COLORIMETRIC,
    )
    assert shown is not None
    squares = np.asarray(shown).reshape(len(encoded), -1, 3) / 255
    return np.asarray(SRGB.curve.to_encoded(SRGB.curve.to_linear(squares).mean(axis=1).astype(np.float32)), np.float64)


def lab_of(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE Lab of sRGB on 0..1, under its own white."""
    xyz = SRGB.curve.to_linear(encoded) @ SRGB.to_xyz.T / SRGB.to_xyz.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=-1)


@pytest.mark.parametrize("space", WIDE, ids=lambda space: space.name)
def test_colours_of_srgb_are_the_same_in_every_space(space: RGBSpace) -> None:
    """
    Brought back by littlecms through our profile, no colour is off by more than one CIEDE2000; hardly any by a third.
    """
    colors = np.random.default_rng(2).uniform(0.06, 0.96, (600, 3))
    there = SRGB.curve.to_linear(colors) @ (np.linalg.inv(space.to_xyz) @ SRGB.to_xyz).T
    encoded = space.curve.to_encoded(there.astype(np.float32)).astype(np.float64)

    off = ciede2000(lab_of(to_srgb_by_littlecms(encoded, space)), lab_of(colors))

    assert off.max() < 1.0
    assert np.percentile(off, 90) < 0.35


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_grey_is_grey_and_white_is_white(space: RGBSpace) -> None:
    """
    A profile whose primaries do not add up to its white would tint the whole picture.
    """
    steps = np.arange(0, 256, dtype=np.uint8)

    lab = seen(np.repeat(steps[None, :, None], 3, axis=2), display_profile(space))[0]

    assert np.abs(lab[:, 1:]).max() <= 1
    assert lab[-1, 0] == 100
    light = space.curve.to_linear(steps / 255)
    expected = np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, 24389 / 27 * light)
    assert np.abs(lab[:, 0] - expected).max() < 0.5


def test_the_colorants_are_the_published_ones() -> None:
    """
    Of Apple's Display P3 profile, of Adobe's AdobeRGB1998.icc and of the ICC's own Rec2020 profile.
    """
    published = {
        DISPLAY_P3: [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]],
        ADOBE_RGB: [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]],
        REC2020: [[0.67348, 0.16566, 0.12505], [0.27904, 0.67534, 0.04561], [-0.00194, 0.02998, 0.79684]],
    }
    for space, colorants in published.items():
        assert adapted_colorants(space) == pytest.approx(np.array(colorants), abs=2e-4)
        assert adapted_colorants(space).sum(axis=1) == pytest.approx([0.9642, 1.0, 0.8249], abs=1e-9)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_encoding_and_decoding_are_inverse_and_meet_smoothly(space: RGBSpace) -> None:
    """
    At 16 bits nothing is lost on the way through light, and no step lies where the two parts of a curve meet.
    """
    steps = np.arange(65536)

    back = space.curve.to_encoded(space.curve.to_linear(steps / 65535).astype(np.float32))

    assert np.array_equal(np.rint(back * 65535), steps)
    near = np.linspace(0.5, 2, 1001) * max(space.curve.cut, 1e-4)
    assert np.abs(np.diff(space.curve.to_linear(near), 2)).max() < 1e-6


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_exiftool_and_littlecms_find_the_space_in_every_format(form: str, space: RGBSpace, tmp_path: Path) -> None:
    """
    The profile is inside and named; the EXIF tag is 1 for sRGB and 65535 for all others, with R03 for Adobe RGB.
    """
    data = encoded(form, space.name)

    tags = asked(data, tmp_path / form, "-G0", "-n")
    with Image.open(io.BytesIO(data)) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert image.size == (64, 36)

    assert tags["ICC_Profile:ProfileDescription"] == space.description
    assert tags["EXIF:ColorSpace"] == (1 if space is SRGB else 65535)
    assert tags.get("EXIF:InteropIndex") == ("R03" if space is ADOBE_RGB else None)
    assert (tags["EXIF:Make"], tags["EXIF:ISO"], tags["EXIF:Orientation"]) == ("Canon", 800, 1)
    assert tags["EXIF:DateTimeOriginal"] == "2026:01:02 23:04:05"
    assert (tags["EXIF:ExifImageWidth"], tags["EXIF:ExifImageHeight"]) == (64, 36)
    assert ImageCms.getProfileDescription(profile).strip() == space.description
    assert profile.profile.version == pytest.approx(2.4)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("space", ["srgb", "adobe-rgb"])
def test_no_format_tells_a_position_that_was_switched_off(form: str, space: str, tmp_path: Path) -> None:
    """
    Neither in EXIF nor in XMP nor anywhere else that exiftool knows.
    """
    told = asked(encoded(form, space), tmp_path / f"with.{form}", "-a", "-G1")
    kept = asked(encoded(form, space, gps=False), tmp_path / f"without.{form}", "-a", "-G1")

    assert any("GPS" in tag for tag in told)
    assert not [tag for tag in kept if "GPS" in tag or tag.startswith("XMP") or "Location" in tag]


@pytest.mark.parametrize("space", WIDE, ids=lambda space: space.name)
def test_the_profile_is_small_and_its_bytes_never_change(space: RGBSpace) -> None:
    """
    It lies in every picture; one of a mere power needs no table.
    """
    profile = display_profile(space)
    display_profile.cache_clear()

    assert display_profile(space) == profile
    assert len(profile) == int.from_bytes(profile[:4]) < (1024 if space is ADOBE_RGB else 4096)


def test_png_names_its_profile(tmp_path: Path) -> None:
    """
    As the PNG specification has it: printable, and not longer than 79 bytes.
    """
    for space in WIDE:
        data = encoded("png", space.name)
        assert asked(data, tmp_path / "a.png")["ProfileName"] == space.description
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None
