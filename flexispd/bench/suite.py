"""All benchmarks in one go, and the page that they make together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from flexispd.bench import demosaic, denoise, looks, night, speed, white_balance
from flexispd.bench.document import TITLE, updated
from flexispd.bench.result import BenchResult
from flexispd.errors import SetupError, displayable
from flexispd.export.publish import publish


@dataclass(frozen=True, slots=True)
class Material:
    """
    What there is to measure with; a benchmark whose folder is None is not run.

    Attributes:
        pictures: Folder of PNG pictures for `demosaic` and `denoise`.
        cameras: Noise calibrations for `denoise`.
        photos: Folder of finished photographs for `white-balance` and `night`, which take those that a training on it
            keeps back.
        spectra: Sensitivities of cameras for `white-balance`.
        sheet: Contact sheet that `night` writes.
        raws: Folder of raw files for `speed` and `looks`.
        device: Where these two run the networks.
    """

    pictures: Path | None = None
    cameras: Path | None = None
    photos: Path | None = None
    spectra: Path | None = None
    sheet: Path | None = None
    raws: Path | None = None
    device: str = "auto"


def run(material: Material, out: Path | None = None, only: Collection[str] = ()) -> list[BenchResult]:
    """
    Run the benchmarks that have something to measure with, or those of them in `only`, in the order of the page.

    Args:
        out: The page to bring up to date, section by section as they are finished; it is made when it is not there.

    Raises:
        SetupError: There is nothing to do.
    """
    benches = {name: work for name, work in _benches(material).items() if not only or name in only}
    if missing := sorted(set(only) - benches.keys()):
        raise SetupError(
            f"There is nothing to measure {missing[0]} with.",
            remedy="Give what it measures with; `flexispd bench all --help` says which option that is.",
        )
    if not benches:
        raise SetupError("There is nothing to measure with.", remedy="Give --pictures, --photos or --raws.")
    if out:
        _page(out)  # before the work, not after it
    results: list[BenchResult] = []
    for work in benches.values():
        finished = work()
        results += finished
        if out:
            publish(updated(_page(out), finished).encode(), out)
    return results


def _page(out: Path) -> str:
    """The page as it is, or nothing. SetupError when the file is something else, which must not be lost."""
    text = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
    if text and not text.startswith(TITLE):
        raise SetupError(f"{displayable(out)} is no page of benchmarks.", remedy="Name another file for --out.")
    return text


def _benches(material: Material) -> dict[str, Callable[[], Sequence[BenchResult]]]:
    """Name -> work, of what there is material for."""
    pictures, photos, spectra, raws = material.pictures, material.photos, material.spectra, material.raws
    benches: dict[str, Callable[[], Sequence[BenchResult]]] = {}
    if pictures:
        benches["demosaic"] = lambda: [demosaic.run(pictures)]
        benches["denoise"] = lambda: denoise.run(pictures, material.cameras)
    if photos and spectra:
        benches["white-balance"] = lambda: [white_balance.run_made(photos, spectra)]
    if photos:
        benches["night"] = lambda: [night.run(photos, kept=True, sheet=material.sheet)]
    if raws:
        benches["speed"] = lambda: [speed.run(raws, material.device)]
        benches["looks"] = lambda: [looks.run(raws, material.device)]
    return benches
