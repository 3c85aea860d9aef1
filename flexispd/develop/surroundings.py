"""
What a pixel gets from its place and its neighbourhood: clarity, the sky, glow and the vignette.

All of it works on balanced camera RGB in linear light, before the look, in the order in which a photograph meets it:
the scene first, then the mist filter, then the lens. Every part is a field over the whole frame, evaluated at a pixel's
own place and brightness, so it is the same in any tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flexispd.develop.clarity import Clarity, in_ev
from flexispd.develop.glow import SCATTERED, lamps, scattered
from flexispd.develop.sky import Sky
from flexispd.develop.small_copy import Cells
from flexispd.develop.tiling import Slices
from flexispd.develop.tone import REC2020_LUMINANCE
from flexispd.develop.upload import Frame
from flexispd.profile import Profile, RenderParams, SkyParams

VIGNETTE_POWER = 2.0
"""A full vignette is the cos^4 law of a simple lens whose corners lie 45 degrees off its axis: two EV there."""


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """
    The fields of one frame under one profile; None where the profile wants nothing of a kind.

    Attributes:
        cells: Where the fields' values lie.
        luminance: Weights of balanced camera RGB for luminance after exposure, (3,).
        clarity, sky: See there.
        glow: Share of lamplight that is scattered, and where it arrives, (3, cells down, cells across).
        vignette: Squared distance of each row and of each column from the picture's middle, 1 in the corners, and the
            profile's amount.
    """

    cells: Cells
    luminance: Tensor
    clarity: Clarity | None
    sky: Sky | None
    glow: tuple[float, Tensor] | None
    vignette: tuple[Tensor, Tensor, float] | None

    @classmethod
    def of(
        cls,
        frame: Frame,
        balanced: Callable[[Slices], Tensor],
        to_rec2020: Tensor,
        profile: Profile,
        orientation: int,
    ) -> Surroundings | None:
        """
        Look at the frame as far as the profile needs it, or None if it needs nothing.

        Args:
            balanced: Gives the balanced planes (4, h, w) of a part of the frame.
            to_rec2020: From there to linear Rec.2020 after exposure, (3, 3).
            orientation: EXIF's, 1 to 8.
        """
        params: RenderParams = profile.render
        wants_sky = profile.sky != SkyParams()
        if not (wants_sky or params.clarity or params.glow or params.vignette):
            return None
        cells = Cells.of((frame.planes.shape[1], frame.planes.shape[2]), frame.planes.device)
        luminance = torch.from_numpy(REC2020_LUMINANCE).to(to_rec2020) @ to_rec2020
        # Averaged together, because looking at the whole frame is what takes time.
        small, bright = torch.split(
            cells.averages(balanced, lambda rgb: torch.cat([rgb, lamps(rgb, _mixed(luminance, rgb), luminance.sum())])),
            3,
        )
        ev, light = in_ev(_mixed(luminance, small)), (to_rec2020 @ small.flatten(1)).view_as(small)
        clarity = Clarity.of(ev, params.clarity) if params.clarity else None
        sky = Sky.of(light, ev, to_rec2020, orientation, profile.sky) if wants_sky else None
        glow = (SCATTERED * params.glow, scattered(bright)) if params.glow else None
        vignette = (*_from_middle(frame), params.vignette) if params.vignette else None
        return cls(cells, luminance, clarity, sky, glow, vignette)

    def applied(self, rgb: Tensor, rows: slice, columns: slice) -> Tensor:
        """Balanced camera RGB (3, h, w) of a part of the frame, with all that its surroundings do to it."""
        luminance = _mixed(self.luminance, rgb)
        ev, out = in_ev(luminance), rgb
        if self.sky is not None and self.sky.is_in(self.cells.about(self.sky.fields, rows, columns)):
            share = self.sky.share(self.cells.at(self.sky.fields, rows, columns), rgb, ev)
            out = self.sky.applied(out, luminance, share)
        if self.clarity is not None:
            out = out * torch.exp2(self.clarity.gain_ev(self.cells.at(self.clarity.lines, rows, columns), ev))
        if self.glow is not None:
            share_gone, arriving = self.glow
            out = out + share_gone * (
                self.cells.at(arriving, rows, columns) - lamps(rgb, luminance, self.luminance.sum())
            )
        if self.vignette is not None:
            down, across, amount = self.vignette
            out = out * (1 + down[rows, None] + across[columns]) ** (VIGNETTE_POWER * amount)
        return out


def _mixed(weights: Tensor, rgb: Tensor) -> Tensor:
    """One number for each pixel of (3, h, w): (h, w)."""
    return (weights[None] @ rgb.flatten(1)).view(rgb.shape[1:])


def _from_middle(frame: Frame) -> tuple[Tensor, Tensor]:
    """Squared distance of each row and each column of pixels from the picture's middle, in units of its corners'."""
    corner = (frame.height**2 + frame.width**2) / 4
    height, width = (2 * length for length in frame.planes.shape[1:])
    down, across = (
        (torch.arange(length, device=frame.planes.device) + 0.5 - first - shown / 2) ** 2 / corner
        for length, first, shown in ((height, frame.top, frame.height), (width, frame.left, frame.width))
    )
    return down, across
