"""
Stage 1: photographs are brought back to what a sensor counts, noise is added, and the network learns to take it away.

The network sees stabilised values and the noise's deviation, so what it has to learn is the look of photographs, not
the look of cameras. What it is told of the noise may be wrong, as the profiles of files are: then it learns to look.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flexispd.develop.anscombe import Anscombe
from flexispd.training.demosaic import mosaic_planes
from flexispd.training.loop import Task
from flexispd.training.photos import PatchSampler, Photos, cell_weights, center
from flexispd.training.recipe import Recipe
from flexispd.training.sensor import Lit, add_imperfections, add_noise, noise_levels, seen

VALIDATION_LEVELS = ((2e-4, 2e-7), (8e-4, 1e-6), (3.2e-3, 8e-6), (1.28e-2, 8e-5))
"""(shot, read) of about ISO 800, 3200, 12800 and 51200 on a large sensor."""

MINING_LEVEL = VALIDATION_LEVELS[2]

DOUBTED_SHARE = 0.5
"""Share of the patches for which the network is told a wrong profile, where a recipe wants doubt."""


def task(photos: Photos, kept: Photos, lit: Lit, recipe: Recipe) -> Task:
    """The denoising task; the figure is the mean PSNR of linear planes over four levels and the kept photographs."""
    sampler, seed, data = PatchSampler(photos, recipe.data.patch_px), recipe.schedule.seed, recipe.data
    device = lit.matrix.device
    validation = [_validation_pair(photo, level) for photo in kept for level in VALIDATION_LEVELS]

    def sample(step: int) -> tuple[int, NDArray[np.uint8]]:
        return step, sampler.batch(data.batch, np.random.default_rng([seed, step]))

    def loss(module: nn.Module, drawn: tuple[int, NDArray[np.uint8]]) -> Tensor:
        step, patches = drawn
        random = np.random.default_rng([seed, step, 1])
        generator = torch.Generator(device).manual_seed(int(random.integers(2**62)))
        clean = mosaic_planes(seen(patches, lit, random)[0])
        true = noise_levels(len(patches), random, device)
        noisy = add_noise(clean, true.shot, true.read, generator)
        noisy = add_imperfections(noisy, true.read, random, generator)
        told = _told(true, data.doubt, random)
        out: Tensor = module(told.forward(noisy), told.deviation)
        return _deviation(out - told.forward(clean), clean, told).mean()

    def validate(module: nn.Module) -> float:
        with torch.inference_mode():
            return float(np.mean([_psnr(module, device, *pair) for pair in validation]))

    def mine(module: nn.Module) -> list[Tensor]:
        with torch.inference_mode():
            return cell_weights([_errors(module, device, photo) for photo in sampler.photos])

    return Task(loss, validate, "psnr_db", sample, data.batch, sampler, mine)


def _deviation(error: Tensor, clean: Tensor, told: Anscombe) -> Tensor:
    """
    The root of each patch's mean squared `error` in stabilised units, (B,), as a figure in decibels sees it.

    Half of it counts errors as the eye does, all tones alike, half as linear light does, bright ones more. Both lie
    between the plain deviation, which only sees the noisiest frames, and the one in units of the noise, which only sees
    the cleanest.
    """
    variance = told.shot * clean + told.dark
    squared = error.square() / told.deviation
    bright = variance / variance.mean((1, 2, 3), keepdim=True)
    alike, linear = (of.mean((1, 2, 3)).add(1e-8).sqrt() for of in (squared, squared * bright))
    return (alike + linear) / 2


def _told(true: Anscombe, doubt: float, random: np.random.Generator) -> Anscombe:
    """The profiles that the network is told: the true ones, some of them off by a factor of up to 2^doubt."""
    count = len(true.shot)
    wrong = 2.0 ** np.where(random.random(count) < DOUBTED_SHARE, random.uniform(-doubt, doubt, count), 0)
    factor = torch.from_numpy(wrong.astype(np.float32)).to(true.shot.device)[:, None, None, None]
    return Anscombe.of(true.shot * factor, true.read * factor)


def sensor_light(photo: NDArray[np.uint8]) -> Tensor:
    """
    A photograph (H, W, 3) as dim, flatly lit sensor RGB (1, 3, H, W), always the same: (x^2.2) / 4, gains undone.

    The light of models that are compared on Kodak's pictures: white balance gains of 2, 1 and 1.6.
    """
    encoded = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
    return encoded**2.2 * 0.25 * torch.tensor([1 / 2, 1, 1 / 1.6])[None, :, None, None]


def _noisy(clean: Tensor, level: tuple[float, float]) -> tuple[Tensor, Anscombe]:
    shot, read = (torch.full((1, 4, 1, 1), value) for value in level)
    return add_noise(clean, shot, read, torch.Generator().manual_seed(0)), Anscombe.of(shot, read)


def _validation_pair(photo: NDArray[np.uint8], level: tuple[float, float]) -> tuple[Tensor, Tensor, Anscombe]:
    clean = mosaic_planes(sensor_light(center(photo, 256, 8)))
    return clean, *_noisy(clean, level)


def _quiet(module: nn.Module, device: torch.device, noisy: Tensor, stable: Anscombe) -> Tensor:
    """What a module on `device` leaves of noisy planes, on the CPU."""
    on = Anscombe(stable.shot.to(device), stable.read.to(device))
    quiet: Tensor = on.inverse(module(on.forward(noisy.to(device)), on.deviation))
    return quiet.cpu()


def _psnr(module: nn.Module, device: torch.device, clean: Tensor, noisy: Tensor, stable: Anscombe) -> float:
    out = _quiet(module, device, noisy, stable).clamp(0, 1)
    return float(-10 * torch.log10(((out - clean) ** 2).mean()))


def _errors(module: nn.Module, device: torch.device, photo: NDArray[np.uint8]) -> Tensor:
    """Squared errors (H, W) in stabilised units, one a pixel of the photograph; what is cut off counts as right."""
    height, width = (length & ~7 for length in photo.shape[:2])
    clean = mosaic_planes(sensor_light(photo[:height, :width]))
    noisy, stable = _noisy(clean, MINING_LEVEL)
    error = stable.forward(_quiet(module, device, noisy, stable)) - stable.forward(clean)
    errors = torch.zeros(photo.shape[:2])
    errors[:height, :width] = torch.kron(error.square().mean(1)[0], torch.ones(2, 2))
    return errors


def quieten(module: nn.Module) -> Callable[[Tensor, Anscombe], Tensor]:
    """A trained network as a function from noisy planes and their profile to clean planes, without gradients."""

    def quiet(noisy: Tensor, stable: Anscombe) -> Tensor:
        with torch.no_grad():
            return stable.inverse(module(stable.forward(noisy), stable.deviation))

    return quiet
