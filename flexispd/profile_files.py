"""
Where profiles lie, and how one that builds on other files becomes whole.

A profile is found by name, blind to case and to the difference between blanks, `-` and `_`. The user's own folder is
searched before the shipped one, so a copy with the same name replaces the original; a replacement that extends its own
name means the original.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from flexispd.errors import ConfigError, displayable
from flexispd.profile_params import PATH_LENGTH_MAX, CropParams, LutParams
from flexispd.profile_text import REFERENCE, Part, Profile, profile_name, read_part, require_sound, whole_text
from flexispd.resources import data_folder, xdg_folder
from flexispd.strict_toml import Document, decode_text, read_bytes

CHAIN_MAX = 8
"""Files of which each extends the next. Whoever needs more has lost track."""


@dataclass(frozen=True, slots=True)
class Source:
    """
    A profile with the text that it was read from.

    Attributes:
        own_text: Of its file.
        text: `parse_profile` makes the same profile of it without any other file. The file's own where that stands
            alone.
        extends: What the file says that it starts from, or "".
    """

    profile: Profile
    own_text: str
    text: str
    extends: str


def load_profile(name_or_path: str | Path) -> Profile:
    """The profile of this name, or in this .toml file. ConfigError when there is none, or it is not right."""
    return load_source(name_or_path).profile


def load_with_text(name_or_path: str | Path) -> tuple[Profile, str]:
    """As `load_profile`, with the text from which `parse_profile` makes the same profile again."""
    source = load_source(name_or_path)
    return source.profile, source.text


def load_source(name_or_path: str | Path) -> Source:
    """As `load_profile`, with all that is known of its file."""
    path = profile_path(name_or_path)
    return read_source(read_bytes(path), path)


def read_source(data: bytes, path: Path) -> Source:
    """A profile from the bytes that its file has, or would have. ConfigError when it is not right."""
    text = decode_text(data, displayable(path))
    reading = _Reading()
    document, part = reading.stack(path, data, rules=True)
    profile = part.profile(profile_name(path.stem), reading.sha256())
    require_sound(document, profile)
    alone = len(reading.hashes) == 1 and not profile.rules
    return Source(profile, text, text if alone else whole_text(profile), str(document.table.get("extends", "")))


def profile_path(name_or_path: str | Path) -> Path:
    """Where the profile of this name lies; a path is one. ConfigError when there is no such name."""
    if isinstance(name_or_path, Path) or is_path(name_or_path):
        return Path(name_or_path)
    return _named(name_or_path, profile_files())


def is_path(name: str) -> bool:
    """Whether somebody who asks for this profile means a file."""
    return name.lower().endswith(".toml") or os.sep in name


def profile_files() -> dict[str, Path]:
    """Every profile's name and file: the user's own first, then the shipped ones that they do not replace."""
    own = _files_in(user_profiles())
    return {**own, **{name: path for name, path in shipped_files().items() if name not in own}}


def shipped_files() -> dict[str, Path]:
    """Name and file of the profiles that come with the program."""
    return _files_in(data_folder("profiles"))


def list_profiles() -> list[Profile]:
    """Every profile, read. ConfigError at the first that is not right."""
    return [load_profile(path) for path in profile_files().values()]


def user_profiles() -> Path:
    """Folder of the user's own profiles; it need not exist."""
    return xdg_folder("XDG_CONFIG_HOME", ".config") / "flexispd" / "profiles"


def _files_in(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml")
    except OSError:  # the user's folder need not exist
        return found
    for path in paths:
        try:
            found.setdefault(profile_name(path.stem), path)
        except ConfigError:  # not a name anyone could ask for; by its path the file gives its own error
            continue
    return found


def _named(name: str, files: dict[str, Path]) -> Path:
    spelt = profile_name(name)
    if spelt not in files:
        near = difflib.get_close_matches(spelt, files, n=1)
        raise ConfigError(
            f"There is no profile called {displayable(name)}.",
            remedy=(f"Did you mean {near[0]}? " if near else "") + f"The profiles here are: {', '.join(files)}.",
        )
    return files[spelt]


@dataclass(slots=True)
class _Reading:
    """
    One profile, while it is read with all that it builds on.

    Attributes:
        hashes: SHA-256 of every file that went into it, in the order in which they were met; of look-up tables also
            where they lie.
    """

    hashes: list[str] = field(default_factory=list)

    def sha256(self) -> str:
        """Of the file where it stands alone; else it changes when any of the files does."""
        if len(self.hashes) == 1:
            return self.hashes[0]
        return hashlib.sha256("\n".join(self.hashes).encode()).hexdigest()

    def stack(self, path: Path, data: bytes, *, rules: bool, below: tuple[Path, ...] = ()) -> tuple[Document, Part]:
        """What a file and those that it extends set together. `below`: the files that extend this one, real paths."""
        title = displayable(path)
        document = Document(decode_text(data, title), title, REFERENCE)
        self.hashes.append(hashlib.sha256(data).hexdigest())

        def look_of(use: str, nth: int) -> Profile:
            other = self._other(document, path, use, ("rule", "use", nth))
            used, part = self.stack(other, read_bytes(other), rules=False)
            look = Part(part.values).profile("")
            require_sound(used, look)
            return dataclasses.replace(look, description="", crop=CropParams())

        part = read_part(document, look_of if rules else None)
        part = self._with_whole_paths(document, path, part)
        if not (extends := part.values[""].get("extends")):
            return document, part
        chain = (*below, _real(path))
        parent = self._other(document, path, extends, ("", "extends", 0))
        if _real(parent) in chain:
            circle = " extends ".join(displayable(file.name) for file in (*chain[chain.index(_real(parent)) :], parent))
            raise document.error(f"goes in a circle: {circle}", "", "extends")
        if len(chain) >= CHAIN_MAX:
            raise document.error(f"makes a chain of more than {CHAIN_MAX} files", "", "extends")
        _, base = self.stack(parent, read_bytes(parent), rules=rules, below=chain)
        return document, part.over(base)

    def _other(self, document: Document, path: Path, wanted: str, at: tuple[str, str, int]) -> Path:
        """The file that another one names: by a path that starts at its own folder, or by a name."""
        section, key, nth = at
        if is_path(wanted):
            other = path.parent / os.path.expanduser(wanted)  # noqa: PTH111  (never fails)
            if not os.path.isfile(other):  # noqa: PTH113  (Path.is_file fails for a name that is too long)
                raise document.error(f"names {displayable(other)}, and there is no such file", section, key, nth)
            return other
        try:
            other = _named(wanted, profile_files())
            itself = key == "extends" and _real(other) == _real(path)
            return _named(wanted, shipped_files()) if itself and profile_name(wanted) in shipped_files() else other
        except ConfigError as error:
            raise ConfigError(
                f"{document.place(section, key, nth)}: {key} names {displayable(wanted)}, which is no profile.",
                remedy=error.remedy,
            ) from None

    def _with_whole_paths(self, document: Document, path: Path, part: Part) -> Part:
        """The part, where files that its rules and its look-up table name are absolute, and the table is known."""
        values = dict(part.values)
        if "file" in values.get("lut", {}):
            values["lut"] = {**values["lut"], **self._lut(document, path, LutParams(**values["lut"]))}
        elif "sha256" in values.get("lut", {}):
            raise document.error("belongs to a file, and this section names none", "lut", "sha256")
        rules = list(part.rules)
        for nth, rule in enumerate(rules):
            if is_path(rule.use):
                rules[nth] = dataclasses.replace(rule, use=_absolute(document, path, rule.use, ("rule", "use", nth)))
        return Part(values, part.export, tuple(rules))

    def _lut(self, document: Document, path: Path, lut: LutParams) -> dict[str, str]:
        """Absolute path and SHA-256 of a look-up table. ConfigError, with the place, when it is none, or another."""
        if not lut.file:
            return {"file": "", "sha256": ""}
        from flexispd.cube import read_cube  # with numpy, which few profiles need

        file = _absolute(document, path, lut.file, ("lut", "file", 0))
        try:
            sha256 = read_cube(Path(file), lut.sha256).sha256
        except ConfigError as error:
            raise ConfigError(f"{document.place('lut', 'file')}: {error.problem}", remedy=error.remedy) from None
        self.hashes.append(f"{sha256} {file}")  # with the path, because a snapshot knows the table by both
        return {"file": file, "sha256": sha256}


def _absolute(document: Document, path: Path, wanted: str, at: tuple[str, str, int]) -> str:
    """A path that a file names, from its own folder on; links stay. ConfigError when a TOML file cannot hold it."""
    whole = os.path.abspath(path.parent / os.path.expanduser(wanted))  # noqa: PTH100, PTH111
    if not whole.isprintable() or whole != whole.strip() or len(whole) > PATH_LENGTH_MAX:
        section, key, nth = at
        raise document.error(f"is {displayable(whole)}, which cannot be kept in a profile", section, key, nth)
    return whole


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
