"""A file shows what its export asked for: cut, smaller, sharper, signed; and what was not asked for is not touched."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from flexispd.color_spaces import ADOBE_RGB, SPACES, SRGB
from flexispd.export.encode import encode, pixel_type, upright
from flexispd.export.fit import crop_size, cropped, fit_size, fitted, reduced, sharpened
from flexispd.export.lettering import text_ink
from flexispd.export.letters import BLOCKS, undrawable
from flexispd.export.watermark import marked
from flexispd.profile import CropParams, ExportParams
from flexispd.types import Picture, ShotInfo

WHOLE = CropParams()
SIDES = st.integers(1, 70_000)
SIZES = st.tuples(SIDES, SIDES)
ASPECTS = st.tuples(st.integers(1, 99_999), st.integers(1, 99_999))


def picture_of(height: int, width: int, orientation: int = 1, kind: Any = np.uint8) -> Picture:
    values = np.random.default_rng(5).integers(0, np.iinfo(kind).max, (height, width, 3), dtype=kind, endpoint=True)
    return Picture(values, orientation, {})


def gray(height: int, width: int, value: int, kind: Any = np.uint8) -> NDArray[Any]:
    return np.full((height, width, 3), value, kind)


@pytest.mark.parametrize("form", ["jpeg", "png", "png16", "tiff16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_not_asked_for_leaves_every_bit(form: Any, orientation: int) -> None:
    """
    The default export is the rendered picture, turned upright.
    """
    export = ExportParams(form)
    picture = picture_of(25, 34, orientation, pixel_type(export))

    done = fitted(picture, export, WHOLE)

    assert np.array_equal(done.values, upright(picture.values, orientation))
    assert done.orientation == 1


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((6000, 4000), "16:9", (6000, 3375)),
        ((4000, 6000), "16:9", (3375, 6000)),
        ((4000, 6000), "9:16", (3375, 6000)),
        ((6000, 4000), "1:1", (4000, 4000)),
        ((4000, 3000), "3:2", (4000, 2667)),
        ((3000, 3000), "2:3", (3000, 2000)),
        ((2, 1), "1:1", (1, 1)),
        ((2, 1), "9999:1", (2, 1)),
        ((97, 31), "original", (97, 31)),
    ],
)
def test_the_longer_side_stays_the_longer(size: Any, aspect: str, expected: Any) -> None:
    """
    3:2 on a portrait frame is 2:3, whichever way round it is written.
    """
    assert crop_size(size, aspect) == expected


@given(SIZES, ASPECTS)
def test_a_crop_is_in_the_frame_touches_it_and_has_its_aspect(size: tuple[int, int], aspect: tuple[int, int]) -> None:
    """
    As large as it can be: one side is the frame's, the other is right to half a pixel.
    """
    width, height = crop_size(size, f"{aspect[0]}:{aspect[1]}")

    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    assert width == size[0] or height == size[1]
    short, long = sorted(aspect)
    ideal = long / short if size[0] >= size[1] else short / long
    assert abs(width - height * ideal) <= 0.5 + 0.5 * ideal or 1 in (width, height)


@given(SIZES, st.one_of(st.just(0), st.integers(16, 65_500)))
def test_a_smaller_picture_fits_and_is_never_enlarged(size: tuple[int, int], edge_px: int) -> None:
    """
    The longer edge is exact, the other is right to half a pixel and never gone.
    """
    width, height = fit_size(size, edge_px)

    if edge_px == 0 or max(size) <= edge_px:
        assert (width, height) == size
    else:
        assert max(width, height) == edge_px
        scale = edge_px / max(size)
        assert all(abs(new - old * scale) <= 0.5 or new == 1 for new, old in zip((width, height), size, strict=True))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_cut_and_size_are_those_of_the_upright_picture(orientation: int, kind: Any) -> None:
    """
    The camera was turned, and a portrait comes out as a portrait.
    """
    export = ExportParams("png" if kind is np.uint8 else "png16", edge_px=60)
    picture = picture_of(81, 121, orientation, kind)

    done = fitted(picture, export, CropParams("3:2"))

    wide = (40, 60, 3)
    assert done.values.shape == (wide if orientation < 5 else (60, 40, 3))
    assert done.values.dtype == kind


def test_the_cut_is_the_middle() -> None:
    """
    What is cut on the left is cut on the right.
    """
    pixels = np.broadcast_to(np.arange(30, dtype=np.uint8)[None, :, None], (10, 30, 3))

    assert cropped(np.ascontiguousarray(pixels), "1:1")[0, :, 0].tolist() == list(range(10, 20))


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 1), (1, 400)])
@pytest.mark.parametrize("form", ["jpeg", "png", "png16", "tiff16"])
def test_the_smallest_pictures_take_every_setting(size: tuple[int, int], form: Any) -> None:
    """
    Nothing is divided by zero, and a watermark without room is a warning.
    """
    export = ExportParams(form, edge_px=16, sharpening=1.0, watermark="Night", color_space="display-p3")

    done = fitted(picture_of(*size, kind=pixel_type(export)), export, CropParams("16:9"))

    assert min(done.values.shape) >= 1
    assert "no room for its watermark" in done.report["warnings"][0]
    assert encode(done, ShotInfo(), export, "flexispd")


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_light_is_averaged_not_its_encoding(kind: Any, space: Any) -> None:
    """
    A fine pattern of black and white reflects half of the light, and so does the grey that it becomes.
    """
    pixels = gray(400, 400, 0, kind)
    pixels[::2, ::2] = pixels[1::2, 1::2] = np.iinfo(kind).max

    shown = reduced(pixels, (97, 97), space.curve)

    half = space.curve.to_encoded(np.float32(0.5))
    assert np.abs(shown[2:-2, 2:-2] - half).max() < 0.01


@pytest.mark.parametrize("size", [(301, 200), (90, 1), (64, 129), (33, 700)])
def test_bands_leave_no_seam(size: tuple[int, int]) -> None:
    """
    A picture is reduced some rows at a time; it is the one that would be made in one piece.
    """
    pixels = picture_of(1003, 307).values

    shown = SRGB.curve.to_linear(reduced(pixels, size, SRGB.curve))

    for color in range(3):
        plane = Image.fromarray(SRGB.curve.to_linear(pixels[..., color] / 255).astype(np.float32))
        whole = np.asarray(plane.resize(size, Image.Resampling.HAMMING))
        assert np.abs(shown[..., color] - whole).max() < 1e-5


@pytest.mark.parametrize("edge_px", [40, 75, 90, 133, 150])
def test_fine_stripes_do_not_turn_into_coarse_ones(edge_px: int) -> None:
    """
    From half the size down, stripes of two pixels are finer than a picture can show: they are grey, without a pattern.
    """
    pixels = gray(300, 300, 30)
    pixels[:, ::2] = 220

    light = SRGB.curve.to_linear(reduced(pixels, (edge_px, edge_px), SRGB.curve))[5:-5, 5:-5]

    before = SRGB.curve.to_linear(np.array([30, 220]) / 255)
    assert np.ptp(light) < 0.1 * np.ptp(before)
    assert light.mean() == pytest.approx(before.mean(), rel=0.01)


@pytest.mark.parametrize("sharpening", [0.0, 0.5, 1.0])
def test_a_star_has_no_ring(sharpening: float) -> None:
    """
    Nothing beside a bright point is darker than an eighth below the sky, at full sharpening; without, nothing at all.
    """
    pixels = gray(120, 120, 40)
    pixels[59:62, 59:62] = 255
    export = ExportParams("png", edge_px=50, sharpening=sharpening)

    shown = fitted(Picture(pixels, 1, {}), export, WHOLE).values

    assert shown.min() >= (40 if sharpening == 0 else 40 * 0.87)
    assert shown.max() > 150


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_sharpening_keeps_flat_parts_and_limits_its_halos(amount: float, seed: int) -> None:
    """
    Whatever the picture: no luminance comes nearer to black or white than an eighth of the way.
    """
    encoded = np.random.default_rng(seed).random((9, 11, 3), np.float32) * 0.6 + 0.2
    flat = np.full_like(encoded, 0.3)

    weights = np.array(SRGB.luminance)

    before, after = encoded @ weights, sharpened(encoded, amount, SRGB) @ weights

    assert np.allclose(sharpened(flat, amount, SRGB), flat, atol=1e-6)
    assert (after >= 0.88 * before - 1e-5).all()
    assert (1 - after >= 0.88 * (1 - before) - 1e-5).all()


def test_sharpening_makes_edges_clearer_and_only_smaller_pictures_sharper() -> None:
    """
    It is there for what reducing has softened.
    """
    pixels = gray(60, 60, 60)
    pixels[:, 30:] = 180

    def slope(export: ExportParams) -> int:
        return int(np.abs(np.diff(fitted(Picture(pixels, 1, {}), export, WHOLE).values[..., 1].astype(int))).max())

    soft, sharp = (slope(ExportParams("png", edge_px=37, sharpening=amount)) for amount in (0.0, 1.0))
    assert sharp > soft
    assert slope(ExportParams("png", sharpening=1.0)) == slope(ExportParams("png")) == 120


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("ground", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_a_watermark_can_be_read_on_any_ground(ground: float, kind: Any) -> None:
    """
    Its letters stand out from what is just around them, in the lower right corner and nowhere else.
    """
    peak = np.iinfo(kind).max
    pixels = gray(400, 600, round(ground * peak), kind)

    signed = marked(pixels, "Night 2026")

    assert signed is not None
    changed = np.argwhere((signed != pixels).any(axis=2))
    assert changed[:, 0].min() > 350
    assert changed[:, 1].min() > 400
    corner = signed[350:, 400:, 1] / peak
    assert corner.max() - np.percentile(corner[corner < corner.max()], 5) > 0.25
    assert pixels.max() == pixels.min(), "the picture that was given is not written to"


def test_a_long_watermark_is_made_to_fit() -> None:
    """
    Eighty letters on a small picture get smaller; with still less room there is none, and a warning.
    """
    text = "W" * 80

    signed = marked(gray(300, 700, 90), text)

    assert signed is not None
    assert (signed[:, 0] == 90).all()
    assert marked(gray(300, 300, 90), text) is None


def test_names_of_many_languages_can_be_drawn() -> None:
    """
    An accent may stand apart from its letter; what nobody could read, because it is mirrored or torn apart, is refused.
    """
    assert undrawable("© 2026 Jürgen Müller, José Ñúñez & Ærø Łukasz Şükrü – „Nacht“, 50 €") == ""
    assert undrawable("Jose\u0301 Ωμέγα Иван Đặng 夜の光 밤") == ""
    assert undrawable("🌙 and 🌙 and שלום") == "🌙שלום"


def test_every_letter_that_is_promised_is_drawn() -> None:
    """
    What the font lacks would be a question mark, or nothing.
    """
    letters = [chr(code) for first, last in BLOCKS for code in range(first, last + 1, 1 if last < 0x4E00 else 97)]
    letters = [letter for letter in letters if letter.isprintable() and letter not in " ?"]
    unknown = text_ink("?", 16)

    inks = {letter: text_ink(letter, 16) for letter in letters}

    assert len(letters) > 1000
    assert [letter for letter, ink in inks.items() if not ink.any() or np.array_equal(ink, unknown)] == []


def test_letters_with_marks_on_top_are_drawn_whole() -> None:
    """
    They stand higher than capitals, and deeper than g.
    """
    for text in ("ẤỄǺ", "ŞgĢ"):
        rows = text_ink(text, 100).max(axis=1)

        assert not rows[0]
        assert rows[0] == rows[-1] == 0


def test_a_picture_is_translated_into_a_space_that_it_was_not_rendered_in() -> None:
    """
    Pictures of the official networks are sRGB: in a wider space the same colours have other numbers.
    """
    picture = picture_of(12, 13)
    export = ExportParams("tiff16", color_space="adobe-rgb")

    done = fitted(picture, export, WHOLE)

    assert done.space == "adobe-rgb"
    there = ADOBE_RGB.curve.to_linear(done.values / 65535) @ (np.linalg.inv(SRGB.to_xyz) @ ADOBE_RGB.to_xyz).T
    assert np.abs(there - SRGB.curve.to_linear(picture.values / 255)).max() < 1e-4


def test_a_file_in_another_space_than_its_profile_says_is_a_bug() -> None:
    """
    Its colours would be wrong, and nobody would know why.
    """
    with pytest.raises(ValueError, match="display-p3"):
        encode(picture_of(4, 4), ShotInfo(), ExportParams("png", color_space="display-p3"), "flexispd")


def test_both_depths_show_the_same_smaller_picture() -> None:
    """
    A picture of 8 bits and its copy of 16 differ by rounding only.
    """
    shallow = picture_of(90, 140)
    deep = replace(shallow, values=shallow.values.astype(np.uint16) * np.uint16(257))
    settings: dict[str, Any] = {"edge_px": 64, "sharpening": 0.7, "watermark": "x"}

    one = fitted(shallow, ExportParams("png", **settings), WHOLE).values
    other = fitted(deep, ExportParams("png16", **settings), WHOLE).values

    assert np.abs(one - other / 257).max() <= 1


def test_the_encoded_file_has_the_size() -> None:
    """
    Also as another program reads it.
    """
    export = ExportParams("jpeg", edge_px=40)

    data = encode(fitted(picture_of(60, 100, 6), export, WHOLE), ShotInfo(), export, "flexispd")

    assert Image.open(io.BytesIO(data)).size == (24, 40)
