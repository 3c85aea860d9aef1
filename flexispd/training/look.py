"""
Stage 3's look: finished photographs are taken back to what a sensor might have seen, and the network learns to bring
them to where they were.

A photograph stands for a scene that somebody has shown well. Half are only exposed too little, by up to four stops. Of
the others, what was done to them is undone at random: the tone curve, the dodging of bright parts, the strong colours,
lamps that had to end at white; and the sensor clips what shines. All are tinted and noisy. The network's knobs are
applied by the very functions that render pictures, and what counts is how far the outcome is from the photograph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flexispd.develop.color import REC2020_TO_SRGB
from flexispd.develop.exposure import auto_exposure_ev
from flexispd.develop.local_light import LOCAL_EV_MAX, spline_weights, spread, zone_steps
from flexispd.develop.look import PEAKS_PX, Glances, knobs_of, network_input
from flexispd.develop.tone import CURVE_POWER, GRAY, REC2020_LUMINANCE, Look, apply_look, encode_srgb
from flexispd.training.loop import Task
from flexispd.training.photos import Photos
from flexispd.training.recipe import Recipe
from flexispd.types import NoiseProfile

STORED_PX = 224
"""Longer edge of a photograph in memory."""

FRAME_PX = PEAKS_PX
"""Edge of a frame, square like all that the network sees."""

STRIDE = 3
"""One pixel of so many, across and down, is rendered and compared in each step; which ones changes."""

VALIDATION_EV = (0.0, -1.5, -3.0)
DARK_BELOW = 0.06
"""Mean linear light of a photograph that counts as one of the night; they are scarce, so each is drawn three times."""

PLAIN_SHARE = 0.5
"""Share of the frames that only light, not a hand, parts from their photograph: they show what finished means."""

DISPLAY_WHITE = 0.985
"""Display light that a tone curve is undone up to; what is brighter was clipped."""

BEST_MSE = 3e-4
"""Mean square error that is as good as none: 35 dB."""

Generator = np.random.Generator
Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """
    A batch of frames as the sensor saw them, and as they should be shown.

    Attributes:
        seen: As the network looks at them, FRAME_PX square.
        wanted: Linear sRGB, (B, 3, FRAME_PX, FRAME_PX).
    """

    seen: Glances
    wanted: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """
    A photograph in memory, linear.

    Attributes:
        small: Rec.2020, reduced to STORED_PX, (h, w, 3).
        peaks: The strongest colour of each cell of a mosaic, (H/2, W/2), float16.
    """

    small: Image
    peaks: NDArray[np.float16]

    @classmethod
    def of(cls, photo: NDArray[np.uint8]) -> Scene:
        """From a finished photograph in sRGB."""
        encoded = photo.astype(np.float32) / 255
        linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        scale = STORED_PX / max(photo.shape[:2])
        small = cv2.resize(linear, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cells = cv2.resize(linear, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        to_rec2020 = np.linalg.inv(REC2020_TO_SRGB).T
        light = np.asarray((small @ to_rec2020).clip(0), np.float32)
        return cls(light, (cells @ to_rec2020).max(-1).astype(np.float16))

    def cut(self, top: float, left: float, height: float, width: float) -> Image:
        """A part, given as shares of the whole, as a frame: colours, and peaks as a fourth channel, (F, F, 4)."""
        parts = []
        for values in (self.small, self.peaks):
            rows, columns = values.shape[:2]
            first_row, first_column = int(top * rows), int(left * columns)
            last_row, last_column = (int(np.ceil((top + height) * rows)), int(np.ceil((left + width) * columns)))
            parts.append(values[first_row:last_row, first_column:last_column])
        colors = cv2.resize(parts[0], (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_AREA)
        spots = torch.from_numpy(np.ascontiguousarray(parts[1], np.float32))[None]
        return np.dstack([colors, functional.adaptive_max_pool2d(spots, FRAME_PX)[0].numpy()])

    def whole(self) -> Image:
        """All of it as a frame."""
        return self.cut(0, 0, 1, 1)


def draw(library: list[Scene], weights: NDArray[np.float64], random: Generator) -> Image:
    """A random part of a random photograph, turned and mirrored, sometimes in colours of another hour; (F, F, 4)."""
    height, width = random.uniform(0.55, 1, 2)
    top, left = random.uniform(0, 1 - height), random.uniform(0, 1 - width)
    cut = library[random.choice(len(library), p=weights)].cut(top, left, height, width)
    if random.random() < 0.3:  # upright frames are the rule
        cut = np.rot90(cut, int(random.integers(1, 4)))
    if random.random() < 0.5:
        cut = cut[:, ::-1]
    if random.random() < 0.25:  # so that photographs are not learnt by heart
        cut = cut[..., [*random.permutation(3), 3]]
    return np.ascontiguousarray(cut)


def taken(shown: Image, random: Generator) -> tuple[Image, float]:
    """
    A frame (h, w, 4) of which a picture in linear light may have been made, and the variance of its read noise.

    Half of them were only exposed too little, and their white is still in the frame. The others have passed through a
    camera's curve: their scene had lamps and skies far beyond white, which the sensor clips.
    """
    tint = np.exp2(random.normal(0, 0.06, 4)).astype(np.float32)
    tint[[1, 3]] = 1
    read, shot = 10.0 ** random.uniform(-8, -5), 10.0 ** random.uniform(-4.5, -2)
    if random.random() < PLAIN_SHARE:
        return exposed(shown * tint, random.uniform(-4, -0.05), read, shot, random), read
    scene = _undone(shown, random) * tint
    full_ev = -float(np.log2(max(np.quantile(scene[..., 3], 0.998), 1e-3)))  # where its lamps begin to clip
    level_ev = full_ev + (random.uniform(-0.5, 3) if random.random() < 0.8 else random.uniform(-3, 0))
    return exposed(scene, min(level_ev, 0.5), read, shot, random), read


def _undone(shown: Image, random: Generator) -> Image:
    """The scene before a camera, and somebody, made a picture of it: harder light, paler colours, brighter lamps."""
    scene = _before_curve(shown, CURVE_POWER * 2.0 ** random.uniform(-0.3, 0.3), random.uniform(0.4, 1))
    if random.random() < 0.4:
        scene = _before_dodging(scene, random.uniform(0, 0.35))
    if random.random() < 0.5:
        gray = _luminance(scene)[..., None]
        scene = gray + (scene - gray) * np.float32(random.uniform(0.7, 1))
    if random.random() < 0.7:
        lamps = ((scene / max(float(np.quantile(scene[..., 3], 0.998)), 1e-6) - 0.6) / 0.4).clip(0, 1)
        lamps[..., :3] = lamps[..., :3].max(-1, keepdims=True)
        scene = np.asarray(scene * 2.0 ** (random.uniform(0, 4) * lamps), np.float32)
    return np.asarray(scene.clip(0), np.float32)


def _luminance(image: Image) -> Image:
    """Luminance (h, w) of the colours in (h, w, 3 or 4)."""
    return np.asarray(image[..., :3] @ REC2020_LUMINANCE, np.float32)


def _before_curve(shown: Image, power: float, share: float) -> Image:
    """Light that a log-logistic curve of `power` shows as `shown`, mixed in log light with the picture itself."""
    display = shown.clip(1e-5, DISPLAY_WHITE)
    k = GRAY**power * (1 / GRAY - 1)
    light = (k * display / (1 - display)) ** (1 / power)
    return np.asarray(light**share * shown.clip(1e-5) ** (1 - share), np.float32)


def _before_dodging(shown: Image, strength: float) -> Image:
    """The scene whose large bright and dark parts somebody has brought together by `strength` in log light."""
    base = cv2.GaussianBlur(np.log2(_luminance(shown) + 1e-4), (0, 0), max(shown.shape) / 10)
    return np.asarray(shown * np.exp2(strength * (base - base.mean()))[..., None], np.float32)


def exposed(scene: Image, level_ev: float, read: float, shot: float, random: Generator) -> Image:
    """What the sensor keeps of a scene of which 2^-level_ev is white: noise as of a thumbnail, an offset, clipping."""
    seen = scene * 2.0**level_ev
    noise = np.sqrt(shot * seen + read) * random.standard_normal(scene.shape, np.float32)
    noise[..., :3] /= 12  # a thumbnail averages over a hundred sites
    noise[..., 3] = np.abs(noise[..., 3]) / 2  # the brightest of many sites, denoised
    seen[..., 3] *= 2.0 ** abs(random.normal(0, 0.1))  # the way from camera RGB is not exact for vivid colours
    return np.asarray((seen + noise + random.normal(0, 5e-5, 4)).clip(0, 1), np.float32)


def framed(pairs: list[tuple[Image, Image]], read: list[float]) -> Frames:
    """A batch from frames as seen and as wanted, both as `Scene.cut` gives them."""
    seen, shown = (
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous() for images in zip(*pairs, strict=True)
    )
    luminance = torch.einsum("c,bchw->bhw", torch.from_numpy(REC2020_LUMINANCE).float(), seen[:, :3])
    noises = [NoiseProfile((0.0,) * 4, (variance,) * 4, "given") for variance in read]
    auto = [auto_exposure_ev(one, noise) for one, noise in zip(luminance, noises, strict=True)]
    wanted = torch.einsum("cd,bdhw->bchw", torch.from_numpy(REC2020_TO_SRGB).float(), shown[:, :3]).clamp(0, 1)
    return Frames(Glances(seen[:, :3], seen[:, 3], torch.tensor(auto), torch.tensor(read)), wanted)


def shown_by(module: nn.Module, frames: Frames, rows: slice, columns: slice) -> tuple[Tensor, Tensor, Tensor]:
    """
    Some rows and columns of the frames as the network shows them.

    Returns:
        Those and the wanted ones, both encoded (3, B, n), and a price for how far the network turned its knobs.
    """
    turned, grid = module(*network_input(frames.seen))
    asked, weights = knobs_of(turned), spline_weights(FRAME_PX)
    local = zone_steps((LOCAL_EV_MAX * grid).transpose(0, 1))  # (Z, B, PLACES, PLACES)
    fields = spread(local, weights[rows], weights[columns]).flatten(2)  # (Z, B, n)
    light, wanted = (of[:, :, rows, columns].flatten(2).transpose(0, 1) for of in (frames.seen.light, frames.wanted))
    exposure = torch.exp2(frames.seen.auto_ev[:, None] + asked.exposure_ev)
    out = apply_look(light * exposure, Look.of(torch.eye(3), asked), fields)
    return out, encode_srgb(wanted), 0.001 * turned.square().mean() + 0.02 * grid.square().mean()


def task(photos: Photos, kept: Photos, recipe: Recipe) -> Task:
    """The look's task; the figure is the mean PSNR of kept photographs that were exposed, and no more than that."""
    library = [Scene.of(photo) for photo in photos]
    dark = np.array([float(_luminance(scene.small).mean()) < DARK_BELOW for scene in library])
    weights = np.where(dark, 3.0, 1.0) / np.where(dark, 3.0, 1.0).sum()
    validation = validation_frames(kept)

    def sample(step: int) -> tuple[int, Frames, slice, slice]:
        random = np.random.default_rng([recipe.schedule.seed, step])
        pairs, reads = [], []
        for _ in range(recipe.data.batch):
            shown = draw(library, weights, random)
            frame, read = taken(shown, random)
            pairs.append((frame, shown))
            reads.append(read)
        rows, columns = (slice(int(first), None, STRIDE) for first in random.integers(STRIDE, size=2))
        return step, framed(pairs, reads), rows, columns

    def loss(module: nn.Module, drawn: tuple[int, Frames, slice, slice]) -> Tensor:
        _, frames, rows, columns = drawn
        out, wanted, effort = shown_by(module, frames, rows, columns)
        return _distance(out, wanted) + effort

    def validate(module: nn.Module) -> float:
        with torch.inference_mode():
            return float(psnr(module, validation).mean())

    return Task(loss, validate, "psnr_db", sample, recipe.data.batch)


def _distance(out: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures are from those wanted: in dB, so that good ones get better too, and as mean absolute error."""
    error = out - wanted
    return 0.1 * torch.log(error.square().mean((0, 2)) + BEST_MSE).mean() + error.abs().mean()


def psnr(module: nn.Module, frames: Frames) -> Tensor:
    """PSNR in dB of each frame as the network shows it, (B,)."""
    out, wanted, _ = shown_by(module, frames, slice(0, None, 2), slice(0, None, 2))
    return -10 * torch.log10((out - wanted).square().mean((0, 2)).clamp_min(1e-10))


def validation_frames(kept: Photos) -> Frames:
    """Kept photographs at each of VALIDATION_EV, with the noise of about ISO 3200."""
    random = np.random.default_rng(0)
    pairs = []
    for photo in kept:
        shown = Scene.of(photo).whole()
        pairs += [(exposed(shown, level_ev, 1e-6, 8e-4, random), shown) for level_ev in VALIDATION_EV]
    return framed(pairs, [1e-6] * len(pairs))
