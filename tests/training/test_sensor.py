"""What is made of photographs before a network sees them: light, lamps, noise."""

import numpy as np
import torch
from training_making import plain_cameras

from flexispd.training import sensor
from flexispd.training.sensor import add_imperfections, add_noise, lit_cameras, noise_levels, seen

GRAY = np.full((6, 64, 64, 3), 180, np.uint8)


def test_the_light_of_a_gray_photograph_is_the_neutral_of_its_lamp(monkeypatch):
    """
    Without lamps in the frame, where one light falls alone, every pixel has the color that white has under it.
    """
    monkeypatch.setattr(sensor, "LAMPS_SHARE", 0.0)

    light, neutral = seen(GRAY, plain_cameras(), np.random.default_rng(0))

    dim = light[:3].amax(dim=(1, 2, 3)) < 1  # the first half of a batch has one light each
    ratio = light[:3] / light[:3, 1:2]
    assert dim.any()
    assert torch.allclose(ratio[dim], neutral[:3][dim][:, :, None, None].expand_as(ratio[dim]), atol=1e-4)


def test_lamps_clip_and_glow():
    """
    Some of many dark frames have a lamp that reaches the white level, and light around it.
    """
    random = np.random.default_rng(1)
    dark = np.full((32, 64, 64, 3), 20, np.uint8)

    light, _ = seen(dark, plain_cameras(), random)

    brightest = light.amax(dim=(1, 2, 3))
    share = float((brightest == 1).float().mean())
    assert 0.1 < share < 0.6
    assert light.min() >= 0


def test_noise_has_the_variance_of_its_profile():
    """
    shot * signal + read, in every plane.
    """
    clean = torch.full((2, 4, 128, 128), 0.2)
    levels = noise_levels(2, np.random.default_rng(2))

    noisy = add_noise(clean, levels.shot, levels.read, torch.Generator().manual_seed(1))

    wanted = (levels.shot * 0.2 + levels.read)[..., 0, 0]
    assert torch.allclose(noisy.var(dim=(2, 3)), wanted, rtol=0.1)
    assert torch.allclose(noisy.mean(dim=(2, 3)), torch.full((2, 4), 0.2), atol=0.01)


def test_rows_of_the_mosaic_share_their_noise(monkeypatch):
    """
    R and Gr lie in one row of the sensor, Gb and B in the next.
    """
    monkeypatch.setattr(sensor, "IMPERFECT_SHARE", 1.0)
    read = torch.full((1, 4, 1, 1), 1e-2)

    marred = add_imperfections(
        torch.full((1, 4, 64, 64), 0.5), read, np.random.default_rng(3), torch.Generator().manual_seed(3)
    )

    rows = marred.mean(dim=3)[0]
    rows = rows - rows.mean(dim=1, keepdim=True)
    assert torch.allclose(rows[0], rows[1], atol=3e-4)
    assert torch.allclose(rows[2], rows[3], atol=3e-4)
    assert not torch.allclose(rows[0], rows[2], atol=3e-4)


def test_cameras_between_real_ones_are_the_same_for_the_same_seed(shared_data):
    """
    White is green 1 under every light, and no two seeds give the same cameras.
    """
    spectra = shared_data / "camera/spectra.npz"
    first, again, other = (lit_cameras(spectra, seed, count=3) for seed in (1, 1, 2))

    assert torch.equal(first.matrix, again.matrix)
    assert not torch.equal(first.matrix, other.matrix)
    white = first.matrix.sum(dim=-1)
    assert torch.allclose(white, first.neutral, rtol=0.02)
