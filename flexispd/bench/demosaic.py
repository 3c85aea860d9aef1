"""
How well is a mosaic of a known picture put together again?

Each picture is sampled through an RGGB pattern in 8 bits, put together by each method, rounded to 8 bits and compared
without a border of 10 pixels: cPSNR is the PSNR over the three channels together, and its mean over the pictures is
quoted. LibRaw gets the mosaic as a DNG, without white balance, tone or colour of its own.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rawpy
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.bench.result import BenchResult, Row, read_pictures
from flexispd.develop.models import load_models
from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.profile import Profile
from flexispd.training.demosaic import mosaic_planes
from flexispd.training.dng import write_dng
from flexispd.training.photos import UInt8
from flexispd.types import CFA, Mosaic, ShotInfo, UInt16

BORDER_PX = 10

Method = Callable[[UInt8], UInt8]
"""A finished picture, which it may look at only through the mosaic, to what the method makes of the mosaic."""


def run(folder: Path) -> BenchResult:
    """CPSNR in dB and seconds per megapixel of each method over the PNG pictures of a folder."""
    pictures = read_pictures(folder)
    network = load_models([Profile("bench")], "cpu").ours["flexispd-s"].demosaic
    methods: dict[str, Method] = {
        "bilinear": libraw(rawpy.DemosaicAlgorithm.LINEAR),
        "Malvar": lambda picture: _interpolated(picture, lambda p: functional.pixel_shuffle(network.base(p), 2)),
        "LibRaw AHD": libraw(rawpy.DemosaicAlgorithm.AHD),
        "LibRaw DCB": libraw(rawpy.DemosaicAlgorithm.DCB),
        "S": lambda picture: _interpolated(picture, network),
    }
    megapixels = sum(p.shape[0] * p.shape[1] for p in pictures) / 1e6
    rows: list[Row] = []
    for name, method in methods.items():
        started = time.perf_counter()
        made = [method(picture) for picture in pictures]
        seconds = time.perf_counter() - started
        figures = [cpsnr_db(one, other) for one, other in zip(made, pictures, strict=True)]
        rows.append(
            {
                "method": name,
                "cpsnr_db": round(float(np.mean(figures)), 3),
                "worst_db": round(float(np.min(figures)), 3),
                "s_per_mp": round(seconds / megapixels, 4),
            }
        )
    return BenchResult("demosaic", rows)


def cpsnr_db(picture: UInt8, truth: UInt8) -> float:
    """PSNR over all three channels of 8-bit pictures (H, W, 3), without the border."""
    inner = (slice(BORDER_PX, -BORDER_PX), slice(BORDER_PX, -BORDER_PX))
    error = picture[inner].astype(np.float64) - truth[inner]
    return float(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-12)))


def libraw(algorithm: rawpy.DemosaicAlgorithm) -> Method:
    """A method of LibRaw's, which reads the mosaic from a DNG."""

    def method(picture: UInt8) -> UInt8:
        planes = _mosaic(picture)
        shot = ShotInfo(make="flexispd", model="bench", as_shot_neutral=(1.0, 1.0, 1.0))
        data = write_dng(Mosaic(planes, CFA.RGGB, (0.0,) * 4, (255.0,) * 4, shot))
        with rawpy.imread(io.BytesIO(data)) as raw:
            made = raw.postprocess(
                demosaic_algorithm=algorithm,
                output_color=rawpy.ColorSpace.raw,
                gamma=(1, 1),
                no_auto_bright=True,
                no_auto_scale=False,
                user_wb=[1, 1, 1, 1],
                user_flip=0,
                output_bps=8,
                adjust_maximum_thr=0,
                user_sat=255,
            )
        return np.asarray(made, np.uint8)

    return method


def _mosaic(picture: UInt8) -> UInt16:
    mosaic = np.empty(picture.shape[:2], np.uint16)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = picture[row::2, column::2, channel]
    return mosaic


def _interpolated(picture: UInt8, network: DemosaicUNet | Callable[[Tensor], Tensor]) -> UInt8:
    """What a network over packed planes makes of the mosaic; pictures are display values already, as it wants them."""
    encoded = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        rgb = network(mosaic_planes(encoded))[0]
    levels = (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().numpy()
