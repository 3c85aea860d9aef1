"""
Photographs lit anew: by one to three real lamps, seen by a real camera, so that the light's colour is known.

A photograph stands for the surfaces of a scene. Each light falls on its own part of them; lamps within the frame clip
and bloom in their colour, signs glow in any colour; then the scene is exposed as nights are, with what noise remains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flexispd.develop.light_statistics import CLIPPED, THUMBNAIL_PX, Camera, Thumbnail, weighed
from flexispd.training.spectra import Spectra, SpectralCamera
from flexispd.types import Float64

BLOOM_SHARE = (-2.5, -1.5)
"""How much of a lamp's light a lens strews around it, as powers of ten: 0.3 to 3 %, the veiling glare of photographic
lenses as ISO 9358 measures it."""

Generator = np.random.Generator
Image = NDArray[np.float32]

NIGHT_LAMPS = {
    "warm": 0.24, "sodium": 0.23, "led": 0.26, "fluorescent": 0.10, "halide": 0.08, "mercury": 0.02, "monochrome": 0.01,
    "sky": 0.06,
}  # fmt: skip
"""How often each kind of light is met at night."""


@dataclass(frozen=True, slots=True, eq=False)
class LitScene:
    """
    One scene with its answer.

    Attributes:
        small: The thumbnail that stage 2 would see.
        camera: Its camera, as the file's colour matrices describe it.
        neutral: The true neutral, green = 1: the mean of the light over all that can be seen, as `mean_light` has it.
            Shape (3,).
        exposure_ev: Exposure value at ISO 100 that the camera would report.
    """

    small: Thumbnail
    camera: Camera
    neutral: Float64
    exposure_ev: float


def scene_surfaces(photo: NDArray[np.uint8], random: Generator) -> Image:
    """A random part of a finished sRGB photograph as linear values (h, w, 3), as large as a thumbnail."""
    height, width = photo.shape[:2]
    share = random.uniform(0.5, 1)
    rows, columns = int(share * height), int(share * width)
    top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
    cut = photo[top : top + rows, left : left + columns, :]
    scale = THUMBNAIL_PX / max(rows, columns)
    size = (max(16, round(columns * scale)), max(16, round(rows * scale)))
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if random.random() < 0.5:
        small = small[:, ::-1]
    linear = np.where(small <= 0.04045, small / 12.92, ((small + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear ** random.uniform(0.85, 1.3), np.float32)


def light_scene(photo: NDArray[np.uint8], cameras: Float64, spectra: Spectra, random: Generator) -> LitScene:
    """Light a photograph at random, for a camera between two of `cameras` (c, n, 3)."""
    first, second = cameras[random.integers(len(cameras))], cameras[random.integers(len(cameras))]
    share = random.uniform(0, 0.4) if random.random() < 0.5 else 0.0
    camera = SpectralCamera(spectra, (1 - share) * first + share * second)
    lights, exposure_ev = _lights(spectra, random)
    surfaces = scene_surfaces(photo, random)
    seen, light = _illuminated(surfaces, camera, lights, random)
    night = exposure_ev < 7
    level = 2.0 ** (random.uniform(-6, 0) if night else random.uniform(-2.5, 0.3))
    seen *= level / max(float(np.quantile(seen[..., 1], random.uniform(0.9, 0.995))), 1e-6)
    if night:
        _add_lamps(seen, camera, lights, random)
    carried = Camera.of(camera.matrices(both=bool(random.random() < 0.5)))
    small = _exposed(seen, random)
    return LitScene(small, carried, mean_light(light, small), exposure_ev)


def _lights(spectra: Spectra, random: Generator) -> tuple[list[Float64], float]:
    """Spectra of the scene's lights, the main one first, and the exposure value of such scenes."""
    kind = random.random()
    if kind < 0.2:
        return [spectra.sky(random.uniform(4500, 9500))], random.uniform(7, 15)
    if kind < 0.35:
        dusk = spectra.sky(1e6 / random.uniform(45, 170))
        lamps = [random_lamp(spectra, random) for _ in range(random.integers(1, 3))]
        return [dusk, *lamps], random.uniform(1, 9)
    count = random.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    return [random_lamp(spectra, random) for _ in range(count)], random.uniform(-4, 7)


def random_lamp(spectra: Spectra, random: Generator) -> Float64:
    """The spectrum of a light that is met at night, luminance 1, shape (n,)."""
    kind = str(random.choice(list(NIGHT_LAMPS), p=list(NIGHT_LAMPS.values())))
    if kind == "warm":
        return spectra.black_body(random.uniform(1900, 3400))
    if kind == "sky":
        return spectra.sky(1e6 / random.uniform(45, 240))
    return spectra.lamp(kind, random)


def _illuminated(
    surfaces: Image, camera: SpectralCamera, lights: list[Float64], random: Generator
) -> tuple[Image, Image]:
    """The scene in camera RGB, any scale, and the neutral of the light that falls on each of its pixels: (h, w, 3)."""
    seen, light = np.zeros_like(surfaces), np.zeros_like(surfaces)
    brightness = np.zeros((*surfaces.shape[:2], 1), np.float32)
    for order, spectrum in enumerate(lights):
        field = _field(surfaces.shape[:2], random) * 2.0 ** random.uniform(-3 if order else -1, 0)
        neutral = camera.neutral(spectrum).astype(np.float32)
        part = np.maximum(surfaces @ camera.look(spectrum).T.astype(np.float32), 0) * field[..., None]
        bright = part.mean(-1, keepdims=True) + 1e-6 * field[..., None]  # light falls on black surfaces as well
        seen += part * neutral
        light += bright * neutral
        brightness += bright
    return seen, np.asarray(light / brightness, np.float32)


def mean_light(light: Image, small: Thumbnail) -> Float64:
    """
    The one neutral for a frame under several lights (h, w, 3): their mean over its pixels, by the root of their level.

    The root stands for how bright a pixel looks. Pixels that are clipped or dark do not count: nobody sees what light
    falls there. Bloom counts as the light of what is behind it. For the lights' shares of a pixel see Kim et al.,
    "Large scale multi-illuminant (LSMI) dataset for developing white balance algorithm under mixed illumination", ICCV
    2021.
    """
    seen = (small.weight * small.rgb.mean(0).clamp_min(0).sqrt()).double().numpy()[..., None]
    total: Float64 = (light * seen).sum((0, 1)) if seen.sum() > 0 else light.sum((0, 1), dtype=np.float64)
    return np.asarray(total / total[1], np.float64)


def _field(shape: tuple[int, int], random: Generator) -> Image:
    """How much of one light falls where: smooth, over several stops, (h, w)."""
    rows, columns = random.integers(2, 7, 2)
    coarse = random.normal(0, random.uniform(0.2, 1.6), (rows, columns)).astype(np.float32)
    smooth: NDArray[Any] = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.exp(smooth), np.float32)


def _add_lamps(seen: Image, camera: SpectralCamera, lights: list[Float64], random: Generator) -> None:
    """Put lamps and signs that clip into an exposed scene; long ones, which stand for several, have long blooms."""
    height, width = seen.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(random.poisson(4)):
        fate = random.random()
        if fate < 0.65:
            light = lights[random.integers(len(lights))]
        else:
            light = camera.spectra.neon(random) if fate < 0.8 else random_lamp(camera.spectra, random)
        tint = camera.neutral(light)
        squeeze = random.uniform(0.2, 1)
        distance = np.hypot(x - random.uniform(0, width), (y - random.uniform(0, height)) * squeeze)
        radius, power = random.uniform(0.5, 4), 2.0 ** random.uniform(0, 9)
        reach, strewn = random.uniform(2, 12), 10.0 ** random.uniform(*BLOOM_SHARE)
        glow = power * lamp(distance, radius, reach, strewn)
        seen += (glow[..., None] * tint / tint.max()).astype(np.float32)


def lamp(distance: Image, radius: float, reach: float, strewn: float) -> Image:
    """
    A disc of brightness 1, and the share `strewn` of its light around it, falling off by e within `reach`; (h, w).

    Over the plane a disc adds up to pi radius^2, what falls off exponentially to 2 pi reach^2.
    """
    return np.asarray((distance < radius) + strewn * (radius / reach) ** 2 / 2 * np.exp(-distance / reach), np.float32)


def _exposed(seen: Image, random: Generator) -> Thumbnail:
    """What the sensor keeps: noise, an error of the black level, clipping."""
    deviation = np.sqrt(10.0 ** random.uniform(-7, -4) * seen + 10.0 ** random.uniform(-9, -6.5))
    noisy = seen + deviation * random.normal(0, 1, seen.shape) + random.normal(0, 10.0 ** random.uniform(-5, -3.7), 3)
    clipped = cv2.dilate((noisy.max(-1) >= CLIPPED).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    rgb = torch.from_numpy(np.ascontiguousarray(noisy.clip(-1, 1).transpose(2, 0, 1), np.float32))
    return weighed(rgb, torch.from_numpy(~clipped))
