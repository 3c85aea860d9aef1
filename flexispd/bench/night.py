"""
From end to end: how near does a finished picture of a noisy night raw come to the photograph that its scene was?

Photographs become raws (see `night_raw`), raws become pictures: by flexispd's profiles and by what a user would pick
instead, each with its own defaults and the camera's white balance at hand. Every picture is compared with the
photograph as it is, and once more after the one gain in linear light that suits it best, because automatic exposure
decides most of the PSNR.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from flexispd.bench.converters import CONVERTERS, ConverterError
from flexispd.bench.libraw import VERSION, developed
from flexispd.bench.metrics import matched, mean_ciede2000, psnr_db, ssim
from flexispd.bench.night_raw import NightRaw, night_raw
from flexispd.bench.pictures import SIZES, find_photographs, model_names, read_photograph
from flexispd.bench.result import BenchResult, Row
from flexispd.decode import read_mosaic
from flexispd.develop.models import Models, load_models
from flexispd.errors import displayable
from flexispd.export.publish import publish
from flexispd.export.sheet import Row as SheetRow
from flexispd.export.sheet import Tile, contact_sheet, shrunk
from flexispd.log import log
from flexispd.pipeline import develop
from flexispd.profile import ExportParams, Profile, load_profile
from flexispd.types import Capture, Float32
from flexispd.weights import SHIPPED

PROFILES = ("natural", "neutral", "vivid-night")
ISO = 3200

BORDER_PX = 8
"""Left out of every comparison; RawTherapee gives a picture that is 4 pixels smaller on each side."""

PHOTOGRAPH = "photograph"

Method = Callable[[Path, Path], Float32]
"""A raw file and a folder for scratch to the picture, sRGB on 0..1, (H, W, 3)."""


@dataclass(slots=True)
class Tally:
    """
    What one method has given so far.

    Attributes:
        figures: For each photograph PSNR in dB, the same after the best gain, SSIM, mean CIEDE2000, seconds.
        failures: Why there is no picture of a photograph.
    """

    figures: list[tuple[float, ...]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def row(self, name: str) -> Row:
        """Means over the photographs; no figures when one of them failed, since the others' means would not compare."""
        means = np.mean(self.figures, axis=0) if self.figures and not self.failures else [None] * len(FIGURES)
        digits = FIGURES.values()
        values = [None if m is None else round(float(m), d) for m, d in zip(means, digits, strict=True)]
        return {"method": name, **dict(zip(FIGURES, values, strict=True))}


CELL_PX = 360
"""Longer edge of a picture on the sheet."""

FIGURES = {"psnr_db": 2, "psnr_matched_db": 2, "ssim": 4, "ciede2000": 2, "s": 2}
"""Figure -> digits after the point."""


def run(folder: Path, iso: int = ISO, *, kept: bool = False, sheet: Path | None = None) -> BenchResult:
    """
    Figures of every method over the photographs below a folder, at one ISO.

    Args:
        kept: Only the photographs that a training keeps back.
        sheet: Where a contact sheet of everything goes, a PNG file.
    """
    paths = find_photographs(folder, kept=kept)
    methods, ours, notes = all_methods()
    tallies = {name: Tally() for name in methods}
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            photograph = read_photograph(path)
            made = night_raw(photograph, path.name, iso)
            truth = np.asarray(photograph / np.float32(255), np.float32)
            cells = _measured(made, truth, methods, tallies, Path(scratch))
            log.info("bench.measured", bench="night", what=displayable(name))
            rows.append(SheetRow(f"{displayable(name)}: {made.light}, {made.exposure_ev:+.1f} EV", cells))
    if sheet:
        publish(contact_sheet(f"Night, ISO {iso}", rows), sheet)
    failures = [failure for tally in tallies.values() for failure in dict.fromkeys(tally.failures)]
    table = [tally.row(name) for name, tally in tallies.items()]
    counted = [f"ISO {iso}, {_count(paths, folder)}{', kept back from training' if kept else ''}."]
    return BenchResult("night", table, notes=[*counted, *_compared(table, ours), *notes, *failures])


def all_methods() -> tuple[dict[str, Method], list[str], list[str]]:
    """Every method in the order of the table, which of them are ours, and what is left out."""
    chosen = {
        name if label == SIZES[SHIPPED] else f"{name}, {label}": replace(
            load_profile(name), model=model, export=(ExportParams("png16"),)
        )
        for label, model in model_names().items()
        for name in PROFILES
    }
    models = load_models(chosen.values(), "cpu")
    methods: dict[str, Method] = {name: ours(profile, models) for name, profile in chosen.items()}
    methods[f"LibRaw {VERSION}"] = lambda raw, _: developed(raw.read_bytes())
    notes = []
    for converter in CONVERTERS:
        if label := converter.label():
            methods[label] = converter.developed
        else:
            notes.append(f"{converter.name} is left out: {converter.program} is not installed.")
    return methods, list(chosen), notes


def ours(profile: Profile, models: Models) -> Method:
    """A profile of flexispd's, from the file on; a daemon has its networks loaded already."""

    def method(raw: Path, _: Path) -> Float32:
        (picture,) = develop(read_mosaic(Capture(raw)), [profile], models)
        return np.asarray(picture.values / np.float32(65535), np.float32)

    return method


def _measured(
    made: NightRaw, truth: Float32, methods: Mapping[str, Method], tallies: Mapping[str, Tally], scratch: Path
) -> list[Tile | None]:
    """Every method's picture of one raw, small, after its figures are in its tally."""
    raw = scratch / "night.dng"
    raw.write_bytes(made.data)
    cells = {PHOTOGRAPH: _tile(PHOTOGRAPH, truth)}
    for name, method in methods.items():
        if not tallies[name].figures:
            _tried(method, raw, scratch)  # the first run loads what it needs, and is not timed
        started = time.perf_counter()
        try:
            picture = method(raw, scratch)
            seconds = time.perf_counter() - started
            inner, wanted = alike(picture, truth)
        except ConverterError as error:
            tallies[name].failures.append(error.problem)
            continue
        fitted = matched(inner, wanted)
        tallies[name].figures.append(
            (
                psnr_db(inner, wanted),
                psnr_db(fitted, wanted),
                ssim(inner, wanted),
                mean_ciede2000(inner, wanted),
                seconds,
            )
        )
        cells[name] = _tile(name, picture)
    return [cells.get(name) for name in (PHOTOGRAPH, *methods)]


def _tile(name: str, picture: Float32) -> Tile:
    """A picture on 0..1, as small as it is on the sheet."""
    return Tile(shrunk(np.asarray((picture.clip(0, 1) * 255).round(), np.uint8), CELL_PX), name)


def _tried(method: Method, raw: Path, scratch: Path) -> None:
    with suppress(ConverterError):
        method(raw, scratch)


def alike(picture: Float32, truth: Float32) -> tuple[Float32, Float32]:
    """
    A picture and the truth without their border, the same part of the scene of both.

    Raises:
        ConverterError: The picture has another size, by more than a few pixels that are missing at its border.
    """
    lost = [had - got for had, got in zip(truth.shape[:2], picture.shape[:2], strict=True)]
    if any(pixels % 2 or not 0 <= pixels <= 2 * BORDER_PX for pixels in lost):
        raise ConverterError(
            f"A picture of {picture.shape[1]}x{picture.shape[0]} pixels came of {truth.shape[1]}x{truth.shape[0]}.",
            remedy="Compare with another version of the program.",
        )
    top, left = (BORDER_PX - pixels // 2 for pixels in lost)
    height, width = (length - 2 * BORDER_PX for length in truth.shape[:2])
    return picture[top : top + height, left : left + width], truth[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]


def _count(paths: Sequence[Path], folder: Path) -> str:
    """How many photographs there are, by the sub-folder in which they lie."""
    places = Counter(path.relative_to(folder).parts[0] if path.parent != folder else "" for path in paths)
    total = f"{len(paths)} {'photograph' if len(paths) == 1 else 'photographs'}"
    if set(places) == {""}:
        return total
    return f"{total} ({', '.join(f'{number} {displayable(place)}' for place, number in places.items() if place)})"


def _compared(table: Sequence[Row], ours: Sequence[str]) -> list[str]:
    """What the default profile's figures are beside the best of the others'."""
    others = [row for row in table if row["method"] not in ours and row["psnr_db"] is not None]
    natural = table[0]
    sentences = []
    for column, text in (
        ("psnr_db", "PSNR"),
        ("psnr_matched_db", "PSNR after the best gain"),
        ("ciede2000", "CIEDE2000"),
    ):
        by_figure = {row[column]: row["method"] for row in others}
        best = min(by_figure) if column == "ciede2000" else max(by_figure)
        change = natural[column] - best
        told = f"{change / best:+.0%}" if column == "ciede2000" else f"{change:+.2f} dB"
        sentences.append(f"{text}: {natural['method']} {told} against the best of the others, {by_figure[best]}.")
    return sentences
