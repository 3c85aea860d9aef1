"""
The whole path of a capture. Read this first.

    capture --hash_inputs--> what may be written where --plan-->
            --decode--> mosaic --develop--> pictures --publish--> picture and receipt in the outbox

`develop` is the path of light: three networks, then the look. The others are the path of files around it. `process`
runs them one after the other for the command line, publishing several looks at once; a worker of the service runs the
same parts in three threads.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flexispd import __version__
from flexispd.decode import read_mosaic
from flexispd.develop.defects import repair_defects
from flexispd.develop.denoise import denoise, network_level
from flexispd.develop.models import Models
from flexispd.develop.noise import noise_profile
from flexispd.develop.official import develop_official
from flexispd.develop.render import Negative, Renderers, render
from flexispd.develop.tiling import Tiling, in_memory, require_finite, synchronized
from flexispd.develop.upload import upload
from flexispd.develop.white_balance import cautions, estimate, white_balance
from flexispd.errors import DeviceError, FlexispError
from flexispd.export.encode import encode, upright_size
from flexispd.export.fit import fitted
from flexispd.export.publish import Anchor
from flexispd.export.receipt import (
    Ingredients,
    Inputs,
    OutputFile,
    Receipt,
    build_receipt,
    hash_inputs,
    name_beside,
)
from flexispd.export.replace import Clearance, Replacing, may_replace, publish_with_receipt
from flexispd.profile import SUFFIXES, ExportParams, Profile, RuleReport
from flexispd.types import Capture, Mosaic, Picture, ShotInfo

BLACK_BELOW = 0.05
"""Linear light after exposure: where a frame has more, no look can make all of its picture black."""


@dataclass(slots=True)
class Timer:
    """Milliseconds of each step, in order."""

    steps_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str, *, on_device: bool = True) -> Iterator[None]:
        """
        Time the enclosed step; a step that is repeated adds up.

        A GPU is waited for after a step `on_device`, so that its work counts where it was asked for. The others run
        beside the device, in other threads, and have no business with it.
        """
        started = time.perf_counter()
        yield
        if on_device:
            synchronized()
        self.steps_ms[step] = round(self.steps_ms.get(step, 0) + 1000 * (time.perf_counter() - started), 1)


def develop(mosaic: Mosaic, profiles: Sequence[Profile], models: Models, timed: Timer | None = None) -> list[Picture]:
    """
    A finished picture for each profile, in the look that its rules choose; those of one model set share what they can.

    Raises:
        TransientError: There is not enough memory.
        DeviceError: The device failed, or what it gave is no picture.
    """
    timed = timed or Timer()
    chosen_by = [profile.for_frame(mosaic.shot) for profile in profiles]
    profiles = [profile for profile, _ in chosen_by]
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
        for picture in done:
            _require_light(picture, mosaic)
        pictures.update(zip(chosen, done, strict=True))
    return [_with_rule(pictures[i], rule) for i, (_, rule) in enumerate(chosen_by)]


def _with_rule(picture: Picture, rule: RuleReport | None) -> Picture:
    """The picture, whose report tells which rule chose its look, and what was odd about the rules before."""
    if rule is None:
        return picture
    report = {**picture.report, "warnings": [*picture.report.get("warnings", ()), *rule.warnings]}
    if (decided := rule.as_json()) is not None:
        report["rule"] = decided
    return replace(picture, report=report)


def _require_light(picture: Picture, mosaic: Mosaic) -> None:
    """DeviceError if the picture is black and the frame is not: some devices fail without saying so."""
    if picture.values.max() > 0:
        return
    black, white = min(mosaic.black_level), max(mosaic.white_level)
    brightest = (float(np.percentile(mosaic.values, 99.9)) - black) / (white - black)
    if brightest * 2.0 ** picture.report.get("exposure_ev", 0.0) > BLACK_BELOW:
        raise DeviceError(
            "The device gave a black picture of a frame that is not black.",
            remedy="Run this again; if it happens again, render on another device.",
        )


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
        for clean in cleaned.values():
            require_finite(clean)
    with timed("white_balance"):
        # One for each level, so that a profile's picture does not depend on the company it is rendered in.
        estimates = {level: estimate(clean, shot, networks.light) for level, clean in cleaned.items()}
        lights = [estimates[network_level(profile.denoise)] for profile in profiles]
        illuminants = [white_balance(light, p.white_balance, shot) for light, p in zip(lights, profiles, strict=True)]
    with timed("render"):
        camera = shot.color_matrices
        negatives = {n: Negative(frame, clean, noise, camera, shot.orientation) for n, clean in cleaned.items()}
        looks = list(zip(profiles, illuminants, strict=True))
        renderings = render(negatives, looks, Renderers(networks.demosaic, networks.look), tiling)
    report: dict[str, Any] = {
        "device": str(tiling.device),
        "precision": networks.precision,
        "tile_px": 2 * tiling.edge,
        "noise_profile": noise,
        "defects": defects,
    }
    pictures = []
    for rendering, light, (profile, illuminant) in zip(renderings, lights, looks, strict=True):
        exposure: dict[str, Any] = {
            "exposure_ev": round(rendering.exposure_ev, 3),
            "auto_exposure_ev": round(rendering.auto_ev, 3),
        }
        if rendering.learned is not None:
            exposure["learned_look"] = rendering.learned
        warnings = [*tiling.notes, *doubts, *cautions(light, profile.white_balance)]
        details = {**report, "illuminant": illuminant, **exposure, "warnings": warnings}
        (space, values), *others = rendering.values.items()
        pictures.append(Picture(values, shot.orientation, details, space, dict(others)))
    return pictures


@dataclass(frozen=True, slots=True)
class Order:
    """
    A picture that is wanted.

    Attributes:
        target: Its place without extension: `OUTBOX/2026/DSC1.natural` becomes `DSC1.natural.jpg` and `.json` there.
    """

    profile: Profile
    target: Path

    def file(self, extension: str, folder: str = "") -> Path:
        """The target with an extension, which begins with a dot; in a folder that lies beside it, if one is named."""
        return self.target.parent / folder / (self.target.name + extension)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """
    What one order will write where, decided before any pixel is touched.

    Attributes:
        targets: Pictures, each with its export. The receipt lies beside them, or beside the folders they are in.
    """

    ingredients: Ingredients
    targets: dict[Path, ExportParams]
    receipt_path: Path
    clearance: Clearance


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """
    What became of one capture under one profile.

    Attributes:
        profile: Name of the profile.
        receipt_path: Where the receipt lies, or would.
        receipt: None when it failed.
        outputs: The pictures, whole and durable.
        up_to_date: They were there already, made from the same ingredients.
        error: Why it failed, or None.
    """

    profile: str
    receipt_path: Path
    receipt: Receipt | None = None
    outputs: tuple[Path, ...] = ()
    up_to_date: bool = False
    error: FlexispError | None = None


def process(
    capture: Capture, orders: Sequence[Order], models: Models, *, replacing: Replacing = "never"
) -> list[Result]:
    """
    One capture from raw file to published files, one result for each order.

    Args:
        replacing: Which outputs of ours may be replaced, see `export.replace`.

    Raises:
        CaptureError, TransientError, DeviceError: Nothing of this capture can be rendered. What concerns one order only
            is in its result.
    """
    timed = Timer()
    with timed("hash", on_device=False):
        inputs = hash_inputs(capture)
    results: dict[int, Result] = {}
    plans: dict[int, Plan] = {}
    for i, order in enumerate(orders):
        try:
            plans[i] = plan(order, inputs, models.weights[order.profile.model], replacing)
        except FlexispError as error:
            results[i] = Result(order.profile.name, order.file(".json"), error=error)
        else:
            if plans[i].clearance.up_to_date:
                results[i] = found(plans.pop(i))
    if plans:
        mosaic = decode(capture, inputs, timed)
        pictures = develop(mosaic, [plan.ingredients.profile for plan in plans.values()], models, timed)

        def published(planned: Plan, picture: Picture) -> Result:
            try:
                return publish(planned, mosaic.shot, picture, Timer(dict(timed.steps_ms)))
            except FlexispError as error:
                return Result(planned.ingredients.profile.name, planned.receipt_path, error=error)

        with ThreadPoolExecutor(os.cpu_count(), "publish") as pool:
            results.update(zip(plans, pool.map(published, plans.values(), pictures), strict=True))
    return [results[i] for i in range(len(orders))]


def plan(order: Order, inputs: Inputs, weights: Mapping[str, str], replacing: Replacing) -> Plan:
    """
    What an order will write where; errors as `may_replace`.

    Args:
        weights: Stage -> SHA-256, of the profile's model set.
    """
    ingredients = Ingredients(inputs.raw, inputs.sidecars, order.profile, weights)
    targets = {order.file(SUFFIXES[export.format], export.folder): export for export in order.profile.export}
    receipt_path = order.file(".json")
    return Plan(ingredients, targets, receipt_path, may_replace(targets, receipt_path, ingredients, replacing))


def found(planned: Plan) -> Result:
    """The result of an order for which there is nothing to do."""
    name, targets = planned.ingredients.profile.name, tuple(planned.targets)
    return Result(name, planned.receipt_path, planned.clearance.previous, targets, up_to_date=True)


def decode(capture: Capture, inputs: Inputs, timed: Timer) -> Mosaic:
    """The frame, made of the very bytes that were hashed; errors as `read_mosaic` and `Inputs.check_unchanged`."""
    try:
        with timed("decode", on_device=False):
            return read_mosaic(capture)
    finally:
        inputs.check_unchanged()  # also when decoding failed: half a file explains why


def publish(planned: Plan, shot: ShotInfo, picture: Picture, timed: Timer, anchor: Anchor | None = None) -> Result:
    """Encode a picture for each export and let it appear with its receipt; the rest as `publish_with_receipt`."""
    profile = planned.ingredients.profile
    software = f"flexispd {__version__} ({profile.name})"
    files: dict[Path, bytes] = {}
    outputs: list[OutputFile] = []
    warnings = list(picture.report.get("warnings", ()))
    with timed("encode", on_device=False):
        for target, export in planned.targets.items():
            shown = fitted(picture, export, profile.crop)
            files[target] = encode(shown, shot, export, software)
            name, sha256 = name_beside(planned.receipt_path, target), hashlib.sha256(files[target]).hexdigest()
            outputs.append(OutputFile(name, sha256, *upright_size(shown), export))
            warnings += shown.report.get("warnings", ())
    reported = replace(picture, report={**picture.report, "warnings": warnings, "milliseconds": dict(timed.steps_ms)})
    receipt = build_receipt(planned.ingredients, shot, reported, outputs, planned.clearance.previous)
    with timed("publish", on_device=False):
        publish_with_receipt(receipt, planned.receipt_path, files, planned.clearance, anchor)
    return Result(profile.name, planned.receipt_path, receipt, tuple(files))
