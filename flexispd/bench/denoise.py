"""
How much of a known noise is taken out of a known mosaic?

Pictures become sensor light (x^2.2 a quarter as bright, white balance of 2, 1, 1.6 undone, RGGB) and get Poisson
photons and Gaussian read noise of four levels, about ISO 800, 3200, 12800 and 51200 of a large sensor. PSNR is that of
the packed, linear planes; its mean over the pictures is quoted.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flexispd.bench.result import BenchResult, Row, read_pictures
from flexispd.develop.denoise import denoise
from flexispd.develop.models import load_models
from flexispd.develop.noise import estimate_noise
from flexispd.develop.tiling import Tiling
from flexispd.profile import Profile
from flexispd.training.demosaic import mosaic_planes
from flexispd.training.denoise import VALIDATION_LEVELS
from flexispd.training.photos import UInt8
from flexispd.training.sensor import add_noise
from flexispd.types import NoiseProfile

METHODS = ("noisy", "S", "S, estimated profile", "S, profile times 2", "S, profile halved")


def run(folder: Path) -> BenchResult:
    """PSNR in dB of every method and noise level over the PNG pictures of a folder."""
    clean = [sensor_light(picture) for picture in read_pictures(folder)]
    network = load_models([Profile("bench")], "cpu").ours["flexispd-s"].denoise
    tiling = Tiling.on(torch.device("cpu"))
    megapixels = sum(planes.numel() for planes in clean) / 1e6
    rows: list[Row] = []
    for shot, read in VALIDATION_LEVELS:
        truth = NoiseProfile((shot,) * 4, (read,) * 4, "given")
        noisy = [noisy_copy(planes, truth, seed) for seed, planes in enumerate(clean)]
        for method in METHODS:
            started = time.perf_counter()
            with torch.inference_mode():
                quiet = [
                    denoise(planes, _told(method, truth, planes), float(method != "noisy"), network, tiling)
                    for planes in noisy
                ]
            seconds = (time.perf_counter() - started) / megapixels
            figure = float(np.mean([psnr_db(one, other) for one, other in zip(quiet, clean, strict=True)]))
            figures = {"psnr_db": round(figure, 3), "s_per_mp": round(seconds, 4)}
            rows.append({"method": method, "level": shot, "read": read, **figures})
    rows.sort(key=lambda row: METHODS.index(str(row["method"])))
    return BenchResult("denoise", rows)


def sensor_light(picture: UInt8) -> Tensor:
    """A finished picture (H, W, 3) as clean linear planes (4, h, w), cut to the networks' grid."""
    height, width = (length & ~7 for length in picture.shape[:2])
    encoded = torch.from_numpy(picture[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255
    gains = torch.tensor([2.0, 1.0, 1.6])[None, :, None, None]
    return mosaic_planes(encoded**2.2 * 0.25 / gains)[0].contiguous()


def noisy_copy(planes: Tensor, noise: NoiseProfile, seed: int) -> Tensor:
    """Planes with the noise of a profile, the same for the same seed."""
    shot, read = (torch.tensor(n)[:, None, None] for n in (noise.shot, noise.read))
    return add_noise(planes, shot, read, torch.Generator().manual_seed(seed))


def psnr_db(planes: Tensor, truth: Tensor) -> float:
    """PSNR of linear planes against the truth, 1 being the peak."""
    return float(-10 * torch.log10(((planes - truth) ** 2).mean()))


def _told(method: str, truth: NoiseProfile, noisy: Tensor) -> NoiseProfile:
    """What the method is told about the noise."""
    factor = {"S, profile times 2": 2.0, "S, profile halved": 0.5}.get(method, 1.0)
    if method == "S, estimated profile":
        return estimate_noise(noisy)
    shot, read = factor * truth.shot[0], factor * truth.read[0]
    return NoiseProfile((shot,) * 4, (read,) * 4, truth.source)
