"""
How far each way of finding the light is off, on cameras and photographs that no network was trained on.

The figures are angles between the found and the true neutral in camera RGB, in degrees, as the literature gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from flexispd.develop.light_statistics import Thumbnail
from flexispd.develop.white_balance import LightEstimates, Witness, judge
from flexispd.training.lit_scenes import LitScene
from flexispd.training.photos import load_photos
from flexispd.training.spectra import load
from flexispd.training.white_balance import make_scene, split_cameras
from flexispd.types import Float64, ShotInfo

AS_SHOT_ERROR_DEG = 4.0
"""Mean error of the camera's own setting in these scenes."""


@dataclass(frozen=True, slots=True)
class AngularErrors:
    """
    One method's errors over all scenes, in degrees.

    Attributes:
        trimean: (first quartile + 2 medians + third quartile) / 4.
        worst_quarter: Mean of the largest quarter.
    """

    method: str
    mean: float
    median: float
    trimean: float
    worst_quarter: float

    @classmethod
    def of(cls, method: str, degrees: Float64) -> AngularErrors:
        """Sum up the errors (n,) of one method."""
        low, middle, high = np.quantile(degrees, [0.25, 0.5, 0.75])
        worst = np.sort(degrees)[-max(1, len(degrees) // 4) :]
        trimean = (low + 2 * middle + high) / 4
        return cls(method, float(degrees.mean()), float(middle), float(trimean), float(worst.mean()))


def compare(
    photos: Path, spectra_path: Path, network: nn.Module | None, *, scenes: int = 400, seed: int = 1001
) -> list[AngularErrors]:
    """
    Errors of every method over the same scenes.

    Raises:
        SetupError: Photographs, spectra or colour-science are missing.
    """
    _, kept = load_photos(photos)
    spectra = load(spectra_path)
    _, unknown = split_cameras(spectra)
    errors: dict[str, list[float]] = {}
    for number in range(scenes):
        scene = make_scene(kept, unknown, spectra, (seed, number))
        for method, neutral in _answers(scene, network, np.random.default_rng([seed, number, 1])).items():
            errors.setdefault(method, []).append(angle_deg(neutral, scene.neutral))
    return [AngularErrors.of(method, np.array(values)) for method, values in errors.items()]


def _answers(scene: LitScene, network: nn.Module | None, random: np.random.Generator) -> dict[str, Float64]:
    """Neutral of each method for one scene, each of shape (3,)."""
    setting = _near(scene.neutral, random)
    exposure = {"iso": 100.0, "f_number": 1.0, "exposure_s": 2.0**-scene.exposure_ev}
    alone = judge(scene.small, scene.camera, ShotInfo(**exposure), network)
    told = judge(
        scene.small, scene.camera, ShotInfo(as_shot_neutral=(setting[0], 1.0, setting[2]), **exposure), network
    )
    answers = {"gray-world": _minkowski(scene.small, 1), "shades-of-gray": _minkowski(scene.small, 6)}
    answers |= {
        name: _neutral(alone, alone.witnesses.get(name)) for name in ["gray-pixel"] + ["network"] * bool(network)
    }
    answers |= {"as-shot": setting, "mix": _neutral(alone, alone.mixed), "mix with as-shot": _neutral(told, told.mixed)}
    return answers


def _neutral(estimates: LightEstimates, witness: Witness | None) -> Float64:
    """A method that has no answer is counted as one that says daylight."""
    return np.array(estimates.camera.neutral(np.zeros(2) if witness is None else witness.chroma))


def _minkowski(small: Thumbnail, power: int) -> Float64:
    """Shades of gray (Finlayson and Trezzi, 2004); the power 1 is gray-world."""
    values = small.rgb.double().clamp_min(0) ** power * small.weight
    neutral = values.mean((1, 2)).numpy() ** (1 / power)
    return np.asarray(neutral / max(neutral[1], 1e-9), np.float64)


def _near(neutral: Float64, random: np.random.Generator) -> Float64:
    """A setting that is off by `AS_SHOT_ERROR_DEG` on average, in a random direction of log chroma."""
    direction = random.normal(0, 1, 2)
    step, wanted = 0.01 * direction / np.hypot(*direction), random.gamma(2, AS_SHOT_ERROR_DEG / 2)
    setting = neutral.copy()
    for _ in range(200):
        if angle_deg(setting, neutral) >= wanted:
            break
        setting = setting * np.exp([step[0], 0.0, step[1]])
    return setting


def angle_deg(first: Float64, second: Float64) -> float:
    """Angle between two colours (3,) in degrees."""
    across = np.linalg.norm(np.cross(first, second))
    return float(np.degrees(np.arctan2(across, first @ second)))
