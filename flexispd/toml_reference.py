"""What a strict TOML file may set, for people: the declarations as tables of the documentation, and values as TOML."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from flexispd.strict_toml import Kind, key_of

COMMENTS_AT = 26
"""Characters of a line before its comment, where a setting is not longer."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One line of the reference: what a file can set."""

    section: str  # "" for the top of the file
    key: str
    default: Any  # dataclasses.MISSING where a file, or the machine, has to say it
    allowed: Kind
    doc: str


def knobs(records: Mapping[str, type[Any]]) -> Iterator[Knob]:
    """Everything that a file can set, in the order of the declarations. `records`: section -> record."""
    for section, record in records.items():
        for declared in dataclasses.fields(record):
            if "kind" in declared.metadata:
                about = declared.metadata
                yield Knob(section, key_of(declared), declared.default, about["kind"], str(about["doc"]))


def tables(records: Mapping[str, type[Any]], headings: Mapping[str, str]) -> str:
    """The reference as Markdown. `headings`: section -> what stands above its table, where that is not [section]."""
    parts: list[str] = []
    last: str | None = None
    for knob in knobs(records):
        if knob.section != last:
            last = knob.section
            heading = headings.get(last, f"`[{last}]`")
            lead = f"{records[last].__doc__}\n\n" if last else ""
            parts.append(f"\n### {heading}\n\n{lead}| key | default | allowed | what it does |\n|---|---|---|---|\n")
        default = "" if knob.default is dataclasses.MISSING else f"`{as_toml(knob.default)}`"
        parts.append(f"| `{knob.key}` | {default} | {str(knob.allowed).replace('|', chr(92) + '|')} | {knob.doc} |\n")
    return "".join(parts).strip() + "\n"


def as_toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | PurePath):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else _escaped(c) for c in text) + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return repr(value)


def set_line(key: str, value: object, comment: str) -> str:
    """One setting in TOML, with what it does behind it, below the others'."""
    line = f"{key} = {as_toml(value)}"
    return f"{line:<{COMMENTS_AT}} # {comment}" if comment else line


def _escaped(character: str) -> str:
    """TOML knows four or eight digits and no other escape that fits every character."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
