"""
How long from a raw file to a JPEG on the disk, step by step, and how much memory it takes at most.

Every raw of a folder is rendered several times, and so are frames of 12 and 24 megapixels made by repeating the
largest of them. Each frame gets a process of its own, so that its peak memory is its own; loading the program and the
weights is left out, as in a daemon that is running. The first rendering warms up and is not counted.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from flexispd.bench.result import BenchResult, Row
from flexispd.capture.scan import find_captures
from flexispd.decode import read_mosaic
from flexispd.develop.models import load_models
from flexispd.errors import CaptureError, SetupError, displayable
from flexispd.export.receipt import Receipt
from flexispd.log import log
from flexispd.pipeline import Order, Result, process
from flexispd.profile import load_profile
from flexispd.training.dng import write_dng
from flexispd.types import Capture, Mosaic

REPEATS = 5
MADE_MEGAPIXELS = (12, 24)
PROFILE = "natural"


def run(folder: Path, device: str = "auto") -> BenchResult:
    """Seconds, milliseconds of each step and peak memory of every raw of a folder and of the two made sizes."""
    captures = whole_captures(folder)
    with tempfile.TemporaryDirectory() as scratch:
        made = [_made(captures, megapixels, Path(scratch)) for megapixels in MADE_MEGAPIXELS]
        rows = [_measured(capture, device) for capture in [*captures, *made]]
    note = f"Profile {PROFILE}; median and worst of {REPEATS} runs after one that does not count."
    return BenchResult("speed", rows, notes=[note])


def whole_captures(folder: Path) -> list[Capture]:
    """The captures of a folder that can be decoded. SetupError when there is none."""
    captures = [found.capture for found in find_captures([folder]).captures if _is_whole(found.capture)]
    if not captures:
        raise SetupError(f"{displayable(folder)} holds no raw files.", remedy="Name a folder of camera raws.")
    return captures


def _is_whole(capture: Capture) -> bool:
    """Whether a capture can be decoded; one that cannot is no measure of speed, and is left out."""
    try:
        read_mosaic(capture)
    except CaptureError as error:
        log.warning("bench.left_out", problem=error.problem)
        return False
    return True


def _made(captures: Sequence[Capture], megapixels: int, folder: Path) -> Capture:
    """A DNG of about so many megapixels, 3 to 2, of repetitions of the largest raw."""
    mosaic = max((read_mosaic(capture) for capture in captures), key=lambda m: m.values.size)
    height, width = (round((megapixels * 1e6 * ratio) ** 0.5 / 16) * 16 for ratio in (2 / 3, 3 / 2))
    times = tuple(-(-wanted // (had & ~1)) for wanted, had in zip((height, width), mosaic.values.shape, strict=True))
    even = mosaic.values[: mosaic.values.shape[0] & ~1, : mosaic.values.shape[1] & ~1]
    values = np.tile(even, times)[:height, :width]
    path = folder / f"made_{megapixels}mp.dng"
    path.write_bytes(write_dng(Mosaic(values, mosaic.cfa, mosaic.black_level, mosaic.white_level, mosaic.shot)))
    return Capture(path)


def _measured(capture: Capture, device: str) -> Row:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        row = pool.submit(_measure, capture, device).result()
    log.info("bench.measured", bench="speed", what=row["file"])
    return row


def _measure(capture: Capture, device: str) -> Row:
    """One frame's row; runs in a process of its own."""
    profile = load_profile(PROFILE)
    models = load_models([profile], device)
    totals, steps = [], []
    with tempfile.TemporaryDirectory() as outbox:
        for repeat in range(REPEATS + 1):
            started = time.perf_counter()
            (result,) = process(capture, [Order(profile, Path(outbox) / str(repeat))], models)
            totals.append(time.perf_counter() - started)
            receipt = _receipt(result)
            steps.append(receipt.development["milliseconds"])
    (output,) = receipt.outputs
    megapixels, warm = output.width * output.height / 1e6, totals[1:]
    return {
        "file": displayable(capture.raw.name),
        "device": str(models.device),
        "megapixels": round(megapixels, 1),
        "s_per_mp": round(statistics.median(warm) / megapixels, 3),
        "median_s": round(statistics.median(warm), 2),
        "worst_s": round(max(warm), 2),
        **_by_step(steps[1:]),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _by_step(runs: Sequence[Mapping[str, float]]) -> Row:
    """Median and worst milliseconds of every step, in the order in which they are taken."""
    columns: dict[str, int] = {}
    for step in runs[0]:
        taken = [run[step] for run in runs]
        columns |= {f"{step}_ms": round(statistics.median(taken)), f"{step}_worst_ms": round(max(taken))}
    return columns


def _receipt(result: Result) -> Receipt:
    if result.receipt is None:
        raise result.error or RuntimeError("a result has a receipt or an error")
    return result.receipt
