"""A profile as the text of its file, with no more in it than what differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flexispd.profile import knobs
from flexispd.toml_reference import as_toml, set_line

DOC_CHARACTERS_MAX = 90

Settings = Mapping[tuple[str, str], Any]
"""(section, key) -> value, in any order; the section of `[[export]]` is "export", of which there is one."""


def profile_text(settings: Settings, description: str, comments: Sequence[str], *, extends: str = "") -> str:
    """
    The text of a profile that sets these knobs: comments, one a line, then its sections in the order of the light.

    `extends`: what it starts from, a name or a path that means the same wherever the file lies.

    Values have to be what their knobs allow; `parse_profile` says whether they are.
    """
    lines = [f"# {comment}" for comment in comments]
    lines.append("")
    if extends:
        lines.append(f"extends = {as_toml(extends)}")
    lines.append(f"description = {as_toml(description)}")
    if ("", "model") in settings:
        lines.append(f"model = {as_toml(settings['', 'model'])}")
    last = ""
    for knob in knobs():
        if not knob.section or (knob.section, knob.key) not in settings:
            continue
        if knob.section != last:
            last = knob.section
            lines += ["", f"[[{last}]]" if last == "export" else f"[{last}]"]
        doc = knob.doc if len(knob.doc) <= DOC_CHARACTERS_MAX else f"{knob.doc[: DOC_CHARACTERS_MAX - 1].rstrip()}…"
        lines.append(set_line(knob.key, settings[knob.section, knob.key], doc))
    return "\n".join(lines) + "\n"
