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
from flexispd.develop.exposure import auto_exposure_ev, camera_rgb, luminance_of, thumbnail
from flexispd.develop.local_light import LocalLight
from flexispd.develop.look import Glances, learned_look, peaks_of
from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.develop.networks.look_net import LookNet
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
        exposure_ev: Exposure that was applied; the automatic one found `auto_ev`.
        learned: What the learned look asked for; None where the profile wants nothing of it.
    """

    values: NDArray[Any]
    exposure_ev: float
    auto_ev: float
    learned: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class Renderers:
    """
    The networks of stage 3.

    Attributes:
        demosaic: Gives every pixel its three colours.
        look: Says how the frame wants to be shown; None in a model set that has no such network.
    """

    demosaic: DemosaicUNet
    look: LookNet | None


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """
    How one look of a frame is made, decided before any pixel is.

    Attributes:
        look: The steps, exposure included.
        local: The local light, or None.
        exposure_ev, auto_ev, learned: As in `Rendering`.
    """

    look: Look
    local: LocalLight | None
    exposure_ev: float
    auto_ev: float
    learned: Mapping[str, Any] | None


def render(
    negatives: Mapping[float, Negative],
    looks: Sequence[tuple[Profile, Illuminant]],
    networks: Renderers,
    tiling: Tiling,
) -> list[Rendering]:
    """A finished picture for each profile under its illuminant, from the negative of its `network_level`."""
    done: dict[int, Rendering] = {}
    for group in _sharing(looks):
        negative = negatives[network_level(looks[group[0]][0].denoise)]
        done.update(zip(group, _render_group(negative, [looks[i] for i in group], networks, tiling), strict=True))
    return [done[i] for i in range(len(looks))]


def _sharing(looks: Sequence[tuple[Profile, Illuminant]]) -> Iterable[list[int]]:
    """Indices of the looks that can share a demosaicking: same denoising, same white balance."""
    groups: dict[tuple[DenoiseParams, tuple[float, float, float]], list[int]] = {}
    for i, (profile, illuminant) in enumerate(looks):
        groups.setdefault((profile.denoise, illuminant.neutral), []).append(i)
    return groups.values()


def _render_group(
    negative: Negative, looks: Sequence[tuple[Profile, Illuminant]], networks: Renderers, tiling: Tiling
) -> list[Rendering]:
    """The pictures of looks that share their demosaicking, tile by tile."""
    planes, denoise = negative.frame.planes, looks[0][0].denoise
    gains = _gains(looks[0][1]).to(planes)
    plans = [_planned(negative, profile, illuminant, networks.look) for profile, illuminant in looks]
    height, width = planes.shape[1:]
    outs = [
        torch.empty((2 * height, 2 * width, 3), dtype=torch.int16 if _is_deep(p) else torch.uint8, device=planes.device)
        for p, _ in looks
    ]
    parts = demosaic(lambda part: negative.balanced(part, denoise, gains), (height, width), networks.demosaic, tiling)
    sums = []
    for tile, rgb in parts:
        rows, columns = (slice(2 * s.start, 2 * s.stop) for s in tile.inside)
        for plan, out in zip(plans, outs, strict=True):
            sums.append(_finish(rgb, plan, out, (rows, columns)))
    require_finite(torch.stack(sums))
    crop = crop_of(negative.frame)
    return [
        Rendering(
            _unsigned(np.ascontiguousarray(out.cpu().numpy()[crop])), plan.exposure_ev, plan.auto_ev, plan.learned
        )
        for out, plan in zip(outs, plans, strict=True)
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


def _planned(negative: Negative, profile: Profile, illuminant: Illuminant, network: LookNet | None) -> _Plan:
    """How a profile shows the frame: its exposure, its knobs, and what the learned look adds to them."""
    params, balance = profile.render, profile.white_balance
    gains = _gains(illuminant).to(negative.clean)
    matrix = camera_to_rec2020(illuminant.neutral, negative.matrices, balance.adaptation, balance.warmth_mired)
    to_rec2020 = torch.from_numpy(matrix).to(gains)
    small = recover_highlights(thumbnail(negative.clean), gains)
    luminance = luminance_of(small, to_rec2020, torch.from_numpy(REC2020_LUMINANCE).to(gains))
    auto_ev = auto_exposure_ev(luminance, negative.noise)
    local, learned = None, None
    if params.learned and network is not None:
        light = torch.einsum("cd,dhw->chw", to_rec2020, camera_rgb(small))
        peaks = peaks_of(torch.einsum("cd,dhw->chw", to_rec2020 * gains[[0, 1, 3]], camera_rgb(negative.clean)))
        known = torch.tensor([[auto_ev], [negative.noise.read[1]]]).to(light)
        asked = learned_look(network, Glances(light[None], peaks[None], *known), params.learned)
        height, width = negative.clean.shape[1:]
        params, local, learned = (
            asked.joined(params),
            LocalLight.of(asked.grid, (2 * height, 2 * width)),
            asked.report(),
        )
    exposure_ev = params.auto_exposure * auto_ev + params.exposure_ev
    look = Look.of(to_rec2020 * (2.0**exposure_ev * gains.amax()), params)
    return _Plan(look, local, exposure_ev, auto_ev, learned)


def _finish(rgb: Tensor, plan: _Plan, frame: Tensor, place: Slices) -> Tensor:
    """
    Apply a look to a part of the frame, linear (3, h, w), and write it, quantised, into its place in `frame` (H, W, 3).

    Returns the sum of all that went in.
    """
    _, height, width = rgb.shape
    rows, columns = place
    peak = 255.0 if frame.dtype == torch.uint8 else 65535.0
    step = max(1, STRIP_PX // width)
    total = rgb.sum()
    for top in range(0, height, step):
        strip = rgb[:, top : top + step]
        part = slice(rows.start + top, rows.start + top + strip.shape[1])
        fields = plan.local.fields(part, columns) if plan.local else None
        shown = apply_look(strip.reshape(3, -1), plan.look, fields).mul_(peak).add_(0.5)
        whole = shown.to(torch.uint8) if frame.dtype == torch.uint8 else shown.to(torch.int32).to(torch.int16)
        frame[part, columns] = whole.reshape(3, -1, width).permute(1, 2, 0)
        total += shown.sum()  # a NaN would be a black pixel, and nobody could tell
    return total
