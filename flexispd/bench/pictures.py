"""
The known pictures that benchmarks start from, what a Bayer sensor sees of them, and our networks at any size of them.

A picture's mosaic is RGGB. Networks want sides of certain multiples: a mosaic is continued at the bottom and at the
right by reflection about its last site, which keeps every site on its own colour, and what comes back is cut again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flexispd.develop.models import Networks, load_models
from flexispd.develop.networks.official2022 import ScNet1F
from flexispd.errors import SetupError, displayable
from flexispd.profile import Profile
from flexispd.training.photos import split
from flexispd.types import UInt8
from flexispd.weights import SHIPPED, STAGES, list_entries

EDGE_PX_MIN = 64

SIZES = {SHIPPED: "S", "flexispd-l": "L"}
"""Model sets that have a short name in the tables."""


def read_pictures(folder: Path) -> list[UInt8]:
    """
    The PNG pictures of a folder, sorted by name, as (H, W, 3) R, G, B with even sides.

    Raises:
        SetupError: There are none, or one is too small to have an inside.
    """
    paths = sorted(path for path in folder.glob("*.png") if path.is_file())
    pictures = [picture for path in paths if (picture := _even_rgb(path)) is not None]
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


def find_photographs(folder: Path, *, kept: bool) -> list[Path]:
    """
    The finished photographs below a folder, in the order of their paths.

    Args:
        kept: Only those that a training on this folder keeps back for validation.

    Raises:
        SetupError: There are none, or too few to keep any back.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not paths:
        raise SetupError(
            f"{displayable(folder)} holds no photographs.", remedy="Name a folder of JPEG or PNG photographs."
        )
    return split(folder)[1] if kept else paths


def read_photograph(path: Path) -> UInt8:
    """One photograph as (H, W, 3) R, G, B with even sides. SetupError when it is none, or too small."""
    photograph = _even_rgb(path)
    if photograph is None or min(photograph.shape[:2]) < EDGE_PX_MIN:
        raise SetupError(
            f"{displayable(path)} is no photograph of {EDGE_PX_MIN} pixels or more.",
            remedy="Remove it from the folder.",
        )
    return photograph


def model_names() -> dict[str, str]:
    """The complete model sets of ours: the name that tables give it (S, L, or its own) -> its own name."""
    stages: dict[str, set[str]] = {}
    for entry in list_entries():
        if entry.architecture != ScNet1F.architecture:
            stages.setdefault(entry.model, set()).add(entry.stage)
    return {SIZES.get(name, name): name for name, has in stages.items() if has >= set(STAGES)}


def model_sets() -> dict[str, Networks]:
    """The networks of each complete model set of ours on the CPU, under the name that tables give it."""
    names = model_names()
    loaded = load_models([Profile("bench", model=model) for model in names.values()], "cpu").ours
    return {label: loaded[model] for label, model in names.items()}


def mosaic_of(rgb: NDArray[Any]) -> NDArray[Any]:
    """What an RGGB sensor sees of (H, W, 3), both even: (H, W) of the same type."""
    mosaic = np.empty(rgb.shape[:2], rgb.dtype)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = rgb[row::2, column::2, channel]
    return mosaic


def planes_of(mosaic: Tensor) -> Tensor:
    """(H, W) RGGB mosaic, both even, to (4, H/2, W/2) planes R, Gr, Gb, B."""
    return functional.pixel_unshuffle(mosaic[None, None], 2)[0].contiguous()


def continued(planes: Tensor, multiple: int) -> Tensor:
    """Planes (4, h, w) of an RGGB frame, continued at the bottom and at the right to multiples of `multiple`."""
    height, width = planes.shape[1:]
    below, right = -height % multiple, -width % multiple
    mosaic = functional.pixel_shuffle(planes[None], 2)
    return planes_of(functional.pad(mosaic, (0, 2 * right, 0, 2 * below), mode="reflect")[0, 0])


def _even_rgb(path: Path) -> UInt8 | None:
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if decoded is None:
        return None
    height, width = (length & ~1 for length in decoded.shape[:2])
    return np.ascontiguousarray(decoded[:height, :width, ::-1], np.uint8)
