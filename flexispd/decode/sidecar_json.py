"""
The JSON file beside a PNG mosaic, as the night photography challenges of NTIRE write it.

The dialects of 2022 to 2024 (Canon, Huawei) are read as one: a number may be plain, alone in a list, or
{"Fraction": [numerator, denominator]}; an orientation may be a number, a list, or exiftool's words. What is there has
to be right: an error names the file and the key. Null is the same as absent. Other keys are ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from flexispd.decode import cfa as phase
from flexispd.decode.illuminants import D65_K, ILLUMINANT_CCT_K, STANDARD_A_K
from flexispd.decode.values import neutral_from, orientation_from_text, usable_matrix
from flexispd.errors import CaptureError
from flexispd.types import CFA, ColorMatrix, FourPlanes, NoiseProfile, UInt16

SIZE_BYTES_MAX = 16 * 2**20
"""A linearization table of 65536 fractions, indented, stays below this."""

DEPTH_MAX = 8
"""A matrix of fractions is 5 deep."""

_TOO_DEEP = f"its values are nested more than {DEPTH_MAX} deep"

WHITE_MAX = 65535
"""The largest count that a site of 16 bits can hold."""

_DIGITS_MAX = 1000
"""No number that means anything has more; Python itself gives up at 4300."""

_LEVEL_TOLERANCES = {"black_level": 0.001, "white_level": 0.02}
"""
Share of the range within which a raw's level and the one written beside it are the same level, rounded. Where a sensor
is full nobody agrees to the count; but what is missing of the black level is as bright as the shadows themselves.
"""

_REMEDY = "Correct the JSON file, or export the pair again."


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """
    How the numbers of a PNG mosaic are meant.

    Attributes:
        cfa: Bayer phase.
        black_level, white_level: Sensor counts for R, Gr, Gb, B, after the table.
        table: Linear count of each stored value, or None.
    """

    cfa: CFA
    black_level: FourPlanes
    white_level: FourPlanes
    table: UInt16 | None


@dataclass(frozen=True, slots=True, eq=False)
class Sidecar:
    """A JSON file that is an object: its raw values, and the name under which errors speak of it."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Fields of ShotInfo that the file states."""
        readers: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
            ("make", "make", self._text),
            ("model", "model", self._text),
            ("model", "camera_name", self._text),
            ("lens", "lens", self._text),
            ("taken_at", "taken_at", self._text),
            ("iso", "iso", self._positive),
            ("exposure_s", "exposure_time", self._positive),
            ("f_number", "f_number", self._positive),
            ("focal_length_mm", "focal_length", self._positive),
            ("orientation", "orientation", self._orientation),
            ("as_shot_neutral", "as_shot_neutral", self._neutral),
            ("noise_profile", "noise_profile", self._noise_profile),
        )
        found: dict[str, Any] = {}
        for name, key, read in readers:
            if self._has(key):
                found.setdefault(name, read(key))
        matrices = self._color_matrices()
        return found | ({"color_matrices": matrices} if matrices else {})

    def levels(self) -> Levels:
        """
        Phase, levels and table of the mosaic.

        Raises:
            CaptureError: A level or the phase is missing or makes no sense.
        """
        cfa = self._phase()
        black = phase.planes_of_cell(self._cell("black_level"), cfa)
        white = phase.planes_of_cell(self._cell("white_level"), cfa)
        if min(black) < 0 or any(high <= low for low, high in zip(black, white, strict=True)):
            self._fail("white_level", f"must lie above black_level, but is {white} against {black}")
        if max(white) > WHITE_MAX:
            self._fail("white_level", f"must be at most {WHITE_MAX}, but is {max(white):g}")
        return Levels(cfa, black, white, self._table())

    def contradictions(self, cfa: CFA, black: FourPlanes, white: FourPlanes) -> list[str]:
        """What the file says of the mosaic of a raw that says otherwise itself, as sentences for the receipt."""
        notes = []
        stated_cfa = cfa
        if self._has("cfa_pattern"):
            try:
                stated_cfa = self._phase()
            except CaptureError as error:
                notes.append(f"{error.problem} The raw's is used.")
            if stated_cfa is not cfa:
                notes.append(
                    f"The JSON's cfa_pattern {stated_cfa.name} contradicts the raw's {cfa.name}; the raw's is used."
                )
        for key, own in (("black_level", black), ("white_level", white)):
            if self._has(key):
                tolerance = _LEVEL_TOLERANCES[key] * (max(white) - min(black))
                notes += self._level_contradiction(key, own, stated_cfa, tolerance)
        return notes

    def _level_contradiction(self, key: str, own: FourPlanes, cfa: CFA, tolerance: float) -> list[str]:
        try:
            stated = phase.planes_of_cell(self._cell(key), cfa)
        except CaptureError as error:
            return [f"{error.problem} The raw's is used."]
        differing = [(one, two) for one, two in zip(stated, own, strict=True) if abs(one - two) > tolerance]
        return [
            f"The JSON's {key.replace('_', ' ')} {one:g} contradicts the raw's {two:g}; the raw's is used."
            for one, two in differing[:1]
        ]

    def numbers(self, key: str, counts: Sequence[int]) -> list[float] | None:
        """
        Numbers under a key that is no field of a shot, as many as one of `counts`; None if the key is absent.

        Raises:
            CaptureError: There are others, or what stands there is no number.
        """
        if not self._has(key):
            return None
        numbers = self._numbers(key)
        if len(numbers) not in counts:
            self._fail(key, f"must hold {' or '.join(map(str, counts))} numbers, but holds {len(numbers)}")
        return numbers

    def _has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def _fail(self, key: str, why: str) -> NoReturn:
        raise CaptureError(f"{self.name}: {key} {why}.", remedy=_REMEDY)

    def _number(self, key: str, value: object) -> float:
        if isinstance(value, dict):
            parts = value.get("Fraction")
            if set(value) != {"Fraction"} or not isinstance(parts, list) or len(parts) != 2:
                self._fail(key, 'holds an object that is not {"Fraction": [numerator, denominator]}')
            numerator, denominator = (self._number(key, part) for part in parts)
            if denominator == 0:
                self._fail(key, "holds a fraction with a denominator of 0")
            value = numerator / denominator
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fail(key, f"must hold numbers, but holds {_shown(value)}")
        try:
            number = float(value)
        except OverflowError:
            self._fail(key, "holds a number beyond all bounds")
        if not math.isfinite(number):
            self._fail(key, "holds a number that is not finite")
        return number

    def _numbers(self, key: str, value: object = None) -> list[float]:
        """Numbers under a key, however nested, row by row."""
        value = self.values.get(key) if value is None else value
        if isinstance(value, list):
            return [number for item in value for number in self._numbers_of(key, item)]
        return [self._number(key, value)]

    def _numbers_of(self, key: str, item: object) -> list[float]:
        return self._numbers(key, item) if isinstance(item, list) else [self._number(key, item)]

    def _positive(self, key: str) -> float:
        numbers = self._numbers(key)
        if len(numbers) != 1 or numbers[0] <= 0:
            self._fail(key, f"must be one number above 0, but is {_shown(self.values[key])}")
        return numbers[0]

    def _text(self, key: str) -> str:
        value = self.values[key]
        if not isinstance(value, str):
            self._fail(key, f"must be text, but is {_shown(value)}")
        return value.strip()

    def _cell(self, key: str) -> Sequence[float]:
        if not self._has(key):
            self._fail(key, "is missing")
        numbers = self._numbers(key)
        if len(numbers) not in (1, 4):
            self._fail(key, f"must hold 1 number or 4, but holds {len(numbers)}")
        return numbers * 4 if len(numbers) == 1 else numbers

    def _phase(self) -> CFA:
        value = self.values.get("cfa_pattern")
        if value is None:
            self._fail("cfa_pattern", "is missing")
        if isinstance(value, str):
            letters = value.strip().upper()
        else:
            letters = "".join(
                {0.0: "R", 1.0: "G", 2.0: "B"}.get(number, "?") for number in self._numbers("cfa_pattern")
            )
        cfa = phase.from_letters(letters)
        if cfa is None:
            self._fail("cfa_pattern", f"must be a Bayer cell such as [1, 2, 0, 1], but is {_shown(value)}")
        return cfa

    def _table(self) -> UInt16 | None:
        if not self._has("linearization_table"):
            return None
        table = np.asarray(self._numbers("linearization_table"), np.float64)
        if not 2 <= table.size <= 65536 or table.min() < 0 or table.max() > 65535:
            self._fail("linearization_table", "must hold 2 to 65536 numbers from 0 to 65535")
        return np.round(table).astype(np.uint16)

    def _orientation(self, key: str) -> int:
        value = self.values[key]
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        number = orientation_from_text(value) if isinstance(value, str) else self._number(key, value)
        if number is None or number not in range(1, 9):
            self._fail(key, f"must be 1 to 8 or an EXIF orientation in words, but is {_shown(value)}")
        return int(number)

    def _neutral(self, key: str) -> tuple[float, float, float]:
        numbers = self._numbers(key)
        neutral = neutral_from(numbers) if len(numbers) == 3 else None
        if neutral is None:
            self._fail(key, f"must be the camera's R, G, B of grey, but is {_shown(numbers)}")
        return neutral

    def _color_matrices(self) -> tuple[ColorMatrix, ...]:
        matrices = []
        for index, default_k in ((1, STANDARD_A_K), (2, D65_K)):
            key = f"color_matrix_{index}"
            if self._has(key):
                numbers = self._numbers(key)
                matrix = usable_matrix(numbers)
                if matrix is None:
                    self._fail(key, "must be 9 numbers that make an invertible matrix")
                matrices.append(ColorMatrix(matrix, self._illuminant(f"calibration_illuminant_{index}", default_k)))
        return tuple(matrices)

    def _illuminant(self, key: str, default_k: float) -> float:
        """A light source by its EXIF code, or by its colour temperature if the number is one."""
        if not self._has(key):
            return default_k
        number = self._positive(key)
        cct_k = number if number >= 1000 else ILLUMINANT_CCT_K.get(int(number))
        if cct_k is None:
            self._fail(key, f"must be an EXIF light source or kelvin, but is {_shown(number)}")
        return cct_k

    def _noise_profile(self, key: str) -> NoiseProfile:
        """
        [[shot], [read]] as the challenges write it, [[shot, ...], [read, ...]] over 3 or 4 planes, or pairs of shot and
        read, flat or nested, as DNG has them.
        """
        value, numbers = self.values[key], self._numbers(key)
        planes = len(numbers) // 2
        rows = len(value) if isinstance(value, list) and all(isinstance(row, list) for row in value) else 0
        if len(numbers) % 2 or planes not in (1, 3, 4) or min(numbers) < 0 or rows not in (0, 2, planes):
            self._fail(key, "must be [[shot], [read]] for 1, 3 or 4 planes, none below 0")
        shot, read = (numbers[:planes], numbers[planes:]) if rows == 2 else (numbers[::2], numbers[1::2])
        return NoiseProfile(phase.four(shot), phase.four(read), "json")


def parse(data: bytes, name: str) -> Sidecar:
    """
    The file as an object.

    Raises:
        CaptureError: It is no JSON, no object, has a key twice, NaN or Infinity, or something behind its end.
    """
    if len(data) > SIZE_BYTES_MAX:
        raise CaptureError(
            f"{name} is larger than {SIZE_BYTES_MAX // 2**20} MiB, too large for metadata.", remedy=_REMEDY
        )
    try:
        values = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer
        )
        _check_depth(values)
    except RecursionError as error:
        raise CaptureError(f"{name} is not valid metadata: {_TOO_DEEP}.", remedy=_REMEDY) from error
    except UnicodeDecodeError as error:
        raise CaptureError(f"{name} is not valid metadata: it is no UTF-8 text.", remedy=_REMEDY) from error
    except ValueError as error:
        raise CaptureError(f"{name} is not valid metadata: {error}.", remedy=_REMEDY) from error
    if not isinstance(values, dict):
        raise CaptureError(f"{name} must hold a JSON object, but holds {_shown(values)}.", remedy=_REMEDY)
    return Sidecar(name, values)


def _check_depth(values: object) -> None:
    pending = [(values, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > DEPTH_MAX:
            raise ValueError(_TOO_DEEP)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        pending += [(item, depth + 1) for item in inner]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {_shown(twice)} stands there twice")
    return values


def _integer(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError(f"a number of {len(text)} digits is beyond all bounds")
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
