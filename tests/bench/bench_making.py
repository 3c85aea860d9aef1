"""Pictures small enough for a test, with edges and colours."""

from pathlib import Path

import cv2
import numpy as np


def picture(height=96, width=112, number=0):
    """A smooth 8-bit picture (height, width, 3) with an edge, whose place depends on the number."""
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([rows + 40, columns + 20, 200 - rows], axis=2) % 230
    return (smooth + 25 * (columns > 50 + 9 * number)[..., None]).astype(np.uint8)


def save(path: Path, rgb):
    """A picture as the file that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, rgb[:, :, ::-1])[1].tobytes())
