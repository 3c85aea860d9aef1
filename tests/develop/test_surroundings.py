"""What a pixel gets from its place: the same in any tile, nothing at rest, and numbers whatever the frame."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.develop.surroundings import Surroundings
from flexispd.develop.upload import Frame
from flexispd.profile import RenderParams, SkyParams, load_profile

EVERYTHING = {"clarity": 0.8, "glow": 0.7, "vignette": -0.6}
MATRIX = torch.eye(3) * 2


def framed(planes):
    height, width = (2 * length for length in planes.shape[1:])
    return Frame(planes, 0, 0, height, width)


def surroundings(planes, sky=None, **render):
    profile = replace(load_profile("neutral"), render=RenderParams(**render), sky=sky or SkyParams())
    return Surroundings.of(framed(planes), lambda part: planes[(slice(None), *part)], MATRIX, profile, 1)


def night(height, width):
    """A dim scene with lamps, packed planes (4, h, w)."""
    planes = 0.02 + 0.03 * torch.rand((4, height, width), generator=torch.Generator().manual_seed(0))
    planes[:, height // 2 : height // 2 + 3, width // 3 : width // 3 + 3] = 1.0
    return planes


def test_a_profile_that_wants_nothing_costs_nothing():
    """
    At rest nobody looks at the frame.
    """

    def never(_part):
        raise AssertionError("the frame was looked at")

    frame = framed(night(8, 8))
    assert Surroundings.of(frame, never, MATRIX, load_profile("neutral"), 1) is None


def test_a_tile_gets_what_the_frame_gets():
    """
    All fields together, on a frame of several pixels a cell.
    """
    planes = night(420, 500)
    around = surroundings(planes, SkyParams(1, 1), **EVERYTHING)
    rgb = torch.rand((3, 840, 1000), generator=torch.Generator().manual_seed(1))
    whole = around.applied(rgb, slice(0, 840), slice(0, 1000))
    for rows, columns in ((slice(0, 64), slice(936, 1000)), (slice(333, 470), slice(12, 700))):
        part = around.applied(rgb[:, rows, columns], rows, columns)
        assert torch.allclose(part, whole[:, rows, columns], rtol=1e-4, atol=1e-6)


@given(
    height=st.integers(1, 8),
    width=st.integers(1, 8),
    level=st.sampled_from([0.0, -0.01, 0.2, 1.0]),
    clarity=st.floats(-1, 1),
    glow=st.floats(0, 1),
    vignette=st.floats(-1, 1),
    cooler=st.floats(0, 1),
)
@settings(max_examples=40, deadline=None)
def test_tiny_black_and_white_frames_give_numbers(height, width, level, clarity, glow, vignette, cooler):
    """
    No knob makes a NaN or negative light where there was none.
    """
    planes = torch.full((4, height, width), level)
    around = surroundings(planes, SkyParams(cooler, cooler), clarity=clarity, glow=glow, vignette=vignette)
    if around is None:
        return
    out = around.applied(torch.full((3, 2 * height, 2 * width), level), slice(0, 2 * height), slice(0, 2 * width))

    assert out.isfinite().all()
    assert out.min() >= min(level, 0) * 4 - 1e-6


def test_one_lamp_in_the_dark_gets_a_halo_and_keeps_its_light():
    """
    Glow moves light and makes none: the mean of the frame stays within two in a hundred.
    """
    planes = torch.full((4, 200, 260), 1e-4)
    planes[:, 90:96, 120:126] = 1.0
    rgb = planes[1:].repeat_interleave(2, 1).repeat_interleave(2, 2)
    out = surroundings(planes, glow=1.0).applied(rgb, slice(0, 400), slice(0, 520))

    assert out.mean() == pytest.approx(rgb.mean().item(), rel=0.02)
    assert out[1, 186, 246] < 0.9 * rgb[1, 186, 246]
    assert out[1, 186, 270] > 5 * rgb[1, 186, 270]
    assert (out[:, 186, 252:].diff(dim=1) <= 1e-6).all()


@pytest.mark.parametrize("amount", [-1.0, -0.3, 0.5, 1.0])
@pytest.mark.parametrize("size", [(60, 90), (91, 40)])
def test_the_vignette_is_round_smooth_and_two_ev_in_the_corners(amount, size):
    """
    Symmetric about the middle of the picture, from nothing there to the corners, and never turning back.
    """
    planes = torch.full((4, *size), 0.1)
    height, width = 2 * size[0], 2 * size[1]
    flat = torch.ones(3, height, width)
    ev = torch.log2(surroundings(planes, vignette=amount).applied(flat, slice(0, height), slice(0, width)))[0]

    assert torch.allclose(ev, ev.flip(0), atol=1e-5)
    assert torch.allclose(ev, ev.flip(1), atol=1e-5)
    assert ev[0, 0] == pytest.approx(2 * amount, abs=0.1)
    assert abs(ev[height // 2, width // 2]) < 0.01
    outwards = ev[height // 2, width // 2 :].diff() * amount
    assert outwards.min() >= -1e-6
    across, down = ev[height // 2, width // 2 + 30], ev[height // 2 + 30, width // 2]
    assert across == pytest.approx(down.item(), abs=1e-4)


def test_the_vignette_is_centred_on_the_picture_and_not_on_its_continued_border():
    """
    Rows and columns that were added before the frame do not move it.
    """
    planes = torch.full((4, 40, 40), 0.1)
    frame = Frame(planes, 21, 16, 50, 60)
    profile = replace(load_profile("neutral"), render=RenderParams(vignette=-1.0))
    around = Surroundings.of(frame, lambda part: planes[(slice(None), *part)], MATRIX, profile, 1)
    assert around is not None
    shown = around.applied(torch.ones(3, 80, 80), slice(0, 80), slice(0, 80))[0, 21:71, 16:76]

    assert torch.allclose(shown, shown.flip(0), atol=1e-6)
    assert torch.allclose(shown, shown.flip(1), atol=1e-6)
