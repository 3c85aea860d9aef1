"""
The photographer's colour work: what a profile asks for beyond the knobs that a network can turn, on colours in OKLab.

However many knobs are turned, a pixel looks up two tables. All that depends on hue alone is one table over the hue;
all that depends on lightness alone is one table over lightness. Between them stands black and white, which depends on
all three channels. A step whose knobs are neutral is left out, and so is a row of a table. The tables are made in
float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flexispd.cube import Cube
from flexispd.develop.lut import Lut
from flexispd.profile import MonochromeParams, Profile, SplitToningParams
from flexispd.types import Float64

STEPS = 4096
"""Entries of a table as it is made."""

FINE_STEPS = 32 * STEPS
"""Entries of a table as it is read: so many, on straight lines between the others, that the nearest one will do, which
costs half as much as to interpolate at every pixel."""

HUES = {
    "red": 29.2,
    "orange": 70.7,
    "yellow": 109.8,
    "green": 142.5,
    "aqua": 194.8,
    "blue": 264.1,
    "purple": 296.2,
    "magenta": 328.4,
}
"""OKLab hue in degrees of the colours that the web calls by these names: sRGB's corners, orange #ffa500, and purple in
the middle between its neighbours."""

HUE_LIGHTNESS_EV = 2.0
"""Exposure that a full `hue_lightness` adds to a strong, dark colour."""

GREY_CHROMA = 0.07
"""OKLab chroma at which `hue_lightness` has half of its effect: a blue sky by day has a little more. At less, the
colour noise of pale skies would be seen as mottled lightness."""

WHITES_ABOVE = 0.5
"""Encoded lightness above which `whites` acts, a little above mid grey."""

WHITES_SHARE = 0.15
"""Share of the range by which a full `whites` moves the white point."""

TONING_CHROMA = 0.1
"""OKLab chroma that a full split toning adds to the middle tones; a sepia print has half of it."""

TONING_WIDTH = 0.1
"""Lightness over which split toning passes from its dark to its light colour, as the scale of a logistic curve."""

TONING_BALANCE = 0.3
"""Lightness by which a full `balance` moves the border."""


class HueTable(NamedTuple):
    """
    What happens to each hue from -180 to 180 degrees, (FINE_STEPS + 1,) each; None stands for a row that does nothing.

    `real` and `imaginary` are those of the number that a + b i is multiplied by; `gain` is that of lightness and chroma
    less 1, for a strong colour.
    """

    real: Tensor
    imaginary: Tensor | None
    gain: Tensor | None


class ToneTable(NamedTuple):
    """
    What happens to each OKLab lightness from 0 to 1, (FINE_STEPS + 1,) each.

    New lightness, factor of chroma, and the a and b that are added, (2, FINE_STEPS + 1), or None where nothing is.
    """

    lightness: Tensor
    factor: Tensor
    tint: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class Grading:
    """
    The colour work of one profile, on one device; None stands for a step that does nothing.

    Attributes:
        hues: Table over the hue.
        mix: Parts of linear sRGB in black and white, (3,), whose sum is 1.
        colorless: Share of black and white, 0..1.
        tones: Table over lightness.
        lut: Another program's look, after everything else.
    """

    hues: HueTable | None
    mix: Tensor | None
    colorless: float
    tones: ToneTable | None
    lut: Lut | None

    @classmethod
    def of(cls, profile: Profile, device: torch.device | str, cube: Cube | None = None) -> Grading | None:
        """The colour work of a profile, whose `lut.file` holds `cube`; None when all of its knobs are neutral."""

        def row(values: Float64) -> Tensor:
            return _finer(torch.from_numpy(values)).to(device, torch.float32)

        def unless_zero(values: Float64) -> Tensor | None:
            return row(values) if values.any() else None

        hues, mix, tones = _hues(profile), _mix(profile.monochrome), _tones(profile)
        lut = None if cube is None or profile.lut.strength == 0 else Lut.of(cube, profile.lut.strength, device)
        if hues is None and mix is None and tones is None and lut is None:
            return None
        return cls(
            None if hues is None else HueTable(row(hues[0]), unless_zero(hues[1]), unless_zero(hues[2])),
            None if mix is None else torch.from_numpy(mix).to(device, torch.float32),
            profile.monochrome.strength,
            None if tones is None else ToneTable(row(tones[0]), row(tones[1]), unless_zero(tones[2:])),
            lut,
        )


def _hues(profile: Profile) -> Float64 | None:
    knobs = [_eight(k) for k in (profile.hue_shift, profile.hue_saturation, profile.hue_lightness)]
    if all((values == neutral).all() for values, neutral in zip(knobs, (0, 1, 0), strict=True)):
        return None
    return hue_table(*knobs)


def _eight(knobs: Any) -> Float64:
    """The knobs of the eight hues, in the order of `HUES`."""
    return np.array([getattr(knobs, name) for name in HUES])


def _mix(knobs: MonochromeParams) -> Float64 | None:
    parts = np.array([knobs.red, knobs.green, knobs.blue])
    return None if knobs.strength == 0 else parts / parts.sum()


def _tones(profile: Profile) -> Float64 | None:
    render, toning = profile.render, profile.split_toning
    straight = all(y == x for x, y in render.curve)
    if render.whites == 0 and straight and toning.shadows_strength == 0 and toning.highlights_strength == 0:
        return None
    return tone_table(render.whites, () if straight else render.curve, toning)


def hue_table(shift: Float64, strength: Float64, lightness: Float64) -> Float64:
    """The rows of `HueTable`, (3, STEPS + 1), from the knobs of the eight hues, (8,) each."""
    hue = np.linspace(-180, 180, STEPS + 1)
    turn = np.radians(_between_hues(hue, shift))
    strength = _between_hues(hue, strength)
    # OKLab takes cube roots of light, so a third of the exposure.
    gain = 2 ** (_between_hues(hue, lightness) * HUE_LIGHTNESS_EV / 3)
    return np.stack([strength * np.cos(turn), strength * np.sin(turn), gain - 1])


def _between_hues(hue: Float64, values: Float64) -> Float64:
    """The value at each hue in degrees: from each of the eight to the next by a smoothstep, so weights add up to 1."""
    centers = np.array([*HUES.values(), HUES["red"] + 360])
    values = np.append(values, values[0])
    hue = (hue - centers[0]) % 360 + centers[0]
    left = (np.searchsorted(centers, hue, side="right") - 1).clip(0, len(HUES) - 1)
    place = (hue - centers[left]) / (centers[left + 1] - centers[left])
    mixed: Float64 = values[left] + (values[left + 1] - values[left]) * place**2 * (3 - 2 * place)
    return mixed


def tone_table(whites: float, points: tuple[tuple[float, float], ...], toning: SplitToningParams) -> Float64:
    """
    The rows of `ToneTable`, (4, STEPS + 1).

    `whites` and the curve act on lightness in sRGB's encoding, the axis of a histogram: mid grey is near its middle,
    and the same numbers do the same as in other programs. What is lifted keeps its chroma, so that faded blacks are not
    coloured; with what is lowered, chroma goes half of the way.
    """
    before = np.linspace(0, 1, STEPS + 1)
    after = before
    if whites or points:
        encoded = moved_whites(_encoded(before**3), whites)
        after = np.cbrt(_decoded(monotone_cubic(encoded, points) if points else encoded))
    factor = (2 * after / (before + after).clip(1e-9)).clip(0, 1)
    return np.stack([after, factor, *_tint(after, toning)])


def moved_whites(encoded: Float64, whites: float) -> Float64:
    """
    Light tones (n,), 0..1, with the white point moved in (`whites` > 0) or down; a cubic from `WHITES_ABOVE`, where its
    slope is 1. Turned up, it reaches white the more gently the earlier it gets there, so lamps have no hard edge.
    """
    moved = WHITES_SHARE * abs(whites)
    end, height = (1 - moved, 1.0) if whites > 0 else (1.0, 1 - moved)
    width = end - WHITES_ABOVE
    last = 1 - whites if whites > 0 else 2 * (height - WHITES_ABOVE) / width - 1  # a parabola has this slope
    place = ((encoded - WHITES_ABOVE) / width).clip(0, 1)
    light = _hermite(place, WHITES_ABOVE, height, width, width * last)
    return np.where(encoded > WHITES_ABOVE, light, encoded)


def monotone_cubic(x: Float64, points: tuple[tuple[float, float], ...]) -> Float64:
    """
    A smooth curve through `points`, and through (0, 0) and (1, 1) where they do not reach the ends; x (n,) in 0..1.

    Between two points it never leaves their range: Fritsch and Carlson, "Monotone piecewise cubic interpolation", SIAM
    Journal on Numerical Analysis 17 (1980), with slopes restricted to a circle of radius 3.
    """
    first, last = points[0], points[-1]
    xs, ys = np.array([*([(0.0, 0.0)] * (first[0] > 0)), *points, *([(1.0, 1.0)] * (last[0] < 1))]).T
    widths = np.diff(xs).clip(1e-9)  # points that nothing separates but the last bit
    secants = np.diff(ys) / widths
    inner = np.where(np.sign(secants[:-1]) == np.sign(secants[1:]), (secants[:-1] + secants[1:]) / 2, 0)
    slopes = np.array([secants[0], *inner, secants[-1]])
    for i, secant in enumerate(secants):
        if secant == 0:
            slopes[i : i + 2] = 0
        elif (steepness := math.hypot(slopes[i] / secant, slopes[i + 1] / secant)) > 3:
            slopes[i : i + 2] *= 3 / steepness
    k = (np.searchsorted(xs, x, side="right") - 1).clip(0, len(widths) - 1)
    place = ((x - xs[k]) / widths[k]).clip(0, 1)
    return _hermite(place, ys[k], ys[k + 1], widths[k] * slopes[k], widths[k] * slopes[k + 1]).clip(0, 1)


def _hermite(t: Float64, start: Any, end: Any, start_slope: Any, end_slope: Any) -> Float64:
    """The cubic from `start` to `end` over t = 0..1, with these slopes there."""
    value: Float64 = start + (end - start) * t**2 * (3 - 2 * t) + t * (1 - t) * (start_slope * (1 - t) - end_slope * t)
    return value


def _tint(lightness: Float64, toning: SplitToningParams) -> tuple[Float64, Float64]:
    """The a and b that split toning adds at each lightness: nothing to black and white, most to the middle."""
    border = 0.5 - TONING_BALANCE * toning.balance
    light = 1 / (1 + np.exp((border - lightness) / TONING_WIDTH))
    most = TONING_CHROMA * 4 * lightness * (1 - lightness)
    dark_part, light_part = most * toning.shadows_strength * (1 - light), most * toning.highlights_strength * light
    dark, bright = math.radians(toning.shadows_hue), math.radians(toning.highlights_hue)
    return (
        dark_part * math.cos(dark) + light_part * math.cos(bright),
        dark_part * math.sin(dark) + light_part * math.sin(bright),
    )


def _encoded(linear: Float64) -> Float64:
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _decoded(encoded: Float64) -> Float64:
    """IEC 61966-2-1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def graded(lab: Tensor, grading: Grading, linear_of: Callable[[Tensor], Tensor]) -> None:
    """
    Apply a grading to OKLab colours (3, n), in place.

    Args:
        linear_of: Gives the linear sRGB (3, n) of such colours.
    """
    if grading.hues is not None:
        turn(lab, grading.hues)
    if grading.mix is not None:
        grey = raised((grading.mix @ linear_of(lab)).clamp_(1e-9, 1), 1 / 3)
        lab *= 1 - grading.colorless
        lab[0].add_(grey, alpha=grading.colorless)
    if grading.tones is not None:
        tone(lab, grading.tones)


def turn(lab: Tensor, hues: HueTable) -> None:
    """
    Apply the table over the hue to OKLab colours (3, n), in place.

    Lightness follows its gain the more, the more of a colour there is, and the less, the nearer it comes to white: a
    yellow lamp that is made lighter stays yellow.
    """
    lightness, a, b = lab
    at_hue = _reader(torch.atan2(b, a).mul_(0.5 / math.pi).add_(0.5))
    real = at_hue(hues.real)
    if hues.gain is not None:
        chroma_squared = torch.addcmul(a * a, b, b)
        strong = chroma_squared / (chroma_squared + GREY_CHROMA**2)
        gain = at_hue(hues.gain).mul_(strong).add_(1)
        room = gain.square().sub_(1).clamp_min_(0).mul_(lightness).mul_(lightness).add_(1).sqrt_()
        lab *= gain.div_(room)
    if hues.imaginary is None:
        lab[1:] *= real
    else:
        imaginary = at_hue(hues.imaginary)
        turned_a = torch.addcmul(a * real, b, imaginary, value=-1)
        b.mul_(real).addcmul_(a, imaginary)
        a.copy_(turned_a)


def tone(lab: Tensor, tones: ToneTable) -> None:
    """Apply the table over lightness to OKLab colours (3, n), in place."""
    at_lightness = _reader(lab[0])
    lab[0] = at_lightness(tones.lightness)
    lab[1:] *= at_lightness(tones.factor)
    if tones.tint is not None:
        lab[1] += at_lightness(tones.tint[0])
        lab[2] += at_lightness(tones.tint[1])


def raised(x: Tensor, power: float) -> Tensor:
    """`x` above 0 to a power, in two thirds of the time of torch's own on a processor; right to the last bits of 16."""
    return torch.log2(x).mul_(power).exp2_()


def _finer(rows: Tensor) -> Tensor:
    """Rows (..., STEPS + 1) on straight lines between their entries, (..., FINE_STEPS + 1)."""
    flat = rows.reshape(1, -1, STEPS + 1)
    finer = functional.interpolate(flat, FINE_STEPS + 1, mode="linear", align_corners=True)
    return finer.reshape(*rows.shape[:-1], FINE_STEPS + 1)


def _reader(place: Tensor) -> Callable[[Tensor], Tensor]:
    """Reads the nearest entry of rows (FINE_STEPS + 1,) at places (n,), 0 a row's first and 1 its last entry."""
    # What is no number becomes some entry here, and is found out where the light is summed up.
    nearest = (place * FINE_STEPS).add_(0.5).to(torch.int32).clamp_(0, FINE_STEPS)
    # Row by row: gathering whole columns takes twice as long on a processor.
    return lambda row: row.index_select(0, nearest)
