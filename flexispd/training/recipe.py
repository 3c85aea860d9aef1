"""
Recipes: how each shipped network was trained, and how to train it again; one TOML file for each in weights/recipes.

A recipe holds no code: it chooses one of the tasks of this package and its numbers.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flexispd import toml_reference
from flexispd.errors import ConfigError, displayable
from flexispd.resources import data_folder
from flexispd.strict_toml import Choice, Document, Flag, Number, Text, Whole, decode_text, field, read_bytes
from flexispd.training.loop import Schedule
from flexispd.weights import STAGES


@dataclass(frozen=True, slots=True)
class Data:
    """What the network is shown; a task takes what concerns it."""

    patch_px: int = field(128, Whole(16, 1024), "Edge of a patch in pixels of a photograph, a multiple of 16.")
    batch: int = field(8, Whole(1, 4096), "Patches or scenes in one step.")
    torn_share: float = field(0.5, Number(0, 1), "demosaic: share of the patches whose colours are torn apart.")
    chain_share: float = field(
        0.0, Number(0, 1), "demosaic: share of the patches that come noisy and through stage 1, as in the pipeline."
    )
    doubt: float = field(
        0.0, Number(0, 4), "denoise: log2 by which the variance that the network is told may be wrong, either way."
    )


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    One network's training.

    Attributes:
        name: Of the recipe's file, which the checkpoint is called after.
    """

    name: str
    schedule: Schedule
    stage: str = field(dataclasses.MISSING, Choice(STAGES), "What the network does.")
    architecture: str = field(dataclasses.MISSING, Text(64), "Kind and size of the network.")
    model: str = field(dataclasses.MISSING, Text(64), "Model set that it belongs to.")
    learn_on: bool = field(
        False,
        Flag(),
        "Begin with the weights that the model set has, not with random ones; a network may have grown deeper since.",
    )
    data: Data = Data()


_RECORDS: dict[str, type[Any]] = {"": Recipe, "schedule": Schedule, "data": Data}


def reference() -> str:
    """The tables of docs/weights.md."""
    return toml_reference.tables(_RECORDS, {"": "Top of a recipe"})


def load_recipe(name_or_path: str) -> Recipe:
    """
    The recipe in this .toml file, or the shipped one of this name.

    Raises:
        ConfigError: There is none, or it is not right.
    """
    path = Path(name_or_path)
    if path.suffix.lower() != ".toml":
        shipped = {found.stem: found for found in sorted((data_folder("weights") / "recipes").glob("*.toml"))}
        if name_or_path not in shipped:
            raise ConfigError(
                f"There is no recipe called {displayable(name_or_path)}.",
                remedy=f"Name a .toml file or one of these: {', '.join(shipped)}.",
            )
        path = shipped[name_or_path]
    title = displayable(path)
    document = Document(decode_text(read_bytes(path), title), title, "docs/weights.md explains every key.")
    top, sections = document.sections(Recipe, {"schedule": Schedule, "data": Data})
    if "schedule" not in sections:
        raise ConfigError(f"{title} has no section [schedule].", remedy="Add one with at least the key steps.")
    recipe = document.fill(Recipe, top, name=path.stem, **sections)
    if recipe.data.patch_px % 16:
        raise document.error("must be a multiple of 16", "data", "patch_px")
    return recipe


def shortened(recipe: Recipe, steps: int | None) -> Recipe:
    """The recipe with another length, or as it is."""
    if steps is None:
        return recipe
    return dataclasses.replace(recipe, schedule=dataclasses.replace(recipe.schedule, steps=steps))
