"""How near a fitted profile comes to its pictures, and of what kind the rest is that no knob explains."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.bench.metrics import ciede2000, psnr_db, to_encoded
from flexispd.develop.color import SRGB_TO_XYZ, XYZ_TO_SRGB
from flexispd.develop.models import Models
from flexispd.fitting.pairs import Pair
from flexispd.profile import Profile
from flexispd.types import Float64

ZONES = {"dark": (-1.0, 30.0), "middle": (30.0, 65.0), "light": (65.0, 101.0)}
"""CIELAB lightness of the picture."""

SECTORS = ("red", "orange", "yellow", "green", "aqua", "blue", "purple", "magenta")
SECTOR_DEGREES = (30.0, 62.0, 95.0, 145.0, 195.0, 265.0, 305.0, 345.0)
"""Hue angles in CIELAB about which the hues lie that the knobs are named after."""

COLORED = 12.0
"""CIELAB chroma from which a hue is seen."""

SHARE_MIN = 0.01
"""Of the pixels: fewer say nothing about a hue."""

CENTRE, CORNER = 0.4, 0.8
"""Distance from the middle in half diagonals."""

LOCAL_PX = 16
"""About a sixth of a copy's longer edge: what differs in places of this size was done to places."""


@dataclasses.dataclass(frozen=True, slots=True)
class Nearness:
    """Mean CIEDE2000 and PSNR of one rendering."""

    ciede2000: float
    psnr_db: float


@dataclasses.dataclass(frozen=True, slots=True)
class Unexplained:
    """
    What is left, as means of CIEDE2000 unless it says otherwise.

    Attributes:
        zones: Brightness -> mean, and by how much the picture is lighter than ours in CIELAB.
        hues: Hue -> mean; only hues that are there.
        corners_lighter: By how much more the picture is lighter than ours in its corners than in its middle.
        places: Mean absolute lightness that differs from place to place.
        detail: Fine contrast of the picture over that of ours; above 1 it is sharper or has more clarity.
    """

    zones: dict[str, tuple[float, float]]
    hues: dict[str, float]
    corners_lighter: float
    places: float
    detail: float

    def sentences(self) -> list[str]:
        """What is worth to be known, for people."""
        said = []
        for zone, (mean, lighter) in self.zones.items():
            if mean > 2.5:
                way = f"{abs(lighter):.1f} {'lighter' if lighter > 0 else 'darker'} there than ours"
                said.append(f"{zone} tones differ by {mean:.1f}; the picture is {way}")
        said += [f"{hue}s differ by {mean:.1f}" for hue, mean in self.hues.items() if mean > 4]
        if abs(self.corners_lighter) > 2:
            way = "lighter" if self.corners_lighter > 0 else "darker"
            said.append(f"the corners are {abs(self.corners_lighter):.1f} {way} than the middle: a vignette")
        if self.places > 1.5:
            said.append(f"places differ by {self.places:.1f} in lightness: dodged, burnt, or toned locally")
        if not 0.8 < self.detail < 1.25:
            said.append(f"fine contrast is {self.detail:.2f} times ours: clarity, sharpening or haze")
        return said


def nearness(pair: Pair, lab: Float64) -> Nearness:
    """How near a rendering comes to the pair's picture."""
    chosen = pair.inside
    ours, theirs = (_encoded(x) for x in (lab, pair.lab))
    return Nearness(
        round(float(ciede2000(lab, pair.lab)[chosen].mean()), 2), round(psnr_db(ours[chosen], theirs[chosen]), 1)
    )


def compared(pair: Pair, profiles: Sequence[Profile], models: Models) -> tuple[list[Nearness], Unexplained]:
    """How near each profile comes, and what the last one does not explain."""
    labs = pair.rendered(profiles, models)
    return [nearness(pair, lab) for lab in labs], unexplained(pair, labs[-1])


def unexplained(pair: Pair, lab: Float64) -> Unexplained:
    """What a rendering's differences have in common."""
    chosen, theirs = pair.inside, pair.lab
    distance = ciede2000(lab, theirs)
    lighter = theirs[..., 0] - lab[..., 0]
    zones = {}
    for zone, (low, high) in ZONES.items():
        here = chosen & (theirs[..., 0] > low) & (theirs[..., 0] <= high)
        if here.mean() > SHARE_MIN:
            zones[zone] = (round(float(distance[here].mean()), 2), round(float(lighter[here].mean()), 2))
    radius = _radius(distance.shape)
    middle, corner = chosen & (radius < CENTRE), chosen & (radius > CORNER)
    vignette = float(lighter[corner].mean() - lighter[middle].mean()) if middle.any() and corner.any() else 0.0
    return Unexplained(
        zones,
        _hues(theirs, distance, chosen),
        round(vignette, 2),
        round(_local(lighter, chosen, theirs[..., 0]), 2),
        round(_detail(theirs[..., 0], chosen) / max(_detail(lab[..., 0], chosen), 1e-6), 2),
    )


def _hues(theirs: Float64, distance: Float64, chosen: NDArray[np.bool_]) -> dict[str, float]:
    chroma = np.hypot(theirs[..., 1], theirs[..., 2])
    angle = np.degrees(np.arctan2(theirs[..., 2], theirs[..., 1]))[..., None]
    sector = np.abs((angle - np.array(SECTOR_DEGREES) + 180) % 360 - 180).argmin(axis=-1)
    found = {}
    for i, hue in enumerate(SECTORS):
        here = chosen & (sector == i) & (chroma > COLORED)
        if here.mean() > SHARE_MIN:
            found[hue] = round(float(distance[here].mean()), 2)
    return found


def _local(lighter: Float64, chosen: NDArray[np.bool_], lightness: Float64) -> float:
    """Mean absolute difference of places, after what belongs to a tone, wherever it is, has been taken away."""
    left = lighter.copy()
    for low in range(0, 100, 10):
        here = chosen & (lightness >= low) & (lightness < low + 10)
        if here.any():
            left[here] -= left[here].mean()
    left[~chosen] = 0
    smooth = cv2.blur(left, (LOCAL_PX, LOCAL_PX))
    return float(np.abs(smooth[chosen]).mean())


def _detail(lightness: Float64, chosen: NDArray[np.bool_]) -> float:
    """Spread of what a blur takes away."""
    return float((lightness - cv2.GaussianBlur(lightness, (0, 0), 2))[chosen].std())


def _radius(shape: tuple[int, ...]) -> Float64:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = (2 * rows / max(shape[0] - 1, 1) - 1), (2 * columns / max(shape[1] - 1, 1) - 1)
    return np.asarray(np.hypot(y, x) / np.sqrt(2), np.float64)


_WHITE = SRGB_TO_XYZ.sum(axis=1)


def _encoded(lab: Float64) -> NDArray[np.float32]:
    """SRGB-encoded 0..1 of CIELAB under D65, the inverse of `lab_of` (CIE 15:2004, 8.2.1)."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _WHITE
    return to_encoded(xyz @ XYZ_TO_SRGB.T)
