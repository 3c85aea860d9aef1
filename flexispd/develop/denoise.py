"""
Stage 1: take the noise out of the mosaic, before anything mixes its sites.

The network is asked once for the whole noise of a frame. How much of it is taken away, and of which kind, is a
profile's choice and comes later, so two profiles of one frame share the network's work.

Grain that is given back is the fine part of what was taken: noise wider than a few pixels is a blotch to the eye.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flexispd.develop.anscombe import Anscombe
from flexispd.develop.blur import blurred, gaussian
from flexispd.develop.networks.denoise_unet import DenoiseUNet
from flexispd.develop.tiling import Tile, Tiling, at_once, tiles
from flexispd.profile import DenoiseParams
from flexispd.types import NoiseProfile

GRAIN_SIGMA = 1.5
"""Width, in packed samples, of the Gaussian below which noise counts as fine: grains of up to about 3 pixels."""


def network_level(params: DenoiseParams) -> float:
    """
    How much noise the network has to be told of, as a factor of its deviation; 0 when a profile keeps all noise.

    A strength above 1 asks the network for more instead of extrapolating what it took away, which would carve.
    """
    strongest = max(params.luminance, params.chrominance)
    return max(1.0, strongest) if strongest > 0 else 0.0


def denoise(planes: Tensor, noise: NoiseProfile, level: float, network: DenoiseUNet, tiling: Tiling) -> Tensor:
    """
    The clean mosaic that the network sees behind a noisy one; linear planes (4, h, w), same scale, same size.

    The network works on variance-stabilised values and is told the deviation of the noise in them, times `level`.
    Level 0 gives `planes` themselves.
    """
    if level == 0:
        return planes
    shot, read = (torch.tensor(n, device=planes.device)[:, None, None] for n in (noise.shot, noise.read))
    stable = Anscombe.of(shot * level**2, read * level**2)
    clean = torch.empty_like(planes)

    def clean_tile(tile: Tile) -> None:
        noisy = stable.forward(planes[(slice(None), *tile.around)])[None].contiguous(memory_format=torch.channels_last)
        quiet = network(noisy, stable.deviation[None])[(0, slice(None), *tile.core)]
        clean[(slice(None), *tile.inside)] = stable.inverse(quiet)

    # Twice as large as elsewhere: this network has the widest margin, which is work that is thrown away.
    parts = tiles((planes.shape[1], planes.shape[2]), 2 * tiling.edge, network)
    at_once(parts, clean_tile, tiling.device)
    return clean


def fine_noise(planes: Tensor, clean: Tensor, gains: Tensor) -> Tensor:
    """
    The fine grey noise that the network found in a whole frame (4, h, w), white balanced by `gains` (4,): (h, w).

    What a Gaussian of `GRAIN_SIGMA` leaves of it is subtracted, so that it holds no blotches and has mean 0 everywhere.
    """
    gray = torch.einsum("c,chw->hw", gains / 4, planes - clean)
    return gray - blurred(gray, gaussian(GRAIN_SIGMA))


def keeps_noise(params: DenoiseParams) -> bool:
    """Whether a profile that has the network asked keeps some of what it finds."""
    wanted = params.luminance < 1 or params.chrominance < 1 or params.keep_grain > 0
    return network_level(params) > 0 and wanted


def remove_noise(
    planes: Tensor, clean: Tensor, params: DenoiseParams, gains: Tensor, grain: Tensor | None = None
) -> Tensor:
    """
    Planes with a share of their noise taken away: `luminance` of its grey part, `chrominance` of its coloured part.

    Both 0 gives `planes` and both 1 gives `clean`, exactly. The grey part is the mean of a cell's four residuals after
    white balance by `gains` (4,), so grain that stays is neutral in the finished picture. `clean` is what `denoise`
    gave at the `network_level` of `params`. Of what was taken, `keep_grain` of the fine part is given back: `grain`
    (h, w) is these planes' part of `fine_noise`.
    """
    if network_level(params) == 0:
        return planes
    left = _without_noise(planes, clean, params, gains)
    if grain is None:
        return left
    return left + params.keep_grain * min(params.luminance, 1.0) * grain / gains[:, None, None]


def _without_noise(planes: Tensor, clean: Tensor, params: DenoiseParams, gains: Tensor) -> Tensor:
    # Beside a strength above 1 the network was told of more noise for both kinds; a strength up to 1 stays a share.
    luminance, chrominance = min(params.luminance, 1.0), min(params.chrominance, 1.0)
    if luminance == chrominance:
        return clean if luminance == 1 else torch.lerp(planes, clean, luminance)
    residual = clean - planes
    gray = torch.einsum("c,chw->hw", gains / 4, residual) / gains[:, None, None]
    return planes + chrominance * residual + (luminance - chrominance) * gray
