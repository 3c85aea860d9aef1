"""Scenes under known lamps: spectra that this file makes up are as good as measured ones for the rules."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from flexispd.develop import color
from flexispd.develop.light_statistics import weighed
from flexispd.develop.networks.architectures import build
from flexispd.errors import SetupError
from flexispd.training import lit_scenes
from flexispd.training.lit_scenes import LitScene
from flexispd.training.spectra import Spectra, SpectralCamera, load
from flexispd.training.white_balance import Pool, make_scene, surprise

NM = np.arange(380.0, 781.0, 5.0)


def hump(middle: float, width: float) -> np.ndarray:
    return np.exp(-(((NM - middle) / width) ** 2) / 2)


@pytest.fixture(scope="module")
def spectra() -> Spectra:
    """An observer near the real one, two cameras, smooth reflectances, and a lamp of each kind."""
    observer = np.stack([hump(600, 38) + 0.33 * hump(445, 20), hump(555, 45), 1.75 * hump(449, 24)], axis=1)
    cameras = np.stack([np.stack([hump(605 + d, 28), hump(540 + d, 40), hump(460 + d, 28)], axis=1) for d in (0, 4)])
    random = np.random.default_rng(1)
    waves = np.array([np.ones_like(NM), (NM - 580) / 200, np.cos((NM - 380) / 60), np.sin((NM - 380) / 90)])
    reflectance = np.clip(0.4 + random.normal(0, 0.15, (60, 4)) @ waves, 0.02, 0.95)
    kinds = ("sodium", "monochrome", "mercury", "halide", "led", "fluorescent")
    lamps = {kind: np.stack([hump(m, 30) + 0.2]) for kind, m in zip(kinds, (590, 589, 550, 540, 560, 580), strict=True)}
    daylight = np.stack([np.full_like(NM, 100.0), (580 - NM) / 4, np.zeros_like(NM)])
    return Spectra(NM, ("first", "second"), cameras, reflectance, observer, lamps, daylight)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    random = np.random.default_rng(2)
    return [np.kron(random.integers(0, 255, (12, 18, 3)), np.ones((20, 20, 1))).astype(np.uint8) for _ in range(3)]


def test_white_stays_white_in_every_light(spectra: Spectra) -> None:
    """A camera that is balanced sees a white surface as white under any lamp, even one that shows no colours."""
    camera = SpectralCamera(spectra, spectra.sensitivity[0])
    for light in (spectra.black_body(2000), spectra.sky(6500), spectra.lamps["monochrome"][0]):
        assert np.allclose(camera.look(light) @ np.ones(3), 1, atol=0.01)


def test_fitted_matrix_gives_the_neutral_of_its_own_light(spectra: Spectra) -> None:
    """The colour matrix, made as a camera's maker makes it, leads from the light to what the sensor sees."""
    camera = SpectralCamera(spectra, spectra.sensitivity[1])
    light = spectra.black_body(2856)
    xyz = light @ spectra.observer
    seen = camera.matrix(light, 2856.0).xyz_to_camera @ xyz

    assert np.allclose(seen / seen[1], camera.neutral(light), atol=0.01)


def test_same_seed_makes_the_same_scene(spectra: Spectra, photos: list[np.ndarray]) -> None:
    """Training data is a function of its seed."""
    first, again, other = (make_scene(photos, spectra.sensitivity, spectra, (5, n)) for n in (0, 0, 1))

    assert torch.equal(first.small.rgb, again.small.rgb)
    assert np.array_equal(first.neutral, again.neutral)
    assert not np.array_equal(first.neutral, other.neutral)
    assert first.neutral[1] == 1


def test_light_of_a_frame_is_the_mean_of_what_falls_on_the_pixels_that_can_be_seen() -> None:
    """Where the frame is clipped nobody sees which light falls there: the other half decides. Brighter counts more."""
    warm, cold = np.array([2.0, 1.0, 0.5]), np.array([1.0, 1.0, 1.0])
    light = np.concatenate([np.full((40, 20, 3), warm), np.full((40, 20, 3), cold)], axis=1).astype(np.float32)
    rgb = torch.full((3, 40, 40), 0.25)
    rgb[:, :, 20:] = 1.0
    everywhere = torch.ones(40, 40, dtype=torch.bool)

    assert np.allclose(lit_scenes.mean_light(light, weighed(rgb, rgb[0] < 0.9)), warm)
    assert np.allclose(lit_scenes.mean_light(light, weighed(rgb, everywhere)), (warm + 2 * cold) / 3)
    assert np.allclose(lit_scenes.mean_light(light, weighed(0 * rgb, everywhere)), (warm + cold) / 2)


@pytest.mark.parametrize("reach", [2.0, 12.0])
def test_lens_strews_the_same_share_of_a_lamps_light_however_far(reach: float) -> None:
    """Veiling glare: what a lamp adds around itself is a share of what it sends."""
    y, x = np.mgrid[-200:201, -200:201].astype(np.float32)
    lit = lit_scenes.lamp(np.hypot(y, x), radius=4.0, reach=reach, strewn=0.03)
    disc = lit_scenes.lamp(np.hypot(y, x), radius=4.0, reach=reach, strewn=0.0)

    assert (lit - disc).sum() == pytest.approx(0.03 * np.pi * 4.0**2, rel=0.03)
    assert disc.sum() == pytest.approx(np.pi * 4.0**2, rel=0.15)  # of few pixels


def test_under_one_light_the_truth_is_its_neutral(
    spectra: Spectra, photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the frame is lit, exposed, and strewn with lamps of other colours."""
    light = spectra.black_body(2500)
    monkeypatch.setattr(lit_scenes, "_lights", lambda *_: ([light], 3.0))
    neutral = SpectralCamera(spectra, spectra.sensitivity[0]).neutral(light)

    for seed in range(5):
        assert np.allclose(make_scene(photos, spectra.sensitivity[:1], spectra, (6, seed)).neutral, neutral, atol=1e-5)


def test_network_learns_from_examples(spectra: Spectra, photos: list[np.ndarray]) -> None:
    """A few steps on a few examples make the truth less surprising."""
    torch.manual_seed(3)
    shown = Pool(lambda number: make_scene(photos, spectra.sensitivity, spectra, (4, number)), 8).first(8)
    module = build("illuminant-net")
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        mean, covariance = module(*shown.shown(torch.arange(len(shown.chroma))))
        loss = surprise(mean, covariance, shown.chroma)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < losses[0] - 0.1


def test_scenes_are_made_when_they_are_needed_and_every_third_is_a_strangers_too(
    spectra: Spectra, photos: list[np.ndarray]
) -> None:
    """A pool makes each scene once, stops at its end, and withholds the colour matrix of one camera in three."""
    made = []

    def make(number: int) -> LitScene:
        made.append(number)
        return make_scene(photos, spectra.sensitivity, spectra, (4, number))

    pool = Pool(make, 5)
    few, all_of_them = pool.first(2), pool.first(9)

    assert made == [0, 1, 2, 3, 4]
    assert len(few.chroma) == 3
    assert all_of_them.stranger.tolist() == [False, True, False, False, False, True, False]
    assert torch.equal(few.histograms, all_of_them.histograms[:3])
    # The light is the same; what differs is the daylight that it is measured from.
    for known, withheld in ((0, 1), (4, 5)):
        lights = [all_of_them.neutral_rb[i] * torch.exp(all_of_them.chroma[i]) for i in (known, withheld)]
        assert torch.allclose(lights[0], lights[1], rtol=1e-4)
        assert all_of_them.histograms[known, 5].any()
        assert not all_of_them.histograms[withheld, 5].any()


def test_missing_colour_science_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training without the extra tells which command installs it."""
    monkeypatch.setitem(sys.modules, "colour", None)

    with pytest.raises(SetupError, match="flexispd\\[train\\]"):
        load(Path("anything.npz"))


def test_daylight_of_6504_k_is_white_to_the_standard_observer(shared_data: Path) -> None:
    """With the real tables, the sky's chromaticity is D65's and a black body's temperature is its own."""
    pytest.importorskip("colour", reason="colour-science is not installed")
    real = load(shared_data / "camera" / "spectra.npz")
    for light, xy in ((real.sky(6504), color.D65_XY), (real.black_body(2856), (0.44757, 0.40745))):
        xyz = light @ real.observer
        assert xyz[:2] / xyz.sum() == pytest.approx(xy, abs=5e-4)
