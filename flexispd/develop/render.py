"""
Stage 3: from a clean mosaic and the light it was taken in to finished pictures, one for each look.

Looks that agree on the light share the demosaicking, which is nearly all of the work; noise that they keep follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flexispd.color_spaces import SPACES
from flexispd.cube import read_cube
from flexispd.develop.color import camera_to_rec2020
from flexispd.develop.demosaic import demosaic, interpolated, recover_highlights
from flexispd.develop.denoise import fine_noise, keeps_noise, network_level, remove_noise
from flexispd.develop.exposure import auto_exposure_ev, camera_rgb, luminance_of, thumbnail
from flexispd.develop.finish import (
    Finish,
    finished,
    is_finished,
    noise_left,
    noise_of_gray,
    noise_of_lightness,
)
from flexispd.develop.grading import Grading
from flexispd.develop.local_light import LocalLight
from flexispd.develop.look import Glances, learned_look, peaks_of
from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.develop.networks.look_net import LookNet
from flexispd.develop.surroundings import Surroundings
from flexispd.develop.tiling import Slices, Tiling, require_finite
from flexispd.develop.tone import REC2020_LUMINANCE, Look, apply_look
from flexispd.develop.upload import Frame, crop_of
from flexispd.profile import DenoiseParams, Profile
from flexispd.profile_params import ColorSpace
from flexispd.types import ColorMatrix, Illuminant, NoiseProfile

STRIP_PX = 262144
"""Pixels finished together: so many that starting a step costs little, few enough for a processor's last cache."""

Balanced = Callable[[Slices], Tensor]
"""Gives the balanced planes (4, h, w) of a part of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Negative:
    """
    What all looks of a frame start from.

    Attributes:
        frame: The mosaic on the device.
        clean: Its planes without noise, the same shape.
        noise: Its noise profile.
        matrices: The camera's colour matrices.
        orientation: EXIF orientation 1 to 8 of the frame.
    """

    frame: Frame
    clean: Tensor
    noise: NoiseProfile
    matrices: tuple[ColorMatrix, ...]
    orientation: int = 1

    def balanced(self, gains: Tensor) -> Balanced:
        """Any part of the clean frame, white balanced, highlights recovered, 1 the brightest."""
        return lambda part: recover_highlights(self.clean[(slice(None), *part)], gains) / gains.amax()

    def kept_noise(self, denoise: DenoiseParams, gains: Tensor) -> Balanced | None:
        """What a profile's denoising leaves of any part's noise, in the same units; None if it leaves nothing."""
        if not keeps_noise(denoise):
            return None
        noisy, clean = self.frame.planes, self.clean
        grain = fine_noise(noisy, clean, gains) if denoise.keep_grain else None

        def of(part: Slices) -> Tensor:
            here = (slice(None), *part)
            left = remove_noise(noisy[here], clean[here], denoise, gains, None if grain is None else grain[part])
            return (left - clean[here]) * (gains / gains.amax())[:, None, None]

        return of


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """
    One look of a frame.

    Attributes:
        values: Colour space -> encoded R, G, B, uint8 or uint16, (H, W, 3), for every space that the profile exports.
        exposure_ev: Exposure that was applied; the automatic one found `auto_ev`.
        learned: What the learned look asked for; None where the profile wants nothing of it.
    """

    values: Mapping[ColorSpace, NDArray[Any]]
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
        denoise: What is left of the noise.
        around: What surroundings do, or None.
        finish: The last touch, or None.
        exposure_ev, auto_ev, learned: As in `Rendering`.
    """

    look: Look
    local: LocalLight | None
    denoise: DenoiseParams
    around: Surroundings | None
    finish: Finish | None
    exposure_ev: float
    auto_ev: float
    learned: Mapping[str, Any] | None

    def shown_in(self, space: ColorSpace) -> _Plan:
        """The same look in a colour space."""
        return replace(self, look=self.look.shown_in(SPACES[space]))


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
    """Indices of the looks that can share a demosaicking: same clean mosaic, same white balance."""
    groups: dict[tuple[float, tuple[float, float, float]], list[int]] = {}
    for i, (profile, illuminant) in enumerate(looks):
        groups.setdefault((network_level(profile.denoise), illuminant.neutral), []).append(i)
    return groups.values()


def _render_group(
    negative: Negative, looks: Sequence[tuple[Profile, Illuminant]], networks: Renderers, tiling: Tiling
) -> list[Rendering]:
    """The pictures of looks that share their demosaicking, tile by tile."""
    planes = negative.frame.planes
    gains = _gains(looks[0][1]).to(planes)
    balanced = negative.balanced(gains)
    noises = {profile.denoise: negative.kept_noise(profile.denoise, gains) for profile, _ in looks}
    planned = [_planned(negative, balanced, profile, illuminant, networks.look) for profile, illuminant in looks]
    spaces = [_spaces(profile) for profile, _ in looks]
    # What differs between colour spaces are the last steps of a look, so each is a look of its own.
    plans = [plan.shown_in(space) for plan, deep in zip(planned, spaces, strict=True) for space in deep]
    depths = [deep for of_look in spaces for deep in of_look.values()]
    height, width = planes.shape[1:]
    outs = [
        # A last touch rounds anew, so it is given more than it has to give.
        torch.empty(
            (2 * height, 2 * width, 3), dtype=torch.int16 if deep or plan.finish else torch.uint8, device=planes.device
        )
        for plan, deep in zip(plans, depths, strict=True)
    ]
    parts = demosaic(balanced, (height, width), networks.demosaic, tiling)
    sums = []
    for tile, rgb in parts:
        rows, columns = (slice(2 * s.start, 2 * s.stop) for s in tile.inside)
        # Noise that stays is added here, so that looks which keep more or less of it share the network's work.
        light = {
            denoise: rgb + interpolated(noise, tile.inside, (height, width), networks.demosaic) if noise else rgb
            for denoise, noise in noises.items()
        }
        for plan, out in zip(plans, outs, strict=True):
            sums.append(_finish(light[plan.denoise], plan, out, (rows, columns)))
    require_finite(torch.stack(sums))
    crop = crop_of(negative.frame)
    shown = iter(_shown(out[crop], plan.finish, deep=d) for out, plan, d in zip(outs, plans, depths, strict=True))
    return [
        Rendering({space: next(shown) for space in of_look}, plan.exposure_ev, plan.auto_ev, plan.learned)
        for plan, of_look in zip(planned, spaces, strict=True)
    ]


def _shown(picture: Tensor, finish: Finish | None, *, deep: bool) -> NDArray[Any]:
    """A picture (H, W, 3) after its last touch, which gives it the depth that is exported."""
    if finish is not None:
        picture = finished(picture, finish, deep=deep)
    return _unsigned(picture.contiguous().cpu().numpy())


def _gains(illuminant: Illuminant) -> Tensor:
    """White balance of R, Gr, Gb, B."""
    red, green, blue = (1 / n for n in illuminant.neutral)
    return torch.tensor([red, green, green, blue])


def _unsigned(values: NDArray[Any]) -> NDArray[Any]:
    """What torch computed with int16 where uint16 is meant, as uint16; the bits are the same."""
    return values.view(np.uint16) if values.dtype == np.int16 else values


def _spaces(profile: Profile) -> dict[ColorSpace, bool]:
    """Every colour space that a profile exports, in their order, and whether a file of it needs 16 bits."""
    spaces: dict[ColorSpace, bool] = {}
    for export in profile.export:
        spaces[export.color_space] = spaces.get(export.color_space, False) or export.format in {"png16", "tiff16"}
    return spaces


def _planned(
    negative: Negative, balanced: Balanced, profile: Profile, illuminant: Illuminant, network: LookNet | None
) -> _Plan:
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
    look = Look.of(to_rec2020 * (2.0**exposure_ev * gains.amax()), params, _grading(profile, gains.device))
    around = Surroundings.of(negative.frame, balanced, look.matrix, profile, negative.orientation)
    finish = _last_touch(negative, profile, gains, look) if is_finished(profile) else None
    return _Plan(look, local, profile.denoise, around, finish, exposure_ev, auto_ev, learned)


def _last_touch(negative: Negative, profile: Profile, gains: Tensor, look: Look) -> Finish:
    """The last touch of a profile, which knows what the look makes of the frame's noise."""
    light = torch.logspace(-5, 0, 1024, device=gains.device)
    shown = apply_look(light.expand(3, -1).contiguous(), look)
    deviation = noise_of_gray(light, negative.noise, gains, noise_left(profile))
    return Finish(profile.sharpening, profile.grain, noise_of_lightness(light, deviation, shown))


def _grading(profile: Profile, device: torch.device) -> Grading | None:
    """A profile's colour work, with its look-up table; ConfigError when that cannot be read."""
    wanted = profile.lut.file and profile.lut.strength
    return Grading.of(profile, device, read_cube(Path(profile.lut.file), profile.lut.sha256) if wanted else None)


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
        if plan.around is not None:
            strip = plan.around.applied(strip, part, columns)
        fields = plan.local.fields(part, columns) if plan.local else None
        shown = apply_look(strip.reshape(3, -1), plan.look, fields).mul_(peak).add_(0.5)
        whole = shown.to(torch.uint8) if frame.dtype == torch.uint8 else shown.to(torch.int32).to(torch.int16)
        frame[part, columns] = whole.reshape(3, -1, width).permute(1, 2, 0)
        total += shown.sum()  # a NaN would be a black pixel, and nobody could tell
    return total
