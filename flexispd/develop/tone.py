"""
The look: from scene-referred light to what a display shows. Every step works on one pixel, so it is the same in any
tile.

In order, first on scene light: zones (shadows, highlights, and what is local) as exposure of dark and bright parts; a
log-logistic tone curve that leaves the hue nearly alone. Then in OKLab: saturation and vibrance; the eight hues; black
and white; whites, curve and split toning. Then on the screen's light: the gamut of sRGB; blacks; another program's
look-up table; the colour space that is asked for, its gamut and its encoding. Knobs at their neutral value do nothing.

The steps of `Knobs` have gradients: the network that predicts a look is trained through them. Its knobs are tensors,
one number for each picture of a batch, and light then has the shape (3, B, n) instead of (3, n). The others are numbers
of a profile, folded into tables, see `grading`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from flexispd.color_spaces import SRGB, Curve, RGBSpace
from flexispd.develop.color import REC2020_TO_XYZ, XYZ_TO_SRGB
from flexispd.develop.grading import Grading, graded, raised
from flexispd.develop.local_light import local_ev

GRAY = 0.1845
"""Scene luminance of an 18 % grey card after exposure; the curve keeps it where it is."""

CURVE_POWER = 1.45
"""Power of the log-logistic curve at contrast 1: a slope of 1.18 at mid grey in log-log terms."""

ZONE_EV = 1.5
"""Exposure that a full `shadows` or `highlights` adds deep in its zone."""

ZONE_WIDTH_EV = 1.1
SHADOWS_BELOW_EV = -2.0
HIGHLIGHTS_ABOVE_EV = 1.5
"""Middle of each zone's border, from mid grey. Over the width of a border the gain changes by less than 1 EV an EV, so
the tone scale stays monotone."""

HUE_KEPT = 0.4
"""Share of the hue that the tone curve holds against its own pull."""

VIBRANCE_CHROMA = 0.12
"""OKLab chroma at which vibrance has an e-th of the effect that it has on the palest colours."""

BLACKS = 0.03
"""Display light that a full `blacks` lifts black by."""

REC2020_LUMINANCE = REC2020_TO_XYZ[1]

Knob = float | Tensor
"""One number for every picture, or a tensor (B, 1) with one for each."""


class Knobs(Protocol):
    """What a look can be told: the knobs of `RenderParams` that come after the exposure."""

    @property
    def contrast(self) -> Knob:
        """Slope at mid grey, 1 at rest."""

    @property
    def saturation(self) -> Knob:
        """Factor of all chroma, 1 at rest."""

    @property
    def vibrance(self) -> Knob:
        """Strength of pale colours, 0 at rest."""

    @property
    def shadows(self) -> Knob:
        """Exposure of the dark parts, 0 at rest."""

    @property
    def highlights(self) -> Knob:
        """Exposure of the bright parts, 0 at rest."""

    @property
    def blacks(self) -> Knob:
        """Lift of black, 0 at rest."""


# Björn Ottosson, "A perceptual color space for image processing" (2020): XYZ to LMS, and cube roots of LMS to Lab.
_XYZ_TO_LMS = torch.tensor(
    [
        [0.8189330101, 0.3618667424, -0.1288597137],
        [0.0329845436, 0.9293118715, 0.0361456387],
        [0.0482003018, 0.2643662691, 0.6338517070],
    ],
    dtype=torch.float64,
)
_LMS_TO_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """
    A profile's rendering on one device.

    Attributes:
        matrix: Balanced camera RGB to linear Rec.2020, exposure included, (3, 3).
        knobs: What is asked for.
        grading: Colour work beyond the knobs, or None.
        to_lms, from_lms: Rec.2020 to the LMS of OKLab, and from there to linear sRGB, (3, 3).
        to_srgb: Rec.2020 to linear sRGB, (3, 3).
        to_lab, from_lab: Cube roots of LMS to OKLab and back, (3, 3).
        space: Colour space of the picture.
        to_space: Linear sRGB to linear light of `space`, (3, 3); None where that is sRGB.
    """

    matrix: Tensor
    knobs: Knobs
    grading: Grading | None
    to_lms: Tensor
    from_lms: Tensor
    to_srgb: Tensor
    to_lab: Tensor
    from_lab: Tensor
    space: RGBSpace = field(default=SRGB, kw_only=True)
    to_space: Tensor | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, matrix: Tensor, knobs: Knobs, grading: Grading | None = None) -> Look:
        """The look of `knobs` after `matrix`, on the matrix's device, where `grading` has to be too."""
        to_srgb = torch.from_numpy(XYZ_TO_SRGB @ REC2020_TO_XYZ)
        to_lms = _XYZ_TO_LMS @ torch.from_numpy(REC2020_TO_XYZ)
        # The published digits leave white a trace of colour, which saturation would multiply.
        to_lms = to_lms / to_lms.sum(dim=1, keepdim=True)
        to_lab = _LMS_TO_LAB - _LMS_TO_LAB.mean(dim=1, keepdim=True) * torch.tensor([[0.0], [1.0], [1.0]])
        steps = (to_lms, to_srgb @ to_lms.inverse(), to_srgb, to_lab, to_lab.inverse())
        return cls(matrix, knobs, grading, *(step.to(matrix.device, torch.float32) for step in steps))

    def shown_in(self, space: RGBSpace) -> Look:
        """The same look in a colour space, whose white is that of sRGB."""
        if space is SRGB:
            return replace(self, space=SRGB, to_space=None)
        to_space = torch.from_numpy(np.linalg.inv(space.to_xyz) @ SRGB.to_xyz)
        return replace(self, space=space, to_space=to_space.to(self.to_srgb))


def apply_look(rgb: Tensor, look: Look, fields: Tensor | None = None) -> Tensor:
    """
    Balanced linear camera RGB (3, n) to encoded RGB (3, n) in 0..1, of the look's colour space.

    `fields` (Z, n) is the local exposure of these pixels, see `local_light`.
    """
    linear = displayed(rgb, look, fields)
    inside = into_gamut(linear, SRGB.luminance, ceiling=1.0)
    done = lifted(inside, look.knobs.blacks)
    beyond = linear - inside  # what sRGB cannot hold, which comes back in a space that can
    if look.grading is not None and look.grading.lut is not None:
        graded = look.grading.lut.applied(encoded(done, SRGB.curve))
        if look.to_space is None:
            return graded
        done, beyond = decoded(graded, SRGB.curve), beyond * (1 - look.grading.lut.strength)
    if look.to_space is not None:
        # All other colours are the same in every space, whatever was done to them.
        done = into_gamut(_mixed(look.to_space, done + beyond), look.space.luminance, ceiling=1.0)
    return encoded(done, look.space.curve)


def displayed(rgb: Tensor, look: Look, fields: Tensor | None = None) -> Tensor:
    """
    Balanced linear camera RGB (3, n) to the linear sRGB (3, n) that a display shall show, whether or not it can.

    `fields` is as in `apply_look`.
    """
    knobs = look.knobs
    light = into_gamut(_mixed(look.matrix, rgb), REC2020_LUMINANCE, ceiling=None)
    if fields is not None or not (_is(knobs.shadows, 0) and _is(knobs.highlights, 0)):
        light = light * zone_gain(_luminance(light, REC2020_LUMINANCE), knobs.shadows, knobs.highlights, fields)
    shown = tone_curve(light, CURVE_POWER * knobs.contrast)
    plain = _is(knobs.saturation, 1) and _is(knobs.vibrance, 0) and look.grading is None
    return _mixed(look.to_srgb, shown) if plain else colored(shown, look)


def lifted(inside: Tensor, blacks: Knob) -> Tensor:
    """Linear display light 0..1 with its black lifted or lowered by the knob."""
    if _is(blacks, 0):
        return inside
    return (inside + BLACKS * blacks * ((1 - inside) ** 2) ** 3).clamp_(0, 1)  # **6 is five times slower


def _is(knob: Knob, neutral: float) -> bool:
    """Whether a knob does nothing. One that is a tensor may, and nobody looks: gradients want the whole way."""
    return not isinstance(knob, Tensor) and knob == neutral


def _mixed(matrix: Tensor, rgb: Tensor) -> Tensor:
    """A matrix (3, 3) applied to colours (3, ...)."""
    return (matrix @ rgb.flatten(1)).view_as(rgb)


def _luminance(rgb: Tensor, weights: ArrayLike) -> Tensor:
    """One number for each colour of (3, ...), at the price of one pass."""
    row = torch.from_numpy(np.asarray(weights, np.float64)).to(rgb)[None]
    return (row @ rgb.flatten(1)).view(rgb.shape[1:])


def into_gamut(rgb: Tensor, weights: ArrayLike, *, ceiling: float | None) -> Tensor:
    """
    Move colours outside the gamut towards their own luminance until they are inside it; (3, n), colours inside stay.

    Keeps luminance and, in the sense of the space, hue. Without a ceiling only negative components are brought in.
    """
    gray = _luminance(rgb, weights).clamp(0, ceiling)
    # Inside the gamut both shares are a number over itself, which is exactly 1.
    share = gray / (gray - rgb.amin(dim=0).clamp_max(0)).clamp_min_(1e-9)
    if ceiling is not None:
        over = (ceiling - gray) / (rgb.amax(dim=0).clamp_min(ceiling) - gray).clamp_min_(1e-9)
        share = torch.minimum(share, over)
    return torch.lerp(gray, rgb, share).clamp_(0, ceiling)


def zone_gain(luminance: Tensor, shadows: Knob, highlights: Knob, fields: Tensor | None = None) -> Tensor:
    """
    Exposure factor of each pixel, (n,) to (n,).

    Up to `ZONE_EV` times the knob well below or above mid grey, and the local exposure of `fields` (Z, n).
    """
    ev = torch.log2(luminance.clamp_min(1e-6)).sub_(math.log2(GRAY))
    gain_ev = torch.zeros_like(ev) if fields is None else local_ev(fields, ev)
    if not _is(shadows, 0):
        gain_ev = gain_ev + ZONE_EV * shadows * torch.sigmoid((SHADOWS_BELOW_EV - ev).div_(ZONE_WIDTH_EV))
    if not _is(highlights, 0):
        gain_ev = gain_ev + ZONE_EV * highlights * torch.sigmoid((ev - HIGHLIGHTS_ABOVE_EV).div_(ZONE_WIDTH_EV))
    return torch.exp2(gain_ev)


def tone_curve(rgb: Tensor, power: Knob) -> Tensor:
    """
    Scene light from 0 to any brightness onto display light 0..1: y = x^p / (x^p + k), with mid grey kept.

    The log-logistic curve is the one of darktable's sigmoid module, after the Naka-Rushton response of the eye.
    Applied to each component alone it turns orange lamps yellow; with the middle component held at its relative place
    between the other two, which is the hue, their halos turn salmon. `HUE_KEPT` lies between.
    """
    # The curve as a logistic one over EV from mid grey, with k = GRAY^p (1 / GRAY - 1). At 0 there is no EV.
    steepness = power * math.log(2)
    middle = steepness * math.log2(GRAY) + math.log(1 / GRAY - 1)
    alone = (torch.log2(rgb.clamp(1e-10, 1e4)).mul_(steepness) - middle).sigmoid_()
    lowest, highest = rgb.amin(dim=0), rgb.amax(dim=0)
    low, high = alone.amin(dim=0), alone.amax(dim=0)  # the curve is monotone: these are the curve's of those
    slope = (high - low) / (highest - lowest).clamp_min_(1e-9)
    return torch.lerp(alone, torch.addcmul(low - slope * lowest, slope, rgb), HUE_KEPT)


def colored(rgb: Tensor, look: Look) -> Tensor:
    """
    All that a look does in OKLab; linear Rec.2020 (3, n) to linear sRGB (3, n).

    Saturation multiplies chroma; vibrance does so the less, the more chroma a colour has, and leaves lamps alone.
    """
    # Below the floor the cube root has no useful slope; it is a hundredth of the last bit of 16.
    roots = raised(_mixed(look.to_lms, rgb).clamp_min_(1e-9), 1 / 3)
    lab = _mixed(look.to_lab, roots)
    factor = look.knobs.saturation
    if not _is(look.knobs.vibrance, 0):
        chroma_squared = torch.addcmul(lab[1] * lab[1], lab[2], lab[2])
        pale = torch.exp2(chroma_squared.mul_(-1 / (VIBRANCE_CHROMA**2 * math.log(2))))
        factor = factor * (1 + look.knobs.vibrance * pale)
    if look.grading is None:
        # A grey has three equal roots, its lightness, so chroma is how far from there the roots of a colour are.
        return _mixed(look.from_lms, torch.lerp(lab[0], roots, factor).pow(3))
    if not _is(factor, 1):
        lab[1:] *= factor
    graded(lab, look.grading, partial(_linear, look=look))
    return _linear(lab, look)


def _linear(lab: Tensor, look: Look) -> Tensor:
    """OKLab to linear sRGB, (3, n)."""
    return _mixed(look.from_lms, _mixed(look.from_lab, lab).pow(3))


def encode_srgb(linear: Tensor) -> Tensor:
    """Linear 0..1 to sRGB-encoded 0..1."""
    return encoded(linear, SRGB.curve)


def encoded(linear: Tensor, curve: Curve) -> Tensor:
    """Linear light 0..1 to encoded values 0..1."""
    # The straight part up to the cut and the power from there on, added up. Where the power is not used it is taken of
    # something that has a slope: an infinite one would spoil the gradient.
    straight = curve.slope * linear.clamp_max(curve.cut) - (curve.offset + curve.slope * curve.cut)
    power = raised(linear.clamp_min(max(curve.cut, 1e-12)), 1 / curve.power)
    return torch.add(straight, power, alpha=curve.scale).clamp_(0, 1)


def decoded(values: Tensor, curve: Curve) -> Tensor:
    """Encoded values 0..1 to linear light 0..1."""
    power = ((values.clamp_min(0) + curve.offset) / curve.scale) ** curve.power
    return torch.where(values <= curve.slope * curve.cut, values / curve.slope, power)
