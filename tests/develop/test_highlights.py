"""Lamps that clip keep a lamp's colour: none of them turns magenta."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flexispd.develop.demosaic import CLIP_BEGINS, decode, encode, recover_highlights

GAINS = torch.tensor([2.0, 1.0, 1.0, 1.5])


def cell(red, green, blue):
    """Packed planes of one cell."""
    return torch.tensor([red, green, green, blue])[:, None, None]


def test_what_is_not_clipped_is_only_white_balanced():
    """
    Below the clip level the recovery is the exact identity.
    """
    planes = CLIP_BEGINS * torch.rand(4, 8, 8)

    assert torch.equal(recover_highlights(planes, GAINS), planes * GAINS[:, None, None])


def test_a_lamp_that_clips_everywhere_is_neutral():
    """
    All sites full says nothing of the colour, so it is white and as bright as its brightest channel.
    """
    assert recover_highlights(cell(1.0, 1.0, 1.0), GAINS).flatten().tolist() == pytest.approx([2.0] * 4)


@settings(max_examples=200, deadline=None)
@given(st.floats(0.5, 1.0), st.floats(0.5, 1.0))
@example(0.9825, 0.9425)  # both in the midst of clipping, so that blue rises too
def test_clipped_green_is_never_below_both_others(red, blue):
    """
    The sensor's green fills first; left at its clip level beside brighter red and blue it would be magenta.
    """
    red_out, green_r, green_b, blue_out = recover_highlights(cell(red, 1.0, blue), GAINS).flatten().tolist()

    assert min(green_r, green_b) >= 0.999 * min(red_out, blue_out)


def test_a_warm_lamp_stays_warm():
    """
    Red and green full, blue not: the lamp is still orange, in the order red, green, blue.
    """
    red, green, _, blue = recover_highlights(cell(1.0, 1.0, 0.3), GAINS).flatten().tolist()

    assert red > green > blue


@pytest.mark.parametrize("red_blue", [(2.0, 1.5), (1.25, 2.9), (1.0, 5.0)])
def test_a_neutral_lamp_stays_neutral_while_its_colours_clip_one_after_the_other(red_blue):
    """
    Under daylight, tungsten and sodium light, no ring of colour lies around a white lamp.
    """
    red, blue = red_blue
    gains = torch.tensor([red, 1.0, 1.0, blue])
    light = torch.linspace(0.5, 1.2 * max(red_blue), 2000)
    planes = (light / gains[:, None]).clamp(max=1)[:, None, :]

    out = recover_highlights(planes, gains)[:, 0]

    assert ((out.amax(dim=0) - out.amin(dim=0)) / out.amax(dim=0)).max() < 0.02


def test_the_way_into_clipping_has_no_step():
    """
    A lamp's halo that rises into clipping changes no faster than it does elsewhere.
    """
    rise = torch.linspace(0.8, 1.2, 400)
    planes = torch.stack([0.8 * rise, rise, rise, 0.9 * rise]).clamp(max=1)[:, None, :]

    steps = recover_highlights(planes, GAINS).diff(dim=2).abs()

    assert steps.max() < 0.04


@given(st.floats(-0.05, 4))
def test_the_encoding_is_undone(value):
    """
    Noise below black and lights above white come back as they were.
    """
    x = torch.tensor(value, dtype=torch.float64)

    assert decode(encode(x)).item() == pytest.approx(value, abs=1e-9)
