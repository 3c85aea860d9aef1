"""
The last touch on a finished picture: sharpening, then grain.

Both work after the look, on what the eye compares: display-encoded lightness. The same amount is added to red, green
and blue, so colours stay. A profile that wants neither never comes here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from flexispd.develop.blur import blurred, gaussian
from flexispd.develop.tiling import Slices, within
from flexispd.profile import GrainParams, Profile, SharpeningParams
from flexispd.types import NoiseProfile

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of encoded red, green and blue, ITU-R BT.709."""

OVERSHOOT = 0.1
"""How far a sharpened pixel may go beyond its neighbours, as a share of the contrast among them: more is a halo."""

NOISE_WIDTHS = 2.0
"""Deviations of the noise up to which a difference could be noise."""

RESIDUAL = 0.15
"""Share of the noise that the network leaves behind where it is told to remove all of it."""

LEVELS = 256
"""Steps of lightness for which the noise is known."""

GRAIN_DEVIATION = 0.05
"""Deviation of a full `amount` of grain at mid lightness, as a share of white."""

GRAIN_SEED = 1839


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """
    What is done to one finished picture.

    Attributes:
        sharpening: The profile's.
        grain: Of a picture of this size at mid lightness, (H, W); None where the profile wants none.
        noise: Deviation of the noise at `LEVELS` lightnesses from 0 to 1, (LEVELS,).
    """

    sharpening: SharpeningParams
    grain: Tensor | None
    noise: Tensor

    @property
    def reach_px(self) -> int:
        """Pixels that sharpening looks at on each side of one."""
        return len(gaussian(self.sharpening.radius_px)) // 2 if self.sharpening.amount > 0 else 0


def is_finished(profile: Profile) -> bool:
    """Whether a profile asks for a last touch."""
    return profile.sharpening.amount > 0 or profile.grain.amount > 0


def noise_of_lightness(light: Tensor, deviation: Tensor, shown: Tensor) -> Tensor:
    """
    The deviation of the noise at each of `LEVELS` lightnesses from 0 to 1, (LEVELS,).

    Args:
        light: Rising scene light of greys, (n,).
        deviation: Of the noise at each, in the same unit, (n,).
        shown: Encoded RGB that the look makes of these greys, (3, n).
    """
    luma = _luma(shown).cummax(0).values
    slope = torch.gradient(luma, spacing=(light,))[0]
    level = torch.linspace(0, 1, LEVELS, device=luma.device)
    right = torch.searchsorted(luma, level).clamp(1, len(luma) - 1)
    place = ((level - luma[right - 1]) / (luma[right] - luma[right - 1]).clamp_min(1e-9)).clamp(0, 1)
    known = slope * deviation
    return torch.lerp(known[right - 1], known[right], place)


def noise_of_gray(light: Tensor, noise: NoiseProfile, gains: Tensor, left: float) -> Tensor:
    """
    Deviation of the brightness noise of greys, in units of their `light` (n,), of which a share `left` is still there.

    Args:
        light: Balanced, 1 the brightest that a sensor can say, so a site has counted `light * max(gains) / gain`.
        gains: White balance of R, Gr, Gb, B, (4,).
    """
    gain = (gains / gains.amax())[:, None]
    shot, read = (torch.tensor(n, device=light.device)[:, None] for n in (noise.shot, noise.read))
    variance = gain**2 * (shot * light / gain + read)
    weights = torch.tensor([LUMA[0], LUMA[1] / 2, LUMA[1] / 2, LUMA[2]], device=light.device)[:, None]
    # Demosaicking makes a pixel of about one site of each colour, so greens are not averaged.
    weighted = torch.cat([weights[:1], weights[1:3].sum(0, keepdim=True), weights[3:]]) ** 2 * variance[[0, 1, 3]]
    return left * weighted.sum(0).sqrt()


def noise_left(profile: Profile) -> float:
    """Share of the brightness noise that is still there after a profile's denoising."""
    taken = min(profile.denoise.luminance, 1.0)
    return max(RESIDUAL, 1 - taken + taken * profile.denoise.keep_grain)


def finished(encoded: Tensor, finish: Finish, part: Slices, around: Slices) -> Tensor:
    """
    A part of a picture after its last touch.

    Args:
        encoded: The picture's R, G, B in 0..1, (3, h, w).
        part: What of the picture is wanted.
        around: Where `encoded` lies in the picture; `finish.reach_px` wider than `part`, as far as the picture goes.
    """
    inside = within(part, around)
    luma = _luma(encoded)
    added = torch.zeros_like(luma)
    if finish.sharpening.amount > 0:
        added = sharpened(luma, finish.sharpening, finish.noise) - luma
    luma, added = luma[inside], added[inside]
    if finish.grain is not None:
        added = added + finish.grain[part] * _grain_strength(luma + added)
    return (encoded[(slice(None), *inside)] + added).clamp_(0, 1)


def sharpened(luma: Tensor, params: SharpeningParams, noise: Tensor) -> Tensor:
    """
    Encoded lightness (h, w), 0..1, after unsharp masking.

    What could be noise, up to `NOISE_WIDTHS` of its deviation, is cut off the difference that is amplified; the result
    stays within the neighbours' range, and `OVERSHOOT` of it beyond.
    """
    kernel = gaussian(params.radius_px)
    detail = luma - blurred(luma, kernel)
    if params.noise_aware > 0:
        # The noise of a pixel, less what the blurred pixel shares with it.
        shown = float(1 - 2 * kernel.amax() ** 2 + kernel.square().sum() ** 2) ** 0.5
        deviation = noise[(luma * (LEVELS - 1)).round().long()] * shown
        detail = functional.softshrink(detail / deviation.clamp_min(1e-9), NOISE_WIDTHS * params.noise_aware)
        detail = detail * deviation.clamp_min(1e-9)
    near = math.ceil(params.radius_px)
    low, high = -_highest(-luma, near), _highest(luma, near)
    beyond = OVERSHOOT * (high - low)
    return torch.minimum(torch.maximum(luma + params.amount * detail, low - beyond), high + beyond)


@lru_cache(maxsize=1)
def film_grain(size: tuple[int, int], params: GrainParams) -> Tensor:
    """
    Grain at mid lightness for a picture of `size` (H, W), the same for every picture of that size, on the CPU.

    The last one is kept, because a camera's frames are of one size; nobody may change it.

    `size_px` is the full width of a grain at half of its height.
    """
    white = torch.randn(size, generator=torch.Generator().manual_seed(GRAIN_SEED))
    kernel = gaussian(params.size_px / (2 * math.sqrt(2 * math.log(2))))
    return blurred(white, kernel / kernel.square().sum().sqrt()) * (GRAIN_DEVIATION * params.amount)


def _grain_strength(luma: Tensor) -> Tensor:
    """Grains are developed or not: their number varies as p (1 - p), most in the middle, never in black or white."""
    return 4 * luma * (1 - luma)


def _luma(rgb: Tensor) -> Tensor:
    red, green, blue = rgb.unbind(0)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _highest(grid: Tensor, radius: int) -> Tensor:
    """The largest value within `radius` of each pixel of (h, w), both ways."""
    padded = functional.pad(grid[None, None], (radius,) * 4, mode="replicate")[0, 0]
    down = padded[: grid.shape[0]]
    for i in range(1, 2 * radius + 1):
        down = torch.maximum(down, padded[i : i + grid.shape[0]])
    out = down[:, : grid.shape[1]]
    for i in range(1, 2 * radius + 1):
        out = torch.maximum(out, down[:, i : i + grid.shape[1]])
    return out
