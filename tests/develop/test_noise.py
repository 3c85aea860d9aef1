"""Noise is read off a frame when no metadata tells it."""

import numpy as np
import pytest
import torch

from flexispd.develop import noise as module
from flexispd.develop.anscombe import Anscombe
from flexispd.develop.noise import estimate_noise
from flexispd.training.denoise import VALIDATION_LEVELS
from flexispd.training.sensor import add_noise


def scene(seed=0, size=512):
    """Clean planes with gradients, edges and a textured third."""
    random = np.random.default_rng(seed)
    ramp = torch.linspace(0.01, 0.6, size)[None, :].expand(size, size).clone()
    ramp[: size // 2] *= 0.4
    ramp[size // 3 : size // 2, ::7] *= 0.5
    texture = torch.from_numpy(random.uniform(0.7, 1.3, (size // 3, size)).astype(np.float32))
    ramp[-(size // 3) :] *= texture
    return torch.stack([0.5 * ramp, ramp, ramp, 0.7 * ramp])


@pytest.mark.parametrize(("shot", "read"), VALIDATION_LEVELS)
def test_shot_noise_is_found_within_a_third(shot, read):
    """
    From ISO 800 to 51200; denoising loses little to an error of this size.
    """
    noisy = add_noise(scene(), torch.tensor(shot), torch.tensor(read), torch.Generator().manual_seed(1))

    found = estimate_noise(noisy)

    assert found.source == "estimated"
    assert found.shot[1] == pytest.approx(shot, rel=0.33)


def test_read_noise_is_found_in_a_dark_frame():
    """
    A frame with almost no light shows its read noise.
    """
    noisy = add_noise(0.01 * scene(), torch.tensor(1e-6), torch.tensor(4e-6), torch.Generator().manual_seed(1))

    assert estimate_noise(noisy).read[1] == pytest.approx(4e-6, rel=0.33)


def test_the_quietest_quantile_is_what_pure_noise_shows():
    """
    The constant that turns the quantile of patch variances into the variance, measured again.
    """
    generator = torch.Generator().manual_seed(0)
    strips = 0.01 * torch.randn(200, 1, module.PATCH, 100 * module.PATCH, generator=generator)
    found = module.variances(strips).numpy() / 1e-4

    assert np.quantile(found, module.QUIETEST) == pytest.approx(module.QUIETEST_RATIO, abs=0.02)


@pytest.mark.parametrize("planes", [torch.zeros(4, 64, 64), torch.ones(4, 64, 64), torch.zeros(4, 4, 4)])
def test_a_frame_without_noise_to_read_gets_a_small_finite_profile(planes):
    """
    Black, clipped and tiny frames are not an error, and the profile is never zero.
    """
    found = estimate_noise(planes)

    assert 0 < found.shot[0] < 1e-5
    assert 0 < found.read[0] < 1e-5


@pytest.mark.parametrize(("shot", "read"), [(1e-9, 0.0), (1e-3, 0.0), (2.5e-2, 1e-3), (1e-7, 1e-2)])
def test_the_anscombe_transform_keeps_black_and_white_and_is_undone(shot, read):
    """
    0 stays 0 and 1 stays 1 for every profile, and the inverse gives the signal back.
    """
    stable = Anscombe.of(torch.tensor(shot), torch.tensor(read))
    signal = torch.linspace(0, 1, 101)

    assert stable.forward(signal)[[0, -1]].tolist() == pytest.approx([0, 1], abs=1e-5)
    assert torch.allclose(stable.inverse(stable.forward(signal)), signal, atol=2e-4)


def test_the_anscombe_transform_makes_noise_even():
    """
    After it, dark and bright parts have the deviation that the network is told.
    """
    shot, read = torch.tensor(3.2e-3), torch.tensor(8e-6)
    stable = Anscombe.of(shot, read)
    for level in (0.05, 0.2, 0.8):
        noisy = add_noise(torch.full((400, 400), level), shot, read, torch.Generator().manual_seed(3))

        assert stable.forward(noisy).std().item() == pytest.approx(stable.deviation.item(), rel=0.05)
