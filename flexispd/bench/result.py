"""What a benchmark measured, where, and how it is printed."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flexispd.errors import SetupError, displayable
from flexispd.training.photos import UInt8

EDGE_PX_MIN = 64

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """
    One table.

    Attributes:
        bench: Name of the benchmark.
        rows: Column -> value, the same columns in every row; units stand at the end of a column's name.
        machine: Where it was measured.
    """

    bench: str
    rows: Sequence[Row]
    machine: str = field(default_factory=lambda: machine())

    def as_json(self) -> dict[str, Any]:
        """The result as JSON-ready values."""
        return {"bench": self.bench, "machine": self.machine, "rows": [dict(row) for row in self.rows]}

    def as_table(self) -> str:
        """The result as aligned text with the machine in its heading."""
        columns = list(self.rows[0])
        cells = [columns, *([_cell(row[c]) for c in columns] for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        lines = ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([f"# {self.bench}: {self.machine}", *lines])


def machine() -> str:
    """The processor, its cores, and the torch that uses them."""
    names = [
        line.partition(":")[2].strip()
        for line in _text(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def read_pictures(folder: Path) -> list[UInt8]:
    """
    The PNG pictures of a folder, sorted by name, as (H, W, 3) R, G, B with even sides.

    Raises:
        SetupError: There are none, or one is too small to have an inside.
    """
    paths = sorted(path for path in folder.glob("*.png") if path.is_file())
    decoded = [cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) for path in paths]
    pictures = [_even_rgb(p) for p in decoded if p is not None]
    if not pictures:
        raise SetupError(
            f"{displayable(folder)} holds no PNG pictures.", remedy="Name a folder of PNG pictures, such as Kodak's."
        )
    if min(min(picture.shape[:2]) for picture in pictures) < EDGE_PX_MIN:
        raise SetupError(
            f"{displayable(folder)} holds a picture under {EDGE_PX_MIN} pixels wide or high.",
            remedy="Remove it: nothing can be measured on it.",
        )
    return pictures


def _even_rgb(picture: NDArray[Any]) -> UInt8:
    height, width = (length & ~1 for length in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width, ::-1], np.uint8)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _cell(value: str | int | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
