"""The last touch: sharpening without halos or noise, and grain that is the same every time."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.develop.finish import (
    GRAIN_DEVIATION,
    LEVELS,
    OVERSHOOT,
    Finish,
    film_grain,
    finished,
    noise_left,
    noise_of_gray,
    noise_of_lightness,
    sharpened,
)
from flexispd.develop.tiling import grown
from flexispd.profile import DenoiseParams, GrainParams, SharpeningParams, load_profile
from flexispd.types import NoiseProfile

NO_NOISE = torch.zeros(LEVELS)


def whole(picture, finish):
    """A picture (3, H, W) after its last touch."""
    everything = slice(0, picture.shape[1]), slice(0, picture.shape[2])
    return finished(picture, finish, everything, everything)


def grained(size, amount):
    return Finish(SharpeningParams(), film_grain(size, GrainParams(amount)), NO_NOISE)


def edge(contrast=0.5):
    """A soft edge at mid lightness, (64, 64)."""
    return 0.5 + contrast / 2 * torch.tanh((torch.arange(64) - 31.5) / 1.5).expand(64, 64)


def random(*size):
    return torch.rand(size, generator=torch.Generator().manual_seed(0))


def test_an_edge_gets_steeper_the_more_the_higher_the_amount():
    """
    The slope in its middle rises with the knob.
    """
    slopes = [sharpened(edge(), SharpeningParams(a), NO_NOISE).diff(dim=1)[32].max() for a in (0.0, 0.3, 0.8, 2.0)]

    assert all(more > fewer * 1.02 for fewer, more in itertools.pairwise(slopes))


@given(amount=st.floats(0, 2), radius=st.floats(0.3, 3), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_nothing_goes_far_beyond_its_neighbours(amount, radius, seed):
    """
    Whatever the picture, what sharpening adds beyond the brightest and darkest nearby is a tenth of their contrast.
    """
    luma = torch.rand((24, 31), generator=torch.Generator().manual_seed(seed)) ** 3
    out = sharpened(luma, SharpeningParams(amount, radius, 0.0), NO_NOISE).numpy()
    near = int(np.ceil(radius))
    for row in range(0, 24, 5):
        for column in range(31):
            around = luma[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1]
            room = OVERSHOOT * (around.max() - around.min()) + 1e-5
            assert around.min() - room <= out[row, column] <= around.max() + room


def test_noise_is_not_sharpened_and_edges_are():
    """
    A flat area keeps its noise as it is; told to ignore that it is noise, the knob makes it more.
    """
    noisy = 0.5 + 0.02 * torch.randn(128, 128, generator=torch.Generator().manual_seed(0))
    told = torch.full((LEVELS,), 0.02)

    aware, blind = (sharpened(noisy, SharpeningParams(1.0, 0.8, share), told) for share in (1.0, 0.0))

    assert aware.std() < 1.05 * noisy.std()
    assert blind.std() > 1.2 * noisy.std()
    assert sharpened(edge(), SharpeningParams(1.0), told / 4).diff(dim=1)[32].max() > edge().diff(dim=1)[32].max()


def test_colours_stay():
    """
    The same is added to red, green and blue.
    """
    rgb = torch.stack([edge(0.3) + 0.1, edge(0.3), edge(0.2) - 0.1])

    added = whole(rgb, Finish(SharpeningParams(1.0), None, NO_NOISE)) - rgb

    assert added.abs().max() > 0.01
    assert (added - added[:1]).abs().max() < 1e-4


def test_parts_leave_no_trace():
    """
    A picture finished in parts of 7 rows and 16 columns, each with its surroundings, is the one finished whole.
    """
    picture = random(3, 61, 40)
    finish = Finish(SharpeningParams(1.0, 2.0), film_grain((61, 40), GrainParams(0.5)), torch.full((LEVELS,), 0.01))
    out = torch.zeros_like(picture)
    for top, left in itertools.product(range(0, 61, 7), range(0, 40, 16)):
        part = slice(top, min(top + 7, 61)), slice(left, min(left + 16, 40))
        around = grown(part, finish.reach_px, (61, 40))
        out[(slice(None), *part)] = finished(picture[(slice(None), *around)], finish, part, around)

    assert (out - whole(picture, finish)).abs().max() < 1e-5


def test_grain_is_grey():
    """
    Red, green and blue get the same grain.
    """
    picture = torch.full((3, 50, 60), 0.4)

    out = whole(picture, grained((50, 60), 1.0))

    assert torch.equal(out[0], out[2])
    assert not torch.equal(out, picture)


@pytest.mark.parametrize("size_px", [0.5, 1.5, 4.0])
def test_grain_is_as_strong_as_asked_whatever_its_size(size_px):
    """
    Larger grains are smoother, not weaker.
    """
    grain = film_grain((400, 400), GrainParams(0.5, size_px))
    near = (grain[:, 1:] * grain[:, :-1]).mean() / grain.square().mean()

    assert grain.std() == pytest.approx(0.5 * GRAIN_DEVIATION, rel=0.05)
    assert abs(grain.mean()) < 0.1 * grain.std()
    assert near == pytest.approx(2 ** -(2 / size_px**2), abs=0.05)  # of a Gaussian this wide at half of its height


def test_grain_is_strongest_in_the_middle_and_leaves_black_and_white_alone():
    """
    Black stays black and white stays white.
    """
    spread = [
        whole(torch.full((3, 90, 90), level), grained((90, 90), 1.0)).std() for level in (0.0, 0.1, 0.5, 0.9, 1.0)
    ]

    assert spread[0] == spread[4] == 0
    assert 0 < spread[1] < 0.5 * spread[2]
    assert 0 < spread[3] < 0.5 * spread[2]


@pytest.mark.parametrize("size", [(2, 2), (2, 9), (16, 16)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_tiny_black_and_white_pictures_stay(size, level):
    """
    Nothing is invented where there is nothing to sharpen.
    """
    picture = torch.full((3, *size), level)

    assert torch.allclose(whole(picture, Finish(SharpeningParams(2.0, 3.0), None, NO_NOISE)), picture, atol=1e-6)


def test_noise_follows_the_look():
    """
    Where a look is steep, the same noise is more of a difference in lightness.
    """
    light = torch.logspace(-4, 0, 500)
    deviation = torch.full_like(light, 0.001)
    linear = noise_of_lightness(light, deviation, light.expand(3, -1))
    root = noise_of_lightness(light, deviation, light.sqrt().expand(3, -1))

    assert linear[20:] == pytest.approx(torch.full((LEVELS - 20,), 0.001), rel=0.02)
    assert root[128] == pytest.approx(0.001, rel=0.05)  # slope 1 at lightness a half
    assert root[32] == pytest.approx(0.004, rel=0.1)  # and 4 at an eighth


def test_noise_of_gray_is_what_a_sensor_shows_after_white_balance():
    """
    Drawn samples of a grey, white balanced, deviate as much as the noise profile says.
    """
    noise, gains = NoiseProfile((1e-3,) * 4, (1e-5,) * 4, "given"), torch.tensor([2.0, 1.0, 1.0, 1.5])
    light, random = 0.3, np.random.default_rng(0)
    brightest = float(gains.amax())
    sites = [light * brightest / g for g in (2.0, 1.0, 1.5)]
    drawn = [
        (s + random.normal(0, np.sqrt(1e-3 * s + 1e-5), 20000)) * g / brightest
        for s, g in zip(sites, (2.0, 1.0, 1.5), strict=True)
    ]

    told = noise_of_gray(torch.tensor([light]), noise, gains, 1.0)

    assert told.item() == pytest.approx((0.2126 * drawn[0] + 0.7152 * drawn[1] + 0.0722 * drawn[2]).std(), rel=0.03)


def test_what_denoising_left_is_known():
    """
    A profile that keeps noise or gives grain back has more of it to be aware of.
    """
    neutral = load_profile("neutral")

    def left(*denoise):
        return noise_left(replace(neutral, denoise=DenoiseParams(*denoise)))

    assert left(0.0, 0.0) == 1
    assert left(0.6, 1.0) == pytest.approx(0.4)
    assert left(1.0, 1.0, 0.5) == pytest.approx(0.5)
    assert 0 < left(1.0, 1.0) < 0.3


def test_the_grain_of_a_burst_is_made_once():
    """
    A camera's frames are of one size; their grain is the same, and takes as long to make as sharpening.
    """
    grain = film_grain((60, 90), GrainParams(0.5))

    assert film_grain((60, 90), GrainParams(0.5)) is grain
    assert film_grain((60, 90), GrainParams(0.4)) is not grain
