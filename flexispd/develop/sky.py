"""
The night sky: where it is, and what a profile does to it.

On the small copy the sky is what is smooth and reaches the upper edge of the upright picture without crossing an edge,
if as a whole it is dark or blue. A guided filter then carries the border to roofs and branches at full size. What
stands out from the sky by its own light, a star, a lamp, a lit tower, is left alone, which a pixel's own brightness
tells. Sky that is seen through a gate or a window is not found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.develop import color
from flexispd.develop.clarity import in_ev
from flexispd.develop.small_copy import box_mean, guided
from flexispd.develop.tone import GRAY
from flexispd.profile import SkyParams

SMOOTH_EV, SMOOTH_COLOR_EV = 0.15, 0.3
"""Deviation of luminance and of any colour among neighbouring cells, in EV, above which there is an edge, or leaves."""

DARKER_EV = 1.5
"""How far the sky may fall below its dark parts at the upper edge. It brightens towards the horizon; where it grows
much darker the ground begins."""

TOP = 0.02
"""Share of the picture's height that counts as its upper edge."""

SHARE_MIN, PART_MIN = 0.02, 0.1
"""Less of the picture than this is no sky; and what reaches the upper edge is only a part of it if it is at least this
share of the largest part, or it is a sign or a lantern that happens to end there."""

NIGHT_EV = (-1.5, 0.0)
"""Luminance from mid grey up to which a sky is as dark as at night, and from which on it is not."""

BLUE_EV = (0.05, 0.3)
"""Excess of blue over red and green from which on a sky is blue at all, and as blue as at dusk. This and darkness are
asked of the sky as a whole: its parts never differ, so that no border runs through it."""

EDGE_RADIUS, LEVEL_RADIUS = 0.01, 0.05
"""Radius, as a share of the longer side, within which the border finds its edge, and over which the sky's own
brightness is averaged."""

EDGE_EV = 0.5
"""Contrast in EV that the border follows, in each of the three colours. A share of 0..1 has a deviation of 0.5 at most,
so the filter's slopes are at most 0.25 / EDGE_EV together, 3^0.5 times that where all colours change alike: 0.87 an EV,
and darkening by one EV cannot turn tones upside down."""

STANDS_OUT_EV = (0.5, 2.5)
"""From here to there above the sky around it, a pixel is less and less of the sky."""

BLUEST: color.Chromaticity = (0.2499, 0.2549)
"""CIE xy of daylight of 25,000 K, the bluest that CIE 15:2004 defines: the sky of the blue hour."""

COOLER = 0.7
"""Share of the way to there that a full `cooler` goes."""


def upright(grids: Tensor, orientation: int) -> Tensor:
    """Grids (..., h, w) as the photographer held the camera, by EXIF orientation 1 to 8."""
    turned = grids.transpose(-2, -1) if orientation >= 5 else grids
    return turned.flip(_FLIPPED[orientation])


def as_sensor(grids: Tensor, orientation: int) -> Tensor:
    """The inverse of `upright`."""
    flipped = grids.flip(_FLIPPED[orientation])
    return flipped.transpose(-2, -1) if orientation >= 5 else flipped


_FLIPPED: dict[int, tuple[int, ...]] = {
    1: (),
    2: (-1,),
    3: (-2, -1),
    4: (-2,),
    5: (),
    6: (-1,),
    7: (-2, -1),
    8: (-2,),
}
"""Axes that are mirrored after rows and columns have, from 5 on, changed places."""


def sky_mask(light: Tensor, ev: Tensor) -> Tensor:
    """
    How much each cell of an upright frame is night sky, (h, w): one share, 0..1, all over the sky, and 0 outside.

    Args:
        light: Linear Rec.2020 after exposure, (3, h, w).
        ev: Its luminance in EV, (h, w).
    """
    tones = _without_stars(torch.cat([ev[None], in_ev(light)]))
    variance = box_mean(tones**2, 1) - box_mean(tones, 1) ** 2
    smooth = (variance[0] < SMOOTH_EV**2) & (variance[1:].amax(dim=0) < SMOOTH_COLOR_EV**2)
    top = max(1, round(TOP * ev.shape[0]))
    if not bool(smooth[:top].any()):
        return torch.zeros_like(ev)
    smooth &= ev > ev[:top][smooth[:top]].quantile(0.1) - DARKER_EV
    # One cell is taken off all around before asking what hangs together, so that no gap in an edge lets the sky out.
    core = (-_widened(-smooth.float())).to(torch.uint8).cpu().numpy()
    _, labels, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=4)
    reaching = np.setdiff1d(labels[:top], [0])
    areas = stats[reaching, cv2.CC_STAT_AREA]
    parts = reaching[areas >= PART_MIN * areas.max(initial=1)]
    inner = torch.from_numpy(np.isin(labels, parts)).to(ev)
    sky = _widened(_widened(inner))  # back to where it was, and onto the edge itself, which is not smooth
    return sky * _night(light, ev, inner) if sky.mean() >= SHARE_MIN else torch.zeros_like(sky)


def _without_stars(tones: Tensor) -> Tensor:
    """The median of each cell's 3x3 neighbourhood in (C, h, w): stars go, edges stay where they are."""
    return torch.stack([torch.from_numpy(cv2.medianBlur(tone, 3)) for tone in tones.cpu().numpy()]).to(tones)


def _night(light: Tensor, ev: Tensor, sky: Tensor) -> Tensor:
    """How much the sky, as a whole, is one of the night or of dusk, a number 0..1."""
    red, green, blue = in_ev(light)
    excess = blue - torch.maximum(red, green)
    dark = 1 - _smoothstep(ev - math.log2(GRAY), *NIGHT_EV)
    return (torch.maximum(dark, _smoothstep(excess, *BLUE_EV)) * sky).sum() / sky.sum()


def _smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    """From 0 up to `low` to 1 from `high` on, without a corner."""
    place = (x - low).div_(high - low).clamp_(0, 1)
    return place.mul(-2).add_(3).mul_(place).mul_(place)


def _widened(grid: Tensor) -> Tensor:
    """The largest value of each cell's 3x3 neighbourhood."""
    return functional.max_pool2d(grid[None], 3, stride=1, padding=1)[0]


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """
    The sky of one frame, on its cells.

    Attributes:
        fields: Slopes and offset of the sky's share over a pixel's colours in EV, and the luminance of the sky around
            it in EV, (5, h, w).
        to_rec2020: Balanced camera RGB to linear Rec.2020 after exposure, (3, 3).
        blue: Camera RGB of `BLUEST` whose luminance after exposure is 1, (3,).
        params: The profile's.
    """

    fields: Tensor
    to_rec2020: Tensor
    blue: Tensor
    params: SkyParams

    @classmethod
    def of(cls, light: Tensor, ev: Tensor, to_rec2020: Tensor, orientation: int, params: SkyParams) -> Sky | None:
        """
        From the frame's cells, or None where there is no sky.

        Args:
            light, ev: As in `sky_mask`, but as the sensor lies.
            to_rec2020: Balanced camera RGB to `light`, (3, 3).
        """
        mask = as_sensor(sky_mask(upright(light, orientation), upright(ev, orientation)), orientation)
        if not bool(mask.any()):
            return None
        longer_side = max(ev.shape)
        slopes, offset = guided(in_ev(light), mask, max(1, round(EDGE_RADIUS * longer_side)), EDGE_EV**2)
        amount, sum_ev = box_mean(torch.stack([mask, mask * ev]), max(1, round(LEVEL_RADIUS * longer_side)))
        everywhere = (mask * ev).sum() / mask.sum()
        around = (sum_ev + 1e-3 * everywhere) / (amount + 1e-3)  # far from any sky its share is 0 anyway
        blue = torch.from_numpy(color.XYZ_TO_REC2020 @ color.xy_to_xyz(BLUEST))
        seen = torch.linalg.solve(to_rec2020.double().cpu(), blue).to(ev)
        return cls(torch.cat([slopes, offset[None], around[None]]), to_rec2020, seen, params)

    @staticmethod
    def is_in(fields: Tensor) -> bool:
        """Whether anything between cells with these fields (5, h, w) can be sky; far from it there is exactly none."""
        return bool(fields[:4].any())

    def share(self, fields: Tensor, rgb: Tensor, ev: Tensor) -> Tensor:
        """
        How much of the sky pixels are, 0..1, (h, w).

        Args:
            fields: The fields at their places, (5, h, w).
            rgb: Balanced camera RGB, (3, h, w).
            ev: Luminance in EV, (h, w).
        """
        slopes, offset, around = fields[:3], fields[3], fields[4]
        colors = in_ev((self.to_rec2020 @ rgb.flatten(1)).view_as(rgb))
        inside = offset
        for slope, color_ev in zip(slopes, colors, strict=True):
            inside = torch.addcmul(inside, slope, color_ev)
        inside = inside.clamp_(0, 1)
        return inside * (1 - _smoothstep(ev - around, *STANDS_OUT_EV))

    def applied(self, rgb: Tensor, luminance: Tensor, share: Tensor) -> Tensor:
        """Balanced camera RGB (3, h, w), of this `luminance` after exposure, with a cooler and darker sky."""
        cooler = COOLER * self.params.cooler * share
        return torch.lerp(rgb, self.blue[:, None, None] * luminance, cooler) * torch.exp2(-self.params.darker * share)
