"""Houses along the street: facades seen straight on, lit by the lamps of the street and by what shines in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from flexispd.types import Float32

STREET_HALF_M = 7.5
TEXTURE_PX_PER_M = 96

Color = tuple[float, float, float]

SODIUM: Color = (1.0, 0.50, 0.12)
WARM: Color = (1.0, 0.70, 0.38)
LED: Color = (0.86, 0.95, 1.0)
MERCURY: Color = (0.62, 1.0, 0.80)
WINDOW_COLORS: tuple[Color, ...] = (WARM, (1.0, 0.62, 0.28), (1.0, 0.82, 0.60), (0.55, 0.75, 1.0), (1.0, 0.55, 0.35))


@dataclass(frozen=True, slots=True)
class Lamp:
    """A street lamp: where its head hangs, its colour, and its power as light on a surface one metre away."""

    x: float
    y: float
    z: float
    color: Color
    power: float


@dataclass(frozen=True, slots=True)
class House:
    """One facade along the street, from z0 to z1, on the left (side -1) or on the right (+1)."""

    side: int
    z0: float
    z1: float
    height: float
    wall: Color
    sign: str
    neon: Color


LAMPS = (
    Lamp(-5.6, 6.0, 10.0, SODIUM, 2.6),
    Lamp(5.6, 6.0, 15.0, LED, 2.4),
    Lamp(-5.6, 6.0, 22.0, SODIUM, 2.6),
    Lamp(5.6, 6.0, 31.0, LED, 2.4),
    Lamp(-5.6, 6.0, 42.0, MERCURY, 2.6),
    Lamp(5.6, 6.0, 56.0, SODIUM, 2.6),
    Lamp(-5.6, 6.0, 72.0, SODIUM, 2.6),
)


def facade(house: House, random: np.random.Generator) -> Float32:
    """
    A facade seen straight on, (rows from the eaves to the ground, columns from the near to the far end, 3).

    Walls reflect the street lamps; windows, the shop and the letters above it shine by themselves.
    """
    scale = TEXTURE_PX_PER_M if house.z0 < 30 else TEXTURE_PX_PER_M // 2
    rows, columns = round(house.height * scale), round((house.z1 - house.z0) * scale)
    y = np.linspace(house.height, 0, rows // 4, dtype=np.float32)[:, None]
    z = np.linspace(house.z0, house.z1, columns // 4, dtype=np.float32)[None, :]
    light = lamplight(house.side * STREET_HALF_M, y, z, (-house.side, 0, 0))
    light = np.asarray(cv2.resize(light, (columns, rows)), np.float32) + array([0.004, 0.0045, 0.007])
    grain = 1 + 0.10 * noise((rows, columns), 3, random) + 0.12 * noise((rows, columns), scale, random)
    courses = 1 - 0.28 * ((np.arange(rows) % (scale // 4)) < max(2, scale // 40))[:, None]
    texture: Float32 = light * array(house.wall) * np.clip(grain * courses, 0.2, 2)[..., None]
    for floor in np.arange(4.2, house.height - 2.2, 3.1):
        for offset in np.arange(0.8, house.z1 - house.z0 - 1.5, 2.1):
            _window(texture, house, scale, (offset, floor), random)
    _shop(texture, house, scale, random)
    cornice = round(0.45 * scale)
    texture[:cornice] = 1.3 * texture[cornice : 2 * cornice].mean(axis=0, keepdims=True)
    return texture


def _window(
    texture: Float32, house: House, scale: int, corner: tuple[float, float], random: np.random.Generator
) -> None:
    """One window with its frame; four in ten are lit, some behind curtains, a few by a television."""
    offset, floor = corner
    top, bottom = round((house.height - floor - 1.7) * scale), round((house.height - floor) * scale)
    left, right = round(offset * scale), round((offset + 1.15) * scale)
    pane = texture[top:bottom, left:right]
    frame = array([0.6, 0.6, 0.58]) * pane.mean(axis=(0, 1)) * 2.2
    if random.random() < 0.42:
        color = array(WINDOW_COLORS[random.choice(len(WINDOW_COLORS), p=(0.38, 0.2, 0.22, 0.1, 0.1))])
        falloff = np.linspace(1.25, 0.55, bottom - top, dtype=np.float32)[:, None, None]
        pane[:] = color * random.uniform(0.10, 0.75) * falloff
        if random.random() < 0.6:
            folds = 0.62 + 0.18 * np.sin(np.arange(right - left) * 2 * np.pi / (0.11 * scale))
            side = (right - left) // 3
            pane[:, :side] *= folds[:side, None].astype(np.float32)
            pane[:, -side:] *= folds[-side:, None].astype(np.float32)
    else:
        pane[:] = 0.25 * pane + array([0.001, 0.0013, 0.002])
    width = max(2, scale // 16)
    middle = (right - left) // 2
    pane[:, middle - width // 2 : middle + width // 2] = frame
    pane[(bottom - top) // 3 : (bottom - top) // 3 + width // 2 + 1] = frame
    texture[bottom : bottom + width, left - width : right + width] = 1.6 * frame


def _shop(texture: Float32, house: House, scale: int, random: np.random.Generator) -> None:
    """The ground floor: a lit shop front with goods in it, and the name above in neon letters."""
    length = house.z1 - house.z0
    top, bottom = round((house.height - 2.7) * scale), round((house.height - 0.45) * scale)
    left, right = round(0.7 * scale), round((length - 0.7) * scale)
    inside = texture[top:bottom, left:right]
    color = array(WINDOW_COLORS[random.integers(3)]) * random.uniform(0.10, 0.32)
    inside[:] = color * np.geomspace(1.6, 0.3, bottom - top).astype(np.float32)[:, None, None]
    for _ in range(round(5 * length)):  # goods
        wide, tall = random.uniform(0.1, 0.5), random.uniform(0.15, 0.9)
        start = round(random.uniform(0, length - 2) * scale)
        hue = random.uniform(0.05, 0.9, 3).astype(np.float32)
        inside[-round(tall * scale) :, start : start + round(wide * scale)] *= hue
    for bar in np.arange(0, length - 1.4, 1.9):
        inside[:, round(bar * scale) : round(bar * scale) + scale // 12] = 0.01
    size = 0.030 * scale
    (text_px, _), _ = cv2.getTextSize(house.sign, cv2.FONT_HERSHEY_DUPLEX, size, 3)
    size *= min(1.0, 0.86 * length * scale / text_px)
    text_px = min(text_px, round(0.86 * length * scale))
    board = texture[round((house.height - 3.85) * scale) : top, left:right]
    board *= 0.35
    mask = np.zeros(board.shape[:2], np.uint8)
    # On the left of the street the far end of a facade is on its right; on the right, letters have to be turned.
    place = (max(0, (right - left - text_px) // 2), round(0.92 * scale))
    cv2.putText(mask, house.sign, place, cv2.FONT_HERSHEY_DUPLEX, size, 255, max(2, scale // 18), cv2.LINE_AA)
    letters = mask if house.side < 0 else np.ascontiguousarray(mask[:, ::-1])
    tube = (letters.astype(np.float32) / 255)[..., None]
    glow = cv2.GaussianBlur(letters, (0, 0), scale / 9).astype(np.float32)[..., None] / 255
    board += array(house.neon) * (2.6 * tube + 0.35 * glow) + 0.5 * tube


def lamplight(x: Any, y: Any, z: Any, normal: tuple[float, float, float]) -> Float32:
    """Light of all lamps on a surface of this normal, with the inverse square of the distance; shape (..., 3)."""
    total = np.zeros((*np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(z)), 3), np.float32)
    for lamp in LAMPS:
        dx, dy, dz = lamp.x - x, lamp.y - y, lamp.z - z
        squared = dx * dx + dy * dy + dz * dz
        cosine = np.maximum(0, normal[0] * dx + normal[1] * dy + normal[2] * dz) / np.sqrt(squared)
        # A shade keeps most of the light off the upper floors.
        shade = np.where(np.asarray(y) > lamp.y, 0.25, 1.0)
        total += (lamp.power * shade * cosine / squared)[..., None] * np.asarray(lamp.color, np.float32)
    return total


def noise(shape: tuple[int, int], cell_px: int, random: np.random.Generator) -> Float32:
    """Smooth noise of mean 0 and about unit range."""
    height, width = shape
    small = random.standard_normal((height // cell_px + 2, width // cell_px + 2)).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def array(values: Any) -> Float32:
    """Values as float32, the type of every picture here."""
    return np.asarray(values, np.float32)
