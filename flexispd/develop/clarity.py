"""
Clarity: the contrast of middle-sized structures, those between a few thousandths and a few hundredths of the frame.

Such structures are the difference of two guided filters of log luminance, a fine one and a coarse one. Both keep what
is an edge, so next to a lamp or a roof the difference is nearly zero on both sides and nothing is left that could be a
halo; and both smooth what is smaller, so noise is no structure. At one place the difference is a straight line over the
pixel's own brightness whose slope is within -1..1, so tones never change their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flexispd.develop.small_copy import guided
from flexispd.develop.tone import GRAY

FINE_RADIUS, FINE_EDGE_EV = 0.003, 0.15
COARSE_RADIUS, COARSE_EDGE_EV = 0.02, 0.4
"""Radius of the filters' windows as a share of the longer side, and the deviation in EV from which on there is an edge.
Faces, leaves and window frames lie between the two, clouds and lamplit walls above them."""

STRUCTURE_EV_MAX = 0.8
"""Where a structure's own contrast is more than this, it needs no help."""

DARKEST = GRAY / 64
"""Luminance that is added before the logarithm: six stops below mid grey there is no structure, only noise."""


def in_ev(light: Tensor) -> Tensor:
    """Light after exposure in EV, which levels off below `DARKEST`."""
    return light.clamp_min(0).add_(DARKEST).log2_()


@dataclass(frozen=True, slots=True, eq=False)
class Clarity:
    """
    The structures of one frame, on its cells.

    Attributes:
        lines: Slope and offset of the structure's EV over the pixel's, (2, h, w).
        amount: The profile's, -1..1.
    """

    lines: Tensor
    amount: float

    @classmethod
    def of(cls, ev: Tensor, amount: float) -> Clarity:
        """From the `luminance, `in_ev`, of the cells, (h, w)."""
        longer_side = max(ev.shape)
        (fine, fine_rest), (coarse, coarse_rest) = (
            guided(ev[None], ev, max(1, round(share * longer_side)), edge_ev**2)
            for share, edge_ev in ((FINE_RADIUS, FINE_EDGE_EV), (COARSE_RADIUS, COARSE_EDGE_EV))
        )
        return cls(torch.stack([(fine - coarse)[0], fine_rest - coarse_rest]), amount)

    def gain_ev(self, lines: Tensor, ev: Tensor) -> Tensor:
        """EV that pixels of `log_luminance` (h, w) get, with `lines` (2, h, w) at their places."""
        # tanh(x) as 2 sigmoid(2 x) - 1, which takes a processor a sixth of the time.
        structure = torch.addcmul(lines[1], lines[0], ev)
        bounded = structure.mul_(2 / STRUCTURE_EV_MAX).sigmoid_().mul_(2).sub_(1)
        return bounded.mul_(self.amount * STRUCTURE_EV_MAX)
