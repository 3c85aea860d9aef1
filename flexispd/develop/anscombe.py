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

    @property
    def dark(self) -> Tensor:
        """Variance at black, with the transform's own 3/8 of a photon."""
        return 0.375 * self.shot**2 + self.read

    def _half_root(self, x: Tensor | float) -> Tensor:
        """
        Half the distance of `x` from black, in deviations of the noise: (sqrt(shot x + dark) - sqrt(dark)) / shot.

        Written so that no digits are lost where read noise prevails and the two roots are nearly equal.
        """
        dark = self.dark
        return x / (torch.sqrt((self.shot * x + dark).clamp_min(0)) + torch.sqrt(dark))

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of the noise after the transform, the same for every signal."""
        return 0.5 / self._half_root(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Linear planes (..., 4, h, w) to stabilised ones; 0 stays 0 and 1 stays 1. The noise's far tail is cut off."""
        return self._half_root(torch.maximum(x, -self.dark / self.shot)) / self._half_root(1.0)

    def inverse(self, z: Tensor) -> Tensor:
        """Stabilised planes back to linear ones."""
        half = z * self._half_root(1.0)
        return half * (2 * torch.sqrt(self.dark) + self.shot * half)
