"""
Known light with known noise: what the sensor of a camera at some ISO would have counted where a picture is known.

Four levels stand for a large sensor at ISO 800 to 51,200. Real cameras come from a file of calibrations in the form of
the ELD project (Wei et al., "A physics-based noise formation model for extreme low-light raw denoising", CVPR 2020): a
JSON object, camera -> {"Kmin": counts per photoelectron at ISO 100, "Profile-1": {"g_scale": ..., "R_scale": ...}},
where each scale has the "slope" and "bias" of the logarithm of a deviation in counts of 14 bits over log K: g of the
read noise, R of what a whole row shares.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flexispd.bench.pictures import mosaic_of, planes_of
from flexispd.errors import SetupError, displayable
from flexispd.types import NoiseProfile, UInt8

GAINS = (2.0, 1.0, 1.6)
NEUTRAL = (1 / 2.0, 1.0, 1 / 1.6)
"""White balance of the light that pictures are put into, and camera RGB of grey in it."""

RANGE = 16383 - 800
"""Counts from black to white of the calibrated cameras."""

ROUNDING = 1 / 12
"""Variance of rounding to whole counts."""


@dataclass(frozen=True, slots=True)
class SensorNoise:
    """
    The noise of one sensor at one gain, with black at 0 and white at 1.

    Attributes:
        shot, read: As in `NoiseProfile`, the same for all planes.
        row: Standard deviation of what all sites of a row share; no noise profile tells it.
    """

    shot: float
    read: float
    row: float = 0.0

    def profile(self, factor: float = 1.0) -> NoiseProfile:
        """What a raw file would say about it, `factor` times as much variance as there is."""
        return NoiseProfile((self.shot * factor,) * 4, (self.read * factor,) * 4, "exif")

    def added(self, clean: Tensor, seed: int) -> Tensor:
        """Planes (4, h, w) of an RGGB frame with this noise; the same seed gives the same noise."""
        generator = torch.Generator().manual_seed(seed)
        photons = torch.poisson(clean / self.shot, generator=generator)
        noisy = photons * self.shot + torch.randn(clean.shape, generator=generator) * math.sqrt(self.read)
        rows = torch.randn(2, clean.shape[1], 1, generator=generator) * self.row
        return noisy + rows.repeat_interleave(2, dim=0)  # R and Gr lie in one row, Gb and B in the other


LEVELS = {
    800: SensorNoise(2e-4, 2e-7),
    3200: SensorNoise(8e-4, 1e-6),
    12800: SensorNoise(3.2e-3, 8e-6),
    51200: SensorNoise(1.28e-2, 8e-5),
}
"""A large sensor's noise by ISO."""


def at_iso(iso: float) -> SensorNoise:
    """The noise of a large sensor at any ISO: LEVELS, and between and beyond them on straight lines of logarithms."""
    known = np.log([(level, noise.shot, noise.read) for level, noise in LEVELS.items()])
    x = math.log(iso)
    first = int(np.clip(np.searchsorted(known[:, 0], x) - 1, 0, len(known) - 2))
    (x0, *low), (x1, *high) = known[first], known[first + 1]
    shot, read = (math.exp(a + (b - a) * (x - x0) / (x1 - x0)) for a, b in zip(low, high, strict=True))
    return SensorNoise(shot, read)


@dataclass(frozen=True, slots=True)
class CameraNoise:
    """
    One calibrated camera.

    Attributes:
        gain: Counts per photoelectron at ISO 100.
        read, row: (slope, bias) of the log deviation in counts over the log gain.
    """

    gain: float
    read: tuple[float, float]
    row: tuple[float, float]

    def at(self, iso: float) -> SensorNoise:
        """Its noise at an ISO; beyond the calibrated ones (6400 for most) on the same line."""
        gain = self.gain * iso / 100
        read, row = (math.exp(slope * math.log(gain) + bias) for slope, bias in (self.read, self.row))
        return SensorNoise(gain / RANGE, (read**2 + ROUNDING) / RANGE**2, row / RANGE)


def read_cameras(path: Path) -> dict[str, CameraNoise]:
    """The cameras of a calibration file. SetupError when it is not such a file."""

    def line(camera: Mapping[str, Any], scale: str) -> tuple[float, float]:
        found = camera["Profile-1"][scale]
        return float(found["slope"]), float(found["bias"])

    try:
        document = json.loads(path.read_text())
        cameras = {
            displayable(name): CameraNoise(float(c["Kmin"]), line(c, "g_scale"), line(c, "R_scale"))
            for name, c in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(
            f"{displayable(path)} does not hold the noise of cameras.",
            remedy="Name a JSON file of cameras with Kmin and the scales g_scale and R_scale in Profile-1.",
        ) from error
    if not cameras or min(camera.gain for camera in cameras.values()) <= 0:
        raise SetupError(
            f"{displayable(path)} has no camera with a positive gain.", remedy="Correct Kmin, or name another file."
        )
    return cameras


def sensor_light(picture: UInt8) -> Tensor:
    """A finished picture (H, W, 3), both even, as clean linear planes (4, h, w) of a frame exposed with reserve."""
    linear = (picture.astype(np.float32) / 255) ** 2.2 * np.float32(0.25) / np.array(GAINS, np.float32)
    return planes_of(torch.from_numpy(mosaic_of(linear)))
