"""`flexispd bench`: what the networks are worth, measured here, beside what else one could use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.output import JsonOption, print_json
from flexispd.cli.render import Device, DeviceOption

if TYPE_CHECKING:
    from flexispd.bench.result import BenchResult

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


def _print(result: BenchResult, as_json: bool) -> None:
    if as_json:
        print_json(result.as_json())
    else:
        typer.echo(result.as_table())
