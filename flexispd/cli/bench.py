"""`flexispd bench`: what the networks are worth, measured here, beside what else one could use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.output import JsonOption, error_json, print_error, print_json
from flexispd.cli.render import Device, DeviceOption

if TYPE_CHECKING:
    from flexispd.bench.result import BenchResult
    from flexispd.bench.white_balance import FolderResult

app = typer.Typer(help="Measure quality and speed on this machine.", no_args_is_help=True)

PicturesArgument = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="Folder of PNG pictures, such as the 24 of Kodak.")
]
RawsArgument = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of raw files.")]


@app.command()
def demosaic(folder: PicturesArgument, as_json: JsonOption = False) -> None:
    """
    How well a mosaic of a known picture is put together again, in dB, beside LibRaw's methods.

    Every picture is sampled through an RGGB pattern in 8 bits; the figure is cPSNR without a border of 10 pixels,
    averaged over the pictures.
    """
    from flexispd.bench import demosaic as bench

    _print(bench.run(folder), as_json)


@app.command()
def denoise(folder: PicturesArgument, as_json: JsonOption = False) -> None:
    """
    How much of a known noise is removed, in dB, at four noise levels, beside the noisy input.

    Pictures become linear packed mosaics, noise of known shot and read parts is added, and the PSNR is taken there.
    """
    from flexispd.bench import denoise as bench

    _print(bench.run(folder), as_json)


@app.command()
def speed(folder: RawsArgument, device: DeviceOption = Device.auto, as_json: JsonOption = False) -> None:
    """
    How long each step takes from raw file to finished JPEG, and how much memory it needs.

    Measures every raw of the folder, and frames of 12 and 24 megapixels made of the largest: the median and the worst
    of several repeats after one that does not count.
    """
    from flexispd.bench import speed as bench

    _print(bench.run(folder, device.value), as_json)


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
    spectra: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Sensitivities of cameras, an .npz file."),
    ] = None,
    scenes: Annotated[int, typer.Option(metavar="N", min=1, help="How many scenes are made.")] = 400,
    as_json: JsonOption = False,
) -> None:
    """
    How far the found light is off, in degrees, beside methods that learn nothing.

    On a FOLDER of real frames whose light was measured, or, with --photos and --spectra, on made scenes of cameras and
    photographs that the network has not seen. There "as-shot" is a camera's setting that is 4 degrees off on average.
    """
    from flexispd.bench import white_balance as bench

    made = (photos, spectra)
    if (folder is None) != (None not in made) or (folder is not None and made != (None, None)):
        raise typer.BadParameter("give a FOLDER of real frames, or both --photos and --spectra")
    if folder is None and photos is not None and spectra is not None:
        _print(bench.run_made(photos, spectra, scenes), as_json)
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


def _print(result: BenchResult, as_json: bool) -> None:
    if as_json:
        print_json(result.as_json())
    else:
        typer.echo(result.as_table())
