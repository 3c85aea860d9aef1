"""
Reads a TOML file into a frozen dataclass and forgives nothing.

A key that nobody reads is a wish that nobody grants, so an unknown key is an error that names its line and the
nearest key that exists. What a field may hold is written once, beside the field, as one of the kinds below; the
parser, the error messages and the reference in the documentation all come from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

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
    """One line of text."""

    length_max: int = 200

    def parse(self, value: object) -> str:
        """The text without the blanks around it."""
        if not isinstance(value, str):
            raise ValueError(f"must be a text in quotes, not {_shown(value)}")
        text = value.strip()
        if not text or not text.isprintable() or len(text) > self.length_max:
            raise ValueError(f"must be {self}")
        return text

    def __str__(self) -> str:
        return f"one line of text, at most {self.length_max} characters"


@dataclass(frozen=True, slots=True)
class Checked:
    """A text that a function approves of, or else raises ValueError with the end of a sentence."""

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
    A parsed TOML file that still knows on which line everything stood.

    `title` is what messages call the file, and `reference` a sentence that says where all of its keys are explained.
    """

    _BLANKED: ClassVar = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
    _HEADER: ClassVar = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]")

    def __init__(self, text: str, title: str, reference: str) -> None:
        self.title = title
        self.reference = reference
        self._lines = self._BLANKED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text).split("\n")
        try:
            self.table: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{title} is not valid TOML: {_explained(error)}.",
                remedy=f"Put that line right; `key = value`, texts in quotes, each key once. {reference}",
            ) from None

    def fill(self, record: type[T], table: object, section: str = "", nth: int = 0, **more: Any) -> T:
        """
        A record made from a table: every key known, every value of its kind, the rest by default.

        `section` is the table's header and `nth` counts the tables of an array; both are for messages. `more` goes
        to the record as it is.
        """
        if not isinstance(table, Mapping):
            raise self.error(f"must be a section, [{section}], not {_shown(table)}", "", section)
        declared = {key_of(f): f for f in dataclasses.fields(record) if "kind" in f.metadata}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in declared:
                raise self.unknown(key, declared, section, nth)
            try:
                values[declared[key].name] = declared[key].metadata["kind"].parse(value)
            except ValueError as error:
                raise self.error(str(error), section, key, nth) from None
        for key, needed in declared.items():
            if needed.default is dataclasses.MISSING and needed.name not in values:
                raise ConfigError(
                    f"{self._place(section, key, nth)}: {key} is not set.", remedy=f"Add that key. {self.reference}"
                )
        return record(**values, **more)

    def sections(
        self, top: type[Any], records: Mapping[str, type[Any]], arrays: Iterable[str] = ()
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """
        What stands at the top of the file, for `fill`, and a record of each section that is given.

        `arrays` names the arrays of sections; they stay among what stands at the top.
        """
        keys = [key_of(f) for f in dataclasses.fields(top) if "kind" in f.metadata] + [*records, *arrays]
        for key in self.table:
            if key not in keys:
                raise self.unknown(key, keys)
        plain = {key: value for key, value in self.table.items() if key not in records}
        given = {key: value for key, value in self.table.items() if key in records}
        return plain, {section: self.fill(records[section], table, section) for section, table in given.items()}

    def error(self, problem: str, section: str, key: str, nth: int = 0) -> ConfigError:
        """What is wrong with one key, and on which line it stands."""
        where = f"[{section}] {key}" if section else key
        return ConfigError(
            f"{self._place(section, key, nth)}: {where} {problem}.", remedy=f"Change that value. {self.reference}"
        )

    def unknown(self, key: str, known: Iterable[str], section: str = "", nth: int = 0) -> ConfigError:
        """A key or section that nobody reads, and the nearest that somebody does."""
        known = list(known)
        near = difflib.get_close_matches(key.lower(), known, n=1)
        where = f" in [{section}]" if section else ""
        return ConfigError(
            f"{self._place(section, key, nth)}: there is no key {displayable(key)}{where}.",
            remedy=(f"Did you mean {near[0]}? " if near else "") + f"The keys here are: {', '.join(known)}.",
        )

    def _place(self, section: str, key: str, nth: int) -> str:
        line = self._line_of(section, key, nth)
        return f"{self.title}, line {line}" if line else self.title

    def _line_of(self, section: str, key: str, nth: int) -> int | None:
        """Number of the line that sets a key; of its section when the key cannot be found. Reads only ordinary TOML."""
        name = rf"[\"']?{re.escape(key)}[\"']?"
        sets_key = re.compile(rf"\s*{name}\s*[=.]")
        sets_dotted = re.compile(
            rf"\s*{re.escape(section)}\s*\.\s*{name}\s*[=.]|\s*{re.escape(section)}\s*=.*\b{name}\s*="
        )
        current, seen, section_line = "", -1, None
        for number, line in enumerate(self._lines, 1):
            if header := self._HEADER.match(line):
                current = header[2].strip("\"'")
                if not section and current.split(".")[0].strip("\"' ") == key:
                    return number
                if current == section:
                    seen += 1
                    section_line = number if seen == nth else section_line
                continue
            in_section = current == section and (not section or seen == nth)
            if (in_section and sets_key.match(line)) or (section and not current and sets_dotted.match(line)):
                return number
        return section_line


def read_bytes(path: Path) -> bytes:
    """Bytes of a small file. ConfigError when it is absent, unreadable, no plain file or too large."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for ever, /dev/zero never end
            raise ConfigError(f"{displayable(path)} is not a plain file.", remedy="Name a .toml file.")
        with path.open("rb") as file:
            data = file.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        raise ConfigError(f"{displayable(path)} does not exist.", remedy="Check the spelling of the path.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"{displayable(path)} cannot be read: {reason}.", remedy="Give yourself the right to read it."
        ) from None
    if len(data) > FILE_SIZE_MAX:
        raise ConfigError(
            f"{displayable(path)} is larger than {FILE_SIZE_MAX // 1024} KiB.", remedy="Name a hand-written TOML file."
        )
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
