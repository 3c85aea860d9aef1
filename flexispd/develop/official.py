"""
The path of light through the official networks of 2022, number for number as their scripts take it.

    BGGR mosaic -> pack -> denoise (residual) -> light_gains (FC4, twice) -> balance (gains, fixed matrix) -> render

It is here for comparison and for those who like its look, so nothing is improved: the picture has a quarter of the
mosaic's width and height, and the colour matrix is that of the challenge's camera, whatever took the frame. Where the
scripts hold constants for their one sensor (3464x5202, GBRG), the rule behind them is applied to any size and phase.
One thing differs: the EXIF orientation is left to the export, which applies it right; the scripts swap 2 and 4.

Stage 3 averages over the whole frame, so frames are never tiled.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flexispd.develop.networks.loader import load_into
from flexispd.develop.networks.official2022 import FC4, MWRCAN, ScNet1F
from flexispd.develop.tiling import padded, require_finite
from flexispd.errors import CaptureError
from flexispd.types import CFA, Mosaic, Picture, UInt16
from flexispd.weights import ModelSet

M = TypeVar("M", bound=nn.Module)

FOLDS = (0, 2)
"""Folds of the cross-validation whose networks the scripts of 2022 ask for the light."""

GAMMA = 2.2
"""FC4 was trained on pictures with this encoding."""

HIGHLIGHT_MIN = 0.9
"""Stage 1 never sees values clipped lower than this."""

# Places in a cell of the BGGR mosaic, in the order of the networks' planes, and which of R, Gr, Gb, B lies there.
# The scripts call the planes R, Gr, B, Gb; by the usual naming the second is Gb, the green beside blue.
_SITES = ((1, 1), (0, 1), (0, 0), (1, 0))
_COLORS = (0, 2, 3, 1)

# Balanced camera R, G, B to display R, G, B; every row sums to 1.
_MATRIX = (
    (1.521689, -0.673763, 0.152074),
    (-0.145724, 1.266507, -0.120783),
    (-0.0397583, -0.561249, 1.60100734),
)


@dataclass(frozen=True, slots=True, eq=False)
class OfficialNetworks:
    """The networks of one model set on one device: stage 1, stage 2 once for each of FOLDS, stage 3."""

    denoise: ScNet1F
    light: tuple[FC4, ...]
    render: MWRCAN

    def on(self, device: torch.device) -> OfficialNetworks:
        """The same networks on another device; these stay where they are."""
        light = tuple(copy.deepcopy(fold).to(device) for fold in self.light)
        return OfficialNetworks(copy.deepcopy(self.denoise).to(device), light, copy.deepcopy(self.render).to(device))


def load_networks(models: ModelSet, device: torch.device) -> OfficialNetworks:
    """Bring the networks of an imported set to `device`. Raises WeightsError as `loader.load_into`."""

    def loaded(module: M, stage: str) -> M:
        load_into(module, models.entry(stage))
        return module.eval().requires_grad_(False).to(device)

    return OfficialNetworks(
        loaded(ScNet1F(), "stage1"),
        tuple(loaded(FC4(), f"stage2-fold{fold}") for fold in FOLDS),
        loaded(MWRCAN(), "stage3"),
    )


@torch.inference_mode()
def develop_official(mosaic: Mosaic, networks: OfficialNetworks, device: torch.device) -> Picture:
    """
    The finished picture of a mosaic, uint8 R, G, B, a quarter of its width and height rounded up.

    Raises CaptureError when the mosaic has no whole BGGR cell, or when the networks see no light in it, and DeviceError
    when the numbers are no picture.
    """
    planes = denoise(pack(mosaic, device), networks.denoise)
    folds = light_gains(planes, networks.light)
    gains = folds.mean(dim=0)
    if not torch.isfinite(gains).all():
        raise CaptureError(
            "The official networks find no light to balance in this frame.",
            remedy='Render it under a profile with `model = "flexispd-s"`.',
        )
    picture = render(balance(planes, gains), networks.render)
    require_finite(picture)
    estimates = {f"fold{fold}": _neutral(one) for fold, one in zip(FOLDS, folds, strict=True)}
    light = {"neutral": _neutral(gains), "source": FC4.architecture, "estimates": estimates}
    return Picture(to_rgb8(picture), mosaic.shot.orientation, {"illuminant": light})


def to_bggr(mosaic: Mosaic) -> UInt16:
    """
    The largest BGGR mosaic of whole cells inside any other, (H, W) with both even.

    A row or column is cut on either side where the phase asks for it; mirroring would move the colours.
    Raises CaptureError when nothing is left.
    """
    top, left = (1 - place for place in mosaic.cfa.value)  # rows and columns until red lies at (1, 1)
    assert mosaic.cfa.shifted(top, left) is CFA.BGGR
    height, width = ((size - cut) // 2 * 2 for size, cut in zip(mosaic.values.shape, (top, left), strict=True))
    if not height or not width:
        raise CaptureError(
            f"A {mosaic.cfa.name} mosaic of {mosaic.values.shape[1]}x{mosaic.values.shape[0]} has no whole BGGR cell.",
            remedy='Render it under a profile with `model = "flexispd-s"`.',
        )
    return mosaic.values[top : top + height, left : left + width]


def pack(mosaic: Mosaic, device: torch.device) -> Tensor:
    """Normalised planes R, "Gr", B, "Gb" of the BGGR mosaic, (1, 4, H/2, W/2); 0 at black, 1 at white, not clipped."""
    values = to_bggr(mosaic)
    counts = torch.from_numpy(values.astype(np.float32)).to(device)
    planes = [
        (counts[row::2, column::2] - mosaic.black_level[color])
        / (mosaic.white_level[color] - mosaic.black_level[color])
        for (row, column), color in zip(_SITES, _COLORS, strict=True)
    ]
    return torch.stack(planes)[None]


def denoise(packed: Tensor, network: ScNet1F) -> Tensor:
    """
    Stage 1: planes of `pack` without their noise, clipped to 0..1, same shape.

    The network sees lamps clipped to a level near the rest of the frame; its residual is added to the planes as they
    were, so highlights keep their value.
    """
    planes = packed.clamp(0, 1)
    highest = max(3 * planes.mean().item(), HIGHLIGHT_MIN)
    residual = network(padded(planes.clamp(max=highest), network.pad_multiple))
    return (planes + _cropped(residual, planes.shape)).clamp_(0, 1)


def light_gains(planes: Tensor, networks: Sequence[FC4]) -> Tensor:
    """Stage 2, first half: white balance gains R, G, B by each network, shape (len(networks), 3), green = 1."""
    red, green, blue, other_green = planes.unbind(dim=1)
    picture = torch.stack([red, (green + other_green) / 2, blue], dim=1) ** (1 / GAMMA)
    picture = _at_least(picture, FC4.size_min)
    light = torch.cat([network(picture) for network in networks])  # (folds, 3)
    # Averaged as gains by the caller, not as colours: the mean of inverses is not the inverse of the mean.
    return light[:, 1:2] / light


def balance(planes: Tensor, gains: Tensor) -> Tensor:
    """
    Stage 2, second half: gains, clipping to 0..1, and the fixed matrix, whose result is not clipped. Same shape.

    Each green plane keeps its own values; red and blue take from the mean of both.
    """
    red_gain, green_gain, blue_gain = gains.to(planes.dtype)
    by_plane = torch.stack([red_gain, green_gain, blue_gain, green_gain])[:, None, None]
    red, green, blue, other_green = (planes * by_plane).clamp_(0, 1).unbind(dim=1)
    mean_green = (green + other_green) / 2

    def mixed(row: int, green: Tensor) -> Tensor:
        from_red, from_green, from_blue = _MATRIX[row]
        return from_red * red + from_green * green + from_blue * blue

    return torch.stack([mixed(0, mean_green), mixed(1, green), mixed(2, mean_green), mixed(1, other_green)], dim=1)


def render(balanced: Tensor, network: MWRCAN) -> Tensor:
    """Stage 3: display-referred B, G, R, not clipped, (1, 3, h/2, w/2) rounded up of planes (1, 4, h, w)."""
    _, _, height, width = balanced.shape
    picture = network(padded(balanced, network.pad_multiple))
    return _cropped(picture, ((height + 1) // 2, (width + 1) // 2))


def to_rgb8(picture: Tensor) -> NDArray[np.uint8]:
    """Pixels R, G, B, uint8, shape (h, w, 3), of stage 3's picture."""
    levels = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.flip(0).permute(1, 2, 0).contiguous().cpu().numpy()


def _neutral(gains: Tensor) -> list[float]:
    """Camera R, G, B of grey, green = 1."""
    return [1 / gain for gain in gains.tolist()]


def _cropped(planes: Tensor, size: Sequence[int]) -> Tensor:
    """The top left part of planes, as high and wide as the last two numbers of `size`."""
    return planes[..., : size[-2], : size[-1]]


def _at_least(picture: Tensor, size: int) -> Tensor:
    """A picture repeated until no side is shorter than `size`; the colours in it stay in their proportions."""
    height, width = picture.shape[-2:]
    return picture.repeat(1, 1, max(1, -(-size // height)), max(1, -(-size // width)))
