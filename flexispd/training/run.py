"""`flexispd train STAGE`: from a folder of photographs to a weight file and its line in the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from flexispd.develop.networks.loader import store_state
from flexispd.errors import SetupError
from flexispd.training import demosaic, denoise, look, white_balance
from flexispd.training.loop import Recipe, Task, train
from flexispd.training.photos import Photos, load_photos
from flexispd.weights import MANIFEST, WeightEntry, read_manifest, write_manifest

MODEL = "flexispd-s"


@dataclass(frozen=True, slots=True)
class Stage:
    """
    How one network is trained.

    Attributes:
        network: Makes it, untrained.
        task: What it learns, from photographs to train on, photographs kept back, spectra and a seed.
        recipe: How long, and how fast.
        data: What is made of the photographs, in a sentence.
    """

    network: Callable[[], nn.Module]
    task: Callable[[Photos, Photos, Path | None, int], Task]
    recipe: Recipe
    data: str


STAGES = {
    "denoise": Stage(
        denoise.network,
        lambda photos, kept, _, seed: denoise.task(photos, kept, seed),
        Recipe(steps=40_000),
        "linear, with Poisson and Gaussian noise added",
    ),
    "demosaic": Stage(
        demosaic.network,
        lambda photos, kept, _, seed: demosaic.task(photos, kept, seed),
        Recipe(steps=60_000),
        "sampled through an RGGB pattern, half of them with their colours torn apart",
    ),
    "white-balance": Stage(
        white_balance.network,
        lambda photos, kept, spectra, seed: white_balance.task(photos, kept, _needed(spectra), seed),
        Recipe(steps=6_000),
        "lit by measured lamp spectra and seen through measured camera spectra",
    ),
    "look": Stage(
        look.network,
        lambda photos, kept, _, seed: look.task(photos, kept, seed),
        Recipe(steps=2_000, warmup_steps=100),
        "underexposed by up to four stops, or with what made them finished pictures undone",
    ),
}


def run(stage: str, photos: Path, weights: Path, spectra: Path | None = None, steps: int | None = None) -> WeightEntry:
    """
    Train the network of `stage` to the end and put it into the folder `weights`, with its entry in the manifest there.

    A run that was stopped goes on from its checkpoint `flexispd-STAGE.ckpt` in the current folder; delete it to start
    anew.

    Args:
        stage: A key of STAGES.
        photos: Folder of finished photographs; those of weights/recipes/kept.txt are kept for validation.
        weights: Folder of the manifest.
        spectra: Camera spectral sensitivities, for white-balance only.
        steps: Instead of the recipe's; also to end a stopped run earlier or later.
    """
    what = STAGES[stage]
    recipe = what.recipe if steps is None else replace(what.recipe, steps=steps)
    train_on, kept = load_photos(photos)
    torch.manual_seed(recipe.seed)
    network, task = what.network(), what.task(train_on, kept, spectra, recipe.seed)
    averaged = train(network, task, recipe, Path(f"flexispd-{stage}.ckpt"))
    entry = WeightEntry(
        folder=weights,
        model=MODEL,
        stage=stage,
        file=f"{stage}-s.safetensors",
        sha256="",
        architecture=str(averaged.architecture),
        licence="Apache-2.0",
        trained=f"flexispd train {stage}: {recipe.steps} steps of Adam, moving average of the weights",
        data=f"{len(train_on)} photographs, {what.data}",
        figures={f"validation_{task.figure}": round(task.validate(averaged), 3)},
    )
    return record(store_state(averaged.state_dict(), entry))


def record(entry: WeightEntry) -> WeightEntry:
    """Put an entry into the manifest of its folder in place of an earlier one of its model and stage."""
    path = entry.folder / MANIFEST
    others = read_manifest(path) if path.exists() else []
    kept = [other for other in others if (other.model, other.stage) != (entry.model, entry.stage)]
    write_manifest(path, [*kept, entry])
    return entry


def _needed(spectra: Path | None) -> Path:
    if spectra is None:
        raise SetupError(
            "Training the white balance needs the spectral sensitivities of cameras.",
            remedy="Give --spectra FILE, an .npz as docs/weights.md describes it.",
        )
    return spectra
