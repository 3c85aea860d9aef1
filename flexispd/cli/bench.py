"""`flexispd bench`: what the networks are worth, measured here, beside what else one could use."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.output import JsonOption, error_json, print_error, print_json
from flexispd.cli.render import Device, DeviceOption

if TYPE_CHECKING:
    from flexispd.bench.result import BenchResult
    from flexispd.bench.white_balance import FolderResult

app = typer.Typer(help="Measure quality and speed on this machine.", no_args_is_help=True)


class Bench(enum.StrEnum):
    """What can be measured."""

    demosaic = "demosaic"
    denoise = "denoise"
    white_balance = "white-balance"
    night = "night"
    speed = "speed"
    looks = "looks"


PicturesArgument = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="Folder of PNG pictures, such as the 24 of Kodak.")
]
PhotosArgument = Annotated[
    Path,
    typer.Argument(exists=True, file_okay=False, help="Folder of finished photographs (JPEG, PNG), with sub-folders."),
]
RawsArgument = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of raw files.")]
CamerasOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", exists=True, dir_okay=False, help="Noise of real cameras too: calibrations of ELD, as JSON."
    ),
]
SpectraOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Sensitivities of cameras, an .npz file."),
]
SheetOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Contact sheet (PNG) of every photograph by every method.")
]


@app.command()
def demosaic(folder: PicturesArgument, as_json: JsonOption = False) -> None:
    """
    How well a mosaic of a known picture is put together again, in dB, beside LibRaw and others.

    Every picture is sampled through an RGGB pattern in 8 bits; the figure is cPSNR without a border of 10 pixels,
    averaged over the pictures. Menon 2007 and demosaicnet take part where the packages colour-demosaicing and
    demosaicnet are installed.
    """
    from flexispd.bench import demosaic as bench

    _print([bench.run(folder)], as_json)


@app.command()
def denoise(folder: PicturesArgument, cameras: CamerasOption = None, as_json: JsonOption = False) -> None:
    """
    How much of a known noise is removed, in dB, at four noise levels, beside others.

    Pictures become linear packed mosaics, noise of known shot and read parts is added, and the PSNR is taken there.
    BM3D takes part where the package bm3d is installed, for hours. With --cameras the JSON is a list, "benches".
    """
    from flexispd.bench import denoise as bench

    _print(bench.run(folder, cameras), as_json)


@app.command()
def night(
    folder: PhotosArgument,
    iso: Annotated[int, typer.Option(min=50, max=409_600, help="ISO of the raws that are made.")] = 3200,
    kept: Annotated[
        bool, typer.Option("--kept", help="Only the photographs that a training on this folder keeps back.")
    ] = False,
    sheet: SheetOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    How near finished pictures of noisy raws come to the photographs that the raws were made of.

    Photographs become DNG files of a dark scene at a high ISO; flexispd's profiles, LibRaw, and RawTherapee and
    darktable where they are installed, develop them with their own defaults. The figures are PSNR, PSNR after the best
    gain in linear light, SSIM and CIEDE2000.
    """
    from flexispd.bench import night as bench

    _print([bench.run(folder, iso, kept=kept, sheet=sheet)], as_json)


@app.command()
def speed(folder: RawsArgument, device: DeviceOption = Device.auto, as_json: JsonOption = False) -> None:
    """
    How long each step takes from raw file to finished JPEG, and how much memory it needs.

    Measures every raw of the folder, and frames of 12 and 24 megapixels made of the largest: the median and the worst
    of several repeats after one that does not count.
    """
    from flexispd.bench import speed as bench

    _print([bench.run(folder, device.value)], as_json)


@app.command()
def looks(folder: RawsArgument, device: DeviceOption = Device.auto, as_json: JsonOption = False) -> None:
    """
    What a second look of one frame costs.

    Measures the largest raw of the folder under each shipped profile alone, and together with natural.
    """
    from flexispd.bench import looks as bench

    _print([bench.run(folder, device.value)], as_json)


@app.command("white-balance")
def white_balance(
    folder: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="Folder of real frames: NAME.png, linear camera RGB in 16 bits, and NAME_metadata.json with "
            "illuminant_color_raw.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Photographs to make scenes of."),
    ] = None,
    spectra: SpectraOption = None,
    scenes: Annotated[int, typer.Option(metavar="N", min=1, help="How many scenes are made.")] = 400,
    as_json: JsonOption = False,
) -> None:
    """
    How far the found light is off, in degrees, beside methods that learn nothing.

    On a FOLDER of real frames whose light was measured, or, with --photos and --spectra, on made scenes of cameras that
    the network has not seen, and of photographs that it has seen and that it has not. There "as-shot" is a camera's
    setting that is 4 degrees off on average.
    """
    from flexispd.bench import white_balance as bench

    made = (photos, spectra)
    if (folder is None) != (None not in made) or (folder is not None and made != (None, None)):
        raise typer.BadParameter("give a FOLDER of real frames, or both --photos and --spectra")
    if folder is None and photos is not None and spectra is not None:
        _print([bench.run_made(photos, spectra, scenes)], as_json)
    elif folder is not None:
        _print_frames(bench.run_folder(folder), as_json)


def _print_frames(result: FolderResult, as_json: bool) -> None:
    for path, error in result.failed:
        print_error(error, path)
    if as_json:
        failed = [{"frame": path.name, **error_json(error)} for path, error in result.failed]
        print_json(result.methods.as_json() | {"frames": list(result.frames.rows), "failed": failed})
    elif result.frames.rows:
        typer.echo(f"{result.frames.as_table()}\n\n{result.methods.as_table()}")
    if result.failed:
        raise typer.Exit(1)


@app.command("all")
def all_benches(
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="PNG pictures, for demosaic and denoise."),
    ] = None,
    cameras: CamerasOption = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Photographs, for white-balance and night: those kept back.",
        ),
    ] = None,
    spectra: SpectraOption = None,
    sheet: SheetOption = None,
    raws: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, file_okay=False, help="Raw files, for speed and looks.")
    ] = None,
    only: Annotated[
        list[Bench] | None, typer.Option(metavar="BENCH", help="Only this one; give it again for more.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Markdown page whose sections are replaced by what was measured."),
    ] = None,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Every benchmark whose folder is given, in one go, and the page docs/benchmarks.md of them.

    A section of the page is replaced as soon as its benchmark is finished; the others stay as they are. --device is
    for speed and looks, the others run on the CPU.
    """
    from flexispd.bench.suite import Material, run

    material = Material(pictures, cameras, photos, spectra, sheet, raws, device.value)
    _print(run(material, out, [bench.value for bench in only or []]), as_json)


def _print(results: Sequence[BenchResult], as_json: bool) -> None:
    """One result as it is; several one after the other, in JSON as "benches"."""
    if not as_json:
        typer.echo("\n\n".join(result.as_table() for result in results))
    elif len(results) == 1:
        print_json(results[0].as_json())
    else:
        print_json({"benches": [result.as_json() for result in results]})
