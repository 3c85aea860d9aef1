"""
Finding the light without anything learned: what the networks are compared with; and how far an answer is off.

All methods see the same thumbnail and leave out the same clipped and dark pixels. A method that has no answer gives
white, (1, 1, 1). Neutrals are camera RGB of shape (3,), green = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.develop.light_statistics import Thumbnail
from flexispd.types import Float64

EDGE_SIGMA_PX = 1.0
"""Smoothing before a difference is taken, on a thumbnail."""

MINKOWSKI = 6
"""Norm of shades-of-gray and gray-edge: between the mean (1) and the maximum."""


@dataclass(frozen=True, slots=True)
class AngularErrors:
    """
    One method's errors over all frames, in degrees.

    Attributes:
        trimean: (first quartile + 2 medians + third quartile) / 4.
        worst_quarter: Mean of the largest quarter.
    """

    mean: float
    median: float
    trimean: float
    worst_quarter: float

    @classmethod
    def of(cls, degrees: Float64) -> AngularErrors:
        """Sum up the errors (n,) of one method."""
        low, middle, high = np.quantile(degrees, [0.25, 0.5, 0.75])
        worst = np.sort(degrees)[-max(1, len(degrees) // 4) :]
        return cls(float(degrees.mean()), float(middle), float((low + 2 * middle + high) / 4), float(worst.mean()))

    def as_row(self) -> dict[str, float]:
        """Columns of a table."""
        figures = {"mean": self.mean, "median": self.median, "trimean": self.trimean, "worst_25": self.worst_quarter}
        return {f"{name}_deg": round(value, 2) for name, value in figures.items()}


def angle_deg(first: Float64, second: Float64) -> float:
    """Angle between two colours (3,) in degrees."""
    across = np.linalg.norm(np.cross(first, second))
    return float(np.degrees(np.arctan2(across, first @ second)))


def gray_world(small: Thumbnail) -> Float64:
    """The mean of the scene is grey (Buchsbaum, 1980)."""
    return _minkowski(_pixels(small), small.weight.numpy(), 1)


def shades_of_gray(small: Thumbnail) -> Float64:
    """A Minkowski mean of the scene is grey (Finlayson and Trezzi, 2004)."""
    return _minkowski(_pixels(small), small.weight.numpy(), MINKOWSKI)


def gray_edge(small: Thumbnail) -> Float64:
    """A Minkowski mean of the first differences is grey (van de Weijer, Gevers and Gijsenij, 2007)."""
    smooth = cv2.GaussianBlur(_pixels(small), (0, 0), EDGE_SIGMA_PX)
    strength = np.hypot(*np.gradient(smooth, axis=(0, 1))) if min(smooth.shape[:2]) > 1 else np.zeros_like(smooth)
    # A difference reaches as far as the smoothing does; beside a clipped lamp it is the clipping's.
    reach = 2 * round(2 * EDGE_SIGMA_PX) + 3
    valid = cv2.erode(small.valid.numpy().astype(np.uint8), np.ones((reach, reach), np.uint8))
    return _minkowski(np.asarray(strength, np.float32), small.weight.numpy() * valid.astype(np.float32), MINKOWSKI)


def _pixels(small: Thumbnail) -> NDArray[np.float32]:
    return np.ascontiguousarray(small.rgb.clamp_min(0).permute(1, 2, 0).numpy())


def _minkowski(values: NDArray[np.float32], weight: NDArray[np.float32], power: int) -> Float64:
    mean = (values.astype(np.float64) ** power * weight[..., None]).mean((0, 1)) ** (1 / power)
    return np.asarray(mean / mean[1], np.float64) if mean.min() > 0 else np.ones(3)
