"""
A street at night, drawn from numbers: what `flexispd demo` photographs where no camera is at hand.

The scene is linear light with the Rec.709 primaries, 1.0 about where a camera's exposure for the walls would clip. It
holds what makes nights hard: lamps of several colours far above white with their halos, lit windows, neon letters,
a wet road that mirrors it all, stars, and a lot of darkness. The same seed gives the same street.

World coordinates are metres: X to the right, Y up from the road, Z away from the camera. The wet road is drawn by
drawing the world a second time with Y turned around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.demo.facade import LAMPS, STREET_HALF_M, WINDOW_COLORS, House, array, facade, lamplight, noise
from flexispd.types import Float32

EYE_HEIGHT_M = 1.7
HOUSES = (
    House(-1, 5.0, 13.0, 15.0, (0.42, 0.30, 0.24), "CAFE LUNA", (1.0, 0.10, 0.30)),
    House(-1, 13.0, 22.0, 11.5, (0.38, 0.38, 0.36), "BOOKS", (0.15, 0.80, 1.0)),
    House(-1, 22.0, 34.0, 17.0, (0.48, 0.36, 0.28), "CINEMA", (1.0, 0.55, 0.08)),
    House(-1, 34.0, 56.0, 13.0, (0.34, 0.32, 0.33), "BAR", (0.35, 1.0, 0.35)),
    House(-1, 56.0, 90.0, 16.0, (0.40, 0.34, 0.30), "TEA", (1.0, 0.3, 0.8)),
    House(1, 5.5, 15.0, 12.5, (0.36, 0.37, 0.42), "HOTEL 24H", (0.20, 0.45, 1.0)),
    House(1, 15.0, 25.0, 16.5, (0.46, 0.38, 0.30), "NOODLES", (1.0, 0.16, 0.08)),
    House(1, 25.0, 38.0, 12.0, (0.40, 0.31, 0.27), "RECORDS", (0.85, 0.20, 1.0)),
    House(1, 38.0, 60.0, 18.0, (0.33, 0.34, 0.38), "FLOWERS", (0.20, 1.0, 0.65)),
    House(1, 60.0, 90.0, 12.0, (0.44, 0.36, 0.30), "PIANO", (1.0, 0.75, 0.2)),
)


@dataclass(frozen=True, slots=True)
class View:
    """A pinhole camera at eye height, looking along the street. Mirrored, it sees the world upside down in the road."""

    width: int
    height: int
    mirrored: bool = False

    @property
    def focal_px(self) -> float:
        """Focal length in pixels; a 28 mm lens on full frame."""
        return 0.78 * self.width

    @property
    def horizon(self) -> float:
        """Row of the horizon."""
        return 0.60 * self.height

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row at which a point of the world appears."""
        up = -y if self.mirrored else y
        return 0.5 * self.width + self.focal_px * x / z, self.horizon - self.focal_px * (up - EYE_HEIGHT_M) / z


def night_street(width: int = 2400, height: int = 1600, seed: int = 2022) -> Float32:
    """The street as linear light, shape (height, width, 3), 0 to about 40."""
    upright, mirrored = View(width, height), View(width, height, mirrored=True)
    textures = [facade(house, np.random.default_rng([seed, n])) for n, house in enumerate(HOUSES)]
    scene = _sky(upright, np.random.default_rng([seed, 100]))
    reflection = _flip_sky(scene, upright)
    for canvas, view in ((scene, upright), (reflection, mirrored)):
        _skyline(canvas, view, np.random.default_rng([seed, 101]))
        for house, texture in sorted(zip(HOUSES, textures, strict=True), key=lambda pair: -pair[0].z0):
            _paste(canvas, view, house, texture)
    _furniture(reflection, mirrored)
    _road(scene, reflection, upright, np.random.default_rng([seed, 102]))
    _furniture(scene, upright)
    return _bloom(scene)


def _paint(canvas: Float32, outline: Any, color: Any, opacity: float = 1.0) -> None:
    """Fill a polygon of (column, row) corners with smooth edges; only the part that it covers is touched."""
    height, width = canvas.shape[:2]
    corners = np.asarray(outline, np.float64)
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, (width, height))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, (width, height))
    if right <= left or bottom <= top:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [np.round((corners - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    share = (mask.astype(np.float32) * (opacity / 255))[:, :, None]
    part = canvas[top:bottom, left:right]
    part += share * (np.asarray(color, np.float32) - part)


def _disc(x: float, y: float, radius: float, corners: int = 28) -> NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)


def _sky(view: View, random: np.random.Generator) -> Float32:
    """Deep blue above, the glow of the city at the horizon, and stars."""
    rows = np.linspace(0, view.height / view.horizon, view.height, dtype=np.float32)[:, None]
    glow = np.clip(rows, 0, 1) ** 4
    sky = 0.0035 * (1 - glow)[..., None] * array([0.35, 0.55, 1.25]) + 0.020 * glow[..., None] * array(
        [1.0, 0.62, 0.55]
    )
    canvas = np.repeat(sky, view.width, axis=1)
    clouds = np.clip(0.9 + 0.5 * noise((view.height, view.width), view.width // 8, random), 0.3, 2)
    canvas *= clouds[:, :, None]
    for _ in range(420):
        column, row = random.uniform(0, view.width), view.horizon * 0.9 * random.random() ** 1.2
        tint = array([1, 1, 1]) + 0.25 * random.standard_normal(3).astype(np.float32)
        brightness = 0.03 * random.pareto(1.6) + 0.02
        _paint(canvas, _disc(column, row, 1.15, 8), np.clip(tint, 0.4, 2) * min(brightness, 0.9))
    moon = (0.53 * view.width, 0.13 * view.height)
    radius = 0.013 * view.width
    turn = np.linspace(-np.pi / 2, np.pi / 2, 32)
    edge, terminator = np.cos(turn), 0.45 * np.cos(turn[::-1])
    crescent = np.stack([np.r_[edge, terminator], np.r_[np.sin(turn), np.sin(turn[::-1])]], axis=1)
    _paint(canvas, moon + radius * crescent @ np.array([[0.95, 0.31], [-0.31, 0.95]]), (2.2, 2.1, 1.9))
    return canvas


def _flip_sky(scene: Float32, view: View) -> Float32:
    """The sky as a still road mirrors it: turned over at the horizon."""
    horizon = round(view.horizon)
    mirrored = scene.copy()
    below = view.height - horizon
    mirrored[horizon:] = scene[horizon - below : horizon][::-1]
    return mirrored


def _skyline(canvas: Float32, view: View, random: np.random.Generator) -> None:
    """Distant towers at the end of the street, with small lit windows."""
    for _ in range(26):
        z, x = random.uniform(110, 260), random.uniform(-60, 60)
        wide, tall = random.uniform(6, 15), random.uniform(14, 52)
        (left, base), (right, top) = view.project(x, 0, z), view.project(x + wide, tall, z)
        _paint(canvas, [(left, base), (right, base), (right, top), (left, top)], (0.0045, 0.0038, 0.0052))
        for floor in np.arange(3, tall - 2, 3.2):
            for offset in np.arange(1, wide - 1.5, 2.2):
                if random.random() < 0.34:
                    color = array(WINDOW_COLORS[random.integers(len(WINDOW_COLORS))]) * random.uniform(0.05, 0.5)
                    (a, b), (c, d) = view.project(x + offset, floor, z), view.project(x + offset + 1.2, floor + 1.5, z)
                    _paint(canvas, [(a, b), (c, b), (c, d), (a, d)], color)


def _paste(canvas: Float32, view: View, house: House, texture: Float32) -> None:
    """Put a facade into the picture, in perspective."""
    x = house.side * STREET_HALF_M
    rows, columns = texture.shape[:2]
    corners = [(house.height, house.z0), (house.height, house.z1), (0.0, house.z1), (0.0, house.z0)]
    target = array([view.project(x, y, z) for y, z in corners])
    source = array([(0, 0), (columns, 0), (columns, rows), (0, rows)])
    warp = cv2.getPerspectiveTransform(source, target)
    size = (view.width, view.height)
    # Averaging over what one output pixel covers, which warpPerspective does not do by itself.
    smooth = cv2.GaussianBlur(texture, (0, 0), sigmaX=0.8 + 0.02 * house.z0, sigmaY=0.6)
    warped = cv2.warpPerspective(smooth, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(target * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    canvas += (mask.astype(np.float32) / 255)[..., None] * (warped - canvas)


def _road(scene: Float32, reflection: Float32, view: View, random: np.random.Generator) -> None:
    """Wet asphalt: pools of lamplight, and the mirrored world, blurred upright by ripples, sharp in the puddles."""
    horizon = round(view.horizon) + 1
    rows = np.arange(horizon, view.height, dtype=np.float32)[:, None]
    z = EYE_HEIGHT_M * view.focal_px / (rows + 0.5 - view.horizon)
    x = (np.arange(view.width, dtype=np.float32)[None, :] - 0.5 * view.width) * z / view.focal_px
    inside = np.clip((STREET_HALF_M - np.abs(x)) * view.focal_px / z, 0, 1)  # smooth edge, one pixel wide
    pavement = np.clip((np.abs(x) - 4.6) * view.focal_px / z, 0, 1)
    shape = (view.height - horizon, view.width)
    grain = 1 + 0.30 * random.standard_normal(shape).astype(np.float32) * np.clip(6 / z, 0, 1)
    lines = (np.abs(x) < 0.07) & (np.mod(z, 6) < 3)
    albedo = 0.05 + 0.05 * pavement + 0.35 * lines
    base = lamplight(x, 0.0, z, (0, 1, 0)) * (albedo * grain)[..., None]

    speckle = array(cv2.GaussianBlur(random.standard_normal((512, 512)).astype(np.float32), (0, 0), 9))
    puddle = cv2.remap(
        speckle, np.mod(x * 46, 511).astype(np.float32), np.mod(np.minimum(z, 90) * 22 + 0 * x, 511), cv2.INTER_LINEAR
    )
    puddle = np.clip(0.5 + 0.9 * puddle / speckle.std(), 0, 1) * (1 - 0.55 * pavement)
    mirror = reflection[horizon:]
    smeared = cv2.GaussianBlur(mirror, (0, 0), sigmaX=2.2, sigmaY=view.height / 45)
    ripple = cv2.GaussianBlur(random.standard_normal(shape).astype(np.float32), (0, 0), sigmaX=40, sigmaY=2.5)
    columns = np.arange(view.width, dtype=np.float32)[None, :] + (1.6 + 6 / z) * ripple / ripple.std()
    sharp = cv2.remap(mirror, columns, np.repeat(rows - horizon, view.width, 1), cv2.INTER_LINEAR)
    fresnel = 0.12 + 0.60 * np.clip(z / 45, 0, 1) ** 0.7
    wet = fresnel[..., None] * ((0.25 + 0.75 * puddle[..., None]) * sharp + (1 - puddle[..., None]) * 0.7 * smeared)
    part = scene[horizon:]
    part += inside[..., None] * (base + wet - part)


def _furniture(canvas: Float32, view: View) -> None:
    """Lamps on their poles, a car that drives away, somebody under an umbrella; far things first."""
    for lamp in sorted(LAMPS, key=lambda lamp: -lamp.z):
        reach = lamp.x - np.sign(lamp.x) * 1.1
        _bar(canvas, view, (lamp.x, 0.0), (lamp.x, lamp.y + 0.2), lamp.z, 0.07)
        _bar(canvas, view, (lamp.x, lamp.y + 0.2), (reach, lamp.y + 0.25), lamp.z, 0.05)
        column, row = view.project(reach, lamp.y, lamp.z)
        _paint(canvas, _disc(column, row, view.focal_px * 0.16 / lamp.z), 34 * array(lamp.color))
        if 16 < lamp.z < 30:
            _car(canvas, view, 1.7, 17.0)
    _walker(canvas, view, -3.4, 11.5)


def _bar(
    canvas: Float32, view: View, start: tuple[float, float], end: tuple[float, float], z: float, radius: float
) -> None:
    """A dark rod between two (x, y) points at one distance."""
    direction = np.subtract(end, start) / np.hypot(*np.subtract(end, start))
    across = radius * np.array([-direction[1], direction[0]])
    corners = [np.add(start, across), np.add(end, across), np.subtract(end, across), np.subtract(start, across)]
    _paint(canvas, [view.project(x, y, z) for x, y in corners], (0.006, 0.006, 0.007))


def _cutout(canvas: Float32, view: View, x: float, z: float) -> Callable[[list[tuple[float, float]], Any], None]:
    """A function that paints flat shapes standing at (x, z); corners are (metres beside x, metres above the road)."""
    return lambda corners, color: _paint(canvas, [view.project(x + dx, y, z) for dx, y in corners], color)


def _car(canvas: Float32, view: View, x: float, z: float) -> None:
    """A saloon from behind: dark, with red lights, a plate, and the road lit before it."""
    shape = _cutout(canvas, view, x, z)
    shape([(-0.9, 0.25), (0.9, 0.25), (0.92, 0.95), (0.62, 1.45), (-0.62, 1.45), (-0.92, 0.95)], (0.010, 0.010, 0.014))
    shape([(-0.68, 0.98), (0.68, 0.98), (0.55, 1.36), (-0.55, 1.36)], (0.035, 0.030, 0.028))
    for side in (-1, 1):
        shape([(side * 0.88, 0.72), (side * 0.52, 0.72), (side * 0.52, 0.90), (side * 0.88, 0.90)], (5.5, 0.22, 0.08))
        shape([(side * 0.80, 0.0), (side * 0.55, 0.0), (side * 0.55, 0.35), (side * 0.80, 0.35)], (0.003, 0.003, 0.003))
    shape([(-0.26, 0.50), (0.26, 0.50), (0.26, 0.62), (-0.26, 0.62)], (0.35, 0.33, 0.26))


def _walker(canvas: Float32, view: View, x: float, z: float) -> None:
    """Somebody who walks home under a red umbrella."""
    shape = _cutout(canvas, view, x, z)
    coat = (0.010, 0.011, 0.016)
    shape([(-0.16, 0.0), (-0.05, 0.0), (0.02, 0.8), (0.12, 0.0), (0.22, 0.0), (0.17, 0.9), (-0.15, 0.9)], coat)
    shape([(-0.22, 0.75), (0.22, 0.75), (0.20, 1.42), (0.08, 1.5), (-0.08, 1.5), (-0.20, 1.42)], coat)
    _paint(canvas, _disc(*view.project(x, 1.62, z), view.focal_px * 0.11 / z), (0.03, 0.02, 0.016))
    turn = np.linspace(0, np.pi, 24)
    dome = [(0.62 * float(np.cos(t)), 1.72 + 0.42 * float(np.sin(t))) for t in turn]
    shape(dome, (0.075, 0.008, 0.007))
    shape([(-0.62, 1.72), (0.0, 2.14), (0.20, 1.72)], (0.11, 0.011, 0.009))


def _bloom(scene: Float32) -> Float32:
    """What a lens adds: a little of every bright light, spread around it."""
    width = scene.shape[1]
    small = cv2.resize(scene, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    halo = np.zeros(small.shape, np.float32)
    for share, radius in ((0.030, 0.0025), (0.016, 0.010), (0.008, 0.040)):
        halo += array(share * cv2.GaussianBlur(small, (0, 0), radius * width / 4))
    wide = cv2.resize(halo, (scene.shape[1], scene.shape[0]), interpolation=cv2.INTER_LINEAR)
    focus = cv2.GaussianBlur(scene, (0, 0), 0.7)  # no lens resolves a single pixel
    return np.asarray(focus + wide, np.float32)
