"""
Stage 2: scenes are lit by known lamps, and the network learns to find the light in their histograms.

Every eighth camera and every sixteenth photograph is kept for validation: figures are for unknown cameras looking at
unknown scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flexispd.develop.light_statistics import histograms
from flexispd.develop.networks.illuminant_net import BIN_WIDTH, BINS, BLUE_RANGE, RED_RANGE, IlluminantNet
from flexispd.develop.white_balance import scene_input
from flexispd.training.lit_scenes import LitScene, light_scene
from flexispd.training.loop import Task
from flexispd.training.spectra import Spectra, load
from flexispd.types import Float64

SCENES = 10_000
"""Scenes in memory; a step shows each of them a little differently."""

VALIDATION_SCENES = 400
BATCH = 32
SHIFT_BINS_MAX = 2
"""The plane is shifted by up to this much, answer and all: files' colour matrices are not exact either."""

Photos = list[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """
    What the network is shown.

    Attributes:
        histograms: Shape (n, 4, 64, 64), float16.
        scene: Shape (n, 2), as `scene_input` gives it.
        chroma: The true log chroma, shape (n, 2), float32.
        neutral_rb: R and B of the daylight neutral, shape (n, 2): from log chroma back to camera RGB.
    """

    histograms: Tensor
    scene: Tensor
    chroma: Tensor
    neutral_rb: Tensor


def split_cameras(spectra: Spectra) -> tuple[Float64, Float64]:
    """Sensitivities to train on, and every eighth camera, kept for validation."""
    kept = np.arange(len(spectra.cameras)) % 8 == 4
    return spectra.sensitivity[~kept], spectra.sensitivity[kept]


def make_scene(photos: Photos, cameras: Float64, spectra: Spectra, seed: tuple[int, int]) -> LitScene:
    """One random scene; the same seed gives the same scene."""
    random = np.random.default_rng(seed)
    return light_scene(photos[random.integers(len(photos))], cameras, spectra, random)


def make_examples(photos: Photos, cameras: Float64, spectra: Spectra, count: int, seed: int) -> Examples:
    """Histograms of `count` scenes, without keeping the scenes."""
    plane = torch.empty(count, 4, BINS, BINS, dtype=torch.float16)
    scene, chroma, daylight = torch.empty(count, 2), torch.empty(count, 2), torch.empty(count, 2)
    low, high = np.array([RED_RANGE, BLUE_RANGE]).T
    for number in range(count):
        lit = make_scene(photos, cameras, spectra, (seed, number))
        plane[number] = histograms(lit.small, lit.camera)
        scene[number] = scene_input(lit.exposure_ev)
        red, green, blue = lit.neutral
        # Low-pressure sodium lies beyond the plane's blue end; its nearest bin is what can be asked for.
        answer = np.clip(lit.camera.chroma((red, green, blue)), low + BIN_WIDTH, high - BIN_WIDTH)
        chroma[number] = torch.from_numpy(answer)
        daylight[number] = torch.from_numpy(np.exp(lit.camera.daylight))
    return Examples(plane, scene, chroma, daylight)


def task(photos: Photos, kept: Photos, spectra_path: Path, seed: int, scenes: int = SCENES) -> Task:
    """The white balance task; the figure is minus the mean error in degrees on the kept cameras."""
    spectra = load(spectra_path)
    known, unknown = split_cameras(spectra)
    shown = make_examples(photos, known, spectra, scenes, seed)
    validation = make_examples(kept, unknown, spectra, VALIDATION_SCENES, seed + 1)

    def loss(module: nn.Module, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chosen = torch.randint(scenes, (BATCH,), generator=generator)
        plane, chroma = _shifted(shown.histograms[chosen].float(), shown.chroma[chosen], generator)
        # Many files do not say how they were exposed.
        told = (torch.rand(BATCH, 1, generator=generator) < 0.6).float()
        mean, covariance = module(plane, shown.scene[chosen] * told)
        return surprise(mean, covariance, chroma) + 4 * _angles(mean, chroma, shown.neutral_rb[chosen]).mean()

    def validate(module: nn.Module) -> float:
        with torch.inference_mode():
            mean, _ = module(validation.histograms.float(), torch.zeros_like(validation.scene))
        return -float(torch.rad2deg(_angles(mean, validation.chroma, validation.neutral_rb)).mean())

    return Task(loss, validate, figure="minus_error_deg")


def _shifted(plane: Tensor, chroma: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    shift = torch.randint(-SHIFT_BINS_MAX, SHIFT_BINS_MAX + 1, (2,), generator=generator)
    moved = torch.roll(plane, (int(shift[0]), int(shift[1])), dims=(2, 3))
    return moved, chroma + BIN_WIDTH * shift


def surprise(mean: Tensor, covariance: Tensor, truth: Tensor) -> Tensor:
    """Negative log likelihood of the truth under the network's Gaussian, which makes its covariance an honest one."""
    offset = (truth - mean)[:, :, None]  # (B, 2, 1)
    distance = (offset * torch.linalg.solve(covariance, offset)).sum((1, 2))
    mean_surprise: Tensor = (0.5 * (torch.logdet(covariance) + distance.clamp_max(50))).mean()
    return mean_surprise


def _angles(mean: Tensor, truth: Tensor, daylight: Tensor) -> Tensor:
    """Angle in radians between two neutrals (B, 2) in camera RGB, given as log chroma."""
    answers = []
    for chroma in (mean, truth):
        red, blue = (daylight * torch.exp(chroma)).unbind(1)
        answers.append(torch.stack([red, torch.ones_like(red), blue], dim=1))
    across = torch.linalg.cross(answers[0], answers[1]).norm(dim=1)
    return torch.atan2(across, (answers[0] * answers[1]).sum(1))


def network() -> nn.Module:
    """An untrained network."""
    return IlluminantNet()
