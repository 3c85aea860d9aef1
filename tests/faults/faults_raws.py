"""Small raws for the fault scenarios, whole and damaged, and writers that take their time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from flexispd.training.dng import write_dng
from flexispd.types import CFA, ColorMatrix, Mosaic, ShotInfo

_XYZ_TO_CAMERA = np.array([[0.69, -0.25, -0.05], [-0.39, 1.2, 0.16], [-0.09, 0.2, 0.58]])

HEADER_BYTES = 600
"""Where the pixels of these raws begin, or later: what lies before must be whole for a decoder to go on."""


@cache
def raw_bytes(seed: int, edge_px: int = 64, camera: str = "Night One") -> bytes:
    """A DNG of a smooth scene with noise; other seeds are other pictures."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:edge_px, 0:edge_px] / edge_px
    scene = 900 + 5000 * (0.5 + 0.5 * np.sin(6 * rows + seed)) * (0.3 + 0.7 * columns)
    values = np.clip(scene + random.normal(0, 60, (edge_px, edge_px)), 300, 15000).astype(np.uint16)
    shot = ShotInfo(
        make="Acme",
        model=camera,
        iso=800.0,
        exposure_s=1 / 60,
        taken_at="2026:01:02 03:04:05",
        as_shot_neutral=(0.5, 1.0, 0.625),
        color_matrices=(ColorMatrix(_XYZ_TO_CAMERA, 6504.0),),
    )
    return write_dng(Mosaic(values, CFA.RGGB, (256.0,) * 4, (16383.0,) * 4, shot))


def cut(data: bytes, share: float) -> bytes:
    """Only the beginning of a file."""
    return data[: int(len(data) * share)]


def zero_tail(data: bytes, share: float = 0.5) -> bytes:
    """A file of full length whose end was reserved and never written."""
    kept = int(len(data) * (1 - share))
    return data[:kept].ljust(len(data), b"\0")


def write_slowly(path: Path, data: bytes, chunks: int, pause_s: float, between: Callable[[], None]) -> None:
    """Write in pieces, each on the disk before the next; `between` is called after all but the last."""
    size = -(-len(data) // chunks)
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            os.fsync(file.fileno())
            if start + size < len(data):
                between()
                time.sleep(pause_s)
