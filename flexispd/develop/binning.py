"""
A smaller mosaic made of a large one, for pictures that are only looked at small.

The mosaic is made smaller, not the picture, so that everything after it is as ever, and faster by the area.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from flexispd.types import FourPlanes, Mosaic, NoiseProfile

COUNT_MAX = 65535


def binning_factor(mosaic: Mosaic, pixels_max: int) -> int:
    """The smallest odd factor by which the sides have to shrink so that no more than `pixels_max` sites are left."""
    factor = 1
    while mosaic.values.size > pixels_max * factor**2 and min(mosaic.values.shape) >= 2 * (factor + 2):
        factor += 2
    return factor


def binned(mosaic: Mosaic, factor: int) -> Mosaic:
    """
    The mosaic at 1/`factor` of its size, `factor` odd; what does not fill a block at the bottom and the right is cut.

    A site becomes the mean of the sites of its own colour in a block of `factor` x `factor`: every second one of
    every second row, ((factor + 1) / 2)^2 in all. In a block of odd size they lie evenly about its middle, so the
    colours stay where they belong, the Bayer phase stays, and the noise of neighbours stays independent. The noise
    profile becomes that of a mean. Counts are sums as far as 16 bits go, so that nothing is lost to rounding.
    """
    if factor == 1:
        return mosaic
    height, width = (length // factor for length in mosaic.values.shape)
    blocks = mosaic.values[: height * factor, : width * factor].reshape(height, factor, width, factor)
    sums = blocks[:, ::2, :, ::2].sum(axis=(1, 3), dtype=np.uint64)
    averaged = ((factor + 1) // 2) ** 2
    scale = min(1.0, COUNT_MAX / max(averaged * max(mosaic.white_level), float(sums.max())))
    values = np.rint(sums * scale).astype(np.uint16)
    noise = mosaic.shot.noise_profile
    if noise is not None:
        share = 1 / averaged
        noise = NoiseProfile(_scaled(noise.shot, share), _scaled(noise.read, share), noise.source)
    return dataclasses.replace(
        mosaic,
        values=values,
        black_level=_scaled(mosaic.black_level, averaged * scale),
        white_level=_scaled(mosaic.white_level, averaged * scale),
        shot=dataclasses.replace(mosaic.shot, noise_profile=noise),
    )


def _scaled(four: FourPlanes, factor: float) -> FourPlanes:
    red, green_r, green_b, blue = four
    return red * factor, green_r * factor, green_b * factor, blue * factor
