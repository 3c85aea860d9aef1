"""The photographer's colour work: each knob does what its name says, and tables give what the steps themselves give."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.cube import Cube
from flexispd.develop.color import REC2020_TO_XYZ, XYZ_TO_SRGB
from flexispd.develop.grading import (
    GREY_CHROMA,
    HUE_LIGHTNESS_EV,
    HUES,
    TONING_BALANCE,
    TONING_CHROMA,
    TONING_WIDTH,
    Grading,
    monotone_cubic,
    moved_whites,
    turn,
)
from flexispd.develop.tone import BLACKS, CURVE_POWER, REC2020_LUMINANCE, Look, apply_look, into_gamut, tone_curve
from flexispd.profile import (
    HueLightnessParams,
    HueSaturationParams,
    HueShiftParams,
    LutParams,
    MonochromeParams,
    Profile,
    RenderParams,
    SplitToningParams,
)

RANDOM = torch.Generator().manual_seed(11)
COLORS = torch.rand((3, 4000), generator=RANDOM) ** 2 * torch.rand(4000, generator=RANDOM) * 3
RAMP = torch.logspace(-4, 1.5, 2000)
GREYS = RAMP.expand(3, -1).clone()
EXTREMES = torch.tensor([[0.0, 1e-30, 1e6, 3.0, 0.0, 0.0, -1.0, -5.0], [0.0, 0.0, 1e6, 0.0, 3.0, 0.0, -1.0, 9.0],
                         [0.0, 0.0, 1e6, 0.0, 0.0, 3.0, -1.0, 1e5]])  # fmt: skip
LSB = 1 / 255
HUE_SECTIONS = {"hue_shift": HueShiftParams, "hue_saturation": HueSaturationParams, "hue_lightness": HueLightnessParams}
ALL_AT_ONCE = Profile(
    "all",
    render=RenderParams(
        contrast=1.2, whites=0.6, curve=((0.0, 0.05), (0.3, 0.2), (0.7, 0.85)), saturation=1.2, vibrance=0.3, blacks=0.2
    ),
    hue_shift=HueShiftParams(red=15, orange=-20, green=30, aqua=-10, purple=25),
    hue_saturation=HueSaturationParams(red=0.6, yellow=1.7, blue=1.4),
    hue_lightness=HueLightnessParams(orange=0.4, green=-0.7, blue=-1.0, magenta=1.0),
    monochrome=MonochromeParams(strength=0.3, red=1.2, green=0.3, blue=-0.4),
    split_toning=SplitToningParams(shadows_strength=0.7, highlights_strength=0.5, balance=0.4),
)


def profile_of(**sections):
    return Profile("mine", **sections)


def shown(light, profile, cube=None):
    """Encoded sRGB of linear Rec.2020 light (3, n) under a profile."""
    return apply_look(light, Look.of(torch.eye(3), profile.render, Grading.of(profile, "cpu", cube)))


# The same look once more, step by step and without tables, in float64.

XYZ_TO_LMS = np.array([[0.8189330101, 0.3618667424, -0.1288597137], [0.0329845436, 0.9293118715, 0.0361456387],
                       [0.0482003018, 0.2643662691, 0.6338517070]])  # fmt: skip
LMS_TO_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
SRGB_TO_LMS = XYZ_TO_LMS @ np.linalg.inv(XYZ_TO_SRGB)
SRGB_TO_LMS /= SRGB_TO_LMS.sum(axis=1, keepdims=True)


def lab_of(linear):
    return LMS_TO_LAB @ np.cbrt(SRGB_TO_LMS @ linear)


def linear_of(lab):
    return np.linalg.solve(SRGB_TO_LMS, np.linalg.solve(LMS_TO_LAB, lab) ** 3)


def encoded_of(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def decoded_of(encoded):
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def knob_at(hue, section):
    """The value of a hue section at one hue in degrees."""
    names = [*HUES, "red"]
    for left, right in itertools.pairwise(names):
        width = (HUES[right] - HUES[left]) % 360
        place = (hue - HUES[left]) % 360 / width
        if place <= 1:
            weight = place * place * (3 - 2 * place)
            return (1 - weight) * getattr(section, left) + weight * getattr(section, right)
    raise AssertionError(hue)


def reference(light, profile):
    """What `apply_look` documents, after the zones: (3, n) linear Rec.2020 to encoded sRGB, without a look-up table."""
    render, mono, toning = profile.render, profile.monochrome, profile.split_toning
    light = into_gamut(light.double(), REC2020_LUMINANCE, ceiling=None)
    linear = XYZ_TO_SRGB @ REC2020_TO_XYZ @ tone_curve(light, CURVE_POWER * render.contrast).numpy()
    lightness, a, b = lab_of(linear)
    factor = render.saturation * (1 + render.vibrance * np.exp(-(a**2 + b**2) / 0.12**2))
    chroma, hue = factor * np.hypot(a, b), np.degrees(np.arctan2(b, a))

    shift, strength, lighter = (
        np.array([knob_at(h, section) for h in hue])
        for section in (profile.hue_shift, profile.hue_saturation, profile.hue_lightness)
    )
    colorful = chroma**2 / (chroma**2 + GREY_CHROMA**2)
    gain = 1 + colorful * (2 ** (lighter * HUE_LIGHTNESS_EV / 3) - 1)
    gain = np.where(gain > 1, gain / np.sqrt(1 + lightness**2 * (gain**2 - 1)), gain)
    lightness, chroma, hue = lightness * gain, chroma * strength * gain, np.radians(hue + shift)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])

    parts = np.array([mono.red, mono.green, mono.blue]) / (mono.red + mono.green + mono.blue)
    grey = np.cbrt((parts @ linear_of(lab)).clip(0, 1))
    lab = lab * (1 - mono.strength) + np.stack([grey, 0 * grey, 0 * grey]) * mono.strength

    before = lab[0].clip(0, 1)
    encoded = moved_whites(encoded_of(before**3), render.whites)
    after = np.cbrt(decoded_of(monotone_cubic(encoded, render.curve) if render.curve else encoded))
    lab[1:] *= np.minimum(2 * after / (before + after).clip(1e-12), 1)
    light_share = 1 / (1 + np.exp(-(after - 0.5 + TONING_BALANCE * toning.balance) / TONING_WIDTH))
    for hue, strength, share in (
        (toning.shadows_hue, toning.shadows_strength, 1 - light_share),
        (toning.highlights_hue, toning.highlights_strength, light_share),
    ):
        tint = TONING_CHROMA * 4 * after * (1 - after) * strength * share
        lab[1:] += tint * np.array([[math.cos(math.radians(hue))], [math.sin(math.radians(hue))]])
    lab[0] = after

    linear = into_gamut(torch.from_numpy(linear_of(lab)), (0.2126, 0.7152, 0.0722), ceiling=1.0).numpy()
    return encoded_of((linear + BLACKS * render.blacks * (1 - linear) ** 6).clip(0, 1))


SINGLE: dict[str, dict[str, Any]] = {
    "whites up": {"render": RenderParams(whites=1.0)},
    "whites down": {"render": RenderParams(whites=-1.0)},
    "curve": {"render": RenderParams(curve=((0.1, 0.0), (0.5, 0.6), (0.9, 1.0)))},
    "matte": {"render": RenderParams(curve=((0.0, 0.2), (1.0, 0.8)))},
    "shift": {"hue_shift": HueShiftParams(*[30, -30] * 4)},
    "strength": {"hue_saturation": HueSaturationParams(*[0, 2] * 4)},
    "lightness": {"hue_lightness": HueLightnessParams(*[1, -1] * 4)},
    "monochrome": {"monochrome": MonochromeParams(strength=1.0, red=2, green=-0.5, blue=-0.5)},
    "toning": {"split_toning": SplitToningParams(shadows_strength=1.0, highlights_strength=1.0, balance=-1.0)},
}


@pytest.mark.parametrize("profile", [profile_of(**s) for s in SINGLE.values()] + [ALL_AT_ONCE], ids=[*SINGLE, "all"])
def test_the_tables_give_what_the_steps_give(profile):
    """
    Each knob at its strongest, and all of them together: within one 8-bit step of the same look without tables.
    """
    assert np.abs(shown(COLORS, profile).numpy() - reference(COLORS, profile)).max() < LSB


def test_neutral_knobs_are_no_step_at_all():
    """
    What has no effect costs nothing: a tint without strength, a straight curve, a mix that is not used, a table at 0.
    """
    neutral = profile_of(
        render=RenderParams(curve=((0.0, 0.0), (0.5, 0.5), (1.0, 1.0))),
        split_toning=SplitToningParams(shadows_hue=10, highlights_hue=20, balance=1),
        monochrome=MonochromeParams(red=1, green=1, blue=1),
        lut=LutParams(strength=0.0),
    )

    assert Grading.of(profile_of(), "cpu") is None
    assert Grading.of(neutral, "cpu", Cube(np.ones((2, 3), np.float32))) is None
    assert torch.equal(shown(COLORS, neutral), apply_look(COLORS, Look.of(torch.eye(3), RenderParams())))


@pytest.mark.parametrize(
    "nearly",
    [
        {"render": RenderParams(whites=1e-9)},
        {"render": RenderParams(curve=((0.0, 0.0), (0.5, 0.5 + 1e-9)))},
        {"hue_shift": HueShiftParams(red=1e-9)},
        {"hue_saturation": HueSaturationParams(red=1 + 1e-9)},
        {"hue_lightness": HueLightnessParams(red=1e-9)},
        {"monochrome": MonochromeParams(strength=1e-9)},
        {"split_toning": SplitToningParams(shadows_strength=1e-9)},
    ],
)
def test_a_knob_begins_where_it_is_neutral(nearly):
    """
    Turned by next to nothing, it shows within a quarter of an 8-bit step what it shows untouched.
    """
    assert (shown(COLORS, profile_of(**nearly)) - shown(COLORS, profile_of())).abs().max() < LSB / 4


unit = st.floats(0, 1, width=32)
both_ways = st.floats(-1, 1, width=32)


@st.composite
def gradings(draw):
    """Profiles with every knob of colour work anywhere in its range."""
    points = sorted(draw(st.dictionaries(unit, unit, min_size=2, max_size=6)).items())
    eight = [draw(st.lists(both_ways, min_size=8, max_size=8)) for _ in range(3)]
    return profile_of(
        render=RenderParams(whites=draw(both_ways), curve=tuple(points), saturation=2 * draw(unit)),
        hue_shift=HueShiftParams(*(30 * v for v in eight[0])),
        hue_saturation=HueSaturationParams(*(1 + v for v in eight[1])),
        hue_lightness=HueLightnessParams(*eight[2]),
        monochrome=MonochromeParams(draw(unit), draw(both_ways), 2.0, draw(st.floats(-0.5, 2))),
        split_toning=SplitToningParams(360 * draw(unit), draw(unit), 360 * draw(unit), draw(unit), draw(both_ways)),
    )


@settings(max_examples=150, deadline=None)
@given(gradings())
def test_every_light_under_every_grading_is_a_colour(profile):
    """
    Black, blinding, negative and purer than any display: finite numbers from 0 to 1 come out.
    """
    out = shown(torch.cat([EXTREMES, COLORS[:, :50]], dim=1), profile)

    assert torch.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6


def test_what_is_no_number_stays_none():
    """
    A device that fails is noticed by it: no table turns it into a colour, or stops at it.
    """
    profile = dataclasses.replace(ALL_AT_ONCE, lut=LutParams(strength=1.0))
    broken = torch.full((3, 4), float("nan"))

    for cube in (Cube(np.zeros((2, 3), np.float32)), Cube(np.zeros((2, 2, 2, 3), np.float32))):
        assert torch.isnan(shown(broken, profile, cube)).all()


@settings(max_examples=150, deadline=None)
@given(both_ways, st.dictionaries(unit, unit, min_size=2, max_size=8))
def test_whites_and_a_rising_curve_keep_the_order_of_tones(whites, points):
    """
    More light is never shown darker, however points that rise lie.
    """
    curve = tuple(zip(sorted(points), sorted(points.values()), strict=True))

    out = shown(GREYS, profile_of(render=RenderParams(whites=whites, curve=curve)))

    assert out[1].diff().min() > -1e-5


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(unit, unit, min_size=2, max_size=16))
def test_a_curve_stays_between_its_points(points):
    """
    It goes through each of them, and between two it never leaves what lies between their heights.
    """
    points = sorted(points.items())
    xs, ys = np.array(points).T

    assert np.abs(monotone_cubic(xs, tuple(points)) - ys).max() < 1e-9
    for (left, low), (right, high) in itertools.pairwise(points):
        between = monotone_cubic(np.linspace(left, right, 50), tuple(points))
        assert between.min() >= min(low, high) - 1e-9
        assert between.max() <= max(low, high) + 1e-9


def test_a_curve_is_drawn_over_what_a_histogram_shows():
    """
    A point (0.4, 0.6) makes a grey of 40 % in the finished picture one of 60 %; without end points, ends stay.
    """
    profile = profile_of(render=RenderParams(curve=((0.4, 0.6), (0.7, 0.8))))
    plain, curved = shown(GREYS, profile_of())[1], shown(GREYS, profile)[1]

    assert abs(float(curved[(plain - 0.4).abs().argmin()]) - 0.6) < 0.005
    assert abs(float(curved[(plain - 0.7).abs().argmin()]) - 0.8) < 0.005
    assert curved[0] < 0.01
    assert shown(torch.full((3, 1), 1e5), profile).min() > 0.995


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_whites_move_light_tones_only(direction):
    """
    Turned up, light greys become white; turned down, the lightest is no longer white. Mid grey and below stay.
    """
    plain = shown(GREYS, profile_of())[1]
    moved = shown(GREYS, profile_of(render=RenderParams(whites=direction)))[1]

    assert (moved - plain)[plain < 0.49].abs().max() < LSB / 10
    assert (direction * (moved - plain)[(plain > 0.6) & (plain < 0.95)] > LSB).all()
    assert (moved[plain > 0.87] > 0.995).all() if direction > 0 else moved.max() < 0.86


def colors_of(hue, chroma, lightness=0.7):
    """OKLab colours (3, n) of hues in degrees."""
    hue = torch.as_tensor(hue, dtype=torch.float32).deg2rad()
    return torch.stack([torch.full_like(hue, lightness), chroma * hue.cos(), chroma * hue.sin()])


def hue_of(lab):
    return torch.rad2deg(torch.atan2(lab[2], lab[1])) % 360


def turned_by(lab, **sections):
    grading = Grading.of(profile_of(**sections), "cpu")
    assert grading is not None
    assert grading.hues is not None
    after = lab.clone()
    turn(after, grading.hues)
    return after


@pytest.mark.parametrize("name", HUES)
def test_a_hue_is_turned_as_far_as_its_knob_says_and_the_other_seven_stay(name):
    """
    Twenty degrees are twenty degrees, towards the next hue of the list, and lightness and chroma stay.
    """
    before = colors_of(list(HUES.values()), 0.1)
    after = turned_by(before, hue_shift=HueShiftParams(**{name: 20.0}))

    moved = (hue_of(after) - hue_of(before) + 180) % 360 - 180
    expected = torch.tensor([20.0 * (other == name) for other in HUES])
    assert (moved - expected).abs().max() < 0.01
    assert torch.allclose(after[0], before[0])
    assert torch.allclose(after[1:].norm(dim=0), before[1:].norm(dim=0), atol=1e-5)


@pytest.mark.parametrize("name", HUES)
def test_a_hue_is_as_strong_and_as_light_as_its_knobs_say(name):
    """
    Strength 0 makes grey and 2 doubles the chroma; lightness of a strong colour follows its knob.
    """
    before = colors_of(list(HUES.values()), 0.1)
    mine = torch.tensor([other == name for other in HUES])
    grey = turned_by(before, hue_saturation=HueSaturationParams(**{name: 0.0}))
    strong = turned_by(before, hue_saturation=HueSaturationParams(**{name: 2.0}))
    light = turned_by(before, hue_lightness=HueLightnessParams(**{name: 1.0}))
    dark = turned_by(before, hue_lightness=HueLightnessParams(**{name: -1.0}))

    assert grey[1:, mine].abs().max() < 1e-4
    assert torch.allclose(strong[1:, mine], 2 * before[1:, mine], atol=1e-4)
    assert (light[0, mine] > 1.12 * before[0, mine]).all()
    assert (dark[0, mine] < 0.8 * before[0, mine]).all()
    for after in (grey, strong, light, dark):
        assert torch.allclose(after[:, ~mine], before[:, ~mine], atol=1e-5)


def test_hues_leave_greys_alone():
    """
    However the eight are turned, a grey and the noise on it stay what they are.
    """
    sections = {name: kind(*[high] * 8) for (name, kind), high in zip(HUE_SECTIONS.items(), (30, 1, 1), strict=True)}
    noisy = colors_of(torch.arange(360.0), 0.005)

    assert torch.equal(turned_by(colors_of(torch.arange(360.0), 0.0), **sections)[1:], torch.zeros(2, 360))
    assert (turned_by(noisy, **sections)[0] - noisy[0]).abs().max() < 0.01


def test_a_mix_of_one_channel_shows_that_channel():
    """
    Behind a red filter a picture is as light as its red light, and grey; half of it is half the way there.
    """
    red_only = MonochromeParams(strength=1.0, red=2.0, green=0.0, blue=0.0)
    plain = shown(COLORS, profile_of())
    grey = shown(COLORS, profile_of(monochrome=red_only))
    half = shown(COLORS, profile_of(monochrome=dataclasses.replace(red_only, strength=0.5)))
    seen = torch.cat([plain, half])
    inside = (seen.amin(dim=0) > 0.01) & (seen.amax(dim=0) < 0.99)

    assert (grey.amax(dim=0) - grey.amin(dim=0)).max() < 0.1 * LSB
    assert (grey - plain[:1])[:, inside].abs().max() < 0.1 * LSB
    middle = (lab_of(decoded_of(plain.double().numpy())) + lab_of(decoded_of(grey.double().numpy()))) / 2
    assert np.abs(lab_of(decoded_of(half.double().numpy())) - middle)[:, inside.numpy()].max() < 1e-3


def test_black_and_white_is_toned_like_colour():
    """
    Toning comes after: its two colours are seen on grey, dark and light, and lightness stays; black and white are kept.
    """
    profile = profile_of(
        monochrome=MonochromeParams(strength=1.0),
        split_toning=SplitToningParams(
            shadows_hue=260, shadows_strength=0.5, highlights_hue=70, highlights_strength=0.5
        ),
    )
    before = lab_of(decoded_of(shown(GREYS, profile_of()).double().numpy()))
    after = lab_of(decoded_of(shown(GREYS, profile).double().numpy()))
    hue = np.degrees(np.arctan2(after[2], after[1])) % 360
    chroma = np.hypot(after[1], after[2])

    assert np.abs(hue - 260)[(before[0] > 0.2) & (before[0] < 0.3)].max() < 10
    assert np.abs(hue - 70)[(before[0] > 0.75) & (before[0] < 0.9)].max() < 10
    assert np.abs(after[0] - before[0])[before[0] > 0.2].max() < 2e-3
    assert chroma[(before[0] < 0.02) | (before[0] > 0.99)].max() < 5e-3


@pytest.mark.parametrize(("ev", "contrast"), [(-1, 1.0), (1, 1.0), (0, 0.7), (0, 1.5)])
def test_exposure_and_contrast_nearly_keep_the_hue_of_middle_tones(ev, contrast):
    """
    Of colours as strong as painted walls, no hue moves by more than 5 degrees of OKLab, and the mean by 2 at most.
    """
    walls = linear_of(colors_of(torch.arange(360.0), 0.1, 0.6).numpy())
    light = torch.from_numpy(np.linalg.solve(XYZ_TO_SRGB @ REC2020_TO_XYZ, walls)).float()
    before, after = (
        lab_of(decoded_of(shown(scene, profile_of(render=render)).double().numpy()))
        for scene, render in ((light, RenderParams()), (light * 2.0**ev, RenderParams(contrast=contrast)))
    )
    hues = [np.degrees(np.arctan2(lab[2], lab[1])) for lab in (before, after)]
    moved = (hues[1] - hues[0] + 180) % 360 - 180

    assert np.abs(moved).max() < 5
    assert np.abs(moved).mean() < 2


@pytest.mark.parametrize("sections", SINGLE.values(), ids=SINGLE)
def test_smooth_light_stays_smooth(sections):
    """
    Along 20 000 tones and 20 000 hues no step is more than a 40th of an 8-bit step larger than without tables.
    """
    profile = profile_of(**sections)
    tones = torch.logspace(-3, 1, 20_000).expand(3, -1)
    radians = torch.linspace(0, 2 * math.pi, 20_000)
    hues = 0.3 + 0.15 * torch.stack([radians.cos(), (radians - 2.1).cos(), (radians + 2.1).cos()])

    for light in (tones, hues):
        step = shown(light, profile).diff(dim=1).abs().amax()
        assert step < np.abs(np.diff(reference(light, profile))).max() + 1e-4
