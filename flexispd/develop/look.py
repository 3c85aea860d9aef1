"""
The learned look: how a frame wants to be shown, as the numbers that a person could have set.

The network sees a small copy of the frame after the automatic exposure and turns the knobs of a profile's `[render]`
section, and a grid of local light. Its numbers join those of the profile: EV, shadows, highlights, blacks and vibrance
are added, contrast and saturation multiplied, and the sum stays within what a profile may ask for. It never touches a
pixel, so the result can be edited, and is the same in any tile.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from flexispd.develop.local_light import LOCAL_EV_MAX
from flexispd.develop.networks.look_net import SMALL_PX, LookNet
from flexispd.develop.tone import GRAY, REC2020_LUMINANCE
from flexispd.profile import RenderParams, knobs
from flexispd.strict_toml import Number

PEAKS_PX = 128
"""Edge of the map of the brightest spots, in each of whose cells only the brightest site of the whole frame counts."""

LUMINANCE_SHARES = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 0.995)
PEAK_SHARES = (0.5, 0.9, 0.97, 0.99, 0.997, 0.9995, 1.0)
"""Quantiles that the network is told: of luminance, and of the brightest spots. A small copy mixes lamps with the dark
around them, and where a finished picture has its white is what says most about its exposure."""

DARKEST_EV, BRIGHTEST_EV = -9.0, 6.0
"""Range of light that the network sees, in EV from mid grey."""

EV_SCALE = 4.0
"""EV that the network sees as 1."""

EXPOSURE_EV_MAX = 4.0
CONTRAST_STOPS_MAX = 0.8
SATURATION_STOPS_MAX = 0.7
VIBRANCE_MAX = 0.7
BLACKS_MAX = 0.6

_RANGES = {k.key: k.allowed for k in knobs() if k.section == "render" and isinstance(k.allowed, Number)}

Value = TypeVar("Value", float, Tensor)


@dataclass(frozen=True, slots=True, eq=False)
class LearnedKnobs(Generic[Value]):
    """
    What the network asks for, in the units of `RenderParams`; numbers, or tensors (B, 1) while it learns.

    Attributes:
        exposure_ev: Added to the automatic exposure.
        contrast, saturation: Factors.
        vibrance, shadows, highlights, blacks: Added.
    """

    exposure_ev: Value
    contrast: Value
    saturation: Value
    vibrance: Value
    shadows: Value
    highlights: Value
    blacks: Value


def knobs_of(turned: Tensor) -> LearnedKnobs[Tensor]:
    """Knobs from how far the network turned them, (B, 7) within -1..1; 0 is the knob at rest, exactly."""
    exposure, contrast, saturation, vibrance, shadows, highlights, blacks = turned[:, :, None].unbind(1)  # (B, 1) each
    return LearnedKnobs(
        exposure_ev=EXPOSURE_EV_MAX * exposure,
        contrast=torch.exp2(CONTRAST_STOPS_MAX * contrast),
        saturation=torch.exp2(SATURATION_STOPS_MAX * saturation),
        vibrance=VIBRANCE_MAX * vibrance,
        shadows=shadows,
        highlights=highlights,
        blacks=BLACKS_MAX * blacks,
    )


@dataclass(frozen=True, slots=True, eq=False)
class LearnedLook:
    """
    The network's answer for one frame, at the share that a profile wants.

    Attributes:
        knobs: Numbers.
        grid: Local light in EV, (Z, PLACES, PLACES).
    """

    knobs: LearnedKnobs[float]
    grid: Tensor

    @classmethod
    def of(cls, turned: Tensor, grid: Tensor) -> LearnedLook:
        """From the network's answer for one frame: how far it turned its knobs (7,), and its grid, both in -1..1."""
        asked = knobs_of(turned[None])
        numbers = {field.name: float(getattr(asked, field.name)) for field in dataclasses.fields(asked)}
        return cls(LearnedKnobs(**numbers), LOCAL_EV_MAX * grid)

    def joined(self, params: RenderParams) -> RenderParams:
        """A profile's knobs with the learned ones; exposure only as far as the profile wants it automatic."""
        asked = self.knobs
        values = {
            "exposure_ev": params.exposure_ev + params.auto_exposure * asked.exposure_ev,
            "contrast": params.contrast * asked.contrast,
            "saturation": params.saturation * asked.saturation,
            "vibrance": params.vibrance + asked.vibrance,
            "shadows": params.shadows + asked.shadows,
            "highlights": params.highlights + asked.highlights,
            "blacks": params.blacks + asked.blacks,
        }
        kept = {name: min(max(value, _RANGES[name].low), _RANGES[name].high) for name, value in values.items()}
        return dataclasses.replace(params, **kept)  # type: ignore[arg-type]  # numbers, all of them

    def report(self) -> dict[str, Any]:
        """For the receipt: what was asked for, to three digits, and the grid."""
        asked = {name: round(value, 3) for name, value in dataclasses.asdict(self.knobs).items()}
        return {**asked, "local_ev": [[[round(v, 2) for v in row] for row in zone] for zone in self.grid.tolist()]}


@dataclass(frozen=True, slots=True, eq=False)
class Glances:
    """
    Frames as the network looks at them, light linear with 1 at sensor white.

    Attributes:
        light: Thumbnails in Rec.2020, (B, 3, h, w).
        peaks: The strongest colour of the brightest site in each cell, (B, PEAKS_PX, PEAKS_PX).
        auto_ev: Automatic exposure, (B,).
        read: Variance of the noise at black, (B,).
    """

    light: Tensor
    peaks: Tensor
    auto_ev: Tensor
    read: Tensor


def peaks_of(strongest: Tensor) -> Tensor:
    """The `peaks` of a frame from the strongest colour of each of its sites, denoised and balanced, (h, w)."""
    return functional.adaptive_max_pool2d(strongest[None], PEAKS_PX)[0]


def learned_look(network: LookNet, glance: Glances, share: float) -> LearnedLook:
    """How the network would show the one frame of `glance`, at a share 0..1 of what it asks for."""
    turned, grid = network(*network_input(glance))
    return LearnedLook.of(share * turned[0], share * grid[0])


def network_input(glance: Glances) -> tuple[Tensor, Tensor]:
    """The `small` and the `statistics` that the network is shown."""
    gain = torch.exp2(glance.auto_ev)[:, None, None]
    small = functional.adaptive_avg_pool2d(glance.light * gain[:, None], SMALL_PX)
    weights = torch.from_numpy(REC2020_LUMINANCE).to(small)
    luminance = torch.einsum("c,bchw->bhw", weights, small)
    quantiles = [
        torch.quantile(_in_ev(values).flatten(1), torch.tensor(shares).to(small), dim=1).T  # (B, P)
        for values, shares in ((luminance, LUMINANCE_SHARES), (glance.peaks * gain, PEAK_SHARES))
    ]
    noise_ev = glance.auto_ev + 0.5 * torch.log2(glance.read.clamp_min(1e-12) / GRAY**2)
    statistics = torch.cat([*quantiles, glance.auto_ev[:, None], noise_ev[:, None]], dim=1)
    return _in_ev(small) / EV_SCALE, statistics / EV_SCALE


def _in_ev(light: Tensor) -> Tensor:
    """Linear light in EV from mid grey, within what the network sees."""
    return torch.log2(light.clamp_min(1e-6) / GRAY).clamp(DARKEST_EV, BRIGHTEST_EV)
