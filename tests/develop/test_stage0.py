"""Sensor counts become linear light, in one phase, without hot and dead pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.develop.defects import repair_defects
from flexispd.develop.tiling import GRID
from flexispd.develop.upload import crop_of, upload
from flexispd.types import CFA, Mosaic, NoiseProfile, ShotInfo

CPU = torch.device("cpu")
COLOR_VALUES = {(0, 0): 100, (0, 1): 200, (1, 0): 300, (1, 1): 400}  # R, Gr, Gb, B of an RGGB cell


def mosaic_of(height, width, cfa):
    """A mosaic of four flat planes in any phase: sites count 100, 200, 300 and 400."""
    top, left = cfa.value
    values = np.empty((height, width), np.uint16)
    for row in range(height):
        for column in range(width):
            values[row, column] = COLOR_VALUES[(row + top) % 2, (column + left) % 2]
    return Mosaic(values, cfa, (0.0, 0.0, 0.0, 0.0), (1000.0,) * 4, ShotInfo())


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 19), st.integers(2, 19), st.sampled_from(CFA))
def test_every_phase_and_size_becomes_the_same_planes(height, width, cfa):
    """
    Whatever the phase, odd or even, plane 0 is red everywhere, also in what was added at the borders.
    """
    frame = upload(mosaic_of(height, width, cfa), CPU)

    assert frame.planes.shape[1] % GRID == frame.planes.shape[2] % GRID == 0
    for plane, value in zip(frame.planes, (0.1, 0.2, 0.3, 0.4), strict=True):
        assert torch.allclose(plane, torch.tensor(value))
    rows, columns = crop_of(frame)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (height, width)


def test_each_plane_has_its_own_black_and_white():
    """
    The signal is 0 at black and 1 at white, clipped there; below black noise stays.
    """
    values = np.array([[90, 210], [330, 65535]], np.uint16)
    mosaic = Mosaic(values, CFA.RGGB, (100.0, 200.0, 300.0, 400.0), (200.0, 300.0, 400.0, 500.0), ShotInfo())

    red, green_r, green_b, blue = upload(mosaic, CPU).planes[:, 0, 0].tolist()

    assert (red, green_r, green_b, blue) == pytest.approx((-0.1, 0.1, 0.3, 1.0))


NOISE = NoiseProfile((1e-3,) * 4, (1e-6,) * 4, "given")


def field(level=0.05):
    generator = torch.Generator().manual_seed(0)
    return level + (1e-3 * level) ** 0.5 * torch.randn(4, 40, 48, generator=generator)


@pytest.mark.parametrize("value", [0.9, 0.0])
def test_a_hot_and_a_dead_pixel_are_replaced_by_their_neighbours(value):
    """
    A single site far outside its neighbours' range takes their median, and nothing else is touched.
    """
    planes = field(0.3)
    planes[2, 11, 20] = value
    before = planes.clone()

    assert repair_defects(planes, NOISE) == 1
    assert planes[2, 11, 20].item() == pytest.approx(0.3, abs=0.05)
    before[2, 11, 20] = planes[2, 11, 20]
    assert torch.equal(planes, before)


def test_a_star_is_no_hot_pixel():
    """
    The lens spreads a star over neighbouring sites of other colours, and those vouch for it.
    """
    planes = field()
    planes[:, 20, 20] += torch.tensor([0.9, 0.45, 0.45, 0.25])
    before = planes.clone()

    assert repair_defects(planes, NOISE) == 0
    assert torch.equal(planes, before)


@settings(deadline=None, max_examples=50)
@given(st.floats(40, 42), st.floats(40, 42), st.floats(0.65, 1.2))
def test_a_star_anywhere_between_the_sites_is_no_hot_pixel(row, column, sigma):
    """
    Wherever its middle falls, a star as sharp as lenses make it loses less than a third of its light.
    """
    rows, columns = torch.meshgrid(torch.arange(80.0), torch.arange(96.0), indexing="ij")
    star = 0.9 * torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
    packed = torch.stack([star[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    planes = field() + packed
    before = planes.clone()

    repair_defects(planes, NOISE)

    assert (before - planes).clamp_min(0).sum() < 0.33 * packed.sum()


def test_a_wrong_noise_profile_does_not_cost_pixels():
    """
    Where a profile calls every hundredth site defective, the profile is wrong and the frame is left alone.
    """
    planes = field(0.0005)
    before = planes.clone()

    assert repair_defects(planes, NoiseProfile((1e-12,) * 4, (0.0,) * 4, "given")) == 0
    assert torch.equal(planes, before)


def test_noise_and_edges_are_no_defects():
    """
    A noisy frame with a sharp edge keeps every site.
    """
    planes = field()
    planes[:, 20:] += 0.5

    assert repair_defects(planes, NOISE) == 0


def test_the_frames_border_is_searched_too():
    """
    Hot pixels in a corner and on strip borders are found like any other.
    """
    planes = field()
    for row, column in ((0, 0), (39, 47), (0, 30)):
        planes[1, row, column] = 0.9

    assert repair_defects(planes, NOISE) == 3
