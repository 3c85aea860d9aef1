"""
The whole path of a capture. Read this first.

    capture --read_mosaic--> mosaic --develop--> pictures --encode--> files --publish--> outbox

`develop` is the path of light: three networks, then the look. `process` is the path of files around it; the command
line and the daemon both call it, and nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from flexispd import __version__
from flexispd.decode import read_mosaic
from flexispd.develop.defects import repair_defects
from flexispd.develop.denoise import denoise, network_level
from flexispd.develop.models import Models
from flexispd.develop.noise import noise_profile
from flexispd.develop.official import develop_official
from flexispd.develop.render import Negative, render
from flexispd.develop.tiling import Tiling, in_memory, synchronized
from flexispd.develop.upload import upload
from flexispd.develop.white_balance import cautions, estimate, white_balance
from flexispd.errors import FlexispError
from flexispd.export.encode import encode, pixel_type, upright_size
from flexispd.export.names import output_name
from flexispd.export.receipt import (
    Ingredients,
    OutputFile,
    Receipt,
    build_receipt,
    hash_inputs,
)
from flexispd.export.replace import Clearance, may_replace, publish_with_receipt
from flexispd.profile import SUFFIXES, ExportParams, Profile
from flexispd.types import Capture, Mosaic, Picture


@dataclass(slots=True)
class Timer:
    """Milliseconds of each step, in order; a GPU is waited for, so that its work counts where it was asked for."""

    steps_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time the enclosed step; a step that is repeated adds up."""
        started = time.perf_counter()
        yield
        synchronized()
        self.steps_ms[step] = round(self.steps_ms.get(step, 0) + 1000 * (time.perf_counter() - started), 1)


def develop(mosaic: Mosaic, profiles: Sequence[Profile], models: Models, timed: Timer | None = None) -> list[Picture]:
    """A finished picture for each profile; those of one model set share what they can."""
    timed = timed or Timer()
    pictures: dict[int, Picture] = {}
    for model in dict.fromkeys(profile.model for profile in profiles):
        chosen = [i for i, profile in enumerate(profiles) if profile.model == model]
        if model in models.official:
            done = in_memory(Tiling.whole(models.device), partial(_develop_official, mosaic, model, models, timed))
            done = done * len(chosen)
        else:
            done = in_memory(
                Tiling.on(models.device), partial(_develop, mosaic, [profiles[i] for i in chosen], models, timed)
            )
        pictures.update(zip(chosen, done, strict=True))
    return [pictures[i] for i in range(len(profiles))]


def _develop_official(mosaic: Mosaic, model: str, models: Models, timed: Timer, tiling: Tiling) -> list[Picture]:
    """The path of light through the official networks, which decide everything themselves."""
    with timed("official"):
        picture = develop_official(mosaic, models.official_networks(model, tiling.device), tiling.device)
    return [replace(picture, report={**picture.report, "device": str(tiling.device), "warnings": tiling.notes})]


def _develop(
    mosaic: Mosaic, profiles: Sequence[Profile], models: Models, timed: Timer, tiling: Tiling
) -> list[Picture]:
    """The path of light through the networks of one of our model sets."""
    networks = models.networks(profiles[0].model, tiling.device)
    shot = mosaic.shot
    with timed("upload"):
        frame = upload(mosaic, tiling.device)
    with timed("noise"):
        noise, doubts = noise_profile(mosaic, frame.planes)
        defects = repair_defects(frame.planes, noise)
    with timed("denoise"):
        levels = {network_level(profile.denoise) for profile in profiles}
        cleaned = {level: denoise(frame.planes, noise, level, networks.denoise, tiling) for level in levels}
    with timed("white_balance"):
        # One for each level, so that a profile's picture does not depend on the company it is rendered in.
        estimates = {level: estimate(clean, shot, networks.light) for level, clean in cleaned.items()}
        lights = [estimates[network_level(profile.denoise)] for profile in profiles]
        illuminants = [white_balance(light, p.white_balance, shot) for light, p in zip(lights, profiles, strict=True)]
    with timed("render"):
        negatives = {level: Negative(frame, clean, noise, shot.color_matrices) for level, clean in cleaned.items()}
        looks = list(zip(profiles, illuminants, strict=True))
        renderings = render(negatives, looks, networks.demosaic, tiling)
    report = {"device": str(tiling.device), "tile_px": 2 * tiling.edge, "noise_profile": noise, "defects": defects}
    pictures = []
    for rendering, light, (profile, illuminant) in zip(renderings, lights, looks, strict=True):
        exposure = {"exposure_ev": round(rendering.exposure_ev, 3), "auto_exposure_ev": round(rendering.auto_ev, 3)}
        warnings = [*tiling.notes, *doubts, *cautions(light, profile.white_balance)]
        details = {**report, "illuminant": illuminant, **exposure, "warnings": warnings}
        pictures.append(Picture(rendering.values, shot.orientation, details))
    return pictures


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """
    What became of one capture under one profile.

    Attributes:
        profile: Name of the profile.
        receipt: None when it failed.
        outputs: The pictures, whole and durable.
        up_to_date: They were there already, made from the same ingredients.
        error: Why it failed, or None.
    """

    profile: str
    receipt: Receipt | None = None
    outputs: tuple[Path, ...] = ()
    up_to_date: bool = False
    error: FlexispError | None = None


def process(
    capture: Capture, profiles: Sequence[Profile], models: Models, base: Path, *, overwrite: bool = False
) -> list[Result]:
    """
    One capture from raw file to published files, one result for each profile.

    Args:
        base: The outputs' folder and stem: `OUTBOX/2026/DSC1` becomes `OUTBOX/2026/DSC1.natural.jpg`.
        overwrite: Replace outputs of ours that were made from other ingredients, see `export.replace`.

    Raises:
        CaptureError, TransientError: Nothing of this capture can be rendered. What concerns one profile only is in its
            result.
    """
    timed = Timer()
    with timed("hash"):
        raw, sidecars = hash_inputs(capture)
    plans = [_plan(Ingredients(raw, sidecars, p, models.weights[p.model]), base, overwrite) for p in profiles]
    wanted = [plan for plan in plans if isinstance(plan, _Plan) and not plan.clearance.up_to_date]
    finished: dict[str, Result] = {}
    if wanted:
        with timed("decode"):
            mosaic = read_mosaic(capture)
        pictures = develop(mosaic, [plan.ingredients.profile for plan in wanted], models, timed)
        for plan, picture in zip(wanted, pictures, strict=True):
            finished[plan.ingredients.profile.name] = _publish(plan, mosaic, picture, timed)
    return [finished.get(profile.name) or _idle(profile, plan) for profile, plan in zip(profiles, plans, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What one profile will write where, decided before any pixel is touched."""

    ingredients: Ingredients
    targets: dict[Path, ExportParams]
    receipt_path: Path
    clearance: Clearance


def _plan(ingredients: Ingredients, base: Path, overwrite: bool) -> _Plan | FlexispError:
    profile = ingredients.profile
    targets = {
        base.with_name(output_name(base.name, profile.name, SUFFIXES[export.format])): export
        for export in profile.export
    }
    receipt_path = base.with_name(output_name(base.name, profile.name, ".json"))
    try:
        clearance = may_replace(targets, receipt_path, ingredients, overwrite=overwrite)
    except FlexispError as error:
        return error
    return _Plan(ingredients, targets, receipt_path, clearance)


def _idle(profile: Profile, plan: _Plan | FlexispError) -> Result:
    """The result of a profile for which nothing was developed."""
    if isinstance(plan, FlexispError):
        return Result(profile.name, error=plan)
    return Result(profile.name, plan.clearance.previous, tuple(plan.targets), up_to_date=True)


def _publish(plan: _Plan, mosaic: Mosaic, picture: Picture, timed: Timer) -> Result:
    """Encode a picture for each export and let it appear together with its receipt."""
    profile = plan.ingredients.profile
    steps = Timer(dict(timed.steps_ms))
    try:
        with steps("encode"):
            software = f"flexispd {__version__} ({profile.name})"
            files = {
                target: encode(_at_depth(picture, export), mosaic.shot, export, software)
                for target, export in plan.targets.items()
            }
        width, height = upright_size(picture)
        outputs = [
            OutputFile(target.name, hashlib.sha256(data).hexdigest(), width, height, plan.targets[target])
            for target, data in files.items()
        ]
        report = {**picture.report, "milliseconds": steps.steps_ms}
        reported = replace(picture, report=report)
        receipt = build_receipt(plan.ingredients, mosaic.shot, reported, outputs, plan.clearance.previous)
        publish_with_receipt(receipt, plan.receipt_path, files, plan.clearance)
    except FlexispError as error:
        return Result(profile.name, error=error)
    return Result(profile.name, receipt, tuple(files))


def _at_depth(picture: Picture, export: ExportParams) -> Picture:
    """The picture in the depth of one export; a profile with several is rendered in the deepest."""
    if picture.values.dtype == pixel_type(export):
        return picture
    if picture.values.dtype == np.uint8:
        values = picture.values.astype(np.uint16) * np.uint16(257)  # the official networks give 8 bits
    else:
        values = ((picture.values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return replace(picture, values=values)
