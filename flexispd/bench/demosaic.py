"""
How well is a mosaic of a known picture put together again?

Each picture is sampled through an RGGB pattern in 8 bits, put together by each method, rounded to 8 bits and compared
without a border of 10 pixels: cPSNR is the PSNR over the three channels together, and its mean over the pictures is
quoted. LibRaw gets the mosaic as a DNG, without white balance, tone or colour of its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from flexispd.bench import guests
from flexispd.bench.libraw import INTERPOLATIONS, interpolation
from flexispd.bench.metrics import psnr_db, ssim
from flexispd.bench.pictures import continued, model_sets, mosaic_of, planes_of, read_pictures
from flexispd.bench.result import BenchResult, Row
from flexispd.develop.models import Networks
from flexispd.log import log
from flexispd.types import UInt8

BORDER_PX = 10
RUNS_MIN = 5
"""Every method is timed at least so often, after one run that does not count."""

COUNTED_PX = 1024
"""Edge of the frame on which a network's multiplications are counted: large, so that its border hardly counts."""

REFERENCE = "LibRaw AHD"

Network = Callable[[Tensor], Tensor]
"""Packed planes (1, 4, h, w) of display values to (1, 3, 2h, 2w)."""

Method = Callable[[UInt8], Callable[[], UInt8]]
"""An RGGB mosaic (H, W), both even, to the work that makes (H, W, 3) of it; only the work is timed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one method gave: for each picture cPSNR in dB and SSIM, and the median time in seconds per megapixel."""

    cpsnr_db: Sequence[float]
    ssim: Sequence[float]
    s_per_mp: float


def run(folder: Path) -> BenchResult:
    """CPSNR in dB, SSIM, arithmetic and seconds per megapixel of each method over the PNG pictures of a folder."""
    pictures = read_pictures(folder)
    sets = model_sets()
    methods, gmac, left_out = all_methods(sets)
    figures: dict[str, Figures] = {}
    for name, method in methods.items():
        figures[name] = measured(method, pictures)
        log.info("bench.measured", bench="demosaic", what=name)
    reference = figures[REFERENCE].cpsnr_db
    notes = [f"{len(pictures)} pictures, {sum(p.shape[0] * p.shape[1] for p in pictures) / 1e6:.1f} megapixels."]
    for name in sets:
        wins = sum(ours > theirs for ours, theirs in zip(figures[name].cpsnr_db, reference, strict=True))
        notes.append(f"{name} is above {REFERENCE} on {wins} of {len(pictures)} pictures.")
    rows = [_row(name, made, gmac.get(name)) for name, made in figures.items()]
    return BenchResult("demosaic", rows, notes=[*notes, *left_out])


def all_methods(sets: Mapping[str, Networks]) -> tuple[dict[str, Method], dict[str, float], list[str]]:
    """Every method in the order of the table, GMAC per megapixel of those that torch runs, and what is left out."""
    malvar = next(iter(sets.values())).demosaic
    networks: dict[str, tuple[Network, int]] = {"Malvar": (lambda x: functional.pixel_shuffle(malvar.base(x), 2), 1)}
    methods: dict[str, Method] = {name: interpolation(name) for name in INTERPOLATIONS}
    notes = []
    menon, learned = guests.menon2007(), guests.demosaicnet()
    if callable(menon):
        methods["Menon 2007"] = menon
    else:
        notes.append(menon)
    if callable(learned):
        networks["demosaicnet"] = (learned, 1)
    else:
        notes.append(learned)
    networks |= {name: (found.demosaic, found.demosaic.pad_multiple) for name, found in sets.items()}
    methods |= {name: through(network, multiple) for name, (network, multiple) in networks.items()}
    order = ["bilinear", "Malvar"]
    ordered = {name: methods[name] for name in [*order, *(name for name in methods if name not in order)]}
    return ordered, {name: gmac_per_mp(network) for name, (network, _) in networks.items()}, notes


def through(network: Network, multiple: int) -> Method:
    """A network as a method, at any size of picture; `multiple` is what it wants its packed sides to be of."""

    def prepare(mosaic: UInt8) -> Callable[[], UInt8]:
        height, width = mosaic.shape
        planes = planes_of(torch.from_numpy(mosaic.astype(np.float32) / 255))

        def work() -> UInt8:
            whole = continued(planes, multiple)[None].contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                rgb = network(whole)[0, :, :height, :width]
            return (rgb.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()

        return work

    return prepare


def measured(method: Method, pictures: Sequence[UInt8]) -> Figures:
    """The figures of one method; each picture is a run, small folders are run more than once."""
    passes = -(-RUNS_MIN // len(pictures))
    method(mosaic_of(pictures[0]))()
    cpsnr, similarity, seconds = [], [], []
    for number, picture in enumerate([*pictures] * passes):
        work = method(mosaic_of(picture))
        started = time.perf_counter()
        made = work()
        seconds.append((time.perf_counter() - started) / (picture.shape[0] * picture.shape[1] / 1e6))
        if number < len(pictures):
            inner, truth = _inner(made), _inner(picture)
            cpsnr.append(psnr_db(inner, truth, 255))
            similarity.append(ssim(inner, truth, 255))
    return Figures(cpsnr, similarity, statistics.median(seconds))


def gmac_per_mp(network: Network) -> float:
    """Multiplications of a network in units of 1e9 per megapixel of mosaic, as torch counts its operations."""
    planes = torch.zeros(1, 4, COUNTED_PX // 2, COUNTED_PX // 2)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(planes)
    return float(counter.get_total_flops() / 2 / 1e9 / (COUNTED_PX**2 / 1e6))


def _row(name: str, figures: Figures, gmac: float | None) -> Row:
    return {
        "method": name,
        "cpsnr_db": round(float(np.mean(figures.cpsnr_db)), 2),
        "ssim": round(float(np.mean(figures.ssim)), 4),
        "worst_db": round(min(figures.cpsnr_db), 2),
        "gmac_per_mp": None if gmac is None else round(gmac, 1),
        "s_per_mp": round(figures.s_per_mp, 3),
    }


def _inner(picture: UInt8) -> UInt8:
    return picture[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
