"""
Reads a TOML file into a frozen dataclass and forgives nothing.

A key that nobody reads is a wish that nobody grants, so an unknown key is an error that names its place and the
nearest key that exists. What a field may hold is written once, beside the field, as one of the kinds below; the
parser, the error messages and the reference in the documentation all come from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from flexispd import toml_places
from flexispd.errors import ConfigError, displayable

T = TypeVar("T")

FILE_SIZE_MAX = 65_536
"""Bytes. A file that people write by hand is a hundred times smaller; anything larger is something else."""


class Kind(Protocol):
    """What one field may hold."""

    def parse(self, value: object) -> Any:
        """The value as the field wants it. ValueError, with the end of a sentence, when it is not allowed."""

    def __str__(self) -> str:
        """The allowed values, for people."""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from low to high, in a unit."""

    low: float
    high: float
    unit: str = ""

    def parse(self, value: object) -> float:
        """A float; whole numbers count, true and false do not."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number, not {_shown(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"must be a finite number, not {value}")
        if not self.low <= value <= self.high:
            raise ValueError(f"must lie in {self}, and is {_shown(value)}")
        return float(value)

    def __str__(self) -> str:
        return f"{self.low:g} .. {self.high:g}{self.unit and ' '}{self.unit}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from low to high; with `zero`, 0 too, which then means something else."""

    low: int
    high: int
    zero: bool = False

    def parse(self, value: object) -> int:
        """An int; 95.0 is not one, because it was probably meant as something else."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number, not {_shown(value)}")
        if not self.low <= value <= self.high and not (self.zero and value == 0):
            raise ValueError(f"must lie in {self}, and is {_shown(value)}")
        return value

    def __str__(self) -> str:
        return f"{'0, ' if self.zero else ''}{self.low} .. {self.high}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One word of a few."""

    words: tuple[str, ...]

    def parse(self, value: object) -> str:
        """The word itself."""
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(f"must be one of {self}, not {_shown(value)}")
        return value

    def __str__(self) -> str:
        return ", ".join(f'"{word}"' for word in self.words)


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def parse(self, value: object) -> bool:
        """A bool; 0, 1 and "yes" are not."""
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {_shown(value)}")
        return value

    def __str__(self) -> str:
        return "true, false"


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; with `empty`, none will do."""

    length_max: int = 200
    empty: bool = False

    def parse(self, value: object) -> str:
        """The text without the blanks around it."""
        if not isinstance(value, str):
            raise ValueError(f"must be a text in quotes, not {_shown(value)}")
        text = value.strip()
        if not (text or self.empty) or not text.isprintable() or len(text) > self.length_max:
            raise ValueError(f"must be {self}")
        return text

    def __str__(self) -> str:
        return f"one line of text, at most {self.length_max} characters"


@dataclass(frozen=True, slots=True)
class Checked:
    """
    A text that a function approves of, or else raises ValueError with the end of a sentence.

    An `offset` of that error says which character of the text it is about.
    """

    check: Callable[[str], None]
    shown: str

    def parse(self, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise ValueError(f"must be a text in quotes, not {_shown(value)}")
        self.check(value)
        return value

    def __str__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve from (0, 0) to (1, 1): pairs of numbers, the first of each larger than the one before."""

    points_max: ClassVar = 16

    def parse(self, value: object) -> tuple[tuple[float, float], ...]:
        """The points; none of them is the straight line."""
        if not isinstance(value, list | tuple) or len(value) > self.points_max:
            raise ValueError(f"must be {self}, not {_shown(value)}")
        coordinate = Number(0, 1)
        points: list[tuple[float, float]] = []
        for pair in value:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise ValueError(f"must be {self}; {_shown(pair)} is no point")
            points.append((coordinate.parse(pair[0]), coordinate.parse(pair[1])))
            if len(points) > 1 and points[-1][0] <= points[-2][0]:
                raise ValueError(f"must go from left to right; {_shown(pair)} does not")
        if len(points) == 1:
            raise ValueError("must have two points or more, or none")
        return tuple(points)

    def __str__(self) -> str:
        return f"a list of [in, out], each 0 .. 1, at most {self.points_max} points"


def field(default: Any, kind: Kind, doc: str, *, key: str = "") -> Any:
    """
    A dataclass field that a TOML file may set. The doc is one line and ends up in the reference.

    With `dataclasses.MISSING` as its default, the file has to set it. `key`: its name in the file, where that differs.
    """
    return dataclasses.field(default=default, metadata={"kind": kind, "doc": doc, "key": key})


def key_of(declared: dataclasses.Field[Any]) -> str:
    """What a field is called in a file."""
    return str(declared.metadata["key"] or declared.name)


class Document:
    """
    A parsed TOML file that still knows where everything stood.

    `title` is what messages call the file, and `reference` a sentence that says where all of its keys are explained.
    A section is named as its header names it; `nth` counts the tables of an array of them, from 0.
    """

    def __init__(self, text: str, title: str, reference: str) -> None:
        self.title = title
        self.reference = reference
        self._text = text
        self._places: dict[toml_places.KeyPath, toml_places.Place] | None = None
        try:
            # With a line end, or the parser calls the last line "end of document".
            self.table: dict[str, Any] = tomllib.loads(text if text.endswith("\r") else f"{text}\n")
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{title} is not valid TOML: {_explained(error)}.",
                remedy=f"Put that line right; `key = value`, texts in quotes, each key once. {reference}",
            ) from None

    def fill(self, record: type[T], table: object, section: str = "", nth: int = 0, **more: Any) -> T:
        """A record made from a table, as `values`, the rest by default. `more` goes to the record as it is."""
        values = self.values(record, table, section, nth)
        for declared in dataclasses.fields(record):  # type: ignore[arg-type]
            if "kind" in declared.metadata and declared.default is dataclasses.MISSING and declared.name not in values:
                key = key_of(declared)
                raise ConfigError(
                    f"{self.place(section, key, nth)}: {key} is not set.", remedy=f"Add that key. {self.reference}"
                )
        return record(**values, **more)

    def values(self, record: type[Any], table: object, section: str = "", nth: int = 0) -> dict[str, Any]:
        """What a table sets of a record's fields: every key known, every value of its kind."""
        if not isinstance(table, Mapping):
            several = self.table.get(section)
            header = f"[[{section}]]" if isinstance(several, list) and table is not several else f"[{section}]"
            raise self.error(f"must be a section, {header}, not {_shown(table)}", "", section)
        declared = {key_of(f): f for f in dataclasses.fields(record) if "kind" in f.metadata}
        self.require_known(table, declared, section, nth)
        values: dict[str, Any] = {}
        for key, value in table.items():
            try:
                values[declared[key].name] = declared[key].metadata["kind"].parse(value)
            except ValueError as error:
                raise self.error(str(error), section, key, nth, within=getattr(error, "offset", None)) from None
        return values

    def sections(self, top: type[Any], records: Mapping[str, type[Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What stands at the top of the file, for `fill`, and a record of each section that is given."""
        keys = [key_of(f) for f in dataclasses.fields(top) if "kind" in f.metadata]
        self.require_known(self.table, [*keys, *records])
        plain = {key: value for key, value in self.table.items() if key not in records}
        given = {key: value for key, value in self.table.items() if key in records}
        return plain, {section: self.fill(records[section], table, section) for section, table in given.items()}

    def require_known(self, keys: Iterable[str], known: Iterable[str], section: str = "", nth: int = 0) -> None:
        """ConfigError at the first key or section that nobody reads, with the nearest that somebody does."""
        known = list(known)
        for key in keys:
            if key not in known:
                near = difflib.get_close_matches(key.lower(), known, n=1)
                where = f" in [{section}]" if section else ""
                raise ConfigError(
                    f"{self.place(section, key, nth, of_key=True)}: there is no key {displayable(key)}{where}.",
                    remedy=(f"Did you mean {near[0]}? " if near else "") + f"The keys here are: {', '.join(known)}.",
                )

    def error(self, problem: str, section: str, key: str, nth: int = 0, *, within: int | None = None) -> ConfigError:
        """
        What is wrong with one key, and where its value stands.

        `within`: which character of the value, where it is a text, the problem is about.
        """
        where = f"[{section}] {key}" if section else key
        return ConfigError(
            f"{self.place(section, key, nth, within=within)}: {where} {problem}.",
            remedy=f"Change that value. {self.reference}",
        )

    def place(self, section: str, key: str, nth: int = 0, *, of_key: bool = False, within: int | None = None) -> str:
        """The file with line and column of a value, or of its key; of the section when the key is not there."""
        if self._places is None:
            self._places = toml_places.places(self._text)
        parts: toml_places.KeyPath = tuple(section.split(".")) if section else ()
        in_array = (*parts[:1], nth, *parts[1:])
        for path in ((*in_array, key), (*parts, key), in_array, parts):
            if found := self._places.get(path):
                offset = found.key if of_key else found.value
                if within is not None:
                    offset = toml_places.begin_of_text(self._text, offset) + within
                line, column = toml_places.line_and_column(self._text, offset)
                return f"{self.title}, line {line}, column {column}"
        return self.title


def read_bytes(path: Path, *, size_max: int = FILE_SIZE_MAX, kind: str = ".toml file") -> bytes:
    """Bytes of a file that is read whole. ConfigError when it is absent, unreadable, no plain file or too large."""
    shown = displayable(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever, /dev/zero never end
            raise ConfigError(f"{shown} is not a plain file.", remedy=f"Name a {kind}.")
        if status.st_size <= size_max:
            with path.open("rb") as file:
                data = file.read(size_max + 1)
        else:
            data = None
    except FileNotFoundError:
        raise ConfigError(f"{shown} does not exist.", remedy="Check the spelling of the path.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{shown} cannot be read: {reason}.", remedy="Give yourself the right to read it.") from None
    if data is None or len(data) > size_max:
        size = f"{size_max >> 10} KiB" if size_max < 1 << 20 else f"{size_max >> 20} MiB"
        raise ConfigError(f"{shown} is larger than {size}.", remedy=f"Name a {kind} of a usual size.")
    return data


def decode_text(data: bytes, title: str) -> str:
    """UTF-8 text, with or without the mark that some editors put in front."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{title}, line {line}: this is not UTF-8 text.", remedy="Save the file as UTF-8.") from None


def _shown(value: object) -> str:
    """A value as it may stand in a message: short, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"
    text = displayable(f'"{value}"' if isinstance(value, str) else str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _explained(error: Exception) -> str:
    """The parser's reason in the user's words; it ends with the line and the column."""
    text = "brackets nested too deeply" if isinstance(error, RecursionError) else str(error)
    for theirs, ours in (
        ("Cannot overwrite a value", "the same key is given twice"),
        ("Cannot declare", "the same section is given twice: cannot declare"),
        ("Exceeds the limit", "a number has too many digits: exceeds the limit"),
    ):
        text = text.replace(theirs, ours)
    return displayable(text)
