"""
Methods from packages that flexispd does not need: they take part in a benchmark where they are installed.

Each function gives the method, or a sentence that says why it is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.errors import displayable
from flexispd.types import Float32, UInt8

GHARBI_MARGIN = 32
"""Pixels that demosaicnet's convolutions use up on each side (15 at half size, 1 at full size), rounded up."""


def menon2007() -> Callable[[UInt8], Callable[[], UInt8]] | str:
    """
    Menon, Andriani, Calvagno, "Demosaicing with directional filtering and a posteriori decision", IEEE TIP 16 (2007).

    An 8-bit RGGB mosaic to the work that makes (H, W, 3) of it.
    """
    package = _installed("colour_demosaicing", "colour-demosaicing", "Menon 2007")
    if isinstance(package, str):
        return package

    def prepare(mosaic: UInt8) -> Callable[[], UInt8]:
        def work() -> UInt8:
            rgb = package.demosaicing_CFA_Bayer_Menon2007(mosaic / 255, "RGGB")
            return np.asarray((np.clip(rgb, 0, 1) * 255).round(), np.uint8)

        return work

    return prepare


def demosaicnet() -> Callable[[Tensor], Tensor] | str:
    """
    Gharbi et al., "Deep joint demosaicking and denoising", SIGGRAPH Asia 2016, with the weights of its package.

    Packed planes (1, 4, h, w) to (1, 3, 2h, 2w). Its pattern is GRBG: an RGGB frame with one more column on the left.
    """
    package = _installed("demosaicnet", "demosaicnet", "demosaicnet")
    if isinstance(package, str):
        return package
    network = package.BayerDemosaick(pretrained=True).eval()

    def interpolated(planes: Tensor) -> Tensor:
        margin = GHARBI_MARGIN
        mosaic = functional.pixel_shuffle(planes, 2)
        around = functional.pad(mosaic, (margin + 1, margin + 1, margin, margin), mode="reflect")
        green = torch.zeros(around.shape[-2:], dtype=torch.bool)
        green[::2, ::2] = green[1::2, 1::2] = True
        row = torch.arange(around.shape[-2])[:, None] % 2
        sites = torch.stack([~green & (row == 0), green, ~green & (row == 1)])
        made: Tensor = network(around * sites)
        top, left = (-(-(had - got) // 2) for had, got in zip(around.shape[-2:], made.shape[-2:], strict=True))
        rows = slice(margin - top, margin - top + mosaic.shape[-2])
        columns = slice(margin + 1 - left, margin + 1 - left + mosaic.shape[-1])
        return made[..., rows, columns]

    return interpolated


def bm3d() -> Callable[[Float32, float], Float32] | str:
    """
    Dabov et al., "Image denoising by sparse 3D transform-domain collaborative filtering", IEEE TIP 16 (2007).

    Planes (n, h, w) and the deviation of their noise to the planes without it. Takes minutes for each picture.
    """
    package = _installed("bm3d", "bm3d", "BM3D")
    if isinstance(package, str):
        return package
    return lambda planes, deviation: np.stack([package.bm3d(p, deviation) for p in planes]).astype(np.float32)


def _installed(module: str, package: str, method: str) -> Any | str:
    """A package's module, or why its method is left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries for plots and films that nobody asked for
            found: ModuleType = import_module(module)
    except ImportError as error:
        if error.name == module:
            return f"{method} is left out: the package {package} is not installed."
        return f"{method} is left out: the package {package} needs {displayable(str(error.name))}."
    return found
