"""A mosaic made smaller shows the same scene, with the same colours in the same places and less noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.decode.cfa import split
from flexispd.develop.binning import binned, binning_factor
from flexispd.types import CFA, Mosaic, NoiseProfile, ShotInfo

NOISE = NoiseProfile((4e-4,) * 4, (9e-6,) * 4, "exif")
phases = st.sampled_from(list(CFA))
factors = st.sampled_from([3, 5, 7])


def mosaic_of(values, cfa=CFA.RGGB, white=16383):
    """A mosaic with black at 512."""
    return Mosaic(np.asarray(values, np.uint16), cfa, (512.0,) * 4, (float(white),) * 4, ShotInfo(noise_profile=NOISE))


def light(mosaic):
    """Linear values, 0 at black and 1 at white."""
    black, white = mosaic.black_level[0], mosaic.white_level[0]
    return (mosaic.values.astype(np.float64) - black) / (white - black)


@given(phases, factors, st.integers(40, 61), st.integers(40, 61))
def test_every_colour_keeps_its_level_in_every_phase(cfa, factor, height, width):
    """
    Four colours in, the same four colours out, at any size.
    """
    values = np.empty((height, width), np.uint16)
    for view, level in zip(split(values, cfa), (1000, 2000, 3000, 4000), strict=True):
        view[...] = level

    small = binned(mosaic_of(values, cfa), factor)

    assert small.cfa is cfa
    assert small.values.shape == (height // factor, width // factor)
    for view, level in zip(split(small.values, cfa), (1000, 2000, 3000, 4000), strict=True):
        shown = (view - small.black_level[0]) / (small.white_level[0] - small.black_level[0])
        np.testing.assert_allclose(shown, (level - 512) / (16383 - 512), atol=2e-5)


@given(phases, factors)
def test_colours_stay_in_register(cfa, factor):
    """
    On a ramp every site, whatever its colour, has the brightness of the middle of its block: no fringes appear.
    """
    rows, columns = np.mgrid[:70, :84]

    small = binned(mosaic_of(600 + 40 * rows + 60 * columns, cfa), factor)

    rows, columns = np.mgrid[: 70 // factor, : 84 // factor] * factor + (factor - 1) / 2
    np.testing.assert_allclose(light(small), (600 + 40 * rows + 60 * columns - 512) / (16383 - 512), atol=2e-4)


@given(factors)
def test_the_noise_profile_tells_the_noise_that_is_left(factor):
    """
    The variance of a flat frame is what the binned profile says.
    """
    random = np.random.default_rng(factor)
    signal = 0.1
    deviation = np.sqrt(NOISE.shot[0] * signal + NOISE.read[0])
    values = 512 + (signal + deviation * random.standard_normal((1050, 1050))) * (16383 - 512)

    small = binned(mosaic_of(np.rint(values)), factor)

    told = small.shot.noise_profile
    assert told is not None
    assert light(small).var() == pytest.approx(told.shot[0] * signal + told.read[0], rel=0.1)


def test_sixteen_bits_do_not_overflow():
    """
    Where sums would not fit, they are scaled, and white stays white.
    """
    small = binned(mosaic_of(np.full((30, 30), 65535), white=65535), 5)

    np.testing.assert_allclose(light(small), 1.0, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "factor"), [((3000, 4000), 3), ((1000, 2000), 1), ((4000, 6000), 5), ((2, 9_000_000), 1)]
)
def test_the_factor_is_the_smallest_odd_one_that_fits(shape, factor):
    """
    And never one that leaves nothing of the frame.
    """
    assert binning_factor(mosaic_of(np.zeros(shape)), 2_000_000) == factor


def test_a_frame_that_is_not_shrunk_is_the_same_frame():
    """
    A factor of one is no work.
    """
    mosaic = mosaic_of(np.zeros((20, 20)))

    assert binned(mosaic, 1) is mosaic
