"""
The pictures of docs/knobs.md: every knob at three settings, on the street that `flexispd demo` photographs.

    python -m flexispd.demo.knobs docs

writes the page and its pictures anew. A knob that shows only together with another one gets that one as well.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from flexispd.capture.records import Capture
from flexispd.decode import read_mosaic
from flexispd.demo import night_raw
from flexispd.develop.models import load_models
from flexispd.export.encode import palette_png
from flexispd.export.fit import cropped
from flexispd.export.publish import publish
from flexispd.pipeline import develop
from flexispd.profile import ExportParams, Knob, Profile, knobs, load_profile
from flexispd.strict_toml import Number
from flexispd.types import Mosaic, UInt8

TILE_PX = (192, 128)
"""Width and height of one setting."""

BAND_PX, GAP_PX = 18, 4
COLORS = 200
"""Of each picture's palette: a page with seventy pictures has to load."""

FRAME_PX = (1152, 768)
DETAIL_CORNER = (150, 330)
"""Row and column from which a tile is cut, one to one, for knobs of fine detail."""

DETAILS = {"denoise", "sharpening", "grain"}


@dataclass(frozen=True, slots=True)
class Shown:
    """
    How one knob is shown.

    Attributes:
        values: The settings, from the left.
        beside: Other knobs, "section.key", that have to be set for this one to show.
    """

    values: tuple[Any, ...]
    beside: Mapping[str, Any] = field(default_factory=dict)


_TONED = {"split_toning.shadows_strength": 0.6, "split_toning.highlights_strength": 0.6}
_MONOCHROME = {"monochrome.strength": 1.0}

SHOWN = {
    "white_balance.source": Shown(("auto", "as-shot", "tungsten", "daylight")),
    "white_balance.kelvin": Shown((2200.0, 3500.0, 6500.0), {"white_balance.source": "kelvin"}),
    "white_balance.tint": Shown((-60.0, 0.0, 60.0), {"white_balance.source": "kelvin", "white_balance.kelvin": 3000.0}),
    "white_balance.warmth_mired": Shown((-40.0, 0.0, 40.0)),
    "white_balance.adaptation": Shown((0.3, 0.7, 1.0)),
    "white_balance.gain_max": Shown((1.0, 1.7, 16.0)),
    "render.exposure_ev": Shown((-1.5, 0.0, 1.5)),
    "render.curve": Shown((((0.0, 0.12), (1.0, 0.9)), (), ((0.0, 0.0), (0.3, 0.18), (0.7, 0.82), (1.0, 1.0)))),
    "split_toning.shadows_hue": Shown((30.0, 150.0, 260.0), {"split_toning.shadows_strength": 0.6}),
    "split_toning.highlights_hue": Shown((70.0, 180.0, 330.0), {"split_toning.highlights_strength": 0.6}),
    "split_toning.balance": Shown((-1.0, 0.0, 1.0), _TONED),
    "monochrome.red": Shown((0.0, 0.21, 1.0), _MONOCHROME),
    "monochrome.green": Shown((0.0, 0.72, 2.0), _MONOCHROME),
    "monochrome.blue": Shown((0.0, 0.07, 1.0), _MONOCHROME),
    "sharpening.radius_px": Shown((0.5, 1.0, 3.0), {"sharpening.amount": 1.5}),
    "sharpening.noise_aware": Shown((0.0, 0.5, 1.0), {"sharpening.amount": 2.0, "denoise.luminance": 0.6}),
    "grain.size_px": Shown((0.5, 1.5, 4.0), {"grain.amount": 0.8}),
    "denoise.keep_grain": Shown((0.0, 0.5, 1.0)),
    "crop.aspect": Shown(("original", "16:9", "1:1")),
}
"""What is not shown at its lowest, its neutral and its highest value."""

UNSHOWN = {"", "lut", "export"}
"""Sections without pictures: names, files of others, and what does not change the look."""


def main(docs: Path) -> None:
    """Write `knobs.md` and the folder `knobs` beside it."""
    folder = docs / "knobs"
    folder.mkdir(parents=True, exist_ok=True)
    mosaic, models = _frame(), load_models([load_profile("neutral")], "cpu")
    lines = [_HEAD]
    section = ""
    for knob in shown_knobs():
        if knob.section != section:
            section = knob.section
            lines.append(f"\n## `[{section}]`\n")
        name, shown = f"{knob.section}.{knob.key}", shown_as(knob)
        profiles = [_profile({**shown.beside, name: value}) for value in shown.values]
        pictures = [
            cropped(picture.values, profile.crop.aspect)
            for picture, profile in zip(develop(mosaic, profiles, models), profiles, strict=True)
        ]
        publish(_strip(pictures, shown.values, detail=knob.section in DETAILS), folder / f"{name}.png")
        beside = "".join(f" With `{key} = {_shown(value)}`." for key, value in shown.beside.items())
        lines.append(f"**`{knob.key}`** – {knob.doc}{beside}\n\n![{name}](knobs/{name}.png)\n")
    publish("\n".join(lines).encode(), docs / "knobs.md")


def shown_knobs() -> Iterator[Knob]:
    """The knobs that have a picture, in the order of the light."""
    return (knob for knob in knobs() if knob.section not in UNSHOWN)


def shown_as(knob: Knob) -> Shown:
    """The settings of one knob: its own, or its lowest, its neutral and its highest value."""
    special = SHOWN.get(f"{knob.section}.{knob.key}")
    if special is not None:
        return special
    if not isinstance(knob.allowed, Number):
        raise TypeError(f"{knob.section}.{knob.key} is no number and has no settings in SHOWN")
    low, high = knob.allowed.low, knob.allowed.high
    values = (low, knob.default, high) if low < knob.default < high else (low, (low + high) / 2, high)
    return Shown(values)


def _frame() -> Mosaic:
    """The street as a mosaic."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "street.dng"
        raw.write_bytes(night_raw(*FRAME_PX))
        return read_mosaic(Capture(raw))


def _profile(values: Mapping[str, Any]) -> Profile:
    """The neutral profile with these knobs, "section.key" -> value, set."""
    profile = Profile("shown", export=(ExportParams(format="png"),))
    for name, value in values.items():
        section, _, key = name.partition(".")
        profile = replace(profile, **{section: replace(getattr(profile, section), **{key: value})})
    return profile


def _strip(pictures: list[UInt8], values: tuple[Any, ...], *, detail: bool) -> bytes:
    """The settings in a row with their values below, as a PNG file with a palette."""
    width, height = TILE_PX
    tiles = []
    for picture, value in zip(pictures, values, strict=True):
        tile = np.full((height + BAND_PX, width, 3), 24, np.uint8)
        shown = _cut(picture) if detail else _fitted(picture)
        top, left = (height - shown.shape[0]) // 2, (width - shown.shape[1]) // 2
        tile[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
        place = (4, height + BAND_PX - 5)
        cv2.putText(tile, _shown(value)[:28], place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (225,) * 3, 1, cv2.LINE_AA)
        tiles += [tile, np.full((height + BAND_PX, GAP_PX, 3), 24, np.uint8)]
    return palette_png(np.hstack(tiles[:-1]), COLORS)


def _fitted(values: UInt8) -> UInt8:
    """A whole picture, as large as fits into a tile."""
    scale = min(TILE_PX[0] / values.shape[1], TILE_PX[1] / values.shape[0])
    size = (max(1, round(values.shape[1] * scale)), max(1, round(values.shape[0] * scale)))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(values: UInt8) -> UInt8:
    """A tile's part of a picture, one to one."""
    (row, column), (width, height) = DETAIL_CORNER, TILE_PX
    return values[row : row + height, column : column + width]


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f"[{x:g}, {y:g}]" for x, y in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


_HEAD = """# Every knob in pictures

Each knob at its lowest, its neutral and its highest value, or at the values below the pictures, on the street that
`flexispd demo` photographs; everything else is as in `neutral`. Knobs of fine detail show a part of the picture, one to
one. Made by `make knobs`; what the numbers mean is told in [profiles](profiles.md).
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
