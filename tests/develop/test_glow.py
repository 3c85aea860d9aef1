"""Glow: lamplight goes elsewhere, and none of it is lost."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.develop.glow import SCATTERED, lamps, scattered
from flexispd.develop.tone import GRAY


@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_scattered_light_keeps_its_sum(height, width, seed):
    """
    Wherever the lamps stand, also in a corner and in tiny frames, what leaves one place arrives at others.
    """
    light = torch.rand((3, height, width), generator=torch.Generator().manual_seed(seed)) ** 8

    out = scattered(light)

    assert out.sum((1, 2)) == pytest.approx(light.sum((1, 2)), rel=0.02)
    assert out.min() >= 0


def test_a_halo_falls_off_and_keeps_the_colour_of_its_lamp():
    """
    One orange lamp: the light around it is the same orange, and less of it further away.
    """
    light = torch.zeros(3, 120, 160)
    light[:, 60, 80] = torch.tensor([8.0, 4.0, 1.0])

    halo = scattered(light)[:, 60, 80:]

    assert (halo.diff(dim=1) <= 0).all()
    assert torch.allclose(halo[0], 8 * halo[2], rtol=1e-4)
    assert halo[0, 0] > 20 * halo[0, 30] > 0


def test_walls_do_not_glow():
    """
    Of mid grey a thirtieth takes part, of a lamp nearly everything.
    """
    gray, lamp = torch.full((3, 1), GRAY), torch.full((3, 1), 10.0)
    white = torch.tensor(10.0)

    assert lamps(gray, gray[0], white)[0] < GRAY / 28
    assert lamps(lamp, lamp[0], white)[0] > 9.8


def test_a_lamp_that_fills_the_sensor_glows_at_any_exposure():
    """
    Where the picture is shown dark, its white is a lamp's all the same.
    """
    light = torch.full((3, 1), 0.3)

    assert lamps(light, light[0], torch.tensor(0.3))[0] > 0.75 * 0.3


@given(white=st.floats(0.05, 50), amount=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_what_stays_of_a_lamp_still_rises_with_its_light(white, amount):
    """
    A brighter lamp never looks darker than a weaker one.
    """
    ramp = torch.linspace(0, 2 * white, 2000)

    left = ramp - amount * SCATTERED * lamps(ramp[None], ramp, torch.tensor(white))[0]

    assert left.diff().min() >= -1e-6 * white
