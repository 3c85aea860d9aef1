"""Photographs, cameras and recipes for the tests of the trainings: small, made, always the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from flexispd.training.loop import Schedule
from flexispd.training.recipe import Data, Recipe
from flexispd.training.sensor import LIGHTS, Lit


def write_photos(folder: Path, count: int = 20) -> Path:
    """A folder of small photographs: smooth noise in three colours."""
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        coarse = random.integers(0, 255, (20, 24, 3)).astype(np.uint8)
        picture = cv2.resize(coarse, (168, 140), interpolation=cv2.INTER_CUBIC)
        (folder / f"{number:02}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return folder


def recipe(stage: str, steps: int = 6, **data: Any) -> Recipe:
    """A recipe that is over in a moment."""
    architecture = {"denoise": "denoise-unet", "demosaic": "demosaic-unet", "white-balance": "illuminant-net"}[stage]
    schedule = Schedule(steps=steps, report_steps=2, seed=1)
    return Recipe(
        f"{stage}-s", schedule, stage, architecture, "flexispd-s", data=Data(**{"patch_px": 32, "batch": 2, **data})
    )


def scheduled(made: Recipe, **schedule: Any) -> Recipe:
    """The recipe with other numbers in its schedule."""
    return replace(made, schedule=replace(made.schedule, **schedule))


def plain_cameras() -> Lit:
    """Two cameras that see sRGB, under white, warm and cold light."""
    neutral = torch.tensor([[1.0, 1.0, 1.0], [1.4, 1.0, 0.5], [0.6, 1.0, 1.1]]).expand(2, LIGHTS, 3)
    return Lit(torch.diag_embed(neutral), neutral.clone())
