"""The look: neutral knobs do nothing, the others do what their name says, and nothing shifts the hue."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.color_spaces import SPACES
from flexispd.develop.tone import GRAY, Look, apply_look, into_gamut, tone_curve
from flexispd.profile import RenderParams

PLAIN = RenderParams()
RAMP = torch.logspace(-4, 1.5, 400)


def look_of(**knobs):
    return Look.of(torch.eye(3), dataclasses.replace(PLAIN, **knobs))


def shown(light, **knobs):
    """Encoded sRGB of linear Rec.2020 light (3, n)."""
    return apply_look(light, look_of(**knobs))


def gray(values=RAMP):
    return values.expand(3, -1).clone()


def luminance(light, **knobs):
    return shown(light, **knobs)[1]


def test_mid_grey_stays_mid_grey_under_any_contrast():
    """
    Contrast turns the curve about mid grey, which is 0.46 in sRGB's encoding of 18 %.
    """
    for contrast in (0.5, 1.0, 2.0):
        value = shown(gray(torch.tensor([GRAY])), contrast=contrast)
        assert torch.allclose(value, torch.tensor(0.4665), atol=2e-3)


def test_grey_stays_grey():
    """
    No knob colours a neutral tone by more than a tenth of an 8-bit step.
    """
    for knobs in ({}, {"saturation": 2.0}, {"vibrance": 1.0}, {"shadows": 1.0}, {"contrast": 2.0}, {"blacks": -1.0}):
        out = shown(gray(), **knobs)
        assert (out.amax(dim=0) - out.amin(dim=0)).max() < 0.1 / 255


BATCH_KNOBS = {
    "contrast": (0.6, 1.3),
    "saturation": (0.8, 1.2),
    "vibrance": (-0.3, 0.3),
    "shadows": (0.5, -0.5),
    "highlights": (0.5, -0.5),
    "blacks": (0.2, 0.4),
}
KNOBS = {"shadows": (-1, 1), "highlights": (-1, 1), "blacks": (-1, 1), "contrast": (0.5, 2)}


@pytest.mark.parametrize("knob", KNOBS)
def test_more_light_is_never_shown_darker(knob):
    """
    The tone scale is monotone at both ends of every knob.
    """
    for value in KNOBS[knob]:
        assert luminance(gray(), **{knob: value}).diff().min() >= 0


@pytest.mark.parametrize("knob", ["shadows", "highlights", "blacks"])
def test_a_knob_lifts_what_it_is_called_after(knob):
    """
    Turned up, nothing gets darker and its zone gets brighter; turned down, the reverse.
    """
    down, plain, up = (luminance(gray(), **{knob: value}) for value in (-0.5, 0.0, 0.5))

    assert (up >= plain - 1e-6).all()
    assert (down <= plain + 1e-6).all()
    zone = {"shadows": 0.01, "highlights": 2.0, "blacks": 0.001}[knob]
    at = int((RAMP - zone).abs().argmin())
    assert up[at] > plain[at] + 0.005


def test_no_saturation_is_black_and_white_and_neutral_saturation_is_the_identity():
    """
    The way through OKLab and the way around it meet within half an 8-bit step.
    """
    light = torch.rand(3, 500, generator=torch.Generator().manual_seed(0))
    out = shown(light, saturation=0.0)
    through = apply_look(light, look_of(saturation=1.0 + 1e-9))

    assert (out.amax(dim=0) - out.amin(dim=0)).max() < 0.5 / 255
    assert (through - shown(light)).abs().max() < 0.5 / 255


@pytest.mark.parametrize("contrast", [0.6, 1.0, 1.8])
def test_the_curve_nearly_keeps_the_hue(contrast):
    """
    Red stays the strongest and blue the weakest, and orange never drifts further to yellow than half the way.
    """
    color = torch.tensor([1.0, 0.4, 0.05])[:, None]
    out = tone_curve(color * RAMP, 1.45 * contrast)

    place = (out[1] - out[2]) / (out[0] - out[2])

    assert (out[0] >= out[1]).all()
    assert (out[1] >= out[2]).all()
    assert (place[RAMP < 1] < 0.4 + 0.5 * (1 - 0.4)).all()


def test_a_lamp_goes_to_white_as_it_gets_brighter():
    """
    A coloured light loses saturation at the top of the curve instead of stopping at a coloured edge.
    """
    out = tone_curve(torch.tensor([1.0, 0.5, 0.1])[:, None] * torch.tensor([0.1, 1.0, 10.0, 300.0]), 1.45)
    saturation = 1 - out.amin(dim=0) / out.amax(dim=0)

    assert (saturation.diff() < 0).all()
    assert saturation[-1] < 0.05


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-2, 50, width=32), min_size=3, max_size=3), st.floats(0, 2), st.floats(-1, 1))
def test_every_light_is_shown_inside_the_range(light, saturation, vibrance):
    """
    Colours that no display has, negative ones and blinding ones end as finite numbers from 0 to 1.
    """
    out = shown(torch.tensor(light)[:, None], saturation=saturation, vibrance=vibrance, shadows=0.5, blacks=-0.5)

    assert torch.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6


def test_every_knob_has_a_gradient_and_pictures_of_a_batch_do_not_meet():
    """
    Training turns knobs of several pictures at once: each picture is what it is alone, and no slope is infinite.
    """
    generator = torch.Generator().manual_seed(3)
    light = torch.rand((3, 2, 500), generator=generator) ** 3 * 4 - 0.05
    light[:, :, :5], light[:, :, 5:10], light[:, :, 10:15] = 0.0, 0.3, 1e5
    knobs = {name: torch.tensor([[low], [high]], requires_grad=True) for name, (low, high) in BATCH_KNOBS.items()}

    both = apply_look(light, Look.of(torch.eye(3), SimpleNamespace(**knobs)))
    both.square().mean().backward()

    for picture in range(2):
        alone = shown(light[:, picture], **{name: float(value[picture].detach()) for name, value in knobs.items()})
        assert torch.allclose(both[:, picture], alone, atol=1e-5)
    slopes = torch.stack([value.grad for value in knobs.values() if value.grad is not None])
    assert slopes.shape == (len(knobs), 2, 1)
    assert torch.isfinite(slopes).all()
    assert slopes.all()


def test_the_gamut_keeps_luminance_and_what_is_inside():
    """
    Only what lies outside moves, and towards the grey of its own luminance.
    """
    weights = (0.2, 0.7, 0.1)
    colors = torch.tensor([[1.2, 0.3, -0.2, 0.9], [0.2, 0.4, 0.6, 0.9], [0.1, 0.5, 0.5, 0.9]])

    moved = into_gamut(colors, weights, ceiling=1.0)

    assert torch.equal(moved[:, [1, 3]], colors[:, [1, 3]])
    assert np.allclose(np.dot(weights, moved.numpy()), np.dot(weights, colors.numpy()), atol=1e-6)
    assert moved.min() >= 0
    assert moved.max() <= 1


@pytest.mark.parametrize("space", ["display-p3", "adobe-rgb", "rec2020"])
@pytest.mark.parametrize("knobs", [{}, {"blacks": 1.0}, {"blacks": -1.0}, {"saturation": 1.3, "vibrance": 0.5}])
def test_what_srgb_holds_is_the_same_in_every_space(space, knobs):
    """
    Whatever the knobs; what it does not hold is more colourful than in sRGB.
    """
    light = torch.rand(3, 5000, generator=torch.Generator().manual_seed(1)) ** 3
    plain = {name: value for name, value in knobs.items() if name != "blacks"}
    narrow, before = shown(light, **knobs), shown(light, **plain)
    wide = apply_look(light, look_of(**knobs).shown_in(SPACES[space]))

    to_srgb = np.linalg.inv(SPACES["srgb"].to_xyz) @ SPACES[space].to_xyz
    there = to_srgb @ SPACES[space].curve.to_linear(wide)
    linear = SPACES["srgb"].curve.to_linear(narrow)
    margin = 1e-4  # the gamut moves what lies outside to its border
    inside = ((before > margin).all(dim=0) & (before < 1 - margin).all(dim=0)).numpy()
    assert 0.02 < inside.mean() < 0.98
    assert np.abs(there - linear)[:, inside].max() < 1e-5
    assert np.ptp(there, axis=0)[~inside].mean() > 1.02 * np.ptp(linear, axis=0)[~inside].mean()
    assert wide.min() >= 0
    assert wide.max() <= 1 + 1e-6


@pytest.mark.parametrize("space", SPACES)
def test_grey_has_the_same_light_in_every_space(space):
    """
    Black is 0 and stays it; each space encodes grey with its own curve.
    """
    out = apply_look(gray(torch.tensor([0.0, GRAY, 1e4])), look_of().shown_in(SPACES[space]))
    light = SPACES[space].curve.to_linear(out)

    assert np.abs(light - light[1]).max() < 2e-5
    assert light[1] == pytest.approx([0, GRAY, 1], abs=2e-3)
    assert out[1, 0] < 0.5 / 65535
