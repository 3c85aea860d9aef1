"""A profile while it is made from another program's settings: what was taken, what nearly, and what could not be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flexispd.errors import displayable
from flexispd.profile import knobs
from flexispd.strict_toml import Number, Whole
from flexispd.toml_reference import as_toml

SHOWN_CHARACTERS_MAX = 60
DIGITS = 3

NUMBER_MAX = 100_000
"""No setting of the programs is larger; what a formula makes of it stays finite."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    How one number of another program becomes one knob.

    Attributes:
        source: Its name there.
        knob: "section.key" here.
        formula: What happens to it, for people; x is the number.
        of: The same for programs.
        rest: Where the other program's knob does nothing.
    """

    source: str
    knob: str
    formula: str
    of: Callable[[float], float]
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """
    What became of one setting.

    Attributes:
        source, value: Its name and its value there, fit to be shown.
        result: The knob and its value here, or why there is none.
    """

    source: str
    value: str
    result: str


@dataclass(slots=True)
class Draft:
    """
    The profile and its lists, while they grow.

    Attributes:
        settings: Knob -> value, each allowed; see `profile_writing`.
        taken: What has a knob here.
        nearest: What has one that does not go as far, or goes about the same way only.
        left: What has none.
    """

    settings: dict[tuple[str, str], Any] = field(default_factory=dict)
    taken: list[Line] = field(default_factory=list)
    nearest: list[Line] = field(default_factory=list)
    left: list[Line] = field(default_factory=list)

    def take(self, source: str, text: str, knob: str, value: Any, *, nearly: bool = False) -> None:
        """Set a knob; a number beyond its range becomes the nearest one. `nearly`: it is not quite what was meant."""
        section, _, key = knob.partition(".")
        allowed = _ALLOWED[section, key]
        near = nearly
        if isinstance(allowed, Number | Whole):
            kept = min(max(round(value, DIGITS), allowed.low), allowed.high)
            near = near or not math.isclose(kept, value, abs_tol=10.0**-DIGITS)
            value = kept
        self.settings[section, key] = allowed.parse(value)
        shown = f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else as_toml(value)
        (self.nearest if near else self.taken).append(Line(shown_of(source), shown_of(text), f"{knob} = {shown}"))

    def leave(self, source: str, text: str, why: str = "there is no such knob") -> None:
        """Note a setting that is lost."""
        self.left.append(Line(shown_of(source), shown_of(text), why))

    def follow(self, rules: Sequence[Rule], settings: dict[str, str]) -> None:
        """Take everything that has a rule out of `settings`."""
        for rule in rules:
            text = settings.pop(rule.source, None)
            if text is None:
                continue
            x = number(text)
            if x is None:
                self.leave(rule.source, text, "is no number that it can have")
            elif x != rule.rest:
                self.take(rule.source, text, rule.knob, rule.of(x))


_ALLOWED = {(knob.section, knob.key): knob.allowed for knob in knobs()}


def hundredth(source: str, knob: str) -> Rule:
    """A knob from -100 to 100 there and from -1 to 1 here."""
    return Rule(source, knob, "x / 100", lambda x: x / 100)


def about_one(source: str, knob: str) -> Rule:
    """A knob from -100 to 100 there, and a factor here."""
    return Rule(source, knob, "1 + x / 100", lambda x: 1 + x / 100)


def number(text: str) -> float | None:
    """A number that a setting can have, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= NUMBER_MAX else None


def shown_of(text: str) -> str:
    """A name or value of somebody else's file as it may stand on one line."""
    shown = displayable(" ".join(text.split()))
    return shown if len(shown) <= SHOWN_CHARACTERS_MAX else f"{shown[: SHOWN_CHARACTERS_MAX - 1]}…"


def curve_points(pairs: Sequence[tuple[float, float]], points_max: int) -> tuple[tuple[float, float], ...] | None:
    """
    Points on 0..1 as the knob `render.curve` takes them, from left to right; None when there is no curve in them.

    Of more than `points_max` those are kept that lie evenly among them.
    """
    rising: list[tuple[float, float]] = []
    for x, y in sorted(pairs):
        if 0 <= x <= 1 and 0 <= y <= 1 and (not rising or x > rising[-1][0]):
            rising.append((round(x, 4), round(y, 4)))
    if len(rising) > points_max:
        rising = [rising[round(i * (len(rising) - 1) / (points_max - 1))] for i in range(points_max)]
    if len(rising) < 2 or all(abs(x - y) < 0.002 for x, y in rising):
        return None
    return tuple(rising)
