"""A frame that is made small keeps the light of the large one."""

from dataclasses import replace

import numpy as np
import pytest

from flexispd.bench.light_methods import angle_deg
from flexispd.decode import read_mosaic
from flexispd.demo import night_raw
from flexispd.develop.binning import binned
from flexispd.develop.models import load_models
from flexispd.develop.quick import found_light, under_light
from flexispd.pipeline import develop
from flexispd.profile import WhiteBalanceParams, load_profile
from flexispd.types import Capture


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """A street at night under many lamps."""
    path = tmp_path_factory.mktemp("frame") / "night.dng"
    path.write_bytes(night_raw(720, 480))
    return read_mosaic(Capture(path))


@pytest.fixture(scope="module")
def neutral():
    return load_profile("neutral")


@pytest.fixture(scope="module")
def models(neutral):
    return load_models([neutral], "cpu")


def test_the_small_frame_is_developed_under_the_light_of_the_large_one(frame, neutral, models):
    """
    The neutral is the one that was found, and within two degrees of the one that rendering finds behind the noise.
    """
    light = found_light(frame, neutral.model, models)
    assert light is not None

    (large,) = develop(frame, [neutral], models)
    (small,) = develop(binned(frame, 3), [under_light(neutral, light)], models)

    assert small.report["illuminant"].neutral == pytest.approx(light.neutral, rel=1e-3)
    rendered = np.array(large.report["illuminant"].neutral)
    assert angle_deg(np.array(small.report["illuminant"].neutral), rendered) < 2


@pytest.mark.parametrize("source", ["as-shot", "kelvin"])
def test_a_profile_that_names_its_light_keeps_it(frame, neutral, models, source):
    """
    Only one that asks for the light is told.
    """
    named = replace(neutral, white_balance=WhiteBalanceParams(source=source))

    assert under_light(named, found_light(frame, neutral.model, models)) is named
    assert under_light(neutral, None) is neutral
