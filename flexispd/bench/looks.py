"""
What a second look of a frame costs, from one raw file to two JPEGs, beside each look alone.

The frame is the largest raw of a folder. Every profile that comes with the program and shares a model set with the
first is taken alone and together with it, in turns, so that a machine which slows down does so for all.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from flexispd.bench.result import BenchResult, Row
from flexispd.bench.speed import PROFILE, whole_captures
from flexispd.decode import read_mosaic
from flexispd.develop.models import Models, load_models
from flexispd.errors import displayable
from flexispd.log import log
from flexispd.pipeline import Order, process
from flexispd.profile import Profile, load_profile
from flexispd.profile_files import shipped_files
from flexispd.types import Capture

REPEATS = 3


def run(folder: Path, device: str = "auto") -> BenchResult:
    """Seconds for each shipped profile alone and with `natural`, and what both take in units of one of them."""
    captures = whole_captures(folder)
    capture = max(captures, key=lambda found: read_mosaic(found).values.size)
    shipped = [load_profile(path) for path in shipped_files().values()]
    (first,) = (profile for profile in shipped if profile.name == PROFILE)
    others = [profile for profile in shipped if profile.model == first.model and profile is not first]
    models = load_models([first, *others], device)
    _seconds(capture, [first, others[0]], models)  # warms up and is not counted
    rows = [_row(capture, first, other, models) for other in others]
    notes = [
        f"{displayable(capture.raw.name)}; medians of {REPEATS} runs, in which {PROFILE} alone, the other alone and "
        "both take turns.",
        f"times_{PROFILE} is both by {PROFILE} alone, times_one is both by the mean of the two alone.",
    ]
    return BenchResult("looks", rows, notes=notes)


def _row(capture: Capture, first: Profile, other: Profile, models: Models) -> Row:
    runs = [[_seconds(capture, looks, models) for looks in ([first], [other], [first, other])] for _ in range(REPEATS)]
    first_s, other_s, both_s = (statistics.median(taken) for taken in zip(*runs, strict=True))
    log.info("bench.measured", bench="looks", what=other.name)
    return {
        "profile": other.name,
        f"{PROFILE}_s": round(first_s, 2),
        "alone_s": round(other_s, 2),
        "both_s": round(both_s, 2),
        f"times_{PROFILE}": round(both_s / first_s, 2),
        "times_one": round(2 * both_s / (first_s + other_s), 2),
    }


def _seconds(capture: Capture, looks: Sequence[Profile], models: Models) -> float:
    with tempfile.TemporaryDirectory() as outbox:
        orders = [Order(look, Path(outbox) / look.name) for look in looks]
        started = time.perf_counter()
        results = process(capture, orders, models)
        taken = time.perf_counter() - started
    for result in results:
        if result.error is not None:
            raise result.error
    return taken
