"""
Stage 3's demosaicking: photographs are sampled through a Bayer pattern, and the network learns to undo it.

The network works on encoded values, so finished photographs serve as they are. Some of the patches have their colours
torn apart (saturation, a random matrix, gamma and gain of each channel): photographs are nearly grey in their fine
detail, and a network that has only seen those trusts green for everything. Night scenes are not like that. Others are
seen by a camera, noisy, and come through stage 1, as in the pipeline: what that leaves behind and what it smooths away
is then no surprise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flexispd.develop.anscombe import Anscombe
from flexispd.develop.demosaic import encode
from flexispd.training.loop import Task
from flexispd.training.photos import PatchSampler, Photos, cell_weights, center
from flexispd.training.recipe import Recipe
from flexispd.training.sensor import Lit, add_noise, noise_levels, seen

Quieten = Callable[[Tensor, Anscombe], Tensor]
"""Stage 1: noisy linear planes (B, 4, h, w) and their noise to clean ones."""


def mosaic_planes(rgb: Tensor) -> Tensor:
    """Sample (B, 3, 2h, 2w) through an RGGB pattern into the planes (B, 4, h, w) R, Gr, Gb, B."""
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    sites = [red[:, ::2, ::2], green[:, ::2, 1::2], green[:, 1::2, ::2], blue[:, 1::2, 1::2]]
    return torch.stack(sites, dim=1).contiguous(memory_format=torch.channels_last)


def tear_colors(rgb: Tensor, share: float, random: np.random.Generator) -> Tensor:
    """Change the colours of a share of (B, 3, H, W) patches, most of those strongly; values stay within 0..1."""
    count, device = rgb.shape[0], rgb.device

    def moved(values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(device)

    gray = rgb.mean(dim=1, keepdim=True)
    saturation = moved(random.uniform(1, 2.8, (count, 1, 1, 1)))
    mix = np.eye(3) + random.normal(0, 0.2, (count, 3, 3))
    mix /= mix.sum(axis=2, keepdims=True)
    mixed = torch.einsum("bij,bjhw->bihw", moved(mix), gray + saturation * (rgb - gray))
    gamma = moved(np.exp(random.normal(0, 0.3, (count, 3, 1, 1))))
    gain = moved(random.uniform(0.5, 1.0, (count, 3, 1, 1)))
    torn = gain * mixed.clamp(1e-4, 1) ** gamma
    chosen = torch.from_numpy(random.random((count, 1, 1, 1)) < share).to(device)
    return torch.where(chosen, torn, rgb)


def task(photos: Photos, kept: Photos, lit: Lit | None, quieten: Quieten | None, recipe: Recipe) -> Task:
    """
    The demosaicking task on these photographs; the figure is cPSNR over the photographs that were kept back.

    Args:
        lit, quieten: Cameras, and stage 1, for the recipe's `chain_share`; None where that is 0.
    """
    validation = [torch.from_numpy(center(photo, 384, 4).copy()).permute(2, 0, 1)[None] / 255 for photo in kept]
    sampler, seed, data = PatchSampler(photos, recipe.data.patch_px), recipe.schedule.seed, recipe.data

    def sample(step: int) -> tuple[int, NDArray[np.uint8]]:
        return step, sampler.batch(data.batch, np.random.default_rng([seed, step]))

    def loss(module: nn.Module, drawn: tuple[int, NDArray[np.uint8]]) -> Tensor:
        step, patches = drawn
        random, device = np.random.default_rng([seed, step, 1]), _device(module)
        chained = round(data.chain_share * len(patches)) if lit is not None and quieten is not None else 0
        rgb = torch.from_numpy(patches[chained:]).to(device).permute(0, 3, 1, 2).float() / 255
        wanted = tear_colors(rgb, data.torn_share, random)
        planes = mosaic_planes(wanted)
        if chained and lit is not None and quieten is not None:
            through, clean = _chained(patches[:chained], lit, quieten, random)
            planes, wanted = torch.cat([through, planes]), torch.cat([clean, wanted])
        out: Tensor = module(planes.contiguous(memory_format=torch.channels_last))
        # Each patch's deviation. The plain error hardly sees the few wrong edges, the squared one little else.
        return (out - wanted).square().mean((1, 2, 3)).add(1e-8).sqrt().mean()

    def validate(module: nn.Module) -> float:
        device = _device(module)
        with torch.inference_mode():
            errors = [_error(module, rgb.to(device)).mean() for rgb in validation]
        return float(np.mean([-10 * np.log10(error.item()) for error in errors]))

    def mine(module: nn.Module) -> list[Tensor]:
        device = _device(module)
        with torch.inference_mode():
            return cell_weights([_errors(module, device, photo) for photo in sampler.photos])

    return Task(loss, validate, "cpsnr_db", sample, data.batch, sampler, mine)


def _chained(
    patches: NDArray[np.uint8], lit: Lit, quieten: Quieten, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Patches as stage 3 gets them, (B, 4, h, w) after stage 1, and as it should give them, (B, 3, 2h, 2w)."""
    light, neutral = seen(patches, lit, random)
    generator = torch.Generator(light.device).manual_seed(int(random.integers(2**62)))
    noise = noise_levels(len(patches), random, light.device)
    quiet = quieten(add_noise(mosaic_planes(light), noise.shot, noise.read, generator), noise)
    gains = (neutral.amin(dim=1, keepdim=True) / neutral)[:, :, None, None]
    return encode(quiet * gains[:, [0, 1, 1, 2]]), encode(light * gains)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _error(module: nn.Module, rgb: Tensor) -> Tensor:
    """Squared errors (B, 3, H, W) of a network on the mosaic of finished pictures."""
    out: Tensor = module(mosaic_planes(rgb))
    return (out.clamp(0, 1) - rgb).square()


def _errors(module: nn.Module, device: torch.device, photo: NDArray[np.uint8]) -> Tensor:
    """Squared errors (H, W), one a pixel of the photograph; what is cut off counts as right."""
    height, width = (length // 4 * 4 for length in photo.shape[:2])
    rgb = torch.from_numpy(photo[:height, :width].copy()).to(device).permute(2, 0, 1)[None].float() / 255
    errors = torch.zeros(photo.shape[:2])
    errors[:height, :width] = _error(module, rgb)[0].mean(0).cpu()
    return errors
