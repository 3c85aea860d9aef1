"""
The search: knobs that bring rendered pictures as near to given ones as they come, and no knob that does not help.

Damped least squares (Levenberg, 1944; Marquardt, 1963). The derivatives are differences of renderings: all knobs are
tried in one call of `pipeline.develop`, which shares everything but the look. Distances are those of CIELAB with the
chroma weight of CIE94, large ones counted linearly (Huber, 1964), because what differs much is mostly a retouch or an
edge that is not quite in its place. A knob's distance from rest costs a little, so one that explains nothing stays.

The steps come one after the other, each with the knobs of those before: exposure and warmth, tones, colours, hues.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from flexispd.develop.models import Models
from flexispd.fitting.pairs import Pair
from flexispd.profile import Profile, knobs
from flexispd.strict_toml import Number
from flexispd.types import Float64

STEPS: tuple[tuple[str, ...], ...] = (
    ("render.exposure_ev", "white_balance.warmth_mired"),
    ("render.contrast", "render.shadows", "render.highlights", "render.whites", "render.blacks", "render.vignette"),
    ("render.saturation", "render.vibrance", "split_toning"),
    ("hue_saturation", "hue_lightness", "hue_shift"),
)
"""What is searched: knobs, or sections for all numbers in them."""

LATE_PAIRS = ("white_balance.adaptation", "render.auto_exposure")
"""How a look follows the light of a frame: only several frames can tell."""

ITERATIONS = 4
DIFFERENCE = 0.02
"""Step of the derivatives, in shares of half a knob's range."""

REST_COST = 0.4
"""Square distance in CIELAB that a knob at the end of its range costs."""

HUBER = 6.0
DAMPINGS = (0.0, 0.03, 0.3, 3.0, 30.0)
GAIN_MIN = 0.003
"""Share of the cost by which an iteration has to lower it for another one to follow."""

WORTH = 0.02
"""Mean distance that a knob has to take away to be set at all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """A knob that is searched, with its place at rest and half of its range."""

    section: str
    key: str
    low: float
    high: float
    rest: float

    @property
    def scale(self) -> float:
        """Half of the range."""
        return (self.high - self.low) / 2

    @property
    def digits(self) -> int:
        """After the point: what the eye can tell."""
        return 2 if self.scale <= 5 else 1

    def of(self, profile: Profile) -> float:
        """The knob's value."""
        return float(getattr(getattr(profile, self.section), self.key))

    def set(self, profile: Profile, value: float) -> Profile:
        """The profile with the knob there, as far as its range goes."""
        section = getattr(profile, self.section)
        kept = min(max(value, self.low), self.high)
        return dataclasses.replace(profile, **{self.section: dataclasses.replace(section, **{self.key: kept})})


def axes_of(names: Sequence[str], base: Profile) -> list[Axis]:
    """The number knobs of these names, or of sections of these names, at rest where the profile has them."""
    return [
        Axis(knob.section, knob.key, knob.allowed.low, knob.allowed.high, float(getattr(section, knob.key)))
        for knob in knobs()
        if isinstance(knob.allowed, Number) and (f"{knob.section}.{knob.key}" in names or knob.section in names)
        for section in (getattr(base, knob.section),)
    ]


@dataclasses.dataclass(slots=True)
class Search:
    """
    A search among profiles, from `base`.

    Attributes:
        told: Called with a sentence now and then.
    """

    pairs: Sequence[Pair]
    base: Profile
    models: Models
    told: Callable[[str], None] = lambda _: None

    def found(self) -> tuple[Profile, list[Axis]]:
        """The nearest profile, and the knobs that it moved."""
        profile, axes = self.base, []
        for number, names in enumerate(STEPS):
            axes += axes_of(names, self.base)
            if number == 0:
                profile = self._lit(axes)
                continue
            if number == 2:
                profile = self._toned(profile)
            if number == 1 and len(self.pairs) > 1:
                axes += axes_of(LATE_PAIRS, self.base)
            profile = self._settled(profile, axes)
            self.told(f"step {number + 1} of {len(STEPS)}: {len(axes)} knobs")
        needed = self._needed(profile, axes)
        profile = self._settled(_rested(profile, [a for a in axes if a not in needed]), needed)
        for axis in needed:
            profile = axis.set(profile, round(axis.of(profile), axis.digits))
        return profile, [axis for axis in needed if axis.of(profile) != axis.rest]

    def _lit(self, axes: Sequence[Axis]) -> Profile:
        """The first step, from the light that the network finds and from the camera's; the better of the two."""
        starts = [self.base]
        if self.base.white_balance.source == "auto":
            told = dataclasses.replace(self.base.white_balance, source="as-shot")
            starts.append(dataclasses.replace(self.base, white_balance=told))
        ends = [self._settled(start, axes) for start in starts]
        costs = self._costs(ends, axes)
        self.told(f"step 1 of {len(STEPS)}: {len(axes)} knobs")
        return ends[1] if len(ends) > 1 and costs[1] < (1 - 10 * GAIN_MIN) * costs[0] else ends[0]

    def _toned(self, profile: Profile) -> Profile:
        """Hues of a toning from which the search can start: where dark and light tones want to go."""
        pulls: dict[str, Float64] = {"shadows": np.zeros(2), "highlights": np.zeros(2)}
        for pair in self.pairs:
            (ours,) = pair.rendered([profile], self.models)
            for zone, chosen in (("shadows", pair.lab[..., 0] < 35), ("highlights", pair.lab[..., 0] >= 65)):
                if (chosen & pair.inside).any():
                    pulls[zone] += (pair.lab - ours)[chosen & pair.inside][:, 1:].mean(axis=0)
        toning = profile.split_toning
        for zone, (a, b) in pulls.items():
            if getattr(toning, f"{zone}_strength") == 0:
                toning = dataclasses.replace(
                    toning, **{f"{zone}_hue": round(float(np.degrees(np.arctan2(b, a)) % 360))}
                )
        return dataclasses.replace(profile, split_toning=toning)

    def _settled(self, profile: Profile, axes: Sequence[Axis]) -> Profile:
        """The nearest profile that these knobs reach from here."""
        cost = np.inf
        for _ in range(ITERATIONS if axes else 0):
            steps = [DIFFERENCE * a.scale * (1 if a.of(profile) + DIFFERENCE * a.scale <= a.high else -1) for a in axes]
            trials = [axis.set(profile, axis.of(profile) + step) for axis, step in zip(axes, steps, strict=True)]
            slopes = np.array([a.scale / s for a, s in zip(axes, steps, strict=True)])
            before, candidates = self._steps(profile, trials, slopes, axes)
            costs = self._costs(candidates, axes)
            best = int(np.argmin(costs))
            if costs[best] >= before:
                break
            profile, cost = candidates[best], costs[best]
            if cost > (1 - GAIN_MIN) * before:
                break
        return profile

    def _steps(
        self, profile: Profile, trials: Sequence[Profile], slopes: Float64, axes: Sequence[Axis]
    ) -> tuple[float, list[Profile]]:
        """The cost here, and a step for each damping."""
        count = len(axes)
        square, pull, cost = np.zeros((count, count)), np.zeros(count), 0.0
        for pair in self.pairs:
            here, *there = pair.rendered([profile, *trials], self.models)
            residual = _residual(here, pair)
            weight = _huber(residual)[:, None]
            jacobian = np.stack([_residual(lab, pair) - residual for lab in there], axis=-1) * slopes  # (n, 3, count)
            share = 1 / (len(residual) * len(self.pairs))
            flat, weights = jacobian.reshape(-1, count), np.repeat(weight, 3, axis=1).reshape(-1)
            square += share * (flat * weights[:, None]).T @ flat
            pull += share * (flat * weights[:, None]).T @ residual.reshape(-1)
            cost += share * _loss(residual)
        offsets = np.array([(a.of(profile) - a.rest) / a.scale for a in axes])
        cost += REST_COST * float(offsets @ offsets)
        gradient = pull + REST_COST * offsets
        low = np.array([(a.low - a.of(profile)) / a.scale for a in axes])
        high = np.array([(a.high - a.of(profile)) / a.scale for a in axes])
        candidates = []
        for damping in DAMPINGS:
            matrix = square + np.diag(REST_COST + damping * np.diag(square) + 1e-9)
            step = _bounded_step(matrix, gradient, low, high)
            moved = profile
            for axis, share_of_scale in zip(axes, step, strict=True):
                moved = axis.set(moved, axis.of(profile) + axis.scale * float(share_of_scale))
            candidates.append(moved)
        return cost, candidates

    def _costs(self, profiles: Sequence[Profile], axes: Sequence[Axis]) -> list[float]:
        """What each profile costs: its distance from the pictures, and its knobs' from rest."""
        sums = np.array(
            [REST_COST * sum(((a.of(p) - a.rest) / a.scale) ** 2 for a in axes) for p in profiles], np.float64
        )
        for pair in self.pairs:
            for i, lab in enumerate(pair.rendered(profiles, self.models)):
                residual = _residual(lab, pair)
                sums[i] += _loss(residual) / (len(residual) * len(self.pairs))
        return [float(x) for x in sums]

    def _needed(self, profile: Profile, axes: Sequence[Axis]) -> list[Axis]:
        """The knobs without which the pictures would be farther away than `WORTH`."""
        moved = [axis for axis in axes if abs(axis.of(profile) - axis.rest) > 1e-3 * axis.scale]
        distances = self._distances([profile, *(_rested(profile, [axis]) for axis in moved)])
        return [axis for axis, distance in zip(moved, distances[1:], strict=True) if distance > distances[0] + WORTH]

    def _distances(self, profiles: Sequence[Profile]) -> list[float]:
        """Mean distance of each profile's renderings from the pictures."""
        sums = np.zeros(len(profiles))
        for pair in self.pairs:
            labs = pair.rendered(profiles, self.models)
            sums += [np.linalg.norm(_residual(lab, pair), axis=1).mean() / len(self.pairs) for lab in labs]
        return [float(x) for x in sums]


def _rested(profile: Profile, axes: Sequence[Axis]) -> Profile:
    for axis in axes:
        profile = axis.set(profile, axis.rest)
    return profile


def _bounded_step(matrix: Float64, gradient: Float64, low: Float64, high: Float64) -> Float64:
    """The step that the matrix asks for; knobs that would leave their range stop at its end, and the others make do."""
    step = np.zeros(len(gradient))
    free = np.ones(len(gradient), bool)
    for _ in range(len(gradient)):
        rest = -gradient[free] - matrix[np.ix_(free, ~free)] @ step[~free]
        step[free] = np.linalg.solve(matrix[np.ix_(free, free)], rest)
        out = free & ((step < low - 1e-9) | (step > high + 1e-9))
        if not out.any():
            break
        step[out] = np.clip(step[out], low[out], high[out])
        free &= ~out
    return step


def _residual(lab: Float64, pair: Pair) -> Float64:
    """Differences of lightness, a and b where there is a picture, (n, 3); chroma counts less where there is much."""
    difference = (lab - pair.lab)[pair.inside]
    chroma = np.hypot(pair.lab[..., 1], pair.lab[..., 2])[pair.inside]
    difference[:, 1:] /= (1 + 0.045 * chroma)[:, None]  # CIE94
    return np.asarray(difference, np.float64)


def _huber(residual: Float64) -> Float64:
    """Weight of each pixel."""
    return np.asarray(HUBER / np.maximum(np.linalg.norm(residual, axis=1), HUBER), np.float64)


def _loss(residual: Float64) -> float:
    size = np.linalg.norm(residual, axis=1)
    return float(np.where(size <= HUBER, size**2, 2 * HUBER * size - HUBER**2).sum())
