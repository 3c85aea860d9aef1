"""
Where in a TOML file everything stands: the line and the column of each key and of its value.

The standard library's parser says what a file means and forgets where it stood. This reads only the places, of text
that the parser has found to be right, and only when there is something to complain about.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Keys from the top of the file down; a number counts the elements of an array: ("export", 1, "format")."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(r"\"\"\"(?:\\.|[^\\])*?\"\"\"\"{0,2}|'''.*?''''{0,2}|\"(?:\\.|[^\"\\])*\"|'[^']*'", re.DOTALL)
_PLAIN = re.compile(r"[^,\]}\n#]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key and its value begin, as offsets into the text; a section's value begins where its header does."""

    key: int
    value: int


def places(text: str) -> dict[KeyPath, Place]:
    """The place of every section, key and element of an array; of what can be found, should the text be no TOML."""
    scanner = _Scanner(text)
    with suppress(ValueError, IndexError, RecursionError):
        scanner.file()
    return scanner.found


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both from 1; a column is a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def begin_of_text(text: str, offset: int) -> int:
    """
    Where the characters begin of a text whose value stands at `offset`: behind its quotes, one or three.

    A line break right behind three of them does not count, as TOML has it. Escapes are not looked at.
    """
    quotes = re.compile(r"""\"{3}\r?\n?|'{3}\r?\n?|["']""").match(text, offset)
    return quotes.end() if quotes else offset


class _Scanner:
    """A position in the text, and what was found before it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, Place] = {}
        self._lengths: dict[KeyPath, int] = {}  # of arrays of sections

    def file(self) -> None:
        section: KeyPath = ()
        while self._skip(_SPACE) or self.at < len(self.text):
            if self.at == len(self.text):
                return
            if self.text[self.at] == "[":
                section = self._header()
            else:
                self._pair(section)

    def _header(self) -> KeyPath:
        begin = self.at
        array = self.text.startswith("[[", begin)
        self.at += 2 if array else 1
        self._skip(_SPACE)
        path: KeyPath = ()
        keys = self._keys()
        for nth, (key, _) in enumerate(keys, 1):
            path = (*path, key)
            self.found.setdefault(path, Place(begin, begin))
            if array and nth == len(keys):
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
                self.found.setdefault(path, Place(begin, begin))
        self._skip(_SPACE)
        self.at += 2 if array else 1
        return path

    def _keys(self) -> list[tuple[str, int]]:
        keys = []
        while True:
            key = self._take(_KEY)
            keys.append((key[1:-1] if key[0] in "\"'" else key, self.at - len(key)))
            if not _DOT.match(self.text, self.at):
                return keys
            self._skip(_DOT)

    def _pair(self, path: KeyPath) -> None:
        keys = self._keys()
        self.at = self.text.index("=", self.at) + 1
        self._skip(_SPACE)
        for key, begin in keys:
            path = (*path, key)
            self.found.setdefault(path, Place(begin, self.at))
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._take(_STRING)
        elif first in "[{":
            self._inner(path, "]" if first == "[" else "}")
        else:
            self._take(_PLAIN)

    def _inner(self, path: KeyPath, end: str) -> None:
        """An inline table, or an array."""
        self.at += 1
        nth = 0
        while True:
            self._skip(_SPACE)
            if self.text[self.at] == end:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
            elif end == "}":
                self._pair(path)
            else:
                self.found[(*path, nth)] = Place(self.at, self.at)
                self._value((*path, nth))
                nth += 1

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        return bool(self._take(pattern))

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError("not TOML")
        self.at = match.end()
        return match[0]
