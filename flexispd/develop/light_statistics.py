"""
What a frame tells about its light: a thumbnail, histograms of its colours, and its grey pixels.

Colours are log chroma here: (log R/G, log B/G) minus those of the camera's own D65 neutral. So daylight lies at (0, 0)
for every camera, a change of the light shifts everything alike, and a change of brightness shifts nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.develop import color
from flexispd.develop.networks.illuminant_net import BIN_WIDTH, BINS, BLUE_RANGE, RED_RANGE
from flexispd.types import ColorMatrix, Float64

THUMBNAIL_PX = 256
"""Longer edge of the thumbnail, at most."""

CLIPPED = 0.98
"""From this share of the white level a site says nothing about colour any more."""

DARK_MIN = 4e-4
"""Below this level what is left of the black level's error decides on the colour."""

LOCUS_MIRED = np.linspace(50.0, 620.0, 39)
"""Where the Planckian locus is drawn, every 15 mired."""

BESIDE_DUV = 0.012
"""How far from the Planckian locus lamps lie, in duv: fluorescent lamps and LEDs within 0.006, mercury 0.02."""

CORRIDOR = 0.35
"""Grey pixels lie at most this far from the locus, in log chroma; further away lie coloured surfaces."""

GRAY_SHARE = 0.01
"""Share of the usable pixels that is taken for grey."""

BLOCK_PX = 8
"""Edge of the blocks whose brightest red, green and blue are looked at."""

HALO_PX = 6
"""Around clipped lights this far, what is seen is their bloom, or what stands right beside them."""

PIXELS_MIN = 30
"""With fewer usable pixels than this a frame tells nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """
    A camera as the white balance sees it.

    Attributes:
        daylight: log R/G and log B/G of its D65 neutral, shape (2,).
        locus: Log chroma of black bodies at `LOCUS_MIRED`, shape (39, 2).
        beside: From there to lights that are `BESIDE_DUV` greener, shape (39, 2).
        off_locus: Distance of each bin of the histogram from the locus, shape (64, 64), float32.
        matrices: Its colour matrices, checked.
        slack: 1 if the matrices are the camera's own; more for matrices of another camera, by whose locus grey pixels
            and lamps are not to be judged strictly.
    """

    daylight: Float64
    locus: Float64
    beside: Float64
    off_locus: Tensor
    matrices: tuple[ColorMatrix, ...]
    slack: float = 1.0

    @classmethod
    def of(cls, matrices: tuple[ColorMatrix, ...], slack: float = 1.0) -> Camera:
        """
        The camera with these colour matrices.

        Raises:
            CaptureError: No matrix is usable.
        """
        usable = color.checked_matrices(matrices)
        daylight = _log_chroma(color.white_to_neutral(color.D65_XY, usable))
        black_bodies, greener = (
            np.log(color.planckian_neutrals(LOCUS_MIRED, usable, duv)[:, [0, 2]]) for duv in (0.0, BESIDE_DUV)
        )
        locus = black_bodies - daylight
        return cls(daylight, locus, greener - black_bodies, _off_locus(locus), usable, slack)

    def chroma(self, neutral: tuple[float, float, float]) -> Float64:
        """Log chroma of a neutral, shape (2,)."""
        return _log_chroma(neutral) - self.daylight

    def neutral(self, chroma: Float64) -> tuple[float, float, float]:
        """Neutral of a log chroma, green = 1."""
        red, blue = np.exp(chroma + self.daylight)
        return float(red), 1.0, float(blue)


def _log_chroma(neutral: tuple[float, float, float]) -> Float64:
    red, green, blue = neutral
    return np.asarray(np.log([red / green, blue / green]), np.float64)


def _off_locus(locus: Float64) -> Tensor:
    """Distance of each bin's middle from the locus, a polyline (n, 2), in log chroma, shape (64, 64)."""
    middles = BIN_WIDTH * (np.arange(BINS) + 0.5)
    red = (RED_RANGE[0] + middles)[:, None, None] - locus[:-1, 0]  # (64, 1, n - 1)
    blue = (BLUE_RANGE[0] + middles)[None, :, None] - locus[:-1, 1]
    along_red, along_blue = np.diff(locus, axis=0).T
    share = (red * along_red + blue * along_blue) / np.maximum(along_red**2 + along_blue**2, 1e-12)
    np.clip(share, 0, 1, out=share)
    gap = (red - share * along_red) ** 2 + (blue - share * along_blue) ** 2  # (64, 64, n - 1)
    return torch.from_numpy(np.sqrt(gap.min(-1))).float()


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """
    A frame, made small.

    Attributes:
        rgb: Linear camera RGB, shape (3, h, w), on the CPU.
        weight: 1 where the colour can be trusted, 0 where it is clipped or dark, shape (h, w).
        valid: Where it is not clipped, shape (h, w), bool.
    """

    rgb: Tensor
    weight: Tensor
    valid: Tensor

    @property
    def usable(self) -> bool:
        """Whether there is enough left to say anything."""
        return float(self.weight.sum()) >= PIXELS_MIN


def thumbnail(planes: Tensor) -> Thumbnail:
    """Area averages of packed planes (4, h, w) without clipped sites and their neighbours, which bloom reaches."""
    step = max(1, math.ceil(max(planes.shape[1:]) / THUMBNAIL_PX))
    # A comparison is false for what is not a number, so such sites are left out as well.
    valid = ~_grown(~(planes.amax(0) < CLIPPED))[None]  # (1, h, w)
    share = functional.avg_pool2d(valid.float(), step, ceil_mode=True)
    averages = [
        functional.avg_pool2d(torch.where(valid, plane[None], 0.0).float(), step, ceil_mode=True) for plane in planes
    ]
    red, green_red, green_blue, blue = (average / share.clamp_min(1e-6) for average in averages)
    rgb = torch.cat([red, (green_red + green_blue) / 2, blue]).cpu()
    return weighed(rgb, share[0].cpu() >= 0.5)


def _grown(mask: Tensor) -> Tensor:
    """A mask (h, w) and the eight neighbours of everything in it; on bytes, which pooling would make floats of."""
    along = mask.clone()
    along[1:] |= mask[:-1]
    along[:-1] |= mask[1:]
    both = along.clone()
    both[:, 1:] |= along[:, :-1]
    both[:, :-1] |= along[:, 1:]
    return both


def weighed(rgb: Tensor, valid: Tensor) -> Thumbnail:
    """A thumbnail whose dark pixels are left out softly; dark is relative to the frame's brightest pixels."""
    level = rgb.mean(0)
    lit = level[valid & (level > DARK_MIN)]
    if lit.numel() == 0:
        return Thumbnail(rgb, torch.zeros_like(level), valid)
    dark = max(DARK_MIN, 0.02 * float(torch.quantile(lit, 0.99)))
    return Thumbnail(rgb, ((level - dark) / dark).clamp(0, 1) * valid, valid)


def _chroma(rgb: Tensor, camera: Camera) -> Tensor:
    """Log chroma (2, h, w) of colours (3, h, w). Noise around black is held at a small share of the pixel's level."""
    floor = (2e-3 * rgb.mean(0)).clamp_min(1e-6)
    logs = torch.log(torch.maximum(rgb, floor))
    daylight = torch.from_numpy(camera.daylight).float()[:, None, None]
    return logs[[0, 2]] - logs[1] - daylight


def histograms(small: Thumbnail, camera: Camera) -> Tensor:
    """
    The network's view of a frame, shape (6, 64, 64).

    Pixels and edges as in Afifi et al., "Cross-camera convolutional color constancy", ICCV 2021; grey pixels; the
    brightest red, green and blue of each block, which are the light's where anything white or shiny is (Land's
    retinex, locally); what surrounds clipped lights; and the camera's locus as in Kim et al., "CCMNet", ICCV 2025,
    which is left out where nobody knows it.
    """
    bins = _bins(_chroma(small.rgb, camera))
    brightness = small.weight * small.rgb.mean(0).clamp_min(0).sqrt()
    edges, peaks = _differences(small.rgb), _peaks(small)
    locus = torch.exp(-((camera.off_locus / 0.1) ** 2) / 2)
    return torch.stack(
        [
            _histogram(bins, brightness),
            _histogram(_bins(_chroma(edges, camera)), small.weight * edges.mean(0).sqrt()),
            _histogram(bins, grayness(small, camera)),
            _histogram(_bins(_chroma(peaks, camera)), peaks.mean(0).sqrt()),
            _histogram(bins, brightness * _halo(small)),
            locus if camera.slack == 1.0 else torch.zeros_like(locus),
        ]
    )


def _peaks(small: Thumbnail) -> Tensor:
    """The brightest trusted red, green and blue of each block, (3, h / 8, w / 8), 0 where nothing can be trusted."""
    smooth = functional.avg_pool2d(small.rgb[None], 3, stride=1, padding=1, count_include_pad=False)[0]
    trusted = torch.where(small.weight > 0.5, smooth, 0.0).clamp_min(0)
    return functional.max_pool2d(trusted[None], BLOCK_PX, ceil_mode=True)[0]


def _halo(small: Thumbnail) -> Tensor:
    """1 near clipped lights, shape (h, w)."""
    clipped, length = (~small.valid).float()[None], 2 * HALO_PX + 1
    along = functional.max_pool2d(clipped, (length, 1), stride=1, padding=(HALO_PX, 0))
    return functional.max_pool2d(along, (1, length), stride=1, padding=(0, HALO_PX))[0]


def _differences(rgb: Tensor) -> Tensor:
    """Absolute differences to the neighbours on the right and below, added up, (3, h, w)."""
    across = functional.pad((rgb[:, :, 1:] - rgb[:, :, :-1]).abs(), (0, 1, 0, 0))
    along = functional.pad((rgb[:, 1:] - rgb[:, :-1]).abs(), (0, 0, 0, 1))
    return across + along


def _bins(chroma: Tensor) -> Tensor:
    """Number of the bin of each log chroma (2, h, w), shape (h, w); colours beyond the range count at its border."""
    origin = torch.tensor([RED_RANGE[0], BLUE_RANGE[0]])[:, None, None]
    row, column = ((chroma - origin) / BIN_WIDTH).long().clamp(0, BINS - 1)
    number: Tensor = row * BINS + column
    return number


def _histogram(bins: Tensor, weight: Tensor) -> Tensor:
    """Square roots of the shares of weight in each bin, (64, 64)."""
    counts = torch.bincount(bins.flatten(), weight.flatten(), BINS * BINS)
    return (counts / counts.sum().clamp_min(1e-9)).sqrt().float().view(BINS, BINS)


def _local_contrast(image: Tensor) -> Tensor:
    """Laplacian of a Gaussian of 0.5 px of (n, h, w) images; 0 at the border, where it would see past the frame."""
    if min(image.shape[1:]) < 5:
        return torch.zeros_like(image)  # all border
    axis = torch.arange(-2, 3).float()
    square = axis[:, None] ** 2 + axis[None] ** 2
    kernel = (square - 0.5) * torch.exp(-square / 0.5)
    kernel = (kernel - kernel.mean()) / kernel.abs().sum()
    contrast = functional.conv2d(image[:, None], kernel[None, None])[:, 0]
    return functional.pad(contrast, (2, 2, 2, 2))


def grayness(small: Thumbnail, camera: Camera) -> Tensor:
    """
    How grey each pixel seems, 0..1, shape (h, w), without knowing the light.

    Where brightness changes and colour does not, a surface is grey: the local contrast of log chroma is small beside
    that of log brightness (Qian et al., "On finding gray pixels", CVPR 2019). Only pixels near the camera's locus
    count, because the inside of a coloured surface passes the same test.
    """
    smooth = functional.avg_pool2d(small.rgb[None], 3, stride=1, padding=1, count_include_pad=False)[0]
    chroma = _chroma(smooth, camera)
    changes = _local_contrast(chroma).square().sum(0).sqrt()
    contrast = _local_contrast(torch.log(smooth.mean(0, keepdim=True).clamp_min(1e-6)))[0].abs()
    near = camera.off_locus.flatten()[_bins(chroma)] < CORRIDOR * camera.slack
    weight = small.weight * (contrast > 3e-3) * near
    candidates = weight > 0.5
    count = int(candidates.sum())
    if count < PIXELS_MIN:
        return torch.zeros_like(weight)
    index = changes / (contrast + 0.02)
    wanted = min(count, max(PIXELS_MIN, round(GRAY_SHARE * count)))
    limit = torch.kthvalue(index[candidates], wanted).values.clamp_min(1e-6)
    gray: Tensor = weight * torch.exp(-((index / limit) ** 2) / 2) * (index <= 3 * limit)
    return gray


def gray_pixels(small: Thumbnail, camera: Camera) -> tuple[Float64, Float64] | None:
    """
    The light as the greyest pixels show it: log chroma (2,) and its covariance (2, 2), or None without any.

    The mode of their colours by mean shift from the median, so that a coloured wall among them does not count.
    """
    weight = grayness(small, camera).double().flatten().numpy()
    if weight.sum() < 1.0:
        return None
    colors = _chroma(small.rgb, camera).double().flatten(1).T.numpy()[weight > 1e-3]
    weight = weight[weight > 1e-3]
    center = np.array([_weighted_median(colors[:, i], weight) for i in range(2)])
    for _ in range(12):
        near = weight * np.exp(-(((colors - center) / 0.25) ** 2).sum(1) / 2)
        center = (near[:, None] * colors).sum(0) / near.sum()
    spread = np.average((colors - center) ** 2, axis=0, weights=weight).sum() / 2
    # A few surfaces, not the many pixels on them, are what is independent. On made scenes the squared error
    # is 0.12^2 + spread, with long tails, for which the rest is added.
    return center, np.eye(2) * (0.16**2 + 1.5 * spread)


def _weighted_median(values: Float64, weight: Float64) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) >= weight.sum() / 2
    return float(values[order][int(np.argmax(reached))])
