"""A contact sheet: pictures in rows and columns with their labels, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.types import UInt8

CELL_PX = 360
"""Width of a picture on the sheet."""

GAP_PX, BAND_PX, HEAD_PX = 6, 22, 34
_PAPER, _INK = 24, 225


def cell_of(picture: NDArray[Any]) -> UInt8:
    """A picture, sRGB on 0..1, (H, W, 3), as small as it is on the sheet."""
    height = max(1, round(picture.shape[0] * CELL_PX / picture.shape[1]))
    small = cv2.resize(np.asarray(picture, np.float32), (CELL_PX, height), interpolation=cv2.INTER_AREA)
    return np.asarray((small.clip(0, 1) * 255).round(), np.uint8)


def contact_sheet(columns: Sequence[str], rows: Sequence[tuple[str, Mapping[str, UInt8]]]) -> bytes:
    """
    The sheet as a PNG file.

    Args:
        columns: Labels, from the left.
        rows: For each row its label, and a column's label -> its cell; cells may be missing.
    """
    width = len(columns) * (CELL_PX + GAP_PX) + GAP_PX
    parts = [_band(HEAD_PX, width, [(GAP_PX + i * (CELL_PX + GAP_PX), name) for i, name in enumerate(columns)], 0.6)]
    for label, cells in rows:
        parts.append(_band(BAND_PX, width, [(GAP_PX, label)], 0.45))
        height = max(cell.shape[0] for cell in cells.values())
        strip = np.full((height + GAP_PX, width, 3), _PAPER, np.uint8)
        for i, name in enumerate(columns):
            if name in cells:
                left = GAP_PX + i * (CELL_PX + GAP_PX)
                strip[: cells[name].shape[0], left : left + CELL_PX] = cells[name]
        parts.append(strip)
    return bytes(cv2.imencode(".png", np.vstack(parts)[:, :, ::-1])[1].tobytes())


def _band(height: int, width: int, texts: Sequence[tuple[int, str]], size: float) -> UInt8:
    band = np.full((height, width, 3), _PAPER, np.uint8)
    for left, text in texts:
        shown = text.encode("ascii", "replace").decode()
        cv2.putText(band, shown, (left, height - 7), cv2.FONT_HERSHEY_SIMPLEX, size, (_INK,) * 3, 1, cv2.LINE_AA)
    return band
