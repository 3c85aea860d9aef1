"""`flexispd train`: how the shipped networks were made, for whoever wants to make them again or better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flexispd.cli.output import JsonOption, print_json
from flexispd.cli.render import make_folder
from flexispd.errors import displayable

app = typer.Typer(help="Train a stage's network from photographs; takes hours on a CPU.", no_args_is_help=True)

PhotosOption = Annotated[
    Path,
    typer.Option(
        metavar="DIR", exists=True, file_okay=False, help="Folder of finished photographs (JPEG, PNG) to learn from."
    ),
]
WeightsOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder for the weight file and its manifest; made when it does not exist.")
]
StepsOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Length of the run in optimiser steps; by default as long as it pays."),
]

_WEIGHTS = Path("trained")


@app.command()
def denoise(
    photos: PhotosOption, weights: WeightsOption = _WEIGHTS, steps: StepsOption = None, as_json: JsonOption = False
) -> None:
    """
    Train stage 1, the noise removal.

    Photographs are turned into clean sensor frames, to which noise is added. Progress is printed on stderr. A run
    that was stopped goes on from flexispd-denoise.ckpt in the current folder.
    """
    _train("denoise", (photos, weights, None), steps, as_json)


@app.command("white-balance")
def white_balance(
    photos: PhotosOption,
    spectra: Annotated[
        Path,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Sensitivities of cameras and reflectances, an .npz file."
        ),
    ],
    weights: WeightsOption = _WEIGHTS,
    steps: StepsOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Train stage 2, the network that finds the colour of the light.

    Photographs are lit anew by lamps of known spectra and seen by cameras of known sensitivities; docs/weights.md says
    what the .npz file holds. Needs colour-science: pip install "flexispd[train]". A run that was stopped goes on from
    flexispd-white-balance.ckpt in the current folder.
    """
    _train("white-balance", (photos, weights, spectra), steps, as_json)


@app.command()
def demosaic(
    photos: PhotosOption, weights: WeightsOption = _WEIGHTS, steps: StepsOption = None, as_json: JsonOption = False
) -> None:
    """
    Train the first half of stage 3, which gives every pixel its three colours.

    Photographs are sampled through a Bayer pattern, and the network learns to undo it. Progress is printed on stderr.
    A run that was stopped goes on from flexispd-demosaic.ckpt in the current folder.
    """
    _train("demosaic", (photos, weights, None), steps, as_json)


@app.command()
def look(
    photos: PhotosOption, weights: WeightsOption = _WEIGHTS, steps: StepsOption = None, as_json: JsonOption = False
) -> None:
    """
    Train the look of stage 3, which sets exposure, contrast, colour and local light from the frame itself.

    What made photographs finished pictures is undone, and the network learns which knobs bring it back. Takes half an
    hour. A run that was stopped goes on from flexispd-look.ckpt in the current folder.
    """
    _train("look", (photos, weights, None), steps, as_json)


def _train(stage: str, folders: tuple[Path, Path, Path | None], steps: int | None, as_json: bool) -> None:
    from flexispd.log import configure
    from flexispd.training.run import run

    configure("info")
    photos, weights, spectra = folders
    make_folder(weights, "--weights")  # before hours of work, not after
    entry = run(stage, photos, weights, spectra, steps)
    if as_json:
        print_json({"stage": stage, "file": entry.path, "sha256": entry.sha256, "figures": dict(entry.figures)})
    else:
        figures = ", ".join(f"{name} {value}" for name, value in entry.figures.items())
        typer.echo(f"{displayable(entry.path)}  {figures}")
