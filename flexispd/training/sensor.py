"""
From finished photographs to what a sensor counts: light, lenses' glow, a camera's colours, and its noise.

A photograph stands for the surfaces of a scene. Its tones are undone, one to three real lamps light it and a real
camera looks at it, lamps are put into some frames and clip, and the exposure is that of a night. Everything is
computed on the device of the training, from random numbers that are drawn beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flexispd.develop.anscombe import Anscombe
from flexispd.training.lit_scenes import random_lamp
from flexispd.training.spectra import Spectra, SpectralCamera, load

Generator = np.random.Generator

CAMERAS = 600
"""Cameras between two real ones, each with three lights, that a training draws from."""

LIGHTS = 3
EXPOSURE_EV = (-6.0, 0.5)
"""Exposure of white beside the white level."""

LAMPS_SHARE = 0.3
"""Share of the patches that lamps shine in."""

IMPERFECT_SHARE = 0.35
"""Share of the patches whose noise is not only that of photons and of reading: rows, black levels, whole counts."""

SHOT_RANGE = (6e-5, 2.5e-2)
READ_SHARE = (3e-4, 2e-2)
"""Slope of the variance, and the variance at black as a share of it: ISO 100 to 51200 of the five cameras of ELD (Wei
et al., "A physics-based noise formation model for extreme low-light raw denoising", 2020) lie within."""

ROW_SHARE, BIAS_SHARE = 0.25, 0.3
"""Deviation of row noise and of a plane's black level beside that of read noise, at most; ELD's cameras have 0.03 to
0.3 of rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """
    Cameras, each under a few lights.

    Attributes:
        matrix: Linear sRGB in daylight to camera RGB, the green of white 1, shape (n, LIGHTS, 3, 3).
        neutral: Camera RGB of white under each light, green 1, shape (n, LIGHTS, 3).
    """

    matrix: Tensor
    neutral: Tensor

    def to(self, device: torch.device | str) -> Lit:
        """The same on another device."""
        return Lit(self.matrix.to(device), self.neutral.to(device))


def lit_cameras(spectra: Path, seed: int, count: int = CAMERAS) -> Lit:
    """
    Random cameras under random lamps of real spectra; the same seed gives the same ones.

    Raises:
        SetupError: As `spectra.load`.
    """
    tables, random = load(spectra), np.random.default_rng([seed, 52])
    matrices, neutrals = np.empty((count, LIGHTS, 3, 3)), np.empty((count, LIGHTS, 3))
    for number in range(count):
        first, second = tables.sensitivity[random.integers(len(tables.cameras), size=2)]
        share = random.uniform(0, 0.4)
        camera = SpectralCamera(tables, (1 - share) * first + share * second)
        for order in range(LIGHTS):
            light = _light(tables, random)
            neutrals[number, order] = camera.neutral(light)
            matrices[number, order] = camera.neutral(light)[:, None] * camera.look(light)
    return Lit(torch.from_numpy(matrices).float(), torch.from_numpy(neutrals).float())


def _light(tables: Spectra, random: Generator) -> NDArray[np.float64]:
    """Daylight, dusk or a lamp."""
    if random.random() < 0.3:
        return tables.sky(random.uniform(4500, 15000))
    return random_lamp(tables, random)


def seen(photos: NDArray[np.uint8], lit: Lit, random: Generator) -> tuple[Tensor, Tensor]:
    """
    Photographs (B, H, W, 3) as linear camera RGB (B, 3, H, W), 1 the white level, clipped there; and the neutrals
    (B, 3) of their first lights. On the device of `lit`.
    """
    device, count = lit.matrix.device, len(photos)
    encoded = torch.from_numpy(photos).to(device).permute(0, 3, 1, 2).float() / 255
    linear = _scene(encoded, random)
    chosen = torch.from_numpy(random.integers(len(lit.matrix), size=count)).to(device)
    matrix, neutral = lit.matrix[chosen], lit.neutral[chosen]
    shares = _shares(count, linear.shape[-1], random).to(device)  # (B, LIGHTS, H, W)
    light = torch.einsum("blhw,blij,bjhw->bihw", shares, matrix, linear).clamp_min_(0)
    exposure = 2.0 ** _uniform(EXPOSURE_EV, count, random).to(device)
    light = light * exposure
    _add_lamps(light, neutral, random)
    return light.clamp_max_(1), neutral[:, 0]


def _uniform(bounds: tuple[float, float], count: int, random: Generator) -> Tensor:
    """(B, 1, 1, 1) random numbers."""
    return torch.from_numpy(random.uniform(*bounds, (count, 1, 1, 1)).astype(np.float32))


def _scene(encoded: Tensor, random: Generator) -> Tensor:
    """Undo the tones of a finished photograph: its gamma, and the S of its contrast by a random share."""
    count, device = len(encoded), encoded.device
    share = _uniform((0, 0.6), count, random).to(device)
    # The inverse of the smooth step 3 x^2 - 2 x^3 in closed form.
    flat = 0.5 - torch.sin(torch.asin((1 - 2 * encoded).clamp(-1, 1)) / 3)
    return torch.lerp(encoded, flat, share) ** _uniform((1.8, 2.6), count, random).to(device)


def _shares(count: int, edge: int, random: Generator) -> Tensor:
    """How much each light gives where, adding up to 1: (B, LIGHTS, H, W), smooth; in half of the patches one alone."""
    rows, columns = np.mgrid[0:edge, 0:edge].astype(np.float32) / edge - 0.5
    slopes = random.normal(0, 1.5, (2, count, LIGHTS, 1, 1)).astype(np.float32)
    level = random.normal(0, 2, (count, LIGHTS, 1, 1)).astype(np.float32)
    level[: count // 2, 1:] = -1e4
    field = torch.from_numpy(level + slopes[0] * rows + slopes[1] * columns)
    return torch.softmax(field, dim=1)


def _add_lamps(light: Tensor, neutral: Tensor, random: Generator) -> None:
    """
    Put lamps with their glow into some frames (B, 3, H, W), in the colour of the frame's lights.

    More glow than a lens strews: what is to be learnt is that noise on a slope beside clipped light is still noise.
    """
    count, _, height, width = light.shape
    y = torch.arange(height, device=light.device)[:, None]
    x = torch.arange(width, device=light.device)[None]
    for number in np.flatnonzero(random.random(count) < LAMPS_SHARE):
        for _ in range(random.integers(1, 5)):
            tint = neutral[number, random.integers(LIGHTS)]
            center_y, center_x = random.uniform(0, height), random.uniform(0, width)
            radius, power = float(np.exp(random.uniform(np.log(0.5), np.log(9)))), 2.0 ** random.uniform(-1, 6)
            distance = torch.hypot(y - center_y, (x - center_x) * random.uniform(0.2, 1))
            glow = torch.sigmoid(4 * (radius - distance)) + 0.02 * torch.exp(-distance / random.uniform(2, 16))
            light[number] += power * glow * (tint / tint.amax())[:, None, None]


def noise_levels(count: int, random: Generator, device: torch.device | str = "cpu") -> Anscombe:
    """Random noise profiles (count, 4, 1, 1); read noise goes with shot noise as it does in cameras."""
    shot = _log_uniform(SHOT_RANGE, count, random)
    read = shot * _log_uniform(READ_SHARE, count, random)
    shot = shot * np.exp(random.normal(0, 0.1, (count, 4)))
    columns = (torch.from_numpy(v.astype(np.float32))[:, :, None, None].to(device) for v in (shot, read.repeat(4, 1)))
    return Anscombe.of(*columns)


def _log_uniform(bounds: tuple[float, float], count: int, random: Generator) -> NDArray[np.float64]:
    return np.exp(random.uniform(np.log(bounds[0]), np.log(bounds[1]), (count, 1)))


def add_noise(clean: Tensor, shot: Tensor, read: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson photons of `1 / shot` a unit of signal, and Gaussian read noise of variance `read`."""
    photons = torch.poisson(clean / shot, generator=generator)
    return photons * shot + torch.randn(clean.shape, generator=generator, device=clean.device) * torch.sqrt(read)


def add_imperfections(noisy: Tensor, read: Tensor, random: Generator, generator: torch.Generator) -> Tensor:
    """
    What cameras do besides, in some of the planes (B, 4, h, w): row noise, wrong black levels, whole counts.

    Rows are those of the mosaic, so R and Gr share theirs, and Gb and B.
    """
    count, _, height, _ = noisy.shape
    device, deviation = noisy.device, torch.sqrt(read)
    chosen = torch.from_numpy(random.random((count, 1, 1, 1)) < IMPERFECT_SHARE).to(device)
    rows = torch.randn((count, 2, height, 1), generator=generator, device=device).repeat_interleave(2, dim=1)
    bias = torch.randn((count, 4, 1, 1), generator=generator, device=device)
    row_share, bias_share = (_uniform((0, s), count, random).to(device) for s in (ROW_SHARE, BIAS_SHARE))
    marred = noisy + deviation * (row_share * rows + bias_share * bias)
    counts = 2.0 ** torch.from_numpy(random.integers(12, 15, (count, 1, 1, 1)).astype(np.float32)).to(device)
    return torch.where(chosen, torch.round(marred * counts) / counts, noisy)
