"""Automatic exposure: night stays night, noise stays unseen, lamps stay lamps."""

import itertools

import pytest
import torch

from flexispd.develop.exposure import EV_MAX, auto_exposure_ev
from flexispd.types import NoiseProfile

QUIET = NoiseProfile((1e-5,) * 4, (1e-9,) * 4, "given")


def scene(stops=6.0, middle=0.1):
    """Luminance spread over so many stops about a middle."""
    return middle * 2 ** torch.linspace(-stops / 2, stops / 2, 10_000).reshape(100, 100)


def test_a_stop_less_light_gets_a_stop_more_exposure():
    """
    The exposure compensates what the camera missed.
    """
    bright, dark = (auto_exposure_ev(scene(middle=m), QUIET) for m in (0.1, 0.05))

    assert dark - bright == pytest.approx(1, abs=0.05)


def test_a_frame_that_is_mostly_dark_is_shown_darker():
    """
    A street at night with some lamps has its average near its darkest parts, and stays low in key.
    """
    night = scene(middle=0.01)
    night[:10] = 1.0
    even = torch.full_like(night, float(torch.exp(torch.log(night).mean())))

    assert auto_exposure_ev(night, QUIET) < auto_exposure_ev(even, QUIET) - 0.3


def test_noise_is_not_lifted_into_sight():
    """
    A frame with much read noise is lifted less than a clean one.
    """
    noisy = NoiseProfile((1e-2,) * 4, (1e-4,) * 4, "given")

    assert auto_exposure_ev(scene(middle=1e-3), noisy) < auto_exposure_ev(scene(middle=1e-3), QUIET) - 1


@pytest.mark.parametrize("luminance", [torch.zeros(8, 8), torch.full((8, 8), torch.nan)])
def test_a_frame_with_nothing_in_it_is_left_alone(luminance):
    """
    Black frames get no exposure at all.
    """
    assert auto_exposure_ev(luminance, QUIET) == 0


def test_the_exposure_is_bounded():
    """
    A cap left on the lens does not become a picture of noise.
    """
    assert auto_exposure_ev(scene(middle=2e-5, stops=1), QUIET) <= EV_MAX


def test_lamps_that_come_into_the_frame_change_the_exposure_gradually():
    """
    A car that passes through a time-lapse must not make it pump: a thousandth of the frame is worth under 0.4 EV.
    """
    found = []
    for share in range(31):
        night = torch.full((100, 100), 0.01)
        night.view(-1)[: 10 * share] = 1.0
        found.append(auto_exposure_ev(night, QUIET))

    assert max(abs(a - b) for a, b in itertools.pairwise(found)) < 0.4


def test_one_more_pixel_of_light_is_no_cliff():
    """
    A black frame in which a few pixels light up is exposed much as one in which a few more do.
    """
    found = []
    for lit in (1, 15, 16, 17):
        frame = torch.zeros(40, 40)
        frame.view(-1)[:lit] = 0.001
        found.append(auto_exposure_ev(frame, QUIET))

    assert max(found) - min(found) < 0.5
