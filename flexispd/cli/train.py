"""`flexispd train`: how the shipped networks were made, for whoever wants to make them again or better."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from flexispd.cli.output import JsonOption, print_json
from flexispd.cli.render import Device, DeviceOption, make_folder
from flexispd.errors import ConfigError, displayable

app = typer.Typer(help="Train a stage's network from photographs; takes hours on a CPU.", no_args_is_help=True)

PhotosOption = Annotated[
    Path,
    typer.Option(
        metavar="DIR", exists=True, file_okay=False, help="Folder of finished photographs (JPEG, PNG) to learn from."
    ),
]
SpectraOption = Annotated[
    Path,
    typer.Option(
        metavar="FILE", exists=True, dir_okay=False, help="Sensitivities of cameras and reflectances, an .npz file."
    ),
]
MaybeSpectraOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", exists=True, dir_okay=False, help="As for denoise; for recipes with a chain_share only."
    ),
]
WeightsOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder for the weight file and its manifest; made when it does not exist.")
]
RecipeOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Recipe, shipped or a .toml file; by default the stage's one of size S."),
]
StepsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Length of the run in optimiser steps, instead of the recipe's.")
]
MinutesOption = Annotated[
    float | None, typer.Option(metavar="M", min=0.01, help="Stop after so long; the same command then goes on.")
]

_WEIGHTS = Path("trained")


@app.command()
def denoise(
    photos: PhotosOption,
    spectra: SpectraOption,
    weights: WeightsOption = _WEIGHTS,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Train stage 1, the noise removal.

    Photographs are lit by real lamps, seen by real cameras, and noise is added. docs/weights.md says what the .npz
    file holds; lamps come from colour-science: pip install "flexispd[train]". Progress is printed on stderr. A run
    that was stopped goes on from RECIPE.ckpt in the current folder, which has its curve as RECIPE.png beside it.
    """
    _train("denoise", recipe, (photos, weights, spectra), (steps, minutes, device.value), as_json)


@app.command("white-balance")
def white_balance(
    photos: PhotosOption,
    spectra: SpectraOption,
    weights: WeightsOption = _WEIGHTS,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Train stage 2, the network that finds the colour of the light.

    Photographs are lit anew by lamps of known spectra and seen by cameras of known sensitivities; needs what denoise
    needs. A run that was stopped goes on from RECIPE.ckpt in the current folder.
    """
    _train("white-balance", recipe, (photos, weights, spectra), (steps, minutes, device.value), as_json)


@app.command()
def demosaic(
    photos: PhotosOption,
    spectra: MaybeSpectraOption = None,
    weights: WeightsOption = _WEIGHTS,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Train the first half of stage 3, which gives every pixel its three colours.

    Photographs are sampled through a Bayer pattern, and the network learns to undo it. Progress is printed on stderr.
    A run that was stopped goes on from RECIPE.ckpt in the current folder.
    """
    _train("demosaic", recipe, (photos, weights, spectra), (steps, minutes, device.value), as_json)


@app.command()
def look(
    photos: PhotosOption,
    weights: WeightsOption = _WEIGHTS,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    minutes: MinutesOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Train the look of stage 3, which sets exposure, contrast, colour and local light from the frame itself.

    What made photographs finished pictures is undone, and the network learns which knobs bring it back. Takes some
    minutes on a CPU. A run that was stopped goes on from RECIPE.ckpt in the current folder.
    """
    _train("look", recipe, (photos, weights, None), (steps, minutes, "cpu"), as_json)


def _train(
    stage: str,
    name: str | None,
    places: tuple[Path, Path, Path | None],
    limits: tuple[int | None, float | None, str],
    as_json: bool,
) -> None:
    from flexispd.log import configure
    from flexispd.training.recipe import load_recipe, shortened
    from flexispd.training.run import Sources, run

    configure("info")
    steps, minutes, device = limits
    recipe = shortened(load_recipe(name or f"{stage}-s"), steps)
    if recipe.stage != stage:
        raise ConfigError(
            f"The recipe {recipe.name} is for {recipe.stage}.", remedy=f"Run: flexispd train {recipe.stage}"
        )
    make_folder(places[1], "--weights")  # before hours of work, not after
    entry = run(recipe, Sources(*places), device=device, minutes=minutes or math.inf)
    if as_json:
        done = {"file": entry.path, "sha256": entry.sha256, "figures": dict(entry.figures)} if entry else {}
        print_json({"stage": stage, "finished": entry is not None, **done})
    elif entry is None:
        typer.echo(f"Not finished after {minutes:g} minutes; the same command goes on from {recipe.name}.ckpt.")
    else:
        figures = ", ".join(f"{name} {value}" for name, value in entry.figures.items())
        typer.echo(f"{displayable(entry.path)}  {figures}")
