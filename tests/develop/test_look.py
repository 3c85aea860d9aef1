"""The learned look: knobs that a person could have set, joined with those that a person did set."""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.develop.exposure import auto_exposure_ev
from flexispd.develop.local_light import PLACES, ZONES_EV
from flexispd.develop.look import Glances, LearnedLook, learned_look, peaks_of
from flexispd.develop.models import load_models
from flexispd.develop.networks.look_net import KNOBS, LookNet
from flexispd.develop.tone import REC2020_LUMINANCE
from flexispd.profile import Profile, RenderParams
from flexispd.types import NoiseProfile

QUIET = NoiseProfile((1e-4,) * 4, (1e-8,) * 4, "given")
GRID = (len(ZONES_EV), PLACES, PLACES)


@pytest.fixture(scope="module")
def trained():
    return load_models([Profile("test")], "cpu").ours["flexispd-s"].look


def asking(turned, grid=None):
    """A look whose network turned its knobs so far."""
    return LearnedLook.of(torch.tensor(turned), torch.zeros(GRID) if grid is None else grid)


def street(level=1.0):
    """A dim wall with a gradient, a bright sky at dusk above it, and a few lamps; linear Rec.2020 (3, 200, 300)."""
    light = torch.linspace(0.02, 0.1, 300).expand(3, 200, 300).clone()
    light[:, :60] *= 3
    light[:, 100:104, 50::80] = 0.9
    return level * light


def seen(light, auto_ev=1.0):
    """What the network is shown of a frame (3, h, w)."""
    return Glances(
        light[None], peaks_of(light.amax(dim=0))[None], torch.tensor([auto_ev]), torch.tensor([QUIET.read[1]])
    )


def test_an_untrained_network_leaves_the_profile_as_it_is():
    """
    A knob at rest is neutral exactly, not nearly.
    """
    params = RenderParams(exposure_ev=0.3, contrast=1.2, saturation=0.9, vibrance=0.1, shadows=0.2)

    with torch.inference_mode():
        look = learned_look(LookNet().eval(), seen(street()), 1.0)

    assert look.joined(params) == params
    assert not look.grid.any()


def test_no_share_of_it_is_none_of_it(trained):
    """
    At a share of 0 even a trained network changes nothing; at one half it turns each knob half as far.
    """
    with torch.inference_mode():
        none, half, whole = (learned_look(trained, seen(street()), share) for share in (0.0, 0.5, 1.0))

    assert none.joined(RenderParams()) == RenderParams()
    assert half.knobs.exposure_ev == pytest.approx(whole.knobs.exposure_ev / 2)
    assert half.knobs.contrast**2 == pytest.approx(whole.knobs.contrast)
    assert torch.allclose(2 * half.grid, whole.grid)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=KNOBS, max_size=KNOBS), st.floats(0.5, 2), st.floats(-1, 1))
def test_profile_and_network_together_stay_within_what_a_profile_may_ask_for(turned, contrast, shadows):
    """
    Whatever a network answers, the outcome is a `[render]` section that `profile check` would accept.
    """
    joined = asking(turned).joined(RenderParams(exposure_ev=4.5, contrast=contrast, shadows=shadows, vibrance=-1))

    assert -5 <= joined.exposure_ev <= 5
    assert 0.5 <= joined.contrast <= 2
    assert 0 <= joined.saturation <= 2
    assert all(-1 <= knob <= 1 for knob in (joined.vibrance, joined.shadows, joined.highlights, joined.blacks))


def test_a_profile_adds_to_what_the_network_asks_for():
    """
    EV and lifts are added, contrast and saturation multiplied.
    """
    look = asking([0.2, 0.5, -0.5, 0.1, 0.3, -0.3, 0.0])
    alone, more = (
        look.joined(params)
        for params in (RenderParams(), RenderParams(exposure_ev=0.5, contrast=1.1, saturation=1.1, shadows=0.1))
    )

    assert more.exposure_ev - alone.exposure_ev == pytest.approx(0.5)
    assert more.contrast / alone.contrast == pytest.approx(1.1)
    assert more.saturation / alone.saturation == pytest.approx(1.1)
    assert more.shadows - alone.shadows == pytest.approx(0.1)


def test_without_automatic_exposure_the_network_does_not_expose_either():
    """
    `auto_exposure = 0` keeps the camera's exposure, whatever the network thinks of it.
    """
    assert asking([1.0] + [0.0] * 6).joined(RenderParams(auto_exposure=0.0)).exposure_ev == 0


def test_a_stop_less_light_still_gets_a_stop_more_exposure(trained):
    """
    The network corrects the automatic exposure and does not undo it.
    """

    def exposure(level):
        light = street(level)
        auto_ev = auto_exposure_ev(torch.einsum("c,chw->hw", torch.from_numpy(REC2020_LUMINANCE).float(), light), QUIET)
        with torch.inference_mode():
            return auto_ev + learned_look(trained, seen(light, auto_ev), 1.0).knobs.exposure_ev

    found = [exposure(2.0**-stop) for stop in range(4)]

    assert all(0.6 < b - a < 1.4 for a, b in itertools.pairwise(found))


def test_the_report_says_what_was_asked_for():
    """
    Every knob by its name in `[render]`, and the grid in EV.
    """
    report = asking([0.2] * KNOBS, torch.full(GRID, 0.3)).report()

    assert report.keys() - {"local_ev"} <= {f.name for f in dataclasses.fields(RenderParams)}
    assert report["exposure_ev"] == pytest.approx(0.8)
    assert report["local_ev"][3][7] == [0.12] * PLACES
