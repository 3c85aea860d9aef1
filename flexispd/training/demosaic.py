"""
Stage 3's demosaicking: photographs are sampled through a Bayer pattern, and the network learns to undo it.

The network works on encoded values, so finished photographs serve as they are. Half of the patches have their
colours torn apart (saturation, a random matrix, gamma and gain of each channel): photographs are nearly grey in their
fine detail, and a network that has only seen those trusts green for everything. Night scenes are not like that.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.training.loop import Task
from flexispd.training.photos import PatchSampler, Photos

PATCH_PX = 64
BATCH = 16

TORN_SHARE = 0.5
"""Share of the patches whose colours are torn apart."""


def mosaic_planes(rgb: Tensor) -> Tensor:
    """Sample (B, 3, 2h, 2w) through an RGGB pattern into the planes (B, 4, h, w) R, Gr, Gb, B."""
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    sites = [red[:, ::2, ::2], green[:, ::2, 1::2], green[:, 1::2, ::2], blue[:, 1::2, 1::2]]
    return torch.stack(sites, dim=1).contiguous(memory_format=torch.channels_last)


def tear_colors(rgb: Tensor, random: np.random.Generator) -> Tensor:
    """Change the colours of (B, 3, H, W) patches, most of them strongly; values stay within 0..1."""
    count = rgb.shape[0]
    gray = rgb.mean(dim=1, keepdim=True)
    saturation = torch.from_numpy(random.uniform(1, 2.8, (count, 1, 1, 1)).astype(np.float32))
    mix = np.eye(3) + random.normal(0, 0.2, (count, 3, 3))
    mix /= mix.sum(axis=2, keepdims=True)
    mixed = torch.einsum("bij,bjhw->bihw", torch.from_numpy(mix.astype(np.float32)), gray + saturation * (rgb - gray))
    gamma = torch.from_numpy(np.exp(random.normal(0, 0.3, (count, 3, 1, 1))).astype(np.float32))
    gain = torch.from_numpy(random.uniform(0.5, 1.0, (count, 3, 1, 1)).astype(np.float32))
    torn = gain * mixed.clamp(1e-4, 1) ** gamma
    chosen = torch.from_numpy(random.random((count, 1, 1, 1)) < TORN_SHARE)
    return torch.where(chosen, torn, rgb)


def task(photos: Photos, kept: Photos, seed: int) -> Task:
    """The demosaicking task on these photographs; the figure is cPSNR over the photographs that were kept back."""
    validation = [torch.from_numpy(_center(photo)).permute(2, 0, 1)[None] / 255 for photo in kept]
    sampler = PatchSampler(photos, PATCH_PX)

    def loss(module: nn.Module, step: int) -> Tensor:
        random = np.random.default_rng([seed, step])
        rgb = torch.from_numpy(sampler.batch(BATCH, random)).permute(0, 3, 1, 2).float() / 255
        rgb = tear_colors(rgb, random)
        out: Tensor = module(mosaic_planes(rgb))
        return (out - rgb).abs().mean()

    def validate(module: nn.Module) -> float:
        with torch.inference_mode():
            errors = [((module(mosaic_planes(rgb)).clamp(0, 1) - rgb) ** 2).mean() for rgb in validation]
        return float(np.mean([-10 * np.log10(error.item()) for error in errors]))

    return Task(loss, validate, figure="cpsnr_db")


def _center(photo: NDArray[np.uint8], edge_px: int = 384) -> NDArray[np.uint8]:
    """The middle of a photograph, with even edges."""
    top, left = (max(0, (length - edge_px) // 2) for length in photo.shape[:2])
    cut = photo[top : top + edge_px, left : left + edge_px]
    return cut[: cut.shape[0] // 4 * 4, : cut.shape[1] // 4 * 4]


def network() -> nn.Module:
    """An untrained network of size S."""
    return DemosaicUNet()
