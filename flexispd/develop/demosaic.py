"""
Stage 3, first half: from one colour at each site to three, at full resolution, with what has clipped put right before.

The mosaic is white balanced first and encoded about like a display value: the network has learnt what edges look like
there, and errors count as the eye counts them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flexispd.develop.networks.demosaic_unet import DemosaicUNet, unpacked
from flexispd.develop.tiling import Slices, Tile, grown, in_pixels, within

TOE = 0.05
"""Square root of the signal below which the encoding turns linear; keeps its slope at black finite."""

CLIP_BEGINS = 0.90
CLIP_ENDS = 0.99
"""Shares of the white level between which a site counts as more and more clipped."""


def encode(x: Tensor) -> Tensor:
    """Linear to encoded: an odd square root with a linear toe; 0 stays 0, noise below black keeps its size."""
    return torch.copysign(torch.sqrt(x.abs() + TOE**2) - TOE, x)


def decode(y: Tensor) -> Tensor:
    """The inverse of `encode`."""
    return torch.copysign((y.abs() + TOE) ** 2 - TOE**2, y)


def recover_highlights(planes: Tensor, gains: Tensor) -> Tensor:
    """
    White balance packed planes (4, h, w), guessing what clipped sites would have counted.

    A clipped colour is at least at its clip level. Where others of its cell are brighter after white balance, so must
    it have been, or the lamp would turn magenta: it rises to the mean of those that are not clipped. Where a whole
    cell is clipped nothing is known of its colour and it becomes neutral, as bright as its brightest colour.

    Args:
        planes: Linear, 1 at the white level.
        gains: White balance of R, Gr, Gb, B, shape (4,).
    """
    balanced = planes * gains[:, None, None]
    if not bool((planes > CLIP_BEGINS).any()):
        return balanced
    clipped = ((planes - CLIP_BEGINS) / (CLIP_ENDS - CLIP_BEGINS)).clamp(0, 1)
    clipped = clipped * clipped * (3 - 2 * clipped)
    # A colour that is clipped itself says little of what the others were; when all are, they weigh alike.
    known = 1.001 - clipped
    red, green_r, green_b, blue = balanced.unbind(0)
    known_red, known_r, known_b, known_blue = known.unbind(0)
    green, known_green = (green_r + green_b) / 2, (known_r + known_b) / 2
    for_green = _mean(red, known_red, blue, known_blue)
    others = torch.stack(
        [
            _mean(green, known_green, blue, known_blue),
            for_green,
            for_green,
            _mean(red, known_red, green, known_green),
        ]
    )
    raised = torch.lerp(balanced, torch.maximum(balanced, others), clipped)
    # The others may have risen too: below both of them a clipped green would still be magenta.
    greens, lesser = raised[1:3], torch.minimum(raised[0], raised[3])
    raised[1:3] = torch.lerp(greens, torch.maximum(greens, lesser), clipped[1:3])
    return torch.lerp(raised, raised.amax(dim=0, keepdim=True).expand_as(raised), clipped.amin(dim=0))


def _mean(x: Tensor, x_weight: Tensor, y: Tensor, y_weight: Tensor) -> Tensor:
    return (x_weight * x + y_weight * y) / (x_weight + y_weight)


def demosaic(balanced: Callable[[Slices], Tensor], tile: Tile, network: DemosaicUNet) -> Tensor:
    """
    The linear RGB of a tile, as `wide` as it is, (3, 2h, 2w) at full resolution.

    Tiles are asked for one at a time, so that what comes before and after works on them while they are in the cache,
    and no frame of float RGB is ever held.

    Args:
        balanced: Gives the balanced planes (4, h, w) of a part of the frame, with 1 the brightest that they can be.
    """
    encoded = encode(balanced(tile.around))[None].contiguous(memory_format=torch.channels_last)
    return decode(network(encoded)[(0, slice(None), *in_pixels(tile.core))])


def interpolated(
    planes: Callable[[Slices], Tensor], part: Slices, size: tuple[int, int], network: DemosaicUNet
) -> Tensor:
    """
    A part of a frame of `size` (h, w), interpolated without the network: linear (3, 2h, 2w) at full resolution.

    For what was no light, such as noise that is kept: there is nothing in it that a network would know better.
    """
    around = grown(part, 1, size)
    rgb = unpacked(network.base(planes(around)[None].contiguous(memory_format=torch.channels_last)))[0]
    return rgb[(slice(None), *in_pixels(within(part, around)))]
