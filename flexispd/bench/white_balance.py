"""
How far is each way of finding the light off, in degrees?

Measured on made scenes (photographs that no network was trained on, lit by known lamps, seen by cameras that no network
was trained on), or on a folder of real frames whose light somebody has measured. The figure is the angle between the
found and the true neutral in camera RGB, as the literature gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from flexispd.bench.light_methods import AngularErrors, angle_deg, gray_edge, gray_world, shades_of_gray
from flexispd.bench.result import BenchResult, Row
from flexispd.decode import sidecar_json
from flexispd.decode.metadata import merge
from flexispd.decode.sidecar_json import Sidecar
from flexispd.develop.light_statistics import Camera, Thumbnail, thumbnail
from flexispd.develop.models import load_models
from flexispd.develop.white_balance import LightEstimates, Witness, camera_of, judge
from flexispd.errors import CaptureError, CorruptRawError, FlexispError, SetupError, UnsupportedRawError, displayable
from flexispd.profile import Profile
from flexispd.training.lit_scenes import LitScene
from flexispd.training.photos import Photos, decoded, split, surfaces
from flexispd.training.spectra import Spectra, load
from flexispd.training.white_balance import make_scene, split_cameras, stranger
from flexispd.types import Float64, ShotInfo, UInt16

SCENES = 400
SEED = 1001

NIGHT_EV = 7.0
"""Scenes below this exposure value are lit by lamps, most of them by lamps alone."""

EVERY_NIGHT = "night, every kept photograph"
"""Also scenes of photographs that show their own light, for which no method can tell that light from the lamp."""

KNOWN_NIGHT = "night, known photographs"
"""Scenes of photographs that were trained on, under new lights and seen by new cameras."""

AS_SHOT_ERROR_DEG = 4.0
"""Mean error of the camera's own setting in made scenes."""

TRUTH = "illuminant_color_raw"
"""Key of the JSON beside a real frame: camera RGB of a grey surface, black subtracted, any scale."""

_SIDECAR = "_metadata.json"


def _shipped() -> nn.Module:
    return load_models([Profile("bench")], "cpu").ours["flexispd-s"].light


def run_made(
    photos_folder: Path, spectra_path: Path, scenes: int = SCENES, *, seed: int = SEED, network: nn.Module | None = None
) -> BenchResult:
    """
    Errors of every method over the same made scenes; `network` instead of the shipped one.

    Cameras are never those that were trained on. Photographs are not either, but for the last scenes: what differs
    there, and differs for methods that learn nothing too, is how hard the photographs are. Only `EVERY_NIGHT` has
    photographs that show a light of their own.

    Raises:
        SetupError: Photographs, spectra or colour-science are missing.
    """
    network = network or _shipped()
    train_on, kept = split(photos_folder)
    spectra = load(spectra_path)
    fair, every, known = (
        _measured(decoded(paths), spectra, scenes, seed, network)
        for paths in (surfaces(kept), kept, surfaces(train_on))
    )
    night, every_night, known_night = (_by_night(measured) for measured in (fair, every, known))
    rows: list[Row] = []
    for kind, measured in (("night", night), ("all", fair), (EVERY_NIGHT, every_night), (KNOWN_NIGHT, known_night)):
        rows += [{"scenes": kind, "count": len(measured), **row} for row in _summary([m.errors for m in measured])]
    return BenchResult("white-balance", rows)


@dataclass(frozen=True, slots=True)
class _Measured:
    """One made scene: each method's error in degrees, and the exposure value of the scene."""

    errors: dict[str, float]
    exposure_ev: float


def _measured(photos: Photos, spectra: Spectra, scenes: int, seed: int, network: nn.Module) -> list[_Measured]:
    """Errors over scenes of these photographs, seen by cameras that no network was trained on."""
    _, unknown = split_cameras(spectra)
    measured = []
    for number in range(scenes):
        scene = make_scene(photos, unknown, spectra, (seed, number))
        answers = _answers(scene, network, np.random.default_rng([seed, number, 1]))
        errors = {method: angle_deg(neutral, scene.neutral) for method, neutral in answers.items()}
        measured.append(_Measured(errors, scene.exposure_ev))
    return measured


def _by_night(measured: list[_Measured]) -> list[_Measured]:
    return [m for m in measured if m.exposure_ev < NIGHT_EV]


def _summary(errors: list[dict[str, float]]) -> list[dict[str, Any]]:
    """One row a method, from one mapping of method to degrees a frame."""
    methods = errors[0] if errors else {}
    return [{"method": m, **AngularErrors.of(np.array([e[m] for e in errors])).as_row()} for m in methods]


def _answers(scene: LitScene, network: nn.Module, random: np.random.Generator) -> dict[str, Float64]:
    """Neutral of each method for one scene, each of shape (3,)."""
    setting = near(scene.neutral, random)
    exposure = {"iso": 100.0, "f_number": 1.0, "exposure_s": 2.0**-scene.exposure_ev}
    alone = judge(scene.small, scene.camera, ShotInfo(**exposure), network)
    told = judge(
        scene.small, scene.camera, ShotInfo(as_shot_neutral=(setting[0], 1.0, setting[2]), **exposure), network
    )
    hidden = judge(scene.small, stranger(), ShotInfo(**exposure), network)
    return {
        **_training_free(scene.small, alone),
        "as-shot": setting,
        "network": _neutral(alone.camera, alone.witnesses.get("network")),
        "mix": _neutral(alone.camera, alone.mixed),
        "mix with as-shot": _neutral(told.camera, told.mixed),
        "network, camera unknown": _neutral(hidden.camera, hidden.witnesses.get("network")),
        "mix, camera unknown": _neutral(hidden.camera, hidden.mixed),
    }


_TRAINING_FREE: Mapping[str, Callable[[Thumbnail], Float64]] = {
    "gray-world": gray_world,
    "shades-of-gray": shades_of_gray,
    "gray-edge": gray_edge,
}


def _training_free(small: Thumbnail, estimates: LightEstimates) -> dict[str, Float64]:
    answers = {name: method(small) for name, method in _TRAINING_FREE.items()}
    return answers | {"gray-pixel": _neutral(estimates.camera, estimates.witnesses.get("gray-pixel"))}


def _neutral(camera: Camera, witness: Witness | None) -> Float64:
    """A method that has no answer is counted as one that says daylight."""
    return np.array(camera.neutral(np.zeros(2) if witness is None else witness.chroma))


def near(neutral: Float64, random: np.random.Generator) -> Float64:
    """A setting that is off by `AS_SHOT_ERROR_DEG` on average, in a random direction of log chroma."""
    direction = random.normal(0, 1, 2)
    step, wanted = 0.01 * direction / np.hypot(*direction), random.gamma(2, AS_SHOT_ERROR_DEG / 2)
    setting = neutral.copy()
    for _ in range(200):
        if angle_deg(setting, neutral) >= wanted:
            break
        setting = setting * np.exp([step[0], 0.0, step[1]])
    return setting


@dataclass(frozen=True, slots=True, eq=False)
class FolderResult:
    """
    What was measured on real frames.

    Attributes:
        methods: One row a method.
        frames: One row a frame, with a column of degrees for each method.
        failed: What could not be measured, and why.
    """

    methods: BenchResult
    frames: BenchResult
    failed: tuple[tuple[Path, FlexispError], ...]


def run_folder(folder: Path, network: nn.Module | None = None) -> FolderResult:
    """
    Errors of every method on real frames: NAME.png, 16-bit linear camera RGB, and NAME_metadata.json with the truth.

    A frame that cannot be read is reported, and the others are measured. Nothing but the truth has to be known of the
    camera; a colour matrix and an exposure in the JSON are used. Its own white balance is not: that would be told, not
    found.

    Raises:
        SetupError: There is no such frame at all.
    """
    pictures = {path.with_suffix(""): path for path in folder.iterdir() if path.suffix.lower() == ".png"}
    stems = {Path(str(path)[: -len(_SIDECAR)]) for path in folder.iterdir() if path.name.endswith(_SIDECAR)}
    if not pictures and not stems:
        raise SetupError(
            f"{displayable(folder)} holds no frames with a known light.",
            remedy=f"Name a folder with NAME.png and NAME{_SIDECAR} pairs.",
        )
    network = network or _shipped()
    rows: list[dict[str, float]] = []
    names: list[str] = []
    failed: list[tuple[Path, FlexispError]] = []
    for stem in sorted(pictures.keys() | stems):
        path = pictures.get(stem, stem.with_name(stem.name + ".png"))
        try:
            rows.append(_frame_errors(path, stem.with_name(stem.name + _SIDECAR), network))
            names.append(path.name)
        except FlexispError as error:
            failed.append((path, error))
    frames = [
        {"frame": name, **{m: round(d, 2) for m, d in row.items()}} for name, row in zip(names, rows, strict=True)
    ]
    return FolderResult(
        BenchResult("white-balance", _summary(rows)), BenchResult("white-balance, frames, deg", frames), tuple(failed)
    )


def _frame_errors(picture: Path, sidecar: Path, network: nn.Module) -> dict[str, float]:
    """Degrees of each method."""
    values = sidecar_json.parse(_bytes(sidecar), displayable(sidecar.name))
    truth = values.numbers(TRUTH, [3])
    if truth is None or min(truth) <= 0:
        raise CaptureError(
            f"{values.name}: {TRUTH} must be the light's R, G, B, each above 0.", remedy="Correct the JSON file."
        )
    shot = merge([("json", {name: fact for name, fact in values.facts().items() if name != "as_shot_neutral"})])
    light = _linear(_decoded(_bytes(picture), displayable(picture.name)), values)
    small = thumbnail(light[[0, 1, 1, 2]])
    found = judge(small, camera_of(shot), shot, network)
    answers = _training_free(small, found) | {
        "network": _neutral(found.camera, found.witnesses.get("network")),
        "mix": _neutral(found.camera, found.mixed),
    }
    return {method: angle_deg(neutral, np.array(truth)) for method, neutral in answers.items()}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CaptureError(f"{displayable(path.name)} is missing.", remedy="Put it beside the other file.") from error
    except OSError as error:
        raise CaptureError(
            f"{displayable(path.name)} cannot be read: {error.strerror}.", remedy="Make it readable."
        ) from error


def _decoded(data: bytes, name: str) -> UInt16:
    """A 16-bit picture (H, W, 3), R, G, B."""
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        values = None
    # OpenCV returns the upper part of a truncated PNG as if it were the whole; a whole one has its end.
    if values is None or b"IEND" not in data[-1024:]:
        raise CorruptRawError(f"{name} is damaged, or is not a PNG file.", remedy="Copy it again.")
    if values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] != 3:
        raise UnsupportedRawError(
            f"{name} is not a picture of three channels with 16 bits each.",
            remedy="Export linear camera RGB in 16 bits.",
        )
    return np.asarray(values[:, :, ::-1], np.uint16)


def _linear(values: UInt16, sidecar: Sidecar) -> Tensor:
    """The picture as (3, H, W), 0 black and 1 white: the JSON's levels, or 0 and the brightest value."""
    black, white = sidecar.numbers("black_level", [1, 3]) or [0.0], sidecar.numbers("white_level", [1, 3])
    top = np.array(white or [max(float(values.max()), 1.0)])
    if not (np.array(black) < top).all():
        raise CaptureError(f"{sidecar.name}: white_level must lie above black_level.", remedy="Correct the JSON file.")
    linear = (values - np.array(black)) / (top - black)
    return torch.from_numpy(np.ascontiguousarray(linear.clip(max=1.0).transpose(2, 0, 1), np.float32))
