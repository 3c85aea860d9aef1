"""The curve of a training run as a picture, so that one look tells whether it still learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.types import Float64

Point = tuple[int, float, float]
"""Step, mean loss since the point before, figure of the validation."""

WIDTH_PX, HEIGHT_PX = 960, 280
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 90, 20, 36, 30

_INK, _FRAME = (40, 40, 40), (200, 200, 200)
_LOSS, _FIGURE = (200, 120, 30), (40, 120, 40)  # B, G, R


def draw(history: Sequence[Point], figure: str, path: Path) -> None:
    """
    Write a PNG with two curves over the steps: the loss, by its logarithm, above the validation's figure.

    Nothing is written for fewer than two points.
    """
    if len(history) < 2:
        return
    steps, loss, value = np.array(history, np.float64).T
    panels = [
        _panel(steps, np.log10(np.maximum(loss, 1e-12)), "log10 loss", _LOSS),
        _panel(steps, value, figure, _FIGURE),
    ]
    done, data = cv2.imencode(".png", np.concatenate(panels))
    if done:
        path.write_bytes(data.tobytes())


def _panel(steps: Float64, values: Float64, name: str, color: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One curve with its range and its last value."""
    panel = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8)
    right, bottom = WIDTH_PX - RIGHT_PX, HEIGHT_PX - BOTTOM_PX
    cv2.rectangle(panel, (LEFT_PX, TOP_PX), (right, bottom), _FRAME)
    low, high = float(values.min()), float(values.max())
    across = LEFT_PX + (steps - steps[0]) / max(steps[-1] - steps[0], 1) * (right - LEFT_PX)
    along = bottom - (values - low) / max(high - low, 1e-12) * (bottom - TOP_PX)
    points = np.stack([across, along], axis=1).round().astype(np.int32)[:, None]
    cv2.polylines(panel, [points], isClosed=False, color=color, thickness=2, lineType=cv2.LINE_AA)
    _write(panel, f"{name}: {values[-1]:.4g}", (LEFT_PX, TOP_PX - 12))
    _write(panel, f"{high:.4g}", (6, TOP_PX + 12))
    _write(panel, f"{low:.4g}", (6, bottom))
    _write(panel, f"{steps[0]:.0f} .. {steps[-1]:.0f} steps", (LEFT_PX, HEIGHT_PX - 10))
    return panel


def _write(panel: NDArray[Any], text: str, place: tuple[int, int]) -> None:
    cv2.putText(panel, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
