"""The knobs that look at the neighbourhood or the place, from the mosaic to the finished picture."""

from dataclasses import replace

import numpy as np
import pytest

from flexispd.develop.models import load_models
from flexispd.pipeline import develop
from flexispd.profile import (
    DenoiseParams,
    ExportParams,
    GrainParams,
    RenderParams,
    SharpeningParams,
    SkyParams,
    WhiteBalanceParams,
    load_profile,
)
from flexispd.types import CFA, ColorMatrix, Mosaic, ShotInfo

CAMERA = ColorMatrix(np.array([[0.7, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]]), 6504.0)

NEUTRAL = load_profile("neutral")
TURNED = {
    "keep_grain": replace(NEUTRAL, denoise=DenoiseParams(keep_grain=0.7)),
    "gain_max": replace(NEUTRAL, white_balance=WhiteBalanceParams(gain_max=1.2)),
    "sodium": replace(NEUTRAL, white_balance=WhiteBalanceParams(source="sodium")),
    "clarity": replace(NEUTRAL, render=RenderParams(clarity=0.8)),
    "softness": replace(NEUTRAL, render=RenderParams(clarity=-0.8)),
    "glow": replace(NEUTRAL, render=RenderParams(glow=0.8)),
    "vignette": replace(NEUTRAL, render=RenderParams(vignette=-0.8)),
    "sky": replace(NEUTRAL, sky=SkyParams(cooler=0.8, darker=0.8)),
    "sharpening": replace(NEUTRAL, sharpening=SharpeningParams(amount=1.0)),
    "grain": replace(NEUTRAL, grain=GrainParams(amount=0.5)),
}


def mosaic_of(height=96, width=120, values=None):
    """A night sky over a dark wall with a warm lamp that clips, and noise; or a frame of one value."""
    shot = ShotInfo("Maker", "Body", iso=800.0, color_matrices=(CAMERA,))
    if values is None:
        random = np.random.default_rng(7)
        rows, columns = np.mgrid[:height, :width]
        light = np.where(rows < height // 2, 0.05, 0.02 + 0.02 * ((columns // 5) % 2))
        lamp = np.exp(-((rows - 0.7 * height) ** 2 + (columns - width / 2) ** 2) / 60)
        signal = (light + lamp * np.where((rows + columns) % 2 == 1, 2.5, np.where(rows % 2 == 0, 3.0, 0.8))).clip(0, 1)
        values = 512 + signal * 15000 + random.normal(0, 1, signal.shape) * np.sqrt(64 + 2000 * signal)
    counts = np.broadcast_to(np.asarray(values).clip(0, 15512), (height, width)).astype(np.uint16)
    return Mosaic(counts, CFA.RGGB, (512.0,) * 4, (15512.0,) * 4, shot)


@pytest.fixture(scope="module")
def cpu():
    return load_models([NEUTRAL], "cpu")


def test_every_knob_changes_the_picture(cpu):
    """
    Turned away from rest, each gives a picture of its own.
    """
    pictures = develop(mosaic_of(), [NEUTRAL, *TURNED.values()], cpu)

    assert len({picture.values.tobytes() for picture in pictures}) == len(pictures)


def test_company_changes_nothing(cpu):
    """
    A picture is the same alone and beside others, whatever they share.
    """
    profiles = list(TURNED.values())
    for profile, picture in zip(profiles, develop(mosaic_of(), profiles, cpu), strict=True):
        (alone,) = develop(mosaic_of(), [profile], cpu)
        assert np.array_equal(alone.values, picture.values), profile


def test_tiles_give_the_same_8_bits(cpu, monkeypatch):
    """
    A frame in small tiles is the frame in one, under every knob.
    """
    mosaic = mosaic_of(200, 333)
    whole = develop(mosaic, list(TURNED.values()), cpu)
    monkeypatch.setattr("flexispd.develop.tiling.TILE_CPU", 32)
    tiled = develop(mosaic, list(TURNED.values()), cpu)

    for name, one, other in zip(TURNED, whole, tiled, strict=True):
        difference = np.abs(one.values.astype(int) - other.values)
        assert difference.max() <= 1, name
        assert (difference > 0).mean() < 1e-4, name  # a sum in another order, where a value lies between two steps


@pytest.mark.parametrize(("height", "width"), [(2, 2), (2, 9), (16, 16), (22, 23)])
@pytest.mark.parametrize("value", [512, 15512, 3000])
def test_tiny_black_and_white_frames_are_pictures(cpu, height, width, value):
    """
    Every knob gives a picture of the frame's size, whatever the frame.
    """
    for picture in develop(mosaic_of(height, width, value), list(TURNED.values()), cpu):
        assert picture.values.shape == (height, width, 3)


def test_a_black_frame_stays_black(cpu):
    """
    No knob lifts what has no light.
    """
    turned = {name: profile for name, profile in TURNED.items() if profile.white_balance == NEUTRAL.white_balance}
    plain, *pictures = develop(mosaic_of(64, 64, 512), [NEUTRAL, *turned.values()], cpu)

    for name, picture in zip(turned, pictures, strict=True):
        assert picture.values.max() <= plain.values.max() + 2, name


@pytest.mark.parametrize("name", ["sharpening", "grain"])
def test_a_last_touch_is_the_same_in_8_and_in_16_bits(cpu, name):
    """
    The 8-bit picture is the 16-bit one rounded.
    """
    shallow = replace(TURNED[name], export=(ExportParams("png"),))
    deep = replace(TURNED[name], export=(ExportParams("png16"),))
    eight, sixteen = develop(mosaic_of(), [shallow, deep], cpu)

    assert (eight.values.dtype, sixteen.values.dtype) == (np.dtype(np.uint8), np.dtype(np.uint16))
    assert np.abs(eight.values - sixteen.values / 257).max() <= 0.51


def test_the_receipt_tells_which_light_was_named(cpu):
    """
    The source is the name, and the colour temperature is its lamp's.
    """
    (picture,) = develop(mosaic_of(), [TURNED["sodium"]], cpu)

    assert picture.report["illuminant"].source == "sodium"
    assert picture.report["illuminant"].cct_k == pytest.approx(1960, abs=30)


def test_grain_that_is_kept_is_a_part_of_the_noise(cpu):
    """
    In the flat sky it is less than all the noise that was taken, and more than nothing, without a change of the mean.
    """
    raw = replace(NEUTRAL, denoise=DenoiseParams(0.0, 0.0))
    denoised, kept, noisy = (
        picture.values[4:40, 4:-4].astype(float).mean(axis=2)
        for picture in develop(mosaic_of(), [NEUTRAL, TURNED["keep_grain"], raw], cpu)
    )

    assert 0.2 < (kept - denoised).std() < (noisy - denoised).std()
    assert abs((kept - denoised).mean()) < 0.1
