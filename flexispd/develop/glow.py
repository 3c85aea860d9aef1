"""
Glow: the light of lamps scattered as a mist filter before the lens scatters it.

A share of the light above what a display can show leaves its pixel and arrives around it, in three widths; nothing is
lost and nothing is made. Colours stay because the three channels of the camera are scattered alike. Walls and faces are
not bright enough to take part, so the picture does not go grey as under a dirty lens.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

SCATTERED = 0.5
"""Share of a lamp's light that a full `glow` scatters: a strong mist filter."""

BRIGHT = 1.0
"""Luminance after exposure, 2.4 stops above mid grey, at which half of the light counts as a lamp's..."""

BRIGHT_OF_WHITE = 0.5
"""...unless the sensor was full at less than twice of it: its white is a lamp's light in any frame."""

HALOS = ((0.004, 0.5), (0.015, 0.3), (0.05, 0.2))
"""Width of each halo (sigma, as a share of the longer side) and its share of the scattered light."""


def lamps(rgb: Tensor, luminance: Tensor, white: Tensor) -> Tensor:
    """
    The part of linear light (3, ...) that is a lamp's, by its `luminance` (...) after exposure.

    The share L^2 / (L^2 + bright^2) has no border that could show, and what is left when `SCATTERED` of it is gone
    still rises with L.

    Args:
        white: Luminance after exposure of what fills the sensor, a number.
    """
    squared = luminance.clamp_min(0).square()
    return rgb * (squared / (squared + (BRIGHT_OF_WHITE * white).clamp_max(BRIGHT).square()))


def scattered(light: Tensor) -> Tensor:
    """Light (3, h, w) of the cells, spread by `HALOS`; its sum stays."""
    longer_side = max(light.shape[1:])
    out = torch.zeros_like(light)
    for width, share in HALOS:
        down, across = (_spreading(length, width * longer_side).to(light) for length in light.shape[1:])
        out += share * (down @ light @ across)
    return out


@lru_cache(maxsize=2 * len(HALOS))
def _spreading(length: int, sigma: float) -> Tensor:
    """
    A Gaussian as a matrix (length, length) whose rows and columns add up to 1: light is reflected at the borders.

    Those of the last size are kept, because a camera's frames are of one size; nobody may change them.
    """
    place = torch.arange(length, dtype=torch.float64)
    weights = torch.zeros(length, length, dtype=torch.float64)
    for turn in range(-2, 3):
        for image in (place + 2 * turn * length, 2 * turn * length - 1 - place):
            weights += torch.exp(-0.5 * ((place[:, None] - image) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)
