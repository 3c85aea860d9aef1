"""
Stage 1: photographs are brought back to what a sensor counts, noise is added, and the network learns to take it away.

The network sees stabilised values and the noise's deviation, so what it has to learn is the look of photographs, not
the look of cameras. Signal: random gamma, exposure and white balance undone. Noise: Poisson photons and Gaussian read
noise over the range of ISO 50 to 100,000 (slopes 6e-5 to 2.5e-2), a little different in each plane.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flexispd.develop.anscombe import Anscombe
from flexispd.develop.networks.denoise_unet import DenoiseUNet
from flexispd.training.demosaic import mosaic_planes
from flexispd.training.loop import Task
from flexispd.training.photos import PatchSampler, Photos

PATCH_PX = 128
BATCH = 8

VALIDATION_LEVELS = ((2e-4, 2e-7), (8e-4, 1e-6), (3.2e-3, 8e-6), (1.28e-2, 8e-5))
"""(shot, read) of about ISO 800, 3200, 12800 and 51200 on a large sensor."""

Generator = np.random.Generator


def _column(values: NDArray[np.float64]) -> Tensor:
    """(B, 4) numbers as a tensor (B, 4, 1, 1)."""
    return torch.from_numpy(values.astype(np.float32))[:, :, None, None]


def sensor_planes(photos: NDArray[np.uint8], random: Generator) -> Tensor:
    """Photographs (B, H, W, 3) as clean linear planes (B, 4, H/2, W/2) of a random camera in random light."""
    count = len(photos)
    encoded = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
    gamma = torch.from_numpy(random.uniform(1.8, 2.6, (count, 1, 1, 1)).astype(np.float32))
    neutral = np.exp(random.uniform(np.log([0.3, 1.0, 0.25]), np.log([1.1, 1.0 + 1e-9, 1.0]), (count, 3)))
    exposure = 2.0 ** random.uniform(-5, 0.5, (count, 1))
    scale = torch.from_numpy((neutral * exposure).astype(np.float32))[:, :, None, None]
    return mosaic_planes((encoded**gamma * scale).clamp(0, 1))


def noise_levels(count: int, random: Generator) -> Anscombe:
    """Random noise profiles (count, 4, 1, 1); read noise goes with shot noise as it does in cameras."""
    shot = np.exp(random.uniform(np.log(6e-5), np.log(2.5e-2), (count, 1)))
    read = shot * np.exp(random.uniform(np.log(3e-4), np.log(2e-2), (count, 1)))
    shot = shot * np.exp(random.normal(0, 0.1, (count, 4)))
    return Anscombe.of(_column(shot), _column(read.repeat(4, axis=1)))


def add_noise(clean: Tensor, shot: Tensor, read: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson photons of `1 / shot` a unit of signal, and Gaussian read noise of variance `read`."""
    photons = torch.poisson(clean / shot, generator=generator)
    return photons * shot + torch.randn(clean.shape, generator=generator) * torch.sqrt(read)


def task(photos: Photos, kept: Photos, seed: int) -> Task:
    """The denoising task; the figure is the mean PSNR of linear planes over four levels and the kept photographs."""
    sampler = PatchSampler(photos, PATCH_PX)
    validation = [_validation_pair(photo, level) for photo in kept for level in VALIDATION_LEVELS]

    def loss(module: nn.Module, step: int) -> Tensor:
        random = np.random.default_rng([seed, step])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        clean = sensor_planes(sampler.batch(BATCH, random), random)
        stable = noise_levels(BATCH, random)
        noisy = add_noise(clean, stable.shot, stable.read, generator)
        deviation = stable.deviation
        out: Tensor = module(stable.forward(noisy), deviation)
        # Between the plain error, which only sees the noisiest frames, and the error in deviations, which only sees
        # the cleanest.
        return ((out - stable.forward(clean)).abs() / deviation.sqrt()).mean()

    def validate(module: nn.Module) -> float:
        with torch.inference_mode():
            return float(np.mean([_psnr(module, *pair) for pair in validation]))

    return Task(loss, validate, figure="psnr_db")


def _validation_pair(photo: NDArray[np.uint8], level: tuple[float, float]) -> tuple[Tensor, Tensor, Anscombe]:
    height, width = (min(length, 256) & ~7 for length in photo.shape[:2])  # the network halves planes twice
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    cut = torch.from_numpy(photo[top : top + height, left : left + width].copy()).permute(2, 0, 1)[None] / 255
    scale = 0.25 * torch.tensor([1 / 2, 1, 1 / 1.6])[None, :, None, None]
    clean = mosaic_planes(cut**2.2 * scale)
    shot, read = (torch.full((1, 4, 1, 1), value) for value in level)
    return clean, add_noise(clean, shot, read, torch.Generator().manual_seed(0)), Anscombe.of(shot, read)


def _psnr(module: nn.Module, clean: Tensor, noisy: Tensor, stable: Anscombe) -> float:
    out = stable.inverse(module(stable.forward(noisy), stable.deviation)).clamp(0, 1)
    return float(-10 * torch.log10(((out - clean) ** 2).mean()))


def network() -> nn.Module:
    """An untrained network of size S."""
    return DenoiseUNet()
