"""`flexispd train STAGE`: from a folder of photographs and a recipe to a weight file and its line in the manifest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from flexispd.develop.models import choose_device
from flexispd.develop.networks.architectures import build
from flexispd.develop.networks.loader import begin_with, load_into, store_state
from flexispd.errors import SetupError
from flexispd.training import demosaic, denoise, look, white_balance
from flexispd.training.loop import Task, train
from flexispd.training.photos import Photos, decoded, load_photos, split, surfaces
from flexispd.training.recipe import Recipe
from flexispd.training.sensor import lit_cameras
from flexispd.weights import MANIFEST, WeightEntry, model_set, read_manifest, write_manifest


@dataclass(frozen=True, slots=True)
class Sources:
    """
    What a training learns from.

    Attributes:
        photos: Folder of finished photographs; those of weights/recipes/kept.txt are kept for validation.
        weights: Folder of the manifest that the network is put into.
        spectra: Camera spectral sensitivities, an .npz file, or None; a stage that needs them says so.
    """

    photos: Path
    weights: Path
    spectra: Path | None = None

    @property
    def needed_spectra(self) -> Path:
        """The spectra. SetupError without any."""
        if self.spectra is None:
            raise SetupError(
                "This training needs the spectral sensitivities of cameras.",
                remedy="Give --spectra FILE, an .npz as docs/weights.md describes it.",
            )
        return self.spectra


Making = Callable[[Photos, Photos, Sources, Recipe, torch.device], Task]


def _denoise(photos: Photos, kept: Photos, sources: Sources, recipe: Recipe, device: torch.device) -> Task:
    lit = lit_cameras(sources.needed_spectra, recipe.schedule.seed).to(device)
    return denoise.task(photos, kept, lit, recipe)


def _demosaic(photos: Photos, kept: Photos, sources: Sources, recipe: Recipe, device: torch.device) -> Task:
    if recipe.data.chain_share == 0:
        return demosaic.task(photos, kept, None, None, recipe)
    stage_1 = _known(sources.weights, recipe.model, "denoise")
    module = build(stage_1.architecture)
    load_into(module, stage_1)
    quieten = denoise.quieten(module.eval().requires_grad_(False).to(device))
    lit = lit_cameras(sources.needed_spectra, recipe.schedule.seed).to(device)
    return demosaic.task(photos, kept, lit, quieten, recipe)


def _white_balance(photos: Photos, _: Photos, sources: Sources, recipe: Recipe, __: torch.device) -> Task:
    shown = decoded(surfaces(split(sources.photos)[1]))
    return white_balance.task(photos, shown, sources.needed_spectra, recipe)


def _look(photos: Photos, kept: Photos, _: Sources, recipe: Recipe, __: torch.device) -> Task:
    return look.task(photos, kept, recipe)


TASKS: dict[str, tuple[Making, str]] = {
    "denoise": (_denoise, "lit by measured lamps, seen by measured cameras, with the noise of ISO 100 to 51200 added"),
    "demosaic": (_demosaic, "sampled through an RGGB pattern, some of them with their colours torn apart"),
    "white-balance": (_white_balance, "lit by measured lamp spectra and seen through measured camera spectra"),
    "look": (_look, "underexposed by up to four stops, or with what made them finished pictures undone"),
}
"""Stage -> what it learns, and what is made of the photographs, in half a sentence."""


def run(recipe: Recipe, sources: Sources, *, device: str = "auto", minutes: float = math.inf) -> WeightEntry | None:
    """
    Train the network of `recipe` and put it into the folder `sources.weights`, with its entry in the manifest there.

    A run that was stopped goes on from its checkpoint `RECIPE.ckpt` in the current folder; delete it to start anew.

    Returns:
        None if `minutes` were over before the end.

    Raises:
        SetupError: Something that the recipe needs is not there.
    """
    make, made_of = TASKS[recipe.stage]
    place = choose_device(device)
    photos, kept = load_photos(sources.photos)
    torch.manual_seed(recipe.schedule.seed)
    network = build(recipe.architecture)
    if recipe.learn_on:
        begin_with(network, _known(sources.weights, recipe.model, recipe.stage))
    task = make(photos, kept, sources, recipe, place)
    checkpoint = Path(f"{recipe.name}.ckpt")
    averaged = train(network, task, recipe.schedule, checkpoint, device=place, minutes=minutes)
    if averaged is None:
        return None
    schedule = recipe.schedule
    entry = WeightEntry(
        folder=sources.weights,
        model=recipe.model,
        stage=recipe.stage,
        file=f"{recipe.name}.safetensors",
        sha256="",
        architecture=recipe.architecture,
        licence="Apache-2.0",
        trained=f"flexispd train {recipe.stage} --recipe {recipe.name}: {schedule.steps} steps of "
        f"{schedule.optimizer.title()}, averaged weights",
        data=f"{len(photos)} photographs, {made_of}",
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


def _known(folder: Path, model: str, stage: str) -> WeightEntry:
    """The network of a stage that is there already: in the manifest of `folder`, else shipped or imported."""
    path = folder / MANIFEST
    for entry in read_manifest(path) if path.exists() else []:
        if (entry.model, entry.stage) == (model, stage):
            return entry
    return model_set(model).entry(stage)
