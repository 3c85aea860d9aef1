"""One knob of a profile at several values, as `section.key=low..high:step` or `section.key=a,b,c` asks for it."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from typing import Any

from flexispd.errors import ConfigError, displayable
from flexispd.profile import Profile, knobs
from flexispd.strict_toml import Choice, Kind, Number, Whole

VALUES_MAX = 36
"""More pictures are not compared by eye."""

_RANGE = re.compile(r"(?P<low>[^:]+?)\.\.(?P<high>[^:]+?)(?::(?P<step>.+))?")
STEPS = 6
"""Into how many steps a range is cut that does not say."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variation:
    """A knob and the values that it shall have, all of them allowed."""

    section: str
    key: str
    values: tuple[Any, ...]

    def of(self, profile: Profile) -> list[tuple[str, Profile]]:
        """Each value as text, and the profile with the knob there, whichever look its rules choose."""
        turned = []
        for value in self.values:
            rules = tuple(dataclasses.replace(rule, look=self._turned(rule.look, value)) for rule in profile.rules)
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            turned.append((shown, dataclasses.replace(self._turned(profile, value), rules=rules)))
        return turned

    def _turned(self, profile: Profile, value: Any) -> Profile:
        section = dataclasses.replace(getattr(profile, self.section), **{self.key: value})
        return dataclasses.replace(profile, **{self.section: section})

    def __str__(self) -> str:
        return f"{self.section}.{self.key}"


def parse_variation(text: str) -> Variation:
    """The variation that is asked for. ConfigError: no such knob, no values, or one that the knob cannot have."""
    name, equals, wanted = text.partition("=")
    kinds = {
        f"{knob.section}.{knob.key}": knob.allowed
        for knob in knobs()
        if knob.section not in {"", "export"} and isinstance(knob.allowed, Number | Whole | Choice)
    }
    name = name.strip().lower()
    if name not in kinds:
        raise ConfigError(f"There is no knob {displayable(name)} to turn.", remedy=_nearest(name, list(kinds)))
    if not equals or not wanted.strip():
        raise ConfigError(f"No values are given for {name}.", remedy=f"Write --knob {_example(name, kinds[name])}.")
    values = _values(name, wanted, kinds[name])
    _refuse_many(name, len(values))
    section, _, key = name.partition(".")
    return Variation(section, key, tuple(dict.fromkeys(_parsed(name, value, kinds[name]) for value in values)))


def _values(name: str, wanted: str, kind: Kind) -> list[Any]:
    """The values as they stand in the text, numbers as numbers."""
    found = _RANGE.fullmatch(wanted.strip())
    if isinstance(kind, Choice) or found is None:
        return [value.strip() if isinstance(kind, Choice) else _number(name, value) for value in wanted.split(",")]
    low, high = _number(name, found["low"]), _number(name, found["high"])
    step = _number(name, found["step"]) if found["step"] else (high - low) / STEPS
    if not step > 0 or high < low:
        raise ConfigError(
            f"{name} cannot go from {low:g} to {high:g} in steps of {step:g}.",
            remedy="Give the smaller end first, and a step above 0.",
        )
    count = math.floor((high - low) / step + 1e-6) + 1
    _refuse_many(name, count)
    return [round(low + i * step, 10) for i in range(count)]


def _refuse_many(name: str, count: int) -> None:
    if count > VALUES_MAX:
        raise ConfigError(
            f"{name} would have {count} values, and a sheet has room for {VALUES_MAX}.",
            remedy="Ask for a larger step or a shorter range.",
        )


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            f"{displayable(text.strip())!r} is no number, and {name} wants one.",
            remedy=f"Write a range such as {name}=0..1:0.25, or values with commas between them.",
        )
    return value


def _parsed(name: str, value: Any, kind: Kind) -> Any:
    if isinstance(kind, Whole) and float(value).is_integer():
        value = int(value)
    try:
        return kind.parse(value)
    except ValueError as error:
        raise ConfigError(f"{name} {error}.", remedy=f"Keep to {kind}.") from None


def _nearest(name: str, known: list[str]) -> str:
    """The knob that was probably meant: by its whole name, or by its key alone in the section that has one like it."""
    near = difflib.get_close_matches(name, known, n=1)
    key = name.rpartition(".")[2]
    same = [knob for knob in known if knob.rpartition(".")[2] == key]
    meant = same[0] if same and "." not in name else (near or same or [""])[0]
    hint = f"Did you mean {meant}? " if meant else ""
    return f"{hint}`flexispd profile show neutral` lists every knob, to be written as section.key."


def _example(name: str, kind: Kind) -> str:
    if isinstance(kind, Choice):
        return f"{name}={','.join(kind.words[:3])}"
    low, high = (kind.low, kind.high) if isinstance(kind, Number | Whole) else (0, 1)
    return f"{name}={low:g}..{high:g}:{(high - low) / STEPS:.2g}"
