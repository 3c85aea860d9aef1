"""
Variance stabilisation: after it, noise has the same deviation in the darkest shadow and beside the brightest lamp.

The generalised Anscombe transform of Starck, Murtagh and Bijaoui (1998) for variance = shot * x + read, shifted and
scaled so that black is 0 and white is 1. The transform of the clean signal is what the network is trained to give, so
the plain algebraic inverse is the right one; the "exact unbiased" inverse corrects for an average that is never taken
here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHOT_MIN = 1e-7
"""Smallest slope that is told from no shot noise at all; below it the transform would divide by zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Anscombe:
    """
    The transform for one noise profile.

    Attributes:
        shot, read: Noise profile, shape (..., 4, 1, 1), as in `NoiseProfile`.
    """

    shot: Tensor
    read: Tensor

    @classmethod
    def of(cls, shot: Tensor, read: Tensor) -> Anscombe:
        """For a slope and a variance at black of any non-negative size."""
        return cls(shot.clamp_min(SHOT_MIN), read.clamp_min(0))

    def _root(self, x: Tensor | float) -> Tensor:
        return 2 / self.shot * torch.sqrt((self.shot * x + 0.375 * self.shot**2 + self.read).clamp_min(0))

    @property
    def span(self) -> Tensor:
        """Distance from black to white in deviations of the noise."""
        return self._root(1.0) - self._root(0.0)

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of the noise after the transform, the same for every signal."""
        return 1 / self.span

    def forward(self, x: Tensor) -> Tensor:
        """Linear planes (..., 4, h, w) to stabilised ones; 0 stays 0 and 1 stays 1."""
        return (self._root(x) - self._root(0.0)) / self.span

    def inverse(self, z: Tensor) -> Tensor:
        """Stabilised planes back to linear ones."""
        root = (z * self.span + self._root(0.0)) * self.shot / 2
        return (root**2 - self.read) / self.shot - 0.375 * self.shot
