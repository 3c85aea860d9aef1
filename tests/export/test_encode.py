"""An output is the same picture in every viewer: upright, in sRGB, with its metadata, and the same bytes every time."""

import io

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from flexispd.color_spaces import SRGB
from flexispd.errors import CaptureError
from flexispd.export.encode import encode, pixel_type, upright, upright_size
from flexispd.export.icc import display_profile
from flexispd.profile import ExportParams
from flexispd.types import Picture, ShotInfo

SHOT = ShotInfo(make="NIKON CORPORATION", model="NIKON D500", iso=800.0, exposure_s=1 / 60, orientation=6)
SOFTWARE = "flexispd 0.1.0, profile natural"
FORMATS = ("jpeg", "png", "png16", "tiff16")
EXACT_FORMATS = ("png", "png16", "tiff16")
HEIGHT, WIDTH = 24, 33  # odd and uneven, so that no exchange of edges goes unseen


def params_of(form: str, **settings: object) -> ExportParams:
    return ExportParams(format=form, **settings)  # type: ignore[arg-type]


def picture_of(params: ExportParams, orientation: int = 1) -> Picture:
    kind = pixel_type(params)
    values = np.random.default_rng(7).integers(0, np.iinfo(kind).max, (HEIGHT, WIDTH, 3), dtype=kind, endpoint=True)
    return Picture(values, orientation, {})


def pixels_in(data: bytes) -> NDArray[np.generic]:
    """R, G, B as a decoder that is not ours reads them, orientation tag not applied."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    assert decoded is not None
    return np.asarray(decoded)[..., ::-1]


@pytest.mark.parametrize("form", EXACT_FORMATS)
def test_pixels_survive_exactly(form: str) -> None:
    """
    PNG and TIFF hold every value of the picture, in 8 or 16 bit.
    """
    params = params_of(form)
    picture = picture_of(params)

    decoded = pixels_in(encode(picture, SHOT, params, SOFTWARE))

    assert decoded.dtype == picture.values.dtype
    assert np.array_equal(decoded, picture.values)


def test_tifffile_reads_the_tiff_as_well() -> None:
    """
    The TIFF is built from its parts, so a strict reader of the format must agree with it.
    """
    params = params_of("tiff16")
    picture = picture_of(params)

    with tifffile.TiffFile(io.BytesIO(encode(picture, SHOT, params, SOFTWARE))) as tiff:
        page = tiff.pages.first
        assert np.array_equal(page.asarray(), picture.values)
        assert page.tags["InterColorProfile"].value == display_profile(SRGB)
        assert page.tags["ExifTag"].value["ISOSpeedRatings"] == 800


@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:0"])
def test_a_jpeg_has_the_chroma_resolution_that_was_asked_for(chroma: str) -> None:
    """
    4:4:4 keeps small coloured lamps; 4:2:0 has a quarter of the colour samples.
    """
    params = params_of("jpeg", chroma=chroma)

    with Image.open(io.BytesIO(encode(picture_of(params), SHOT, params, SOFTWARE))) as jpeg:
        sampling = [layer[1:3] for layer in jpeg.layer]  # type: ignore[attr-defined]

    assert sampling == ([(1, 1)] * 3 if chroma == "4:4:4" else [(2, 2), (1, 1), (1, 1)])


def test_a_jpeg_of_quality_95_is_close_to_the_picture() -> None:
    """
    A smooth picture loses no more than 3 of 255 anywhere.
    """
    ramp = np.linspace(10, 240, 64).astype(np.uint8)
    values = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(90)), axis=-1)
    params = params_of("jpeg")

    decoded = pixels_in(encode(Picture(values, 1, {}), SHOT, params, SOFTWARE))

    assert np.abs(decoded.astype(int) - values).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_to_the_pixels(orientation: int) -> None:
    """
    All eight orientations of EXIF, as Pillow applies them to a picture that carries the tag.
    """
    params = params_of("png")
    picture = picture_of(params, orientation)
    tagged = Image.fromarray(picture.values)
    tagged.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(tagged))

    decoded = pixels_in(encode(picture, SHOT, params, SOFTWARE))

    assert np.array_equal(decoded, expected)
    assert upright_size(picture) == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize("form", FORMATS)
def test_the_orientation_tag_is_reset(form: str) -> None:
    """
    A viewer that honours the tag must not turn an upright picture again; the size in EXIF is the upright one.
    """
    params = params_of(form)

    with Image.open(io.BytesIO(encode(picture_of(params, orientation=6), SHOT, params, SOFTWARE))) as image:
        exif = image.getexif()
        details = exif.get_ifd(0x8769)

        assert image.size == (HEIGHT, WIDTH)
        assert exif[0x0112] == 1
        assert (details[0xA002], details[0xA003]) == (HEIGHT, WIDTH)
        assert exif[0x010F] == "NIKON CORPORATION"
        assert exif[0x0131] == SOFTWARE


@pytest.mark.parametrize("form", FORMATS)
def test_the_colour_profile_is_inside(form: str) -> None:
    """
    Without a profile, wide screens show an sRGB picture too vivid.
    """
    params = params_of(form)

    with Image.open(io.BytesIO(encode(picture_of(params), SHOT, params, SOFTWARE))) as image:
        embedded = image.info["icc_profile"]

    assert embedded == display_profile(SRGB)
    assert ImageCms.getOpenProfile(io.BytesIO(embedded)).profile.profile_description == SRGB.description


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_picture_gives_the_same_bytes(form: str) -> None:
    """
    A repeated run writes the file that is already there.
    """
    params = params_of(form)

    assert encode(picture_of(params), SHOT, params, SOFTWARE) == encode(picture_of(params), SHOT, params, SOFTWARE)


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_of_the_wrong_depth_is_refused(form: str) -> None:
    """
    Which depth is rendered is decided by the format beforehand; converting here would hide a loss of tones.
    """
    params = params_of(form)
    wrong = np.uint16 if pixel_type(params) is np.uint8 else np.uint8

    with pytest.raises(ValueError, match=form):
        encode(Picture(np.zeros((2, 2, 3), wrong), 1, {}), SHOT, params, SOFTWARE)


@pytest.mark.parametrize("form", FORMATS)
def test_the_smallest_picture_is_encoded(form: str) -> None:
    """
    A mosaic may be as small as 2x2.
    """
    params = params_of(form)

    data = encode(Picture(np.full((2, 2, 3), 200, pixel_type(params)), 8, {}), SHOT, params, SOFTWARE)

    assert pixels_in(data).shape == (2, 2, 3)


def test_a_picture_too_wide_for_jpeg_names_the_other_formats() -> None:
    """
    A JPEG ends at 65500 pixels.
    """
    values = np.zeros((1, 65501, 3), np.uint8)

    with pytest.raises(CaptureError) as caught:
        encode(Picture(values, 1, {}), SHOT, params_of("jpeg"), SOFTWARE)

    assert "tiff16" in caught.value.remedy


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_an_orientation_that_exif_does_not_know_is_a_bug(orientation: int) -> None:
    """
    Decoding has to deliver 1 to 8; guessing here would mirror pictures.
    """
    with pytest.raises(ValueError, match="orientation"):
        upright(np.zeros((2, 2, 3), np.uint8), orientation)
