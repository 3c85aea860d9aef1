"""
Night raws of scenes that are known: what a camera would have kept of a finished photograph's scene at a high ISO.

The photograph, decoded to linear light, stands for what the scene looks like once its light is taken for white. One of
four measured lights falls on it, a real sensor sees it, 0 to 3 EV less exposed than a frame whose white just fills the
sensor; photons and read noise of the ISO are added, and 14 bits are kept. Light and exposure are drawn by the
photograph's name, so they stay what they are in any selection. The DNG says what a camera's would: the colour matrices
of the sensor under the standard illuminants A and D65, the neutral of the true light, exposure and noise profile.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch

from flexispd.bench.metrics import to_linear
from flexispd.bench.noisy import at_iso
from flexispd.bench.pictures import mosaic_of, planes_of
from flexispd.decode.cfa import unpack
from flexispd.training.dng import write_dng
from flexispd.types import CFA, ColorMatrix, Mosaic, ShotInfo, UInt8

UNDEREXPOSED_EV_MAX = 3.0
BLACK, WHITE = 512, 16383
EXPOSURE_S, F_NUMBER = 1 / 15, 2.0


@dataclass(frozen=True, slots=True)
class Light:
    """
    One light, as the sensor sees it.

    Attributes:
        neutral: Camera RGB of white, green = 1.
        look: Linear sRGB of a surface in daylight to its camera RGB divided by `neutral`; rows add up to 1.
    """

    neutral: tuple[float, float, float]
    look: tuple[tuple[float, float, float], ...]


# Least squares over the 190 reflectances and the measured sensitivity of a Sony ILCE-7M3 in rawtoaces-data, as
# `training.spectra` computes them; tests/bench/test_night_raw.py compares. Lamps are the LED-B1 and LED-B3 of CIE
# 15:2018. White balance is trained without this camera.
LIGHTS = {
    "daylight, 6500 K": Light(
        (0.3613, 1.0, 0.7478), ((0.517, 0.334, 0.149), (0.049, 0.709, 0.242), (-0.003, 0.254, 0.749))
    ),
    "LED, 4100 K": Light((0.4633, 1.0, 0.5264), ((0.568, 0.348, 0.084), (0.096, 0.755, 0.149), (0.005, 0.273, 0.722))),
    "tungsten, 2860 K": Light(
        (0.6210, 1.0, 0.3978), ((0.651, 0.265, 0.084), (0.124, 0.752, 0.124), (-0.003, 0.374, 0.629))
    ),
    "LED, 2700 K": Light((0.6517, 1.0, 0.3536), ((0.629, 0.310, 0.061), (0.152, 0.754, 0.094), (0.006, 0.348, 0.646))),
}
COLOR_MATRICES = (
    ColorMatrix(np.array([[0.5267, -0.1269, -0.0069], [-0.4175, 1.0774, 0.2933], [-0.0811, 0.1555, 0.6218]]), 2856.0),
    ColorMatrix(np.array([[0.4914, -0.0719, -0.0310], [-0.5166, 1.2065, 0.2613], [-0.1601, 0.2454, 0.6011]]), 6504.0),
)


@dataclass(frozen=True, slots=True)
class NightRaw:
    """
    One raw.

    Attributes:
        data: The DNG file.
        light: Name of its light in LIGHTS.
        exposure_ev: Exposure relative to a frame whose white just fills the sensor, 0 to -UNDEREXPOSED_EV_MAX.
    """

    data: bytes
    light: str
    exposure_ev: float


def night_raw(photograph: UInt8, name: str, iso: int) -> NightRaw:
    """The raw of a photograph (H, W, 3), both even, from 22 pixels; `name` decides its light and its exposure."""
    seed = zlib.crc32(name.encode())
    random = np.random.default_rng(seed)
    chosen = list(LIGHTS)[random.integers(len(LIGHTS))]
    exposure_ev = -float(random.uniform(0, UNDEREXPOSED_EV_MAX))
    light, noise = LIGHTS[chosen], at_iso(iso)
    balanced = to_linear(photograph / np.float32(255)) @ np.array(light.look, np.float32).T
    seen = balanced.clip(0) * np.array(light.neutral, np.float32) * np.float32(2**exposure_ev)
    planes = noise.added(planes_of(torch.from_numpy(mosaic_of(seen))), seed)
    counts = (planes * (WHITE - BLACK) + BLACK).round().clamp(0, WHITE).to(torch.int32).numpy().astype(np.uint16)
    shot = ShotInfo(
        make="flexispd",
        model="bench night",
        iso=iso,
        exposure_s=EXPOSURE_S,
        f_number=F_NUMBER,
        as_shot_neutral=light.neutral,
        color_matrices=COLOR_MATRICES,
        noise_profile=noise.profile(),
    )
    mosaic = Mosaic(unpack(counts, CFA.RGGB), CFA.RGGB, (float(BLACK),) * 4, (float(WHITE),) * 4, shot)
    return NightRaw(write_dng(mosaic), chosen, exposure_ev)
