"""
How much of a known noise is taken out of a known mosaic?

Pictures become sensor light (x^2.2 a quarter as bright, white balance of 2, 1, 1.6 undone, RGGB) and get Poisson
photons and Gaussian read noise. PSNR is that of the packed, linear planes; its mean over the pictures is quoted. The
others are given what they need: non-local means and BM3D get variance-stabilised planes and the true noise profile,
LibRaw's FBDD a DNG file with the true white balance.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from flexispd.bench import guests, libraw
from flexispd.bench.noisy import LEVELS, NEUTRAL, SensorNoise, read_cameras, sensor_light
from flexispd.bench.pictures import continued, model_sets, read_pictures
from flexispd.bench.result import BenchResult, Row
from flexispd.develop.anscombe import Anscombe
from flexispd.develop.denoise import denoise
from flexispd.develop.models import Networks
from flexispd.develop.noise import estimate_noise
from flexispd.develop.tiling import GRID, Tiling
from flexispd.log import log
from flexispd.types import Float32, NoiseProfile

CAMERA_ISO = (800, 1600, 3200, 6400, 12800, 25600)

NLM_STRENGTH = 1.5
NLM_PATCH, NLM_SEARCH = 3, 21

Method = Callable[[Tensor, SensorNoise], Tensor]
"""Noisy planes (4, h, w), and the noise that is in them, to planes with less of it."""

Planes = Float32
"""(4, h, w) of variance-stabilised values."""

Exposures = Mapping[int, Sequence[SensorNoise]]
"""ISO -> the noise that each picture gets."""


def run(folder: Path, cameras: Path | None = None) -> list[BenchResult]:
    """
    PSNR in dB of every method over the PNG pictures of a folder: at four levels, and with the noise of real cameras.

    Args:
        cameras: A file for `noisy.read_cameras`. Pictures take turns with its cameras.
    """
    found = read_cameras(cameras) if cameras else {}
    clean = [sensor_light(picture) for picture in read_pictures(folder)]
    methods, left_out = all_methods(model_sets())
    notes = [f"{len(clean)} pictures, {sum(planes.numel() for planes in clean) / 1e6:.1f} megapixels.", *left_out]
    levels = {iso: [noise] * len(clean) for iso, noise in LEVELS.items()}
    results = [BenchResult("denoise", measured(methods, clean, levels), notes=notes)]
    if found:
        turns = [camera for _, camera in zip(clean, itertools.cycle(found.values()), strict=False)]
        exposures = {iso: [camera.at(iso) for camera in turns] for iso in CAMERA_ISO}
        about = f"Pictures take turns with {', '.join(found)}."
        results.append(BenchResult("denoise-cameras", measured(methods, clean, exposures), notes=[about, *notes]))
    return results


def all_methods(sets: Mapping[str, Networks]) -> tuple[dict[str, Method], list[str]]:
    """Every method in the order of the table, and what is left out."""
    methods: dict[str, Method] = {
        "noisy": lambda noisy, _: noisy,
        "LibRaw FBDD": lambda noisy, _: libraw.reduced_noise(noisy, NEUTRAL),
        "non-local means": lambda noisy, truth: stabilised(noisy, truth, non_local_means),
    }
    notes, bm3d = [], guests.bm3d()
    if callable(bm3d):
        methods["BM3D"] = lambda noisy, truth: stabilised(noisy, truth, bm3d)
    else:
        notes.append(bm3d)
    for name, networks in sets.items():
        methods[name] = learned(networks, lambda _, truth: truth.profile())
        methods[f"{name}, profile estimated"] = learned(networks, lambda noisy, _: estimate_noise(noisy))
        methods[f"{name}, told twice the variance"] = learned(networks, lambda _, truth: truth.profile(2.0))
        methods[f"{name}, told half the variance"] = learned(networks, lambda _, truth: truth.profile(0.5))
    return methods, notes


def measured(methods: Mapping[str, Method], clean: Sequence[Tensor], exposures: Exposures) -> list[Row]:
    """A row for each method: its mean PSNR in dB at every ISO, the mean of those, and seconds per megapixel."""
    noisy = {
        iso: [noise.added(planes, seed) for seed, (planes, noise) in enumerate(zip(clean, noises, strict=True))]
        for iso, noises in exposures.items()
    }
    rows: list[Row] = []
    for name, method in methods.items():
        figures, seconds = {}, []
        method(noisy[next(iter(exposures))][0], next(iter(exposures.values()))[0])  # the first run is not timed
        for iso, noises in exposures.items():
            made = []
            for planes, noise, truth in zip(noisy[iso], noises, clean, strict=True):
                started = time.perf_counter()
                quiet = method(planes, noise)
                seconds.append((time.perf_counter() - started) / (planes.numel() / 1e6))
                made.append(psnr_db(quiet, truth))
            figures[f"iso_{iso}_db"] = float(np.mean(made))
        log.info("bench.measured", bench="denoise", what=name)
        mean = float(np.mean(list(figures.values())))
        shown = {column: round(value, 2) for column, value in {**figures, "mean_db": mean}.items()}
        rows.append({"method": name, **shown, "s_per_mp": round(statistics.median(seconds), 3)})
    return rows


def learned(networks: Networks, told: Callable[[Tensor, SensorNoise], NoiseProfile]) -> Method:
    """Our network at any size of frame, with a noise profile made of the frame or of the truth."""
    tiling = Tiling.on(torch.device("cpu"))

    def method(noisy: Tensor, truth: SensorNoise) -> Tensor:
        _, height, width = noisy.shape
        with torch.inference_mode():
            quiet = denoise(continued(noisy, GRID), told(noisy, truth), 1.0, networks.denoise, tiling)
        return quiet[:, :height, :width]

    return method


def stabilised(noisy: Tensor, truth: SensorNoise, work: Callable[[Planes, float], Planes]) -> Tensor:
    """A method for planes whose noise has the same deviation everywhere, within Anscombe's transform."""
    shot, read = (torch.tensor(value)[:, None, None] for value in (truth.profile().shot, truth.profile().read))
    stable = Anscombe.of(shot, read)
    return stable.inverse(torch.from_numpy(work(stable.forward(noisy).numpy(), float(stable.deviation[0]))))


def non_local_means(planes: Planes, deviation: float) -> Planes:
    """
    Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005, as OpenCV has it for 16 bits.

    The four planes are compared together. Strength and windows are those that were best on photographs, over all levels
    of noise.
    """
    low = 6 * deviation  # room for what noise puts below black
    scale = 65535 / (1 + 2 * low)
    counts = ((planes + low) * scale).round().clip(0, 65535).astype(np.uint16)
    quiet = cv2.fastNlMeansDenoising(
        np.ascontiguousarray(counts.transpose(1, 2, 0)),
        h=[NLM_STRENGTH * deviation * scale],
        templateWindowSize=NLM_PATCH,
        searchWindowSize=NLM_SEARCH,
        normType=cv2.NORM_L1,
    )
    return np.ascontiguousarray(quiet.transpose(2, 0, 1) / scale - low, np.float32)


def psnr_db(planes: Tensor, truth: Tensor) -> float:
    """PSNR of linear planes against the truth, 1 being the peak."""
    return float(-10 * torch.log10(((planes - truth) ** 2).mean()))
