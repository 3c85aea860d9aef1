"""
How far is a picture from the one that it should be? Peak signal to noise ratio, SSIM and CIEDE2000.

Pictures are sRGB-encoded R, G, B on 0..1, shape (H, W, 3), unless a function says otherwise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flexispd.develop.color import XYZ_TO_SRGB
from flexispd.types import Float32, Float64

SSIM_WINDOW_PX = 11
SSIM_DEVIATION_PX = 1.5

GAIN_EV_MAX = 5.0
"""Most that `matched` brightens or darkens by, in EV."""

STRIP_ROWS = 64

_D65_XYZ = np.linalg.inv(XYZ_TO_SRGB).sum(axis=1)


def psnr_db(picture: NDArray[Any], truth: NDArray[Any], peak: float = 1.0) -> float:
    """PSNR over all channels together; 120 for pictures that are the same."""
    error = np.mean((picture.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(peak**2 / max(float(error), 1e-12 * peak**2)))


def ssim(picture: NDArray[Any], truth: NDArray[Any], peak: float = 1.0) -> float:
    """
    Structural similarity, mean of the three channels and of all places where the window lies inside.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 13 (2004), with their window of 11 pixels, deviation of 1.5 pixels and constants of 0.01 and 0.03.
    """
    return float(np.mean([_ssim(picture[..., c], truth[..., c], peak) for c in range(picture.shape[2])]))


def _ssim(plane: NDArray[Any], truth: NDArray[Any], peak: float) -> float:
    x, y = plane.astype(np.float64), truth.astype(np.float64)
    first, second = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + first) / (mean_x**2 + mean_y**2 + first)
    structure = (2 * covariance + second) / (variance_x + variance_y + second)
    return float((luminance * structure).mean())


def ciede2000(lab: ArrayLike, other: ArrayLike) -> Float64:
    """
    Colour difference of CIELAB colours of shape (..., 3), shape (...), with weights of 1.

    Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
    mathematical observations", Color Research and Application 30 (2005), equations 2 to 22.
    """
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(np.asarray(x, np.float64), -1, 0) for x in (lab, other))
    grayness = 0.5 * (1 - np.sqrt(_power_share((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)))
    a1, a2 = (1 + grayness) * a1, (1 + grayness) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    colored = c1 * c2 > 0
    turn = np.where(colored, (h2 - h1 + 180) % 360 - 180, 0.0)
    # At exactly 180 degrees the paper keeps the sign of the difference.
    turn = np.where(colored & (h2 - h1 == 180), 180.0, turn)
    d_lightness, d_chroma = l2 - l1, c2 - c1
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))

    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    apart = np.abs(h1 - h2) > 180
    hue = np.where(colored, (h1 + h2 + np.where(apart, np.where(h1 + h2 < 360, 360, -360), 0)) / 2, h1 + h2)
    t = (
        1
        - 0.17 * _cosine(hue - 30)
        + 0.24 * _cosine(2 * hue)
        + 0.32 * _cosine(3 * hue + 6)
        - 0.20 * _cosine(4 * hue - 63)
    )
    rotation = -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * np.sqrt(_power_share(chroma))
    middle = (lightness - 50) ** 2
    x = d_lightness / (1 + 0.015 * middle / np.sqrt(20 + middle))
    y = d_chroma / (1 + 0.045 * chroma)
    z = d_hue / (1 + 0.015 * chroma * t)
    return np.asarray(np.sqrt(np.maximum(x * x + y * y + z * z + rotation * y * z, 0)))


def mean_ciede2000(picture: NDArray[Any], truth: NDArray[Any]) -> float:
    """Mean CIEDE2000 over the pixels of two pictures, some rows at a time: a large one needs gigabytes at once."""
    strips = range(0, picture.shape[0], STRIP_ROWS)
    sums = [ciede2000(*(lab_of(p[top : top + STRIP_ROWS]) for p in (picture, truth))).sum() for top in strips]
    return float(sum(sums) / (picture.shape[0] * picture.shape[1]))


def lab_of(picture: NDArray[Any]) -> Float64:
    """CIELAB (CIE 15:2004, 8.2.1) of a picture under D65, shape (H, W, 3)."""
    xyz = to_linear(picture).astype(np.float64) @ np.linalg.inv(XYZ_TO_SRGB).T / _D65_XYZ
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def matched(picture: NDArray[Any], truth: NDArray[Any]) -> Float32:
    """
    The picture after the one gain in linear light that brings it nearest to the truth, in squared error as encoded.

    What is left is not a matter of exposure. The gain is searched on every fourth pixel, first over stops, then finer.
    """
    light, small = to_linear(picture), truth[::4, ::4]
    few = light[::4, ::4]

    def error(gain_ev: float) -> float:
        return float(np.mean((to_encoded(few * np.float32(2**gain_ev)) - small) ** 2))

    best, step = 0.0, 1.0
    candidates = np.arange(-GAIN_EV_MAX, GAIN_EV_MAX + 1)
    while step > 0.005:
        best = float(min(candidates, key=error))
        step /= 4
        candidates = best + step * np.arange(-4, 5)
    return to_encoded(light * np.float32(2**best))


def to_linear(encoded: NDArray[Any]) -> Float32:
    """SRGB-encoded values on 0..1 to linear light (IEC 61966-2-1), elementwise."""
    x = np.asarray(encoded, np.float32)
    return np.where(x <= 0.04045, x / np.float32(12.92), ((x + np.float32(0.055)) / np.float32(1.055)) ** 2.4)


def to_encoded(linear: NDArray[Any]) -> Float32:
    """The inverse of `to_linear`; light beyond white is cut off."""
    x = np.asarray(linear, np.float32).clip(0, 1)
    return np.where(x <= 0.0031308, x * np.float32(12.92), np.float32(1.055) * x ** (1 / 2.4) - np.float32(0.055))


def _blurred(image: Float64) -> Float64:
    size, margin = (SSIM_WINDOW_PX, SSIM_WINDOW_PX), SSIM_WINDOW_PX // 2
    blurred = cv2.GaussianBlur(image, size, SSIM_DEVIATION_PX)
    return np.asarray(blurred[margin:-margin, margin:-margin], np.float64)


def _power_share(chroma: Float64) -> Float64:
    """C^7 / (C^7 + 25^7)."""
    return np.asarray(chroma**7 / (chroma**7 + 25.0**7))


def _cosine(degrees: Float64) -> Float64:
    return np.asarray(np.cos(np.radians(degrees)))
