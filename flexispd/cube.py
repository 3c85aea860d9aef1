"""
Look-up tables of other programs: `.cube` files, 1D and 3D.

The format is Adobe's "Cube LUT Specification 1.0" (2013), with the `LUT_3D_INPUT_RANGE` that DaVinci Resolve writes
instead of a domain. A file is read exactly or not at all, and a size that no program writes is refused before its table
is looked at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from flexispd.errors import ConfigError, displayable
from flexispd.strict_toml import read_bytes
from flexispd.types import Float32

SIZE_1D_MAX = 65536
"""Entries, as the specification has it."""

SIZE_3D_MAX = 129
"""Entries along each side: 26 MB in memory. The specification has 256; programs write 17, 33 or 65."""

BYTES_MAX = 128 << 20
"""Of a file: 60 for each entry of the largest table."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """
    A look-up table from encoded R, G, B to encoded R, G, B.

    Attributes:
        table: (n, n, n, 3), indexed [red, green, blue], or for a 1D table (n, 3): one curve for each channel.
        domain_min, domain_max: Inputs of the first and the last entry, for R, G, B.
        sha256: Of the file that it was read from, in hex; else "".
    """

    table: Float32
    domain_min: Triple = (0.0, 0.0, 0.0)
    domain_max: Triple = (1.0, 1.0, 1.0)
    sha256: str = ""


def read_cube(path: Path, sha256: str = "") -> Cube:
    """
    The table of a file. ConfigError, with the line, for anything that is not known to be right.

    With `sha256`, the file has to be that one: a capture keeps the look that it arrived under.
    """
    data = read_bytes(path, size_max=BYTES_MAX, kind=".cube file")
    actual = hashlib.sha256(data).hexdigest()
    if sha256 and actual != sha256:
        raise ConfigError(
            f"{displayable(path)} has SHA-256 {actual[:12]}…, and the profile was made with {sha256[:12]}….",
            remedy="Put the earlier file back; or, to take this one, set the profile again and reprocess.",
        )
    return replace(parse_cube(data, displayable(path)), sha256=actual)


def parse_cube(data: bytes, title: str) -> Cube:
    """The table in the bytes of a file; errors as `read_cube`. `title` is what messages call the file."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removeprefix(b"\xef\xbb\xbf")
    header = _Header(title)
    begin = header.read(data)
    size, dimensions = header.size()
    numbers = _numbers(data, begin, title)
    count = size**dimensions
    if len(numbers) != count:
        raise _error(title, None, f"the table has {len(numbers)} entries and should have {count}")
    table = numbers.reshape((size,) * dimensions + (3,))
    if dimensions == 3:
        table = np.ascontiguousarray(table.transpose(2, 1, 0, 3))  # red varies fastest in the file
    return Cube(table, header.domain_min, header.domain_max)


def cube_text(cube: Cube, title: str = "") -> str:
    """The table as the text of a file, which reads back to the same numbers."""
    return "\n".join(_lines(cube, title)) + "\n"


def write_cube(cube: Cube, path: Path, title: str = "") -> None:
    """Write the table into a file, replacing what lies there. OSError as the system gives it."""
    path.write_text(cube_text(cube, title), encoding="utf-8")


def _lines(cube: Cube, title: str) -> Iterator[str]:
    if title:
        yield f'TITLE "{title}"'
    dimensions = cube.table.ndim - 1
    yield f"LUT_{dimensions}D_SIZE {len(cube.table)}"
    for name, domain in (("MIN", cube.domain_min), ("MAX", cube.domain_max)):
        yield f"DOMAIN_{name} {' '.join(repr(float(number)) for number in domain)}"
    table = cube.table.transpose(2, 1, 0, 3) if dimensions == 3 else cube.table
    # Nine digits tell every float32 from its neighbours.
    yield from (f"{red:.9g} {green:.9g} {blue:.9g}" for red, green, blue in table.reshape(-1, 3).tolist())


def _error(title: str, line: int | None, problem: str) -> ConfigError:
    place = f"{title}, line {line}" if line else title
    return ConfigError(f"{place}: {problem}.", remedy="Export the look-up table again, as .cube, 1D or 3D.")


@dataclass(slots=True)
class _Header:
    """What stands before the table."""

    title: str
    domain_min: Triple = (0.0, 0.0, 0.0)
    domain_max: Triple = (1.0, 1.0, 1.0)
    given: dict[str, int] = field(default_factory=dict)  # keyword -> line
    sizes: dict[int, int] = field(default_factory=dict)  # dimensions -> size

    def read(self, data: bytes) -> int:
        """Read the keywords; returns where the table begins."""
        at, number = 0, 0
        while at < len(data):
            number += 1
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end
            words = data[at : min(end, at + 1000)].decode("latin-1").split()  # a title may be in any encoding
            if words and re.match(r"[-+.\d]|nan|inf", words[0], re.IGNORECASE):
                break
            if words and not words[0].startswith("#"):
                self._keyword(words[0], words[1:], number)
            at = end + 1
        return at

    def size(self) -> tuple[int, int]:
        """Entries along a side, and the number of sides: 1 or 3."""
        if len(self.sizes) != 1:
            said = "both a 1D and a 3D table" if self.sizes else "neither LUT_1D_SIZE nor LUT_3D_SIZE"
            raise _error(self.title, max(self.given.values(), default=None), f"the file declares {said}")
        for low, high in zip(self.domain_min, self.domain_max, strict=True):
            if not low < high:
                line = max(line for word, line in self.given.items() if word != "TITLE")
                raise _error(self.title, line, f"the domain goes from {low:g} to {high:g}")
        ((dimensions, size),) = self.sizes.items()
        return size, dimensions

    def _keyword(self, word: str, values: list[str], line: int) -> None:
        if word in self.given:
            raise _error(self.title, line, f"{word} is given twice")
        self.given[word] = line
        if word in ("LUT_1D_SIZE", "LUT_3D_SIZE"):
            dimensions = int(word[4])
            most = SIZE_3D_MAX if dimensions == 3 else SIZE_1D_MAX
            if len(values) != 1 or not re.fullmatch(r"[0-9]{1,9}", values[0]) or not 2 <= int(values[0]) <= most:
                raise _error(self.title, line, f"{word} must be a whole number in 2 .. {most}")
            self.sizes[dimensions] = int(values[0])
        elif word in ("LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE"):
            low, high = self._numbers(word, values, line, 2)
            self.domain_min, self.domain_max = (low, low, low), (high, high, high)
        elif word in ("DOMAIN_MIN", "DOMAIN_MAX"):
            red, green, blue = self._numbers(word, values, line, 3)
            if word == "DOMAIN_MIN":
                self.domain_min = (red, green, blue)
            else:
                self.domain_max = (red, green, blue)
        elif word != "TITLE":
            raise _error(self.title, line, f"{displayable(word[:40])} is no keyword of a .cube file")

    def _numbers(self, word: str, values: list[str], line: int, count: int) -> list[float]:
        if len(values) != count or not all(_NUMBER.fullmatch(value.encode()) for value in values):
            raise _error(self.title, line, f"{word} needs {count} numbers")
        return [float(value) for value in values]


_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[^ \t\n]+")
_COMMENT = re.compile(rb"^[ \t]*#[^\n]*", re.MULTILINE)


def _numbers(data: bytes, begin: int, title: str) -> Float32:
    """The table as it stands in the file, (entries, 3); checked in bulk, because a large one has a million numbers."""
    first_line = data.count(b"\n", 0, begin) + 1
    table = data[begin:]
    if b"#" in table:
        table = _COMMENT.sub(b"", table)
    try:
        if table.translate(None, b"0123456789+-.eE \t\n"):
            raise ValueError  # what else `float` would take: nan, inf, 1_000
        numbers = np.array([float(word) for word in table.split()], np.float64)
    except ValueError:
        wrong = next(word for word in _WORD.finditer(table) if not _NUMBER.fullmatch(word[0]))
        line = first_line + table.count(b"\n", 0, wrong.start())
        shown = displayable(wrong[0][:40].decode("latin-1"))
        raise _error(title, line, f"{shown} is no finite number") from None
    raw = np.frombuffer(table, np.uint8)
    blank = (raw == ord(" ")) | (raw == ord("\t")) | (raw == ord("\n"))
    starts = ~blank
    starts[1:] &= blank[:-1]
    lines = np.cumsum(raw == ord("\n"))[starts] + first_line  # of each number
    if (large := np.abs(numbers) > np.finfo(np.float32).max).any():
        raise _error(title, int(lines[np.argmax(large)]), "a number is too large")
    counts = np.bincount(lines)
    uneven = (counts != 0) & (counts != 3)
    if uneven.any():
        line = int(np.argmax(uneven))
        raise _error(title, line, f"there are {counts[line]} numbers where there should be 3")
    return numbers.astype(np.float32).reshape(-1, 3)
