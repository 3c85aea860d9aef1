"""
Stage 2: scenes are lit by known lamps, and the network learns to find the light in their histograms.

Every eighth camera and the photographs of weights/recipes/kept.txt are kept for validation, which goes without those
that show a light of their own: figures are for unknown cameras looking at unknown surfaces. Every third scene is shown
twice, the second time as if nobody knew the camera's colour matrix: then the network has to find out where daylight
lies as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flexispd.decode.metadata import merge
from flexispd.develop.light_statistics import Camera, histograms
from flexispd.develop.networks.illuminant_net import BIN_WIDTH, BINS, BLUE_RANGE, PLANES, RED_RANGE
from flexispd.develop.white_balance import camera_of, scene_input
from flexispd.training.lit_scenes import LitScene, light_scene
from flexispd.training.loop import Task
from flexispd.training.photos import Photos
from flexispd.training.recipe import Recipe
from flexispd.training.spectra import Spectra, load
from flexispd.types import Float64

SCENES_FIRST, SCENES_PER_STEP, SCENES_MAX = 1_000, 4, 20_000
"""So many scenes are made before the first step, and so many more for each step, until 650 MB hold them. A step shows
each of its scenes a little differently. More scenes of the same photographs soon teach nothing new."""

STRANGER_EVERY = 3
"""Of so many scenes one is also shown without its camera's colour matrix."""

VALIDATION_SCENES = 400
SHIFT_BINS_MAX = 2
"""The plane is shifted by up to this much, answer and all: files' colour matrices are not exact either."""

STRANGER_SHIFT_BINS = 1.6
"""Deviation of the shift of strangers: there are more cameras than those whose sensitivities were measured."""

REWEIGHT_STOPS, DROPPED_SHARE = 0.8, 0.1
"""How much more or less of each colour there may be in a scene than there is, and how often a histogram is withheld:
without both, scenes are learnt by heart."""

TAIL_SHARE = 4
"""One in so many of a batch's errors, the largest, count more: they are what spoils a picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """
    What the network is shown.

    Attributes:
        histograms: Shape (n, 6, 64, 64), uint8, 255 meaning 1.
        scene: Shape (n, 2), as `scene_input` gives it.
        chroma: The true log chroma, shape (n, 2), float32.
        neutral_rb: R and B of the daylight neutral, shape (n, 2): from log chroma back to camera RGB.
        stranger: Whether the camera's colour matrix was withheld, shape (n,), bool.
    """

    histograms: Tensor
    scene: Tensor
    chroma: Tensor
    neutral_rb: Tensor
    stranger: Tensor

    def shown(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The network's two inputs for some of the examples."""
        return self.histograms[chosen].float() / 255, self.scene[chosen]

    def upto(self, rows: int) -> Examples:
        """The first of them; nothing is copied."""
        inputs, answers = (self.histograms[:rows], self.scene[:rows]), (self.chroma[:rows], self.neutral_rb[:rows])
        return Examples(*inputs, *answers, self.stranger[:rows])


def stranger() -> Camera:
    """How a camera is seen of which nothing is known."""
    return camera_of(merge([]))


def split_cameras(spectra: Spectra) -> tuple[Float64, Float64]:
    """Sensitivities to train on, and every eighth camera, kept for validation."""
    kept = np.arange(len(spectra.cameras)) % 8 == 4
    return spectra.sensitivity[~kept], spectra.sensitivity[kept]


def make_scene(photos: Photos, cameras: Float64, spectra: Spectra, seed: tuple[int, int]) -> LitScene:
    """One random scene; the same seed gives the same scene."""
    random = np.random.default_rng(seed)
    return light_scene(photos[random.integers(len(photos))], cameras, spectra, random)


class Pool:
    """
    Scenes that are made when they are first needed and stay in memory, as the network sees them.

    So learning begins at once, and a longer run sees more scenes. Which scenes there are depends on the seed alone.
    """

    def __init__(self, make: Callable[[int], LitScene], scenes_max: int) -> None:
        self.make, self.unknown = make, stranger()
        self.scenes, self.scenes_max = 0, scenes_max
        rows = _rows(scenes_max)
        self.examples = Examples(
            torch.empty(rows, PLANES, BINS, BINS, dtype=torch.uint8),
            torch.empty(rows, 2),
            torch.empty(rows, 2),
            torch.empty(rows, 2),
            torch.zeros(rows, dtype=torch.bool),
        )

    def first(self, scenes: int) -> Examples:
        """The first `scenes` of them, or all that may be."""
        for number in range(self.scenes, min(scenes, self.scenes_max)):
            lit, row = self.make(number), _rows(number)
            self._show(row, lit, lit.camera)
            if number % STRANGER_EVERY == 0:
                self._show(row + 1, lit, self.unknown)
            self.scenes = number + 1
        return self.examples.upto(_rows(min(scenes, self.scenes_max)))

    def _show(self, row: int, lit: LitScene, camera: Camera) -> None:
        low, high = np.array([RED_RANGE, BLUE_RANGE]).T
        red, green, blue = lit.neutral
        # Low-pressure sodium lies beyond the plane's blue end; its nearest bin is what can be asked for.
        answer = np.clip(camera.chroma((red, green, blue)), low + BIN_WIDTH, high - BIN_WIDTH)
        into = self.examples
        into.histograms[row] = (255 * histograms(lit.small, camera)).round().byte()
        into.scene[row] = scene_input(lit.exposure_ev)
        into.chroma[row] = torch.from_numpy(answer)
        into.neutral_rb[row] = torch.from_numpy(np.exp(camera.daylight))
        into.stranger[row] = camera is self.unknown


def _rows(scenes: int) -> int:
    """Examples that come of so many scenes."""
    return scenes + -(-scenes // STRANGER_EVERY)


def task(photos: Photos, kept: Photos, spectra_path: Path, recipe: Recipe, scenes: int = SCENES_MAX) -> Task:
    """The white balance task; the figure is minus the mean error in degrees on the kept cameras."""
    spectra, seed = load(spectra_path), recipe.schedule.seed
    known, unknown = split_cameras(spectra)
    pool = Pool(lambda number: make_scene(photos, known, spectra, (seed, number)), scenes)
    others = Pool(lambda number: make_scene(kept, unknown, spectra, (seed + 1, number)), VALIDATION_SCENES)
    return learning(pool.first, others.first(VALIDATION_SCENES), recipe)


def learning(first: Callable[[int], Examples], validation: Examples, recipe: Recipe) -> Task:
    """The task of learning from the examples that there are by each step, measured on others."""
    seed, batch = recipe.schedule.seed, recipe.data.batch

    def loss(module: nn.Module, step: int) -> Tensor:
        examples = first(SCENES_FIRST + SCENES_PER_STEP * step)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chosen = torch.randint(len(examples.chroma), (batch,), generator=generator)
        plane, scene = examples.shown(chosen)
        shift = _shifts(examples.stranger[chosen], generator)
        plane = torch.stack([torch.roll(p, by, dims=(1, 2)) for p, by in zip(plane, shift.tolist(), strict=True)])
        plane = _reweighted(plane, generator)
        chroma = examples.chroma[chosen] + BIN_WIDTH * shift
        # Many files do not say how they were exposed.
        told = (torch.rand(batch, 1, generator=generator) < 0.6).float()
        mean, covariance = _asked(module, plane, scene * told)
        angles = _angles(mean, chroma, examples.neutral_rb[chosen])
        tail = angles.topk(max(1, batch // TAIL_SHARE)).values
        return surprise(mean, covariance, chroma) + 4 * angles.mean() + 2 * tail.mean()

    def validate(module: nn.Module) -> float:
        known = torch.nonzero(~validation.stranger)[:, 0]
        with torch.inference_mode():
            mean, _ = _asked(module, *validation.shown(known))
        angles = _angles(mean, validation.chroma[known], validation.neutral_rb[known])
        return -float(torch.rad2deg(angles).mean())

    return Task(loss, validate, "minus_error_deg", batch=batch)


def _asked(module: nn.Module, plane: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
    """The network's answers on the CPU, wherever it is itself."""
    device = next(module.parameters()).device
    mean, covariance = module(plane.to(device), scene.to(device))
    return mean.cpu(), covariance.cpu()


def _shifts(strangers: Tensor, generator: torch.Generator) -> Tensor:
    """By how many bins each plane is shifted, (B, 2), whole numbers."""
    little = torch.randint(-SHIFT_BINS_MAX, SHIFT_BINS_MAX + 1, (len(strangers), 2), generator=generator)
    more = (STRANGER_SHIFT_BINS * torch.randn(len(strangers), 2, generator=generator)).round().long()
    return little + more.clamp(-6, 6) * strangers[:, None]


def _reweighted(plane: Tensor, generator: torch.Generator) -> Tensor:
    """As if there were more of some colours and less of others; and some histograms withheld. The locus stays."""
    coarse = REWEIGHT_STOPS / 2 * torch.randn(len(plane), 1, 8, 8, generator=generator)
    seen = plane[:, :-1] * torch.exp2(functional.interpolate(coarse, size=BINS, mode="bilinear"))
    seen = seen / seen.square().sum((2, 3), keepdim=True).sqrt().clamp_min(1e-6)
    heard = torch.rand(len(plane), PLANES - 1, 1, 1, generator=generator) >= DROPPED_SHARE
    return torch.cat([seen * heard, plane[:, -1:]], dim=1)


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
