"""
Stage 3: from a clean mosaic and the light it was taken in to finished pictures, one for each look.

Looks that agree on the light share the demosaicking, which is nearly all of the work; noise that they keep follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
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
    film_grain,
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
from flexispd.develop.output import Output, quantised
from flexispd.develop.surroundings import Surroundings
from flexispd.develop.tiling import (
    Slices,
    Tile,
    Tiling,
    at_once,
    grown,
    in_pixels,
    require_finite,
    tiles,
    within,
)
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

    @property
    def reach_px(self) -> int:
        """Pixels that the look sees on each side of one."""
        return self.finish.reach_px if self.finish else 0


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
    plans = [plan for plan, of_look in zip(planned, spaces, strict=True) for _ in of_look]
    wanted = [(SPACES[space], deep) for of_look in spaces for space, deep in of_look.items()]
    size = planes.shape[1], planes.shape[2]
    outs = [
        torch.empty(2 * size[0], 2 * size[1], 3, dtype=torch.int16 if deep else torch.uint8, device=planes.device)
        for _, deep in wanted
    ]
    outputs = [
        # A last touch rounds anew, so it is given numbers that are not rounded.
        Output.of(plan.look.shown_in(space), out.dtype if plan.finish is None else torch.float32)
        for plan, (space, _), out in zip(plans, wanted, outs, strict=True)
    ]
    reach = max(plan.reach_px for plan in plans)

    def render_tile(tile: Tile) -> Tensor:
        rgb = demosaic(balanced, tile, networks.demosaic)
        # Noise that stays is added here, so that looks which keep more or less of it share the network's work.
        light = {
            denoise: rgb + interpolated(noise, tile.wide, size, networks.demosaic) if noise else rgb
            for denoise, noise in noises.items()
        }
        return torch.stack(
            [
                _finish(light[plan.denoise], plan, output, tile, out)
                for plan, output, out in zip(plans, outputs, outs, strict=True)
            ]
        )

    parts = tiles(size, tiling.edge, networks.demosaic, -(-reach // 2))
    require_finite(torch.stack(at_once(parts, render_tile, tiling.device)))
    shown = iter(_unsigned(out[crop_of(negative.frame)].cpu().numpy()) for out in outs)
    return [
        Rendering({space: next(shown) for space in of_look}, plan.exposure_ev, plan.auto_ev, plan.learned)
        for plan, of_look in zip(planned, spaces, strict=True)
    ]


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
        peaks = peaks_of(_strongest(negative.clean, to_rec2020 * gains[[0, 1, 3]]))
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


def _strongest(clean: Tensor, matrix: Tensor) -> Tensor:
    """The strongest colour of each cell of planes (4, h, w) after a matrix (3, 3) on its camera RGB, (h, w)."""
    height, width = clean.shape[1:]
    strongest, step = clean.new_empty(height, width), max(1, STRIP_PX // width)

    def strip(top: int) -> None:
        light = camera_rgb(clean[:, top : top + step])
        strongest[top : top + step] = (matrix @ light.flatten(1)).amax(dim=0).view(light.shape[1:])

    at_once(range(0, height, step), strip, clean.device)
    return strongest


def _last_touch(negative: Negative, profile: Profile, gains: Tensor, look: Look) -> Finish:
    """The last touch of a profile, which knows what the look makes of the frame's noise."""
    light = torch.logspace(-5, 0, 1024, device=gains.device)
    shown = apply_look(light.expand(3, -1).contiguous(), look)
    deviation = noise_of_gray(light, negative.noise, gains, noise_left(profile))
    height, width = negative.clean.shape[1:]
    grain = film_grain((2 * height, 2 * width), profile.grain).to(gains.device) if profile.grain.amount > 0 else None
    return Finish(profile.sharpening, grain, noise_of_lightness(light, deviation, shown))


def _grading(profile: Profile, device: torch.device) -> Grading | None:
    """A profile's colour work, with its look-up table; ConfigError when that cannot be read."""
    wanted = profile.lut.file and profile.lut.strength
    return Grading.of(profile, device, read_cube(Path(profile.lut.file), profile.lut.sha256) if wanted else None)


def _finish(rgb: Tensor, plan: _Plan, output: Output, tile: Tile, frame: Tensor) -> Tensor:
    """
    Apply a look to a tile, linear and `wide` (3, h, w), and write it into its place in `frame` (H, W, 3).

    Returns the sum of all that went in.
    """
    height, width = frame.shape[:2]
    (rows, columns), wide = in_pixels(tile.inside), in_pixels(tile.wide)
    step = max(1, STRIP_PX // rgb.shape[2])
    total = rgb.sum()
    for top in range(rows.start, rows.stop, step):
        part = slice(top, min(top + step, rows.stop)), columns
        around = grown(part, plan.reach_px, (height, width))
        strip = rgb[(slice(None), *within(around, wide))]
        if plan.around is not None:
            strip = plan.around.applied(strip, *around)
        fields = plan.local.fields(*around) if plan.local else None
        values, checked = output.values(strip.flatten(1), fields)
        values = values.view(strip.shape)
        if plan.finish is not None:
            values = quantised(finished(values, plan.finish, part, around), frame.dtype)
        _interleave(values, frame[part])
        total += checked  # a NaN would be some pixel, and nobody could tell
    return total


def _interleave(planes: Tensor, place: Tensor) -> None:
    """Write R, G, B (3, h, w) pixel by pixel into (h, w, 3); on a processor by the library that is made for it."""
    if planes.device.type == "cpu":
        cv2.merge([plane.numpy() for plane in planes], place.numpy())
    else:
        place.copy_(planes.permute(1, 2, 0))
