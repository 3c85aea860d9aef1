"""
Automatic exposure: how bright should this frame be shown, so that night still is night?

The frame's own key decides, after Reinhard, "Parameter estimation for photographic tone reproduction" (2003): a frame
whose average lies near its darkest parts is meant to be dark. Two limits: lamps may fill the shoulder of the tone
curve but not burn out the frame, and noise is not lifted into sight.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.types import Float64, NoiseProfile

THUMBNAIL_PX = 384
KEY = 0.18
"""Luminance that the average of a frame of middle key is brought to."""

KEY_STOPS = 1.3
"""Stops by which the key of a frame that is all dark (all bright) is lower (higher)."""

HIGH_PERCENTILES = np.linspace(97.5, 99.8, 24)

DARKEST = 1e-6
"""Luminance that counts as black."""

HIGHLIGHT = 4.0
"""Luminance that the brightest hundredth may reach before exposure is held back; the curve shows it as 0.95."""

NOISE_VISIBLE = 0.03
"""Deviation of the read noise, after exposure, up to which shadows are lifted."""

EV_MIN, EV_MAX = -3.0, 7.0


def thumbnail(planes: Tensor) -> Tensor:
    """Area-averaged planes (C, h, w) of at most THUMBNAIL_PX a side."""
    factor = -(-max(planes.shape[1:]) // THUMBNAIL_PX)
    return functional.avg_pool2d(planes[None], factor, ceil_mode=True)[0] if factor > 1 else planes


def auto_exposure_ev(luminance: Tensor, noise: NoiseProfile) -> float:
    """
    Exposure in EV for linear luminance (h, w), 1 at sensor white; 0 for a frame in which there is nothing.

    Monotone in the obvious way: the same frame a stop darker gets about a stop more, until noise forbids it.
    """
    values = luminance.double().cpu().numpy().ravel()
    values = values[np.isfinite(values)].clip(DARKEST)
    if len(values) == 0 or values.max() == DARKEST:
        return 0.0
    low, middle, high = _key_points(values)
    key = KEY * 2 ** (KEY_STOPS * float(np.clip((2 * middle - low - high) / max(high - low, 1.0), -1, 1)))
    wanted = np.log2(key) - middle
    limit_lamps = np.log2(HIGHLIGHT) - high
    limit_noise = np.log2(NOISE_VISIBLE) - 0.5 * np.log2(max(noise.read[1], 1e-12))
    return float(np.clip(_soft_minimum(wanted, min(limit_lamps, limit_noise)), EV_MIN, EV_MAX))


def _key_points(values: Float64) -> tuple[float, float, float]:
    """
    Low end, mean and high end of log2 luminance.

    The high end is the mean of a range of percentiles about the ninety-ninth: a single one would jump by stops when a
    passing car's lamps grow past one hundredth of the frame.
    """
    logs = np.log2(values)
    low, high = float(np.percentile(logs, 2)), float(np.percentile(logs, HIGH_PERCENTILES).mean())
    return low, float(np.clip(logs, low, high).mean()), high


def _soft_minimum(a: float, b: float) -> float:
    """The smaller of two EVs, rounded off over about a stop where they cross."""
    return float(-np.logaddexp(-2 * a, -2 * b) / 2)


def luminance_of(balanced: Tensor, matrix: Tensor, weights: Tensor) -> Tensor:
    """Luminance (h, w) of balanced planes (4, h, w) through a camera matrix (3, 3), with luminance weights (3,)."""
    return torch.einsum("c,cd,dhw->hw", weights, matrix, camera_rgb(balanced))


def camera_rgb(planes: Tensor) -> Tensor:
    """One colour for each cell: (3, h, w) of planes (4, h, w)."""
    red, green_r, green_b, blue = planes.unbind(0)
    return torch.stack([red, (green_r + green_b) / 2, blue])
