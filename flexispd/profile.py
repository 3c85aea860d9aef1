"""
Profiles: the looks a picture can have, each one TOML file.

Every knob is declared once, below, with its default, its range and one line of explanation; reading a profile,
`flexispd profile show`, `flexispd profile check` and docs/profiles.md all work from these declarations. Sections stand
in the order in which the light passes through them.

A profile is found by name, blind to case and to the difference between blanks, `-` and `_`. The user's own folder is
searched before the shipped one, so a copy with the same name replaces the original.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flexispd import toml_reference
from flexispd.errors import ConfigError, displayable
from flexispd.resources import data_folder, xdg_folder
from flexispd.strict_toml import Choice, Document, Flag, Number, Text, Whole, decode_text, field, read_bytes
from flexispd.toml_reference import Knob as Knob
from flexispd.toml_reference import as_toml as as_toml

NAME_LENGTH_MAX = 64
"""Characters. The name becomes a part of every output's file name, which has 255 bytes."""


@dataclass(frozen=True, slots=True)
class DenoiseParams:
    """Stage 1: how much of the noise that the network finds is taken away."""

    luminance: float = field(
        1.0, Number(0, 1.5), "Share of the brightness noise removed; 0 leaves every pixel as it is."
    )
    chrominance: float = field(1.0, Number(0, 1.5), "Share of the colour noise removed; colour blotches please nobody.")


@dataclass(frozen=True, slots=True)
class WhiteBalanceParams:
    """Stage 2: which light the picture is neutral under, and how neutral a night should be."""

    source: Literal["auto", "as-shot", "kelvin"] = field(
        "auto", Choice(("auto", "as-shot", "kelvin")), "Who says what white is: the network, the camera, or this file."
    )
    kelvin: float = field(5500.0, Number(1500, 20000, "K"), "Colour temperature of the light, for source kelvin only.")
    tint: float = field(
        0.0, Number(-100, 100, "duv/3000"), "For source kelvin only: positive makes the picture more magenta."
    )
    warmth_mired: float = field(
        0.0, Number(-100, 100, "mired"), "Added after the light is known; positive makes the picture warmer."
    )
    adaptation: float = field(
        1.0, Number(0, 1), "Share of the light's colour that is neutralised; lower keeps the warmth of a night."
    )


@dataclass(frozen=True, slots=True)
class RenderParams:
    """Stage 3: from sensor light to a picture on a screen."""

    learned: float = field(
        0.0, Number(0, 1), "Share of the look that a network finds for the frame; 0 leaves it all to this file."
    )
    exposure_ev: float = field(0.0, Number(-5, 5, "EV"), "Added to the exposure; 1 doubles the light.")
    auto_exposure: float = field(
        1.0, Number(0, 1), "Share of the automatic exposure that is applied; 0 keeps the camera's."
    )
    contrast: float = field(1.0, Number(0.5, 2), "Slope of the tone curve at middle grey; higher is harder.")
    saturation: float = field(1.0, Number(0, 2), "Strength of all colours; 0 is black and white.")
    vibrance: float = field(0.0, Number(-1, 1), "Strength of pale colours; vivid ones stay as they are.")
    shadows: float = field(0.0, Number(-1, 1), "Positive lifts the dark parts of the picture.")
    highlights: float = field(0.0, Number(-1, 1), "Negative brings the bright parts down.")
    blacks: float = field(0.0, Number(-1, 1), "Positive lifts the deepest black, negative deepens it.")


@dataclass(frozen=True, slots=True)
class ExportParams:
    """One file to write. Give the section once for each file wanted."""

    format: Literal["jpeg", "png", "png16", "tiff16"] = field(
        "jpeg", Choice(("jpeg", "png", "png16", "tiff16")), "Kind of file: 8-bit JPEG or PNG, 16-bit PNG or TIFF."
    )
    quality: int = field(95, Whole(1, 100), "JPEG only: 100 is the best and the largest.")
    chroma: Literal["4:4:4", "4:2:0"] = field(
        "4:4:4", Choice(("4:4:4", "4:2:0")), "JPEG only: 4:2:0 halves the colour resolution, for smaller files."
    )
    gps: bool = field(True, Flag(), "Whether the position of the capture is copied into the file.")


SUFFIXES = {"jpeg": ".jpg", "png": ".png", "png16": ".png", "tiff16": ".tif"}
"""Output format -> ending of the file's name."""


@dataclass(frozen=True, slots=True)
class Profile:
    """
    One look, complete.

    Attributes:
        name: Lower case with `-` between words; it stands in the names of the outputs.
        sha256: Of the file's bytes, in hex.
    """

    name: str
    description: str = field("", Text(), "What the look is for, in one line.")
    model: str = field("flexispd-s", Text(64), "Set of networks; `flexispd weights list` shows them.")
    denoise: DenoiseParams = DenoiseParams()
    white_balance: WhiteBalanceParams = WhiteBalanceParams()
    render: RenderParams = RenderParams()
    export: tuple[ExportParams, ...] = (ExportParams(),)
    sha256: str = ""


_SECTIONS: dict[str, type[Any]] = {
    "denoise": DenoiseParams,
    "white_balance": WhiteBalanceParams,
    "render": RenderParams,
}
_RECORDS: dict[str, type[Any]] = {"": Profile, **_SECTIONS, "export": ExportParams}


def knobs() -> Iterator[Knob]:
    """Everything that a profile can set, in the order of the light."""
    return toml_reference.knobs(_RECORDS)


def reference() -> str:
    """The tables of docs/profiles.md."""
    return toml_reference.tables(_RECORDS, {"": "Top of the file", "export": "`[[export]]`"})


def parse_profile(text: str, name: str, *, title: str | None = None) -> Profile:
    """
    A profile from the text of its file. ConfigError for anything that is not known to be right.

    `title` is what messages call the file.
    """
    title = title or f"profile {name}"
    document = Document(text, title, "`flexispd profile show neutral` lists every key with its range.")
    top, sections = document.sections(Profile, _SECTIONS, arrays=("export",))
    exports = top.pop("export", None)
    if exports is not None:
        sections["export"] = _exports(document, exports)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return document.fill(Profile, top, name=profile_name(name), sha256=sha256, **sections)


def load_profile(name_or_path: str | Path) -> Profile:
    """The profile of this name, or in this .toml file. ConfigError when there is none, or it is not right."""
    return load_with_text(name_or_path)[0]


def load_with_text(name_or_path: str | Path) -> tuple[Profile, str]:
    """As `load_profile`, with the text of its file, from which `parse_profile` makes the same profile again."""
    if isinstance(name_or_path, Path) or is_path(name_or_path):
        return _read(Path(name_or_path))
    files = profile_files()
    name = profile_name(name_or_path)
    if name not in files:
        near = difflib.get_close_matches(name, files, n=1)
        raise ConfigError(
            f"There is no profile called {displayable(name_or_path)}.",
            remedy=(f"Did you mean {near[0]}? " if near else "") + f"The profiles here are: {', '.join(files)}.",
        )
    return _read(files[name])


def is_path(name: str) -> bool:
    """Whether somebody who asks for this profile means a file."""
    return name.lower().endswith(".toml") or os.sep in name


def profile_files() -> dict[str, Path]:
    """Every profile's name and file: the user's own first, then the shipped ones that they do not replace."""
    found: dict[str, Path] = {}
    for folder in (user_profiles(), data_folder("profiles")):
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml")
        except OSError:  # the user's folder need not exist
            continue
        for path in paths:
            try:
                found.setdefault(profile_name(path.stem), path)
            except ConfigError:  # not a name anyone could ask for; by its path the file gives its own error
                continue
    return found


def list_profiles() -> list[Profile]:
    """Every profile, read. ConfigError at the first that is not right."""
    return [_read(path)[0] for path in profile_files().values()]


def user_profiles() -> Path:
    """Folder of the user's own profiles; it need not exist."""
    return xdg_folder("XDG_CONFIG_HOME", ".config") / "flexispd" / "profiles"


def profile_name(text: str) -> str:
    """The one spelling of a profile's name: "Vivid_Night" and "vivid night" are vivid-night."""
    name = re.sub(r"[\s_-]+", "-", text.strip().casefold()).strip("-")
    if not re.fullmatch(r"\w[\w.+-]*", name) or len(name) > NAME_LENGTH_MAX:
        raise ConfigError(
            f"{displayable(text)!r} cannot be the name of a profile.",
            remedy=f"Use letters, digits and `-`, at most {NAME_LENGTH_MAX} of them.",
        )
    return name


def _read(path: Path) -> tuple[Profile, str]:
    data = read_bytes(path)
    title = displayable(path)
    text = decode_text(data, title)
    profile = parse_profile(text, path.stem, title=title)
    return dataclasses.replace(profile, sha256=hashlib.sha256(data).hexdigest()), text


def _exports(document: Document, tables: object) -> tuple[ExportParams, ...]:
    if not isinstance(tables, list) or not tables:
        raise document.error("must be one or more sections, [[export]]", "", "export")
    exports = tuple(document.fill(ExportParams, table, "export", nth) for nth, table in enumerate(tables))
    written: set[str] = set()
    for nth, export in enumerate(exports):
        suffix = SUFFIXES[export.format]
        if suffix in written:
            raise document.error(f"would write a second {suffix} file over the first", "export", "format", nth)
        written.add(suffix)
    return exports
