"""The small copy: averages of the whole frame, and the smooth way back to each pixel."""

import pytest
import torch

from flexispd.develop.small_copy import CELLS_MAX, Cells, box_mean, guided

CPU = torch.device("cpu")


def random(*size):
    return torch.rand(size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(4, 4), (12, 500), (388, 404), (1000, 804)])
def test_a_part_of_the_frame_gets_what_the_whole_gets(size):
    """
    Values depend on a pixel's place in the frame, not on where a tile begins.
    """
    cells = Cells.of(size, CPU)
    grids = random(2, cells.rows.shape[1], cells.columns.shape[1])
    height, width = 2 * size[0], 2 * size[1]

    whole = cells.at(grids, slice(0, height), slice(0, width))
    rows, columns = slice(height // 3, height // 3 + 5), slice(width // 4, width // 2)

    assert whole.shape == (2, height, width)
    assert torch.allclose(cells.at(grids, rows, columns), whole[:, rows, columns], atol=1e-6)


@pytest.mark.parametrize("size", [(4, 4), (388, 404), (1000, 804)])
def test_averages_keep_the_mean_and_flat_light_stays_flat(size):
    """
    There are at most `CELLS_MAX` cells a side, and nothing brightens or darkens on the way there and back.
    """
    cells = Cells.of(size, CPU)
    planes = random(4, *size)
    small = cells.averages(lambda part: planes[(slice(None), *part)], lambda rgb: rgb)
    flat = cells.at(torch.full_like(small, 0.3), slice(0, 2 * size[0]), slice(0, 2 * size[1]))

    assert max(small.shape) <= CELLS_MAX
    assert small[0].mean() == pytest.approx(planes[0].mean().item(), rel=0.02)
    assert torch.allclose(flat, torch.full_like(flat, 0.3), atol=1e-6)


def test_only_what_is_inside_the_frame_counts_in_a_box():
    """
    At the border the mean is that of fewer cells, and a frame smaller than the box has one mean.
    """
    assert torch.allclose(box_mean(torch.ones(1, 5, 9), 4), torch.ones(1, 5, 9))
    assert torch.allclose(box_mean(random(1, 2, 3), 8), random(1, 2, 3).mean().expand(1, 2, 3))


def test_the_guided_filter_smooths_what_is_flat_and_keeps_what_is_an_edge():
    """
    Ripples far below epsilon go, a step far above it stays where it was.
    """
    guide = torch.zeros(64, 64)
    guide[:, 32:] = 8.0
    noisy = guide + 0.05 * (random(64, 64) - 0.5)

    slope, offset = guided(noisy[None], noisy, 4, 0.25)
    smooth = slope[0] * noisy + offset

    assert (smooth - guide).abs().max() < 0.15
    assert smooth[:, :20].std() < 0.2 * noisy[:, :20].std()


def test_a_border_of_colour_is_found_without_one_of_brightness():
    """
    The guide may have three channels; where only one of them changes, the target still follows.
    """
    guide = torch.zeros(3, 48, 48)
    guide[0, :, 24:] = 3.0
    target = (torch.arange(48) >= 26).float().expand(48, 48)  # two cells beside the edge

    slopes, offset = guided(guide, target, 5, 0.25)
    found = (slopes * guide).sum(0) + offset

    assert found[:, 23].mean() < 0.15
    assert found[:, 28].mean() > 0.75
