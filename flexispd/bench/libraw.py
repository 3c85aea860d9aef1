"""
LibRaw beside us: its demosaicking, its noise reduction, and the picture that most programs built on it would give.

All of it goes through a DNG file in memory, as a user's raw would. rawpy is imported here and nowhere else in `bench/`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import rawpy
import torch
from torch import Tensor

from flexispd.decode.cfa import unpack
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Float32, Mosaic, ShotInfo, UInt8, UInt16

VERSION = ".".join(str(number) for number in rawpy.libraw_version)

INTERPOLATIONS = {
    "bilinear": rawpy.DemosaicAlgorithm.LINEAR,
    "LibRaw AHD": rawpy.DemosaicAlgorithm.AHD,
    "LibRaw AAHD": rawpy.DemosaicAlgorithm.AAHD,
    "LibRaw DCB": rawpy.DemosaicAlgorithm.DCB,
}

BLACK, WHITE = 1024, 16383
"""Sensor counts of the frames whose noise LibRaw is to reduce."""

_AS_IT_IS: dict[str, Any] = {
    "output_color": rawpy.ColorSpace.raw,
    "gamma": (1, 1),
    "no_auto_bright": True,
    "user_flip": 0,
    "adjust_maximum_thr": 0,
}


def interpolation(name: str) -> Callable[[UInt8], Callable[[], UInt8]]:
    """One of INTERPOLATIONS without any colour of its own: an 8-bit RGGB mosaic to the work that makes (H, W, 3)."""

    def prepare(mosaic: UInt8) -> Callable[[], UInt8]:
        data = _dng(mosaic.astype(np.uint16), 0, 255, (1.0, 1.0, 1.0))
        options = {**_AS_IT_IS, "user_sat": 255, "user_wb": [1, 1, 1, 1], "output_bps": 8}
        return lambda: _postprocessed(data, demosaic_algorithm=INTERPOLATIONS[name], **options)

    return prepare


def reduced_noise(planes: Tensor, neutral: tuple[float, float, float]) -> Tensor:
    """
    Linear planes (4, h, w) after LibRaw's FBDD noise reduction ("light", which is better than "full" here), same scale.

    LibRaw hands out no mosaics, but its bilinear interpolation leaves every site as it is, so the planes can be read
    from what it makes. Like a raw, the frame is stored in 14 bits over a black level; LibRaw cuts off what noise puts
    below black.

    Args:
        neutral: Camera RGB of grey: FBDD works on balanced values.
    """
    counts = (planes * (WHITE - BLACK) + BLACK).round().clamp(0, WHITE).to(torch.int32).numpy().astype(np.uint16)
    data = _dng(unpack(counts, CFA.RGGB), BLACK, WHITE, neutral)
    rgb = _postprocessed(
        data,
        demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
        fbdd_noise_reduction=rawpy.FBDDNoiseReductionMode.Light,
        use_camera_wb=True,
        output_bps=16,
        **_AS_IT_IS,
    )
    balanced = torch.from_numpy(rgb.astype(np.float32) / 65535)
    sites = [balanced[::2, ::2, 0], balanced[::2, 1::2, 1], balanced[1::2, ::2, 1], balanced[1::2, 1::2, 2]]
    red, green, blue = neutral
    # LibRaw's gains are 1 for the channel that needs least, so white stays white.
    return torch.stack(sites) * torch.tensor([red, green, green, blue])[:, None, None] / max(neutral)


def developed(data: bytes) -> Float32:
    """A raw file as LibRaw develops it by itself: camera white balance, AHD, automatic brightness; sRGB on 0..1."""
    made = _postprocessed(
        data,
        demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
        use_camera_wb=True,
        output_color=rawpy.ColorSpace.sRGB,
        gamma=(2.4, 12.92),
        output_bps=16,
    )
    return np.asarray(made / np.float32(65535), np.float32)


def _dng(values: UInt16, black: int, white: int, neutral: tuple[float, float, float]) -> bytes:
    shot = ShotInfo(make="flexispd", model="bench", as_shot_neutral=neutral)
    return write_dng(Mosaic(values, CFA.RGGB, (float(black),) * 4, (float(white),) * 4, shot))


def _postprocessed(data: bytes, **options: Any) -> Any:
    with rawpy.imread(io.BytesIO(data)) as raw:
        return np.asarray(raw.postprocess(**options))
