"""
How noisy is this frame? Asked of the frame itself when its metadata does not say.

Shot and read noise are read off flat patches: in each patch the second differences measure noise and ignore gradients;
over all patches of one brightness the quietest few in a hundred are taken to be flat. The two greens of a cell see the
same scene, so their difference cancels texture that a single plane would count as noise. A straight line through the
patches' variances against their brightness gives both numbers.

The use of flat patches follows Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data" (2008); the second difference is the operator of Immerkaer (1996).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.types import Float64, Mosaic, NoiseProfile

PATCH = 16
"""Edge of a patch in packed samples."""

BINS = 32
PATCHES_MIN = 24
QUIETEST = 0.03
QUIETEST_RATIO = 0.685
"""Variance at the QUIETEST quantile of pure-noise patches over the true one, as tests/develop/test_noise.py finds."""

CLIPPED = 0.9
SHOT_MAX, READ_MAX = 0.1, 0.01
"""Ten photons fill a site; a tenth of white is noise: no camera is used like that."""

SHOT_FLOOR = 1e-6
READ_FLOOR = 1e-9
PIXELS_MAX = 4_000_000
"""Packed samples looked at; a larger frame is looked at in evenly spaced rows of patches."""


def noise_profile(mosaic: Mosaic, planes: Tensor) -> tuple[NoiseProfile, list[str]]:
    """
    The noise profile of a frame, from its metadata if that is credible, else from its planes; and doubts in sentences.

    Read noise is never less than what rounding to whole counts makes.
    """
    told, doubts = mosaic.shot.noise_profile, []
    if told is not None and (max(told.shot) > SHOT_MAX or max(told.read) > READ_MAX):
        doubts.append("The file's noise profile is beyond any sensor's; the noise was estimated from the frame.")
        told = None
    found = told or estimate_noise(planes)
    levels = zip(mosaic.white_level, mosaic.black_level, found.read, strict=True)
    red, green_r, green_b, blue = (max(read, 1 / (12 * (white - black) ** 2)) for white, black, read in levels)
    return NoiseProfile(found.shot, (red, green_r, green_b, blue), found.source), doubts


def estimate_noise(planes: Tensor) -> NoiseProfile:
    """
    The noise profile of linear planes (4, h, w), 0 at black and 1 at white, before any denoising.

    The four planes get the same numbers. A frame without enough flat, unclipped patches gets the smallest profile that
    explains its darkest ones; it is never zero.
    """
    brightness, variance = _patches(planes)
    points = _quietest(brightness, variance)
    if len(points) == 0:
        return NoiseProfile((SHOT_FLOOR,) * 4, (READ_FLOOR,) * 4, "estimated")
    shot, read = _line(points)
    return NoiseProfile((max(shot, SHOT_FLOOR),) * 4, (max(read, READ_FLOOR),) * 4, "estimated")


def _patches(planes: Tensor) -> tuple[Float64, Float64]:
    """Mean and noise variance of every patch of red, green and blue, flattened."""
    rows = planes.shape[1] // PATCH
    stride = max(1, -(-planes.shape[1] * planes.shape[2] // PIXELS_MAX))
    chosen = [planes[:, PATCH * i : PATCH * (i + 1)] for i in range(0, rows, stride)]
    if not chosen or planes.shape[2] < PATCH:
        return np.empty(0), np.empty(0)
    strips = torch.stack(chosen)  # (n, 4, PATCH, w)
    strips = strips[..., : strips.shape[-1] // PATCH * PATCH]
    red, green_r, green_b, blue = strips.unbind(1)
    single = variances(strips)  # (n, 4, patches)
    greens = variances(((green_r - green_b) / 2**0.5)[:, None])[:, 0]
    green = torch.minimum((single[:, 1] + single[:, 2]) / 2, greens)
    colors = torch.stack([red, (green_r + green_b) / 2, blue], dim=1)
    patches = colors.reshape(*colors.shape[:-1], -1, PATCH)
    mean, peak = patches.mean(dim=(2, 4)), patches.amax(dim=(2, 4))
    variance = torch.stack([single[:, 0], green, single[:, 3]], dim=1)
    usable = (peak < CLIPPED) & (variance > 0)
    return mean[usable].double().cpu().numpy(), variance[usable].double().cpu().numpy()


def variances(strips: Tensor) -> Tensor:
    """Noise variance of each patch of strips (n, C, PATCH, w), by second differences both ways: (n, C, w / PATCH)."""
    along = strips[:, :, :-2] - 2 * strips[:, :, 1:-1] + strips[:, :, 2:]
    across = along[..., :-2] - 2 * along[..., 1:-1] + along[..., 2:]
    energy = functional.pad(across, (0, 2)).square_().sum(dim=2)
    # The last two columns of a patch would look into the next one.
    inside = energy.reshape(*energy.shape[:2], -1, PATCH)[..., : PATCH - 2]
    return inside.sum(dim=-1) / ((PATCH - 2) ** 2 * 36)  # 36: the operator's energy


def _quietest(brightness: Float64, variance: Float64) -> Float64:
    """(brightness, flat variance, patches) of every bin of brightness that holds enough patches, shape (n, 3)."""
    root = np.sqrt(np.clip(brightness, 0, 1))
    index = np.minimum((root * BINS).astype(int), BINS - 1)
    points = []
    for i in np.unique(index):
        chosen = index == i
        if chosen.sum() < PATCHES_MIN:
            continue
        limit = np.quantile(variance[chosen], QUIETEST)
        quiet = chosen & (variance <= limit * 1.2)
        points.append((float(np.median(brightness[quiet])), limit / QUIETEST_RATIO, float(chosen.sum())))
    return np.array(points).reshape(-1, 3)


def _line(points: Float64) -> tuple[float, float]:
    """Slope and intercept, neither negative, of variance over brightness, trusting low outliers more than high ones."""
    signal, variance, count = points.T
    weight = np.sqrt(np.minimum(count, 400))
    shot, read = 0.0, float(variance.min())
    for _ in range(20):
        scale = weight / np.maximum(variance, 1e-12)  # relative errors
        shot, read = _nonnegative(signal, variance, scale)
        over = variance / np.maximum(shot * signal + read, 1e-12) - 1
        # What lies above the line may be texture, what lies below cannot be: noise has no reason to be missing.
        weight = np.sqrt(np.minimum(count, 400)) / (1 + np.where(over > 0, over / 0.1, -over / 0.5))
    return shot, read


def _nonnegative(signal: Float64, variance: Float64, scale: Float64) -> tuple[float, float]:
    """Weighted least squares of variance = shot * signal + read with both at least 0."""
    matrix = np.stack([signal, np.ones_like(signal)], axis=1) * scale[:, None]
    target = variance * scale
    solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
    if len(signal) > 1 and (solution >= 0).all():
        return float(solution[0]), float(solution[1])
    alone = [float(matrix[:, i] @ target / max(float(matrix[:, i] @ matrix[:, i]), 1e-30)) for i in (0, 1)]
    cost = [float(((matrix[:, i] * alone[i] - target) ** 2).sum()) for i in (0, 1)]
    return (max(alone[0], 0.0), 0.0) if cost[0] < cost[1] else (0.0, max(alone[1], 0.0))
