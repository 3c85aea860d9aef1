"""Stage 2: what the pixels tell, how the witnesses are mixed, and what a profile gets."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flexispd.decode.metadata import merge
from flexispd.develop import color
from flexispd.develop.light_statistics import Camera, gray_pixels, histograms, thumbnail
from flexispd.develop.networks.illuminant_net import BIN_WIDTH, IlluminantNet
from flexispd.develop.white_balance import (
    NAMED_LIGHTS,
    Witness,
    camera_of,
    cautions,
    estimate,
    exposure_ev,
    judge,
    mix,
    white_balance,
)
from flexispd.profile import WhiteBalanceParams
from flexispd.profile_params import SOURCES, Source
from flexispd.types import ColorMatrix, ShotInfo

MATRICES = (
    ColorMatrix(np.array([[0.7460, -0.2365, -0.0588], [-0.5687, 1.3442, 0.2474], [-0.0624, 0.1156, 0.6584]]), 2856.0),
    ColorMatrix(np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]]), 6504.0),
)
SHOT = ShotInfo(color_matrices=MATRICES)
AUTO, AS_SHOT = WhiteBalanceParams(), WhiteBalanceParams(source="as-shot")


def neutral_of(cct_k: float) -> tuple[float, float, float]:
    return color.white_to_neutral(color.white_xy(cct_k, 0.0), MATRICES)


def scene(neutral: tuple[float, float, float], seed: int = 0, size: int = 192) -> Tensor:
    """Grey and coloured tiles with texture under one light, packed planes (4, size, size)."""
    random = np.random.default_rng(seed)
    tiles = random.uniform(0.1, 0.6, (8, 8, 1)) * random.uniform(0.4, 1.0, (8, 8, 3))
    tiles[random.random((8, 8)) < 0.4] = random.uniform(0.1, 0.6)
    surfaces = np.kron(tiles, np.ones((size // 8, size // 8, 1)))
    lit = surfaces * random.uniform(0.7, 1.0, (size, size, 1)) * np.array(neutral) / max(neutral)
    noisy = lit + random.normal(0, 5e-4, lit.shape)
    return torch.from_numpy(noisy[:, :, [0, 1, 1, 2]].transpose(2, 0, 1).astype(np.float32))


def angle_deg(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    a, b = np.array(first), np.array(second)
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))


@pytest.mark.parametrize("cct_k", [2000, 2700, 4000, 6500, 9000])
def test_grey_pixels_show_the_light(cct_k: int) -> None:
    """From sodium to shade, a scene with grey surfaces in it gives the light away within 3 degrees."""
    found = white_balance(estimate(scene(neutral_of(cct_k)), SHOT, None), AUTO, SHOT)

    assert angle_deg(found.neutral, neutral_of(cct_k)) < 3
    assert set(found.estimates) == {"gray-pixel"}


def test_exposure_does_not_change_the_light() -> None:
    """A frame three stops darker has the same light."""
    planes = scene(neutral_of(3000))
    bright, dark = (white_balance(estimate(p, SHOT, None), AUTO, SHOT) for p in (planes, planes / 8))

    assert angle_deg(bright.neutral, dark.neutral) < 0.5


def test_clipped_lamps_are_left_out() -> None:
    """A lamp that clips is white to the sensor, whatever its colour; the light stays what the scene shows."""
    planes = scene(neutral_of(2400))
    with_lamp = planes.clone()
    with_lamp[:, 40:120, 60:140] = 1.0
    clean, lit = (white_balance(estimate(p, SHOT, None), AUTO, SHOT) for p in (planes, with_lamp))

    assert angle_deg(clean.neutral, lit.neutral) < 2


@pytest.mark.parametrize(
    "planes",
    [torch.zeros(4, 64, 48), torch.ones(4, 64, 48), torch.full((4, 64, 48), math.nan), torch.full((4, 1, 1), 0.2)],
    ids=["black", "white", "not a number", "one cell"],
)
def test_a_frame_that_shows_nothing_gets_the_setting_or_a_guess(planes: Tensor) -> None:
    """The camera's setting if it has one, else 4,500 K; confidence 0, a caution, and never a NaN."""
    setting = neutral_of(3200)
    with_setting = ShotInfo(color_matrices=MATRICES, as_shot_neutral=setting)
    for shot, expected in ((SHOT, neutral_of(4500)), (with_setting, setting)):
        estimates = estimate(planes, shot, IlluminantNet().eval())
        found = white_balance(estimates, AUTO, shot)

        assert found.neutral == pytest.approx(expected, rel=1e-3)
        assert found.confidence == 0
        assert "too dark or too bright" in cautions(estimates, AUTO)[0]


def test_as_shot_is_taken_exactly() -> None:
    """A profile that trusts the camera gets its numbers, not an estimate near them."""
    shot = ShotInfo(color_matrices=MATRICES, as_shot_neutral=(0.71, 1.0, 0.43))
    estimates = estimate(scene(neutral_of(6500)), shot, None)
    found = white_balance(estimates, AS_SHOT, shot)

    assert found.neutral == (0.71, 1.0, 0.43)
    assert found.source == "as-shot"
    assert cautions(estimates, AS_SHOT) == ()


@pytest.mark.parametrize("setting", [None, (-1.0, 0.98, 1.0), (0.0, 1.0, 0.0), (math.nan, 1.0, 1.0)])
def test_as_shot_that_is_absent_falls_back_to_the_estimate(setting: tuple[float, float, float] | None) -> None:
    """Files without a white balance, or with one that cannot be, are estimated, and the receipt says so."""
    shot = ShotInfo(color_matrices=MATRICES, as_shot_neutral=setting)
    estimates = estimate(scene(neutral_of(2700)), shot, None)
    found = white_balance(estimates, AS_SHOT, shot)

    assert found.source == "auto"
    assert angle_deg(found.neutral, neutral_of(2700)) < 3
    assert "no white balance of the camera" in cautions(estimates, AS_SHOT)[0]


def test_kelvin_names_the_light() -> None:
    """The named light is neutralised, and positive tint makes the picture more magenta: grey has less green in it."""
    estimates = estimate(scene(neutral_of(2700)), SHOT, None)
    plain = white_balance(estimates, WhiteBalanceParams(source="kelvin", kelvin=3200), SHOT)
    tinted = white_balance(estimates, WhiteBalanceParams(source="kelvin", kelvin=3200, tint=30), SHOT)

    assert plain.cct_k == pytest.approx(3200, rel=0.01)
    assert plain.confidence == 1
    assert tinted.duv == pytest.approx(0.01, abs=1e-3)
    # Gains are the inverse of the neutral; green's gain, relative to the others, is what falls.
    assert plain.neutral[0] * plain.neutral[2] > tinted.neutral[0] * tinted.neutral[2]


@pytest.mark.parametrize(
    ("source", "cct_k"),
    [
        ("daylight", 5500),
        ("cloudy", 6500),
        ("shade", 7500),
        ("tungsten", 2856),
        ("fluorescent", 4230),
        ("flash", 5500),
        ("sodium", 1960),
    ],
)
def test_a_kind_of_light_is_neutralised_by_its_name(source: Source, cct_k: float) -> None:
    """Each name is a light of a known colour temperature, close to the glowing bodies; the receipt tells the name."""
    estimates = estimate(scene(neutral_of(2700)), SHOT, None)
    found = white_balance(estimates, WhiteBalanceParams(source=source), SHOT)

    assert found.source == source
    assert found.confidence == 1
    assert found.cct_k == pytest.approx(cct_k, rel=0.01)
    assert abs(found.duv) < 0.004
    assert cautions(estimates, WhiteBalanceParams(source=source)) == ()


def test_every_kind_of_light_that_a_profile_may_name_is_known() -> None:
    """The names of the knob and those of the lights are the same."""
    assert set(NAMED_LIGHTS) == set(SOURCES) - {"auto", "as-shot", "kelvin"}


@pytest.mark.parametrize("source", ["tungsten", "kelvin"])
def test_a_named_light_needs_the_cameras_own_matrix(source: Source) -> None:
    """Under another camera's matrix the receipt says that the light is only roughly met."""
    shot = ShotInfo(color_matrices=MATRICES, sources={"color_matrices": "default"})
    estimates = estimate(scene(neutral_of(2700)), shot, None)

    assert "only roughly" in cautions(estimates, WhiteBalanceParams(source=source))[0]


@given(gain_max=st.floats(1, 15.9), cct_k=st.floats(1900, 9000))
@settings(max_examples=30, deadline=None)
def test_no_gain_is_larger_than_the_largest(gain_max: float, cct_k: float) -> None:
    """
    Red and blue are amplified at most so much more than green, or as in daylight; a light that needs less is
    neutralised as before.
    """
    params = WhiteBalanceParams(source="kelvin", kelvin=cct_k)
    estimates = judge(thumbnail(torch.zeros(4, 2, 2)), camera_of(SHOT), SHOT, None)
    plain = white_balance(estimates, params, SHOT).neutral
    limited = white_balance(estimates, dataclasses.replace(params, gain_max=gain_max), SHOT).neutral

    for held, day in zip(limited, estimates.camera.neutral(np.zeros(2)), strict=True):
        assert 1 / held <= max(gain_max, 1 / day) * (1 + 1e-9)
    assert limited == plain or 1 / min(plain) > gain_max


def test_a_light_that_is_held_back_never_turns_green() -> None:
    """The tightest limit shows a bulb as daylight film does, orange, though the camera needs more gain by day."""
    bulb = WhiteBalanceParams(source="tungsten", gain_max=1.0)
    estimates = judge(thumbnail(torch.zeros(4, 2, 2)), camera_of(SHOT), SHOT, None)

    assert white_balance(estimates, bulb, SHOT).neutral == pytest.approx(estimates.camera.neutral(np.zeros(2)))


def test_a_lamp_that_is_not_neutralised_keeps_its_own_colour() -> None:
    """Held back, the neutral lies between the lamp's and daylight's, on the way from one to the other."""
    sodium = WhiteBalanceParams(source="sodium")
    estimates = judge(thumbnail(torch.zeros(4, 2, 2)), camera_of(SHOT), SHOT, None)
    chromas = [
        estimates.camera.chroma(white_balance(estimates, dataclasses.replace(sodium, gain_max=most), SHOT).neutral)
        for most in (16.0, 4.0, 3.0)
    ]

    for more, less in itertools.pairwise(chromas):
        assert np.linalg.norm(less) < 0.95 * np.linalg.norm(more)
        assert less @ more == pytest.approx(np.linalg.norm(less) * np.linalg.norm(more), rel=1e-6)


def test_the_end_of_the_knob_is_no_limit() -> None:
    """At 16 the neutral is the one of a profile without the knob, bit by bit, however blue or red the light."""
    estimates = estimate(scene(neutral_of(2000)), SHOT, None)

    assert (
        white_balance(estimates, AUTO, SHOT).neutral
        == white_balance(estimates, dataclasses.replace(AUTO, gain_max=16.0), SHOT).neutral
    )


def witness(camera: Camera, cct_k: float, deviation: float = 0.1) -> Witness:
    return Witness(camera.chroma(neutral_of(cct_k)), np.eye(2) * deviation**2)


def test_witnesses_who_agree_are_believed_and_those_who_do_not_are_doubted() -> None:
    """Agreement raises the confidence above each one's own, contradiction lowers it."""
    camera = Camera.of(MATRICES)
    agreed = mix([witness(camera, 3000), witness(camera, 3050)], camera)
    torn = mix([witness(camera, 2300), witness(camera, 8000)], camera)

    assert agreed.confidence > witness(camera, 3000).confidence > torn.confidence


def test_two_witnesses_outvote_a_third() -> None:
    """A camera set to daylight in front of warm lamps does not drag the answer half way to daylight."""
    camera = Camera.of(MATRICES)
    mixed = mix([witness(camera, 2500), witness(camera, 2600), witness(camera, 6500, 0.14)], camera)
    cct_k = color.neutral_to_white(camera.neutral(mixed.chroma), MATRICES)[1]

    assert 2400 < cct_k < 3200


class Certain(torch.nn.Module):
    """A network that always gives the same answer."""

    def __init__(self, chroma: tuple[float, float]) -> None:
        super().__init__()
        self.chroma = torch.nn.Parameter(torch.tensor([chroma]))

    def forward(self, *_: Tensor) -> tuple[Tensor, Tensor]:
        return self.chroma.detach(), 1e-3 * torch.eye(2)[None]


def test_grey_pixels_decide_only_where_there_is_no_network() -> None:
    """The network has seen them; the receipt names them all the same."""
    planes = scene(neutral_of(2700))
    said = Camera.of(MATRICES).chroma(neutral_of(4000))
    found = estimate(planes, SHOT, Certain((float(said[0]), float(said[1]))))

    assert set(found.witnesses) == {"network", "gray-pixel"}
    assert found.mixed is not None
    assert angle_deg(found.camera.neutral(found.mixed.chroma), neutral_of(4000)) < 0.5
    assert angle_deg(white_balance(found, AUTO, SHOT).neutral, neutral_of(4000)) < 0.5


def test_the_light_of_an_unknown_camera_is_taken_as_it_was_found() -> None:
    """Under the default matrix a true light may look like none; it is not moved to one that would look right."""
    shot = merge([])
    found = estimate(scene((0.36, 1.0, 0.75)), shot, Certain((-0.4, -0.05)))
    assert found.mixed is not None

    assert white_balance(found, AUTO, shot).neutral == pytest.approx(found.camera.neutral(found.mixed.chroma))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-4, 4), st.floats(-6, 3), st.floats(0.02, 3)), min_size=1, max_size=3))
def test_no_witness_can_break_the_answer(answers: list[tuple[float, float, float]]) -> None:
    """Whatever they say, the answer is finite, and so is its confidence."""
    camera = Camera.of(MATRICES)
    witnesses = [Witness(np.array([red, blue]), np.eye(2) * deviation**2) for red, blue, deviation in answers]
    mixed = mix(witnesses, camera)

    assert np.isfinite(mixed.chroma).all()
    assert 0 <= mixed.confidence <= 1


def test_histograms_do_not_know_the_camera() -> None:
    """The same scene through a camera whose red and blue are weaker gives the same histograms, bin for bin."""
    planes, weaker = scene(neutral_of(4000)), torch.tensor([0.5, 1, 1, 0.7])[:, None, None]
    other = tuple(ColorMatrix(np.diag([0.5, 1, 0.7]) @ m.xyz_to_camera, m.cct_k) for m in MATRICES)
    first = histograms(thumbnail(planes), Camera.of(MATRICES))
    second = histograms(thumbnail(planes * weaker), Camera.of(other))

    # Which pixels are dark is judged by their mean, which changes a little with the camera.
    assert float((first - second).abs().mean()) < 0.003
    assert float(first[0].square().sum()) == pytest.approx(1, abs=1e-4)


def test_an_unknown_camera_has_no_locus() -> None:
    """Under the default colour matrix nobody knows where the camera's lights lie, and the network is told so."""
    small = thumbnail(scene(neutral_of(4000)))
    known, unknown = histograms(small, Camera.of(MATRICES)), histograms(small, camera_of(merge([])))

    assert float(known[5].max()) > 0.9
    assert not unknown[5].any()


def test_what_surrounds_a_lamp_is_seen_apart() -> None:
    """Beside a clipped lamp the frame is orange, elsewhere blue: one histogram holds the orange alone."""
    planes = torch.full((4, 128, 128), 0.2) * torch.tensor([0.4, 1, 1, 1.0])[:, None, None]
    planes[:, 48:80, 48:80] *= torch.tensor([5.0, 1, 1, 0.4])[:, None, None]
    planes[:, 60:68, 60:68] = 1.0
    found = histograms(thumbnail(planes), Camera.of(MATRICES))
    # Rows are red: where most of the weight lies, pixels are blue and surroundings of lamps are redder.
    pixels, halo = (int((plane**2).sum(1).argmax()) for plane in (found[0], found[4]))

    assert halo > pixels + 8


def test_network_is_small_and_unsure_of_itself() -> None:
    """Below 0.3 million parameters; its covariance is positive even for a histogram of one bin."""
    network = IlluminantNet().eval()
    with torch.inference_mode():
        mean, covariance = network(torch.zeros(2, 6, 64, 64), torch.zeros(2, 2))

    assert sum(p.numel() for p in network.parameters()) < 300_000
    assert mean.shape == (2, 2)
    assert (torch.linalg.eigvalsh(covariance) > BIN_WIDTH**2 / 20).all()


def test_a_frame_without_grey_has_no_grey_pixels() -> None:
    """One flat colour has no contrast to judge by."""
    assert gray_pixels(thumbnail(torch.full((4, 64, 64), 0.3)), Camera.of(MATRICES)) is None


def test_exposure_value_needs_time_and_sensitivity() -> None:
    """EV 15 is a sunny day: f/16 at 1/125 s and ISO 100; without a time nothing is known."""
    assert exposure_ev(ShotInfo(iso=100, exposure_s=1 / 125, f_number=16)) == pytest.approx(15, abs=0.1)
    assert exposure_ev(ShotInfo(iso=100)) is None
    assert exposure_ev(ShotInfo(iso=0, exposure_s=1.0)) is None
