"""
Looks of other programs as profiles of ours: a table, Lightroom's settings or RawTherapee's.

    .cube   the table itself becomes the profile's [lut]
    .xmp    develop settings of Adobe Camera Raw and Lightroom, see lightroom.py
    .pp3    processing profiles of RawTherapee, see rawtherapee.py

Programs do not agree on what their numbers mean: a translation comes near and says where it does not. Every setting
that changes the picture is taken, taken nearly, or listed as left out. Files come from anywhere and are not trusted.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from flexispd.errors import ConfigError, displayable
from flexispd.foreign import lightroom, rawtherapee
from flexispd.foreign.draft import Draft, Rule
from flexispd.profile import NAME_LENGTH_MAX, parse_profile, profile_name
from flexispd.profile_writing import profile_text
from flexispd.strict_toml import decode_text

SETTINGS_BYTES_MAX = 2**20
"""Settings that are larger hold masks painted by hand, or something else."""

CUBE_BYTES_MAX = 2**27
COMMENTS_MAX = 60
"""A profile stays a file that people read."""

SUFFIXES = (".cube", ".pp3", ".xmp")


def read_look(path: Path, name: str) -> tuple[str, Draft, bytes | None]:
    """
    The text of a profile called `name`, how it came about, and the table that has to lie beside it as NAME.cube.

    Raises:
        ConfigError: The file is of another kind, damaged, too large, or holds no look.
    """
    kind, title = path.suffix.lower(), displayable(path)
    if kind not in SUFFIXES:
        raise ConfigError(
            f"{title} is not a look that can be read.", remedy=f"Name a file that ends in {', '.join(SUFFIXES)}."
        )
    data = _read(path, CUBE_BYTES_MAX if kind == ".cube" else SETTINGS_BYTES_MAX)
    draft = _cube(path, name) if kind == ".cube" else _settings(kind, data, title)
    if draft is None or not (draft.taken or draft.nearest):
        raise ConfigError(
            f"{title} sets nothing that a profile has.", remedy="Save the look from the other program again."
        )
    comments = [f"{name}: taken from {displayable(path.name)} by `flexispd profile import`."]
    notes = [f"nearly: {line.source} = {line.value} -> {line.result}" for line in draft.nearest]
    notes += [f"left out: {line.source} = {line.value}, {line.result}" for line in draft.left]
    comments += notes[:COMMENTS_MAX]
    if len(notes) > COMMENTS_MAX:
        comments.append(f"and {len(notes) - COMMENTS_MAX} more")
    text = profile_text(draft.settings, f"Taken from {_plain(path.name)}", comments)
    parse_profile(text, name)
    return text, draft, data if kind == ".cube" else None


def name_of(path: Path) -> str:
    """A profile's name made of a file's; ConfigError when nothing of it can be used."""
    return profile_name(re.sub(r"[^\w.+-]+", "-", path.stem).strip("-.+")[:NAME_LENGTH_MAX])


def reference() -> str:
    """The tables of docs/import.md."""
    tables = (("Adobe Camera Raw and Lightroom (.xmp)", lightroom.RULES), ("RawTherapee (.pp3)", rawtherapee.RULES))
    return "\n".join(f"### {title}\n\n{_table(rules)}" for title, rules in tables)


def _table(rules: Sequence[Rule]) -> str:
    rows = "".join(f"| `{rule.source}` | `{rule.knob}` | {rule.formula} |\n" for rule in rules)
    return f"| there | here | value, x being the one there |\n|---|---|---|\n{rows}"


def _cube(path: Path, name: str) -> Draft:
    from flexispd.cube import read_cube  # numpy, which settings do without

    table = read_cube(path).table
    draft = Draft()
    size = " x ".join(str(length) for length in table.shape[:-1])
    draft.take(path.name, f"{size} entries", "lut.file", f"{name}.cube")
    return draft


def _settings(kind: str, data: bytes, title: str) -> Draft | None:
    if kind == ".pp3":
        text = decode_text(data, title)
        if "\0" in text:
            raise ConfigError(f"{title} is no text.", remedy="Name a .pp3 file as RawTherapee writes it.")
        return rawtherapee.translate(text, title)
    from flexispd.decode.xmp import XmpError, root_of

    try:
        return lightroom.translate(root_of(data))
    except XmpError as error:
        raise ConfigError(
            f"{title} is not an XMP file that can be used: {displayable(str(error))}.",
            remedy="Save the metadata or the preset from the other program again.",
        ) from None


def _read(path: Path, size_max: int) -> bytes:
    """Bytes of a plain file. ConfigError when it is absent, unreadable or larger than `size_max`."""
    title = displayable(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for ever
            raise ConfigError(f"{title} is not a plain file.", remedy="Name a file.")
        with path.open("rb") as file:
            data = file.read(size_max + 1)
    except FileNotFoundError:
        raise ConfigError(f"{title} does not exist.", remedy="Check the spelling of the path.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{title} cannot be read: {reason}.", remedy="Give yourself the right to read it.") from None
    if len(data) > size_max:
        raise ConfigError(
            f"{title} is larger than {size_max // 1024} KiB.", remedy="Name a file of settings alone, such as a preset."
        )
    return data


def _plain(text: str) -> str:
    shown = displayable(text)
    return shown if len(shown) <= 100 else f"{shown[:99]}…"
