"""
Stage 3: from a clean mosaic and the light it was taken in to finished pictures, one for each look.

Looks that agree on noise and white balance share the demosaicking, which is nearly all of the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flexispd.develop.color import camera_to_rec2020
from flexispd.develop.demosaic import demosaic, recover_highlights
from flexispd.develop.denoise import network_level, remove_noise
from flexispd.develop.exposure import auto_exposure_ev, luminance_of, thumbnail
from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.develop.tiling import Slices, Tiling, require_finite
from flexispd.develop.tone import REC2020_LUMINANCE, Look, apply_look
from flexispd.develop.upload import Frame, crop_of
from flexispd.profile import DenoiseParams, Profile
from flexispd.types import ColorMatrix, Illuminant, NoiseProfile

STRIP_PX = 65536
"""Pixels finished together, so that the many steps of a look find them in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Negative:
    """
    What all looks of a frame start from.

    Attributes:
        frame: The mosaic on the device.
        clean: Its planes without noise, the same shape.
        noise: Its noise profile.
        matrices: The camera's colour matrices.
    """

    frame: Frame
    clean: Tensor
    noise: NoiseProfile
    matrices: tuple[ColorMatrix, ...]

    def balanced(self, part: Slices, denoise: DenoiseParams, gains: Tensor) -> Tensor:
        """A part of the frame under a profile's denoising, white balanced, highlights recovered, 1 the brightest."""
        planes = remove_noise(self.frame.planes[(slice(None), *part)], self.clean[(slice(None), *part)], denoise, gains)
        return recover_highlights(planes, gains) / gains.amax()


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """
    One look of a frame.

    Attributes:
        values: uint8 or uint16, (H, W, 3), sRGB-encoded.
        exposure_ev: Exposure that was applied, of which `auto_ev` is the automatic part.
    """

    values: NDArray[Any]
    exposure_ev: float
    auto_ev: float


def render(
    negatives: Mapping[float, Negative],
    looks: Sequence[tuple[Profile, Illuminant]],
    network: DemosaicUNet,
    tiling: Tiling,
) -> list[Rendering]:
    """A finished picture for each profile under its illuminant, from the negative of its `network_level`."""
    done: dict[int, Rendering] = {}
    for group in _sharing(looks):
        negative = negatives[network_level(looks[group[0]][0].denoise)]
        done.update(zip(group, _render_group(negative, [looks[i] for i in group], network, tiling), strict=True))
    return [done[i] for i in range(len(looks))]


def _sharing(looks: Sequence[tuple[Profile, Illuminant]]) -> Iterable[list[int]]:
    """Indices of the looks that can share a demosaicking: same denoising, same white balance."""
    groups: dict[tuple[DenoiseParams, tuple[float, float, float]], list[int]] = {}
    for i, (profile, illuminant) in enumerate(looks):
        groups.setdefault((profile.denoise, illuminant.neutral), []).append(i)
    return groups.values()


def _render_group(
    negative: Negative, looks: Sequence[tuple[Profile, Illuminant]], network: DemosaicUNet, tiling: Tiling
) -> list[Rendering]:
    """The pictures of looks that share their demosaicking, tile by tile."""
    planes, denoise = negative.frame.planes, looks[0][0].denoise
    gains = _gains(looks[0][1]).to(planes)
    exposed = [_exposed(negative, profile, illuminant) for profile, illuminant in looks]
    height, width = planes.shape[1:]
    outs = [
        torch.empty((2 * height, 2 * width, 3), dtype=torch.int16 if _is_deep(p) else torch.uint8, device=planes.device)
        for p, _ in looks
    ]
    parts = demosaic(lambda part: negative.balanced(part, denoise, gains), (height, width), network, tiling)
    sums = []
    for tile, rgb in parts:
        rows, columns = (slice(2 * s.start, 2 * s.stop) for s in tile.inside)
        for (look, _, _), out in zip(exposed, outs, strict=True):
            sums.append(_finish(rgb, look, out[rows, columns]))
    require_finite(torch.stack(sums))
    crop = crop_of(negative.frame)
    return [
        Rendering(_unsigned(np.ascontiguousarray(out.cpu().numpy()[crop])), exposure_ev, auto_ev)
        for out, (_, exposure_ev, auto_ev) in zip(outs, exposed, strict=True)
    ]


def _gains(illuminant: Illuminant) -> Tensor:
    """White balance of R, Gr, Gb, B."""
    red, green, blue = (1 / n for n in illuminant.neutral)
    return torch.tensor([red, green, green, blue])


def _unsigned(values: NDArray[Any]) -> NDArray[Any]:
    """What torch computed with int16 where uint16 is meant, as uint16; the bits are the same."""
    return values.view(np.uint16) if values.dtype == np.int16 else values


def _is_deep(profile: Profile) -> bool:
    """Whether a profile's exports need 16 bits."""
    return any(export.format in {"png16", "tiff16"} for export in profile.export)


def _exposed(negative: Negative, profile: Profile, illuminant: Illuminant) -> tuple[Look, float, float]:
    """A profile's look at its exposure, that exposure, and the automatic exposure, in EV."""
    params, balance = profile.render, profile.white_balance
    gains = _gains(illuminant).to(negative.clean)
    matrix = camera_to_rec2020(illuminant.neutral, negative.matrices, balance.adaptation, balance.warmth_mired)
    to_rec2020 = torch.from_numpy(matrix).to(gains)
    small = recover_highlights(thumbnail(negative.clean), gains)
    luminance = luminance_of(small, to_rec2020, torch.from_numpy(REC2020_LUMINANCE).to(gains))
    auto_ev = auto_exposure_ev(luminance, negative.noise)
    exposure_ev = params.auto_exposure * auto_ev + params.exposure_ev
    return Look.of(to_rec2020 * (2.0**exposure_ev * gains.amax()), params), exposure_ev, auto_ev


def _finish(rgb: Tensor, look: Look, out: Tensor) -> Tensor:
    """Apply a look to linear (3, H, W) and write it, quantised, into `out` (H, W, 3); the sum of all that went in."""
    _, height, width = rgb.shape
    peak = 255.0 if out.dtype == torch.uint8 else 65535.0
    step = max(1, STRIP_PX // width)
    total = rgb.sum()
    for top in range(0, height, step):
        strip = rgb[:, top : top + step]
        shown = apply_look(strip.reshape(3, -1), look).mul_(peak).add_(0.5)
        whole = shown.to(torch.uint8) if out.dtype == torch.uint8 else shown.to(torch.int32).to(torch.int16)
        out[top : top + step] = whole.reshape(3, -1, width).permute(1, 2, 0)
        total += shown.sum()  # a NaN would be a black pixel, and nobody could tell
    return total
