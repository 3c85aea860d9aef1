"""Clarity: structures of the middle size, without halos and without noise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.develop.clarity import DARKEST, STRUCTURE_EV_MAX, Clarity, in_ev
from flexispd.develop.tone import GRAY

SIZE = 200


def shown_ev(luminance, amount):
    """EV of each cell after clarity."""
    ev = in_ev(luminance)
    clarity = Clarity.of(ev, amount)
    return torch.log2(luminance) + clarity.gain_ev(clarity.lines, ev)


def waves(period, contrast_ev):
    """A pattern of this many cells, about mid grey."""
    return GRAY * torch.exp2(contrast_ev * torch.sin(torch.arange(SIZE) * 2 * torch.pi / period)).expand(SIZE, SIZE)


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_it_raises_the_contrast_of_middle_sized_structures(amount):
    """
    A pattern as wide as the windows of a house gains, the more the higher the knob; negative softens it.
    """
    pattern = waves(8, 0.3)
    before = torch.log2(pattern).std()

    assert shown_ev(pattern, amount).std() > (1 + 0.4 * amount) * before
    assert shown_ev(pattern, -amount).std() < (1 - 0.4 * amount) * before


def test_it_leaves_large_and_small_structures_alone():
    """
    What is as wide as the frame is the light of the scene, and what changes from cell to cell may be noise.
    """
    wide = waves(SIZE, 0.5)
    noise = GRAY * torch.exp2(0.05 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0)))

    assert shown_ev(wide, 1.0).std() == pytest.approx(torch.log2(wide).std().item(), rel=0.03)
    assert shown_ev(noise, 1.0).std() < 1.25 * torch.log2(noise).std()


@pytest.mark.parametrize("step_ev", [4.0, 8.0])
@pytest.mark.parametrize("amount", [-1.0, 1.0])
def test_there_is_no_halo_at_a_lamp_or_a_roof(step_ev, amount):
    """
    Beside a step of four EV or more nothing around it is brighter or darker than far from it by a tenth of an EV.
    """
    step = torch.full((SIZE, SIZE), GRAY / 4)
    step[60:140, 60:140] *= 2**step_ev

    change = (shown_ev(step, amount) - torch.log2(step)).abs()

    assert change[step < GRAY].max() < 0.1
    assert change[100].max() < 0.1
    assert change.max() < 0.25  # in the corners of the bright square itself


@given(amount=st.floats(-1, 1), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_tones_at_one_place_never_change_their_order(amount, seed):
    """
    Whatever the neighbourhood, a brighter pixel is shown brighter.
    """
    luminance = torch.exp2(6 * torch.rand((40, 40), generator=torch.Generator().manual_seed(seed)) - 6)
    clarity = Clarity.of(in_ev(luminance), amount)
    ramp = torch.logspace(-5, 1.5, 600)
    lines = clarity.lines[:, ::7, ::7].reshape(2, -1, 1)

    gained = torch.log2(ramp) + clarity.gain_ev(lines, in_ev(ramp))

    assert gained.diff(dim=1).min() > -1e-4
    assert (clarity.gain_ev(lines, in_ev(ramp))).abs().max() <= STRUCTURE_EV_MAX


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16)])
@pytest.mark.parametrize("level", [0.0, DARKEST, 1e4])
def test_tiny_black_and_white_frames_stay_as_they_are(size, level):
    """
    Where nothing differs there is no structure.
    """
    ev = in_ev(torch.full(size, level))
    clarity = Clarity.of(ev, 1.0)

    assert clarity.gain_ev(clarity.lines, ev).abs().max() < 1e-2
