"""
Look-up tables of other programs, applied to encoded sRGB.

A table between whose entries a colour lies is interpolated over the tetrahedron around it, as the programs do that
such tables come from. Four entries are read instead of the eight of a trilinear interpolation, greys stay on the
table's own diagonal, and a table that is an affine map gives that map exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flexispd.cube import Cube


@dataclass(frozen=True, slots=True, eq=False)
class Lut:
    """
    A table on one device.

    Attributes:
        entries: Red, green and blue of a 3D table with blue fastest, (3, edge ** 3); or of three curves, (3, edge).
        edge: Entries along one axis.
        start, scale: Input minus `start`, times `scale`, is its place among the entries; (3, 1).
        strength: Share of what the table says, 0..1.
    """

    entries: Tensor
    edge: int
    start: Tensor
    scale: Tensor
    strength: float

    @classmethod
    def of(cls, cube: Cube, strength: float, device: torch.device | str) -> Lut:
        """A cube at a share of its effect."""
        table = torch.from_numpy(cube.table)
        edge = len(table)
        low, high = (torch.tensor(ends, dtype=torch.float64)[:, None] for ends in (cube.domain_min, cube.domain_max))
        steps = (table.reshape(-1, 3).T.contiguous(), low, (edge - 1) / (high - low))
        entries, start, scale = (step.to(device, torch.float32) for step in steps)
        return cls(entries, edge, start, scale, strength)

    def applied(self, encoded: Tensor) -> Tensor:
        """Encoded sRGB (3, n) in 0..1 as the table shows it, in 0..1. What lies outside the domain is at its edge."""
        place = ((encoded - self.start) * self.scale).clamp_(0, self.edge - 1)
        base = place.to(torch.int32).clamp_(
            0, self.edge - 2
        )  # both ends: what is no number may stay none, and not crash
        share = place - base
        shown = self._on_curves(base, share) if self.entries.shape[1] == self.edge else self._in_cube(base, share)
        return torch.lerp(encoded, shown.clamp_(0, 1), self.strength)

    def _on_curves(self, base: Tensor, share: Tensor) -> Tensor:
        """Between an entry and the next, channel by channel."""
        channels = zip(self.entries, base, share, strict=True)
        return torch.stack(
            [torch.lerp(curve.index_select(0, at), curve.index_select(0, at + 1), part) for curve, at, part in channels]
        )

    def _in_cube(self, base: Tensor, share: Tensor) -> Tensor:
        """
        From the corner `base` of a cell one walks along the axis with the largest share, then the next, then the last;
        each corner that is passed counts as much as the share falls there.
        """
        red, green, blue = share
        large, small = share.amax(dim=0), share.amin(dim=0)
        middle = red + green + blue - large - small
        of_red, of_green, of_blue = self.edge**2, self.edge, 1  # entries to the next along each axis
        start = base[0] * of_red + base[1] * of_green + base[2]
        end = start + (of_red + of_green + of_blue)
        first = torch.where(red == large, of_red, torch.where(green == large, of_green, of_blue))
        last = torch.where(blue == small, of_blue, torch.where(green == small, of_green, of_red))
        shown = (1 - large) * self.entries.index_select(1, start)
        for at, weight in ((start + first, large - middle), (end - last, middle - small), (end, small)):
            shown.addcmul_(self.entries.index_select(1, at), weight)
        return shown
