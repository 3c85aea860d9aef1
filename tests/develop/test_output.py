"""The last steps of a look in one table: the same picture as without it."""

import pytest
import torch

from flexispd.color_spaces import SPACES
from flexispd.develop.output import PEAK, Output, quantised
from flexispd.develop.tone import Look, apply_look
from flexispd.profile import RenderParams

LIGHT = torch.rand((3, 20000), generator=torch.Generator().manual_seed(0)) ** 4 * 3


def whole_numbers(values):
    return values.to(torch.int32) & 0xFFFF


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
@pytest.mark.parametrize("blacks", [-1.0, 0.0, 0.7])
def test_values_are_those_of_the_look_step_by_step(dtype, blacks):
    """
    Of 8 bits hardly ever one step away; of 16 at most one, and where black is lowered, which is steep, three.
    """
    look = Look.of(torch.eye(3), RenderParams(blacks=blacks, contrast=1.2))

    values, _ = Output.of(look, dtype).values(LIGHT, None)
    wanted = quantised(apply_look(LIGHT, look), dtype)

    away = (whole_numbers(values) - whole_numbers(wanted)).abs()
    assert values.dtype == dtype
    assert away.max() <= (3 if blacks < 0 and dtype == torch.int16 else 1)
    if dtype == torch.uint8:
        assert (away > 0).float().mean() < 0.02


def test_numbers_for_a_last_touch_are_not_rounded():
    """
    Within a step of 16 bits of the look's own.
    """
    look = Look.of(torch.eye(3), RenderParams(blacks=0.3))

    values, _ = Output.of(look, torch.float32).values(LIGHT, None)

    assert (values - apply_look(LIGHT, look)).abs().max() < 1 / PEAK[torch.int16]


@pytest.mark.parametrize("space", SPACES)
def test_no_number_is_found_out_in_every_space(space):
    """
    One pixel of no number makes the sum no number, and the others are pixels as ever.
    """
    output = Output.of(Look.of(torch.eye(3), RenderParams()).shown_in(SPACES[space]), torch.uint8)
    broken = LIGHT.clone()
    broken[1, 77] = torch.nan

    values, checked = output.values(broken, None)
    unbroken, fine = output.values(LIGHT, None)

    assert not checked.isfinite()
    assert fine.isfinite()
    assert torch.equal(values[:, :77], unbroken[:, :77])


def test_black_and_white_are_the_ends():
    """
    Nothing is lost at either end of the table.
    """
    ends = torch.tensor([0.0, 1e6]).expand(3, 2).clone()

    for dtype, peak in PEAK.items():
        values, _ = Output.of(Look.of(torch.eye(3), RenderParams()), dtype).values(ends, None)

        assert whole_numbers(values)[:, 0].tolist() == [0, 0, 0]
        assert whole_numbers(values)[:, 1].tolist() == [peak] * 3
