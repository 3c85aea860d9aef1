"""
The weight store: which networks there are, where their files lie, and whether they are still what they were.

Two places are known. The package ships `weights/manifest.toml`, one manifest for all of its model sets. What a user
imports lies in the user folder, one folder and one manifest for each model set:

    weights/manifest.toml, denoise-s.safetensors, ...                  shipped, read-only
    ~/.local/share/flexispd/weights/NAME/manifest.toml, ...            imported; $FLEXISPD_WEIGHTS moves it

A manifest names the SHA-256 of every file, and no byte is used that does not match it. Nothing is ever downloaded.
This module knows files and hashes only; tensors begin in `develop/networks/loader.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flexispd.errors import ConfigError, SetupError, TransientError, WeightsError, displayable
from flexispd.export.publish import publish
from flexispd.resources import data_folder
from flexispd.strict_toml import decode_text, read_bytes

OFFICIAL_2022 = "deep-flexisp-2022"
"""Name under which the networks of the official repository are imported."""

SHIPPED = "flexispd-s"
"""The model set that the package brings."""

STAGES = ("denoise", "white-balance", "demosaic", "look")
"""What the shipped model set has a network for. Another set may do without one for the look."""

MANIFEST = "manifest.toml"

FILE_BYTES_MAX = 1 << 30
"""No weight file is larger, so that a wrong one cannot exhaust the memory."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_TEXTS = ("model", "stage", "file", "sha256", "architecture", "licence", "trained", "data")
_HEADER = "# Networks and what is known of them. `flexispd weights verify` checks every file against its SHA-256.\n"


@dataclass(frozen=True, slots=True)
class WeightEntry:
    """
    One network's weights, as its manifest describes them.

    Attributes:
        folder: Folder of the manifest; the file lies in it.
        model: Model set, such as "flexispd-s".
        stage: What the network does in that set, such as "denoise".
        file: Name of the safetensors file, without any folder.
        sha256: Of the whole file, 64 lower-case hexadecimal digits. Empty only while a file is being written.
        architecture: Name that the torch module carries, such as "denoise-unet".
        licence: SPDX identifier of the weights' licence.
        trained: How the weights were made, in a sentence.
        data: What they were trained on, in a sentence.
        figures: Measured figures, name with unit -> number or text.
    """

    folder: Path
    model: str
    stage: str
    file: str
    sha256: str
    architecture: str
    licence: str
    trained: str
    data: str
    figures: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.folder / self.file


@dataclass(frozen=True, slots=True)
class ModelSet:
    """The networks that work together under one name, one for each stage."""

    name: str
    entries: tuple[WeightEntry, ...]

    def has(self, stage: str) -> bool:
        """Whether there is a network for `stage`."""
        return any(entry.stage == stage for entry in self.entries)

    def entry(self, stage: str) -> WeightEntry:
        """The network of `stage`. Raises WeightsError when the set has none."""
        for entry in self.entries:
            if entry.stage == stage:
                return entry
        raise WeightsError(f"The model set {self.name} has no network for {stage}.", remedy=_remedy(self.name))


def user_folder() -> Path:
    """Where imported model sets lie: $FLEXISPD_WEIGHTS, else $XDG_DATA_HOME/flexispd/weights. It need not exist."""
    if chosen := os.environ.get("FLEXISPD_WEIGHTS"):
        return Path(chosen)
    share = Path(os.environ.get("XDG_DATA_HOME", ""))
    try:
        # The XDG specification has relative paths ignored.
        base = share if share.is_absolute() else Path.home() / ".local/share"
    except RuntimeError as error:  # no $HOME, and the user id is in no password file
        raise SetupError(
            "This user has no home folder to keep imported weights in.",
            remedy="Set FLEXISPD_WEIGHTS to a folder.",
        ) from error
    return base / "flexispd/weights"


def model_set(name: str) -> ModelSet:
    """The model set `name`, shipped or imported. WeightsError when there is none, ConfigError as `read_manifest`."""
    entries = [entry for entry in _shipped() if entry.model == name]
    if not entries and is_name(name):
        entries = _imported(user_folder() / name)
    if not entries:
        raise WeightsError(f"There is no model set named {displayable(name)}.", remedy=_remedy(name))
    return ModelSet(name, tuple(entries))


def list_entries() -> list[WeightEntry]:
    """Every network of every model set: the shipped ones, then the imported ones by name."""
    entries = _shipped()
    folder = user_folder()
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in filter(is_name, names):
        entries += _imported(folder / name)
    return entries


def shipped_fault() -> WeightsError | None:
    """What the package's own model set lacks; None when its manifest names a network for every stage."""
    path = data_folder("weights") / MANIFEST
    entries = _shipped()
    if not path.exists():
        problem = f"{displayable(path)}, which names the shipped networks, is missing."
    elif not entries:
        problem = f"{displayable(path)} names no network at all."
    elif missing := [stage for stage in STAGES if (SHIPPED, stage) not in {(e.model, e.stage) for e in entries}]:
        problem = f"{displayable(path)} has no network of {SHIPPED} for {' and '.join(missing)}."
    else:
        return None
    return WeightsError(problem, remedy="Install flexispd again: pip install --force-reinstall flexispd.")


def is_name(name: str) -> bool:
    """Whether `name` can name a model set, and so a folder: letters, digits, `.`, `_` and `-`, 64 at most."""
    return _NAME.fullmatch(name) is not None


def is_shipped(name: str) -> bool:
    """Whether the package itself brings a model set of this name."""
    return any(entry.model == name for entry in _shipped())


def verify(entry: WeightEntry) -> None:
    """Raise WeightsError unless the file is there and is the one that the manifest names."""
    read_verified(entry)


def read_verified(entry: WeightEntry) -> bytes:
    """
    The file's content, whose SHA-256 is the manifest's.

    Read once and hashed in memory: what is returned is what was checked, even when the file changes meanwhile.
    Raises WeightsError when it is missing or altered, TransientError when it cannot be read.
    """
    shown = displayable(entry.path)
    data = read_regular(entry.path, remedy=_remedy(entry.model))
    actual = hashlib.sha256(data).hexdigest()
    if actual != entry.sha256:
        raise WeightsError(
            f"{shown} has SHA-256 {actual[:12]}…, but {MANIFEST} names {entry.sha256[:12]}….",
            remedy=_remedy(entry.model),
        )
    return data


def read_regular(path: Path, *, remedy: str) -> bytes:
    """
    A file's whole content, at most FILE_BYTES_MAX.

    Raises WeightsError with `remedy` when it is missing, no file of that kind or too large; TransientError on I/O
    errors.
    """
    shown = displayable(path)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise WeightsError(f"{shown} is not a file.", remedy=remedy)
            if status.st_size > FILE_BYTES_MAX:
                raise WeightsError(f"{shown} is larger than any weight file ({status.st_size} bytes).", remedy=remedy)
            data = file.read(FILE_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WeightsError(f"{shown} is missing.", remedy=remedy) from error
    except IsADirectoryError as error:
        raise WeightsError(f"{shown} is a folder.", remedy=remedy) from error
    except OSError as error:
        raise TransientError(
            f"{shown} cannot be read: {error.strerror}.", remedy="Check the volume and the file's permissions."
        ) from error
    if not data:
        raise WeightsError(f"{shown} is empty.", remedy=remedy)
    if data.startswith(_LFS_POINTER):
        raise WeightsError(
            f"{shown} is only a git-lfs pointer, not the file itself.", remedy="Run `git lfs pull` in its checkout."
        )
    return data


def read_manifest(path: Path) -> list[WeightEntry]:
    """The entries of one manifest, in its order. Raises ConfigError naming the file and the key that is wrong."""
    shown = displayable(path)
    text = decode_text(read_bytes(path), shown)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{shown} is not valid TOML: {displayable(str(error))}.", remedy="Restore the manifest."
        ) from error
    networks = document.pop("network", [])
    if document or not isinstance(networks, list):
        raise ConfigError(
            f"{shown} may hold [[network]] tables only.", remedy=f"Remove {_first(document) or 'network'}."
        )
    entries = [_entry(table, path.parent, f"{shown}, network {n}") for n, table in enumerate(networks, start=1)]
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.model, entry.stage) in seen:
            raise ConfigError(
                f"{shown} has two networks for {entry.stage} of {entry.model}.", remedy="Remove one of them."
            )
        seen.add((entry.model, entry.stage))
    return entries


def write_manifest(path: Path, entries: Iterable[WeightEntry]) -> None:
    """
    Record `entries` in the manifest `path`, which keeps its other entries and is created when absent.

    An entry of the same model and stage is replaced. The file is replaced as a whole; comments in it are not kept.
    """
    known = {(entry.model, entry.stage): entry for entry in (read_manifest(path) if path.exists() else [])}
    known |= {(entry.model, entry.stage): entry for entry in entries}
    publish((_HEADER + "".join(map(_table, known.values()))).encode(), path)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting: a named pipe would otherwise wait for its other end."""
    return os.open(path, flags | os.O_NONBLOCK)


def _shipped() -> list[WeightEntry]:
    path = data_folder("weights") / MANIFEST
    return read_manifest(path) if path.exists() else []


def _imported(folder: Path) -> list[WeightEntry]:
    """Entries of one imported set; [] when `folder` is none."""
    path = folder / MANIFEST
    entries = read_manifest(path) if path.exists() else []
    for entry in entries:
        if entry.model != folder.name:
            raise ConfigError(
                f"{displayable(path)} describes {entry.model}, but its folder is named {folder.name}.",
                remedy="Give the folder its model's name, or import the weights again.",
            )
    return entries


def _remedy(model: str) -> str:
    if model == OFFICIAL_2022:
        return "Run `flexispd weights import FOLDER` with a checkout of the official repository."
    return "See `flexispd weights list`, and install flexispd again if its own weights are missing."


def _entry(table: Any, folder: Path, where: str) -> WeightEntry:
    """One checked [[network]] table."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: is not a table.", remedy="Write [[network]] and its keys below.")
    if unknown := sorted(table.keys() - {*_TEXTS, "figures"}):
        raise ConfigError(f"{where}: unknown key {displayable(unknown[0])}.", remedy="Remove it.")
    for key in _TEXTS:
        if not isinstance(table.get(key), str) or not table[key]:
            raise ConfigError(f"{where}: {key} must be a text.", remedy=f"Add {key}.")
    if _SHA256.fullmatch(table["sha256"]) is None:
        raise ConfigError(f"{where}: sha256 must be 64 lower-case hexadecimal digits.", remedy="Correct it.")
    # A bare name cannot lead out of the folder.
    for key in ("model", "file"):
        if not is_name(table[key]):
            raise ConfigError(
                f"{where}: {key} must be a plain name, not {displayable(table[key])}.",
                remedy="Use letters, digits, `.`, `_` and `-`; the file lies beside its manifest.",
            )
    figures = table.get("figures", {})
    if not isinstance(figures, dict) or not all(type(value) in (int, float, str) for value in figures.values()):
        raise ConfigError(f"{where}: figures must be a table of numbers and texts.", remedy="Correct it.")
    return WeightEntry(folder, **{key: table[key] for key in _TEXTS}, figures=figures)


def _first(document: Mapping[str, object]) -> str | None:
    return next((displayable(key) for key in document), None)


def _table(entry: WeightEntry) -> str:
    """One entry as TOML."""
    lines = ["", "[[network]]", *(f"{key} = {_value(getattr(entry, key))}" for key in _TEXTS)]
    if entry.figures:
        lines += ["[network.figures]", *(f"{_key(key)} = {_value(value)}" for key, value in entry.figures.items())]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return '"' + "".join(map(_character, value)) + '"'
    return repr(value)


def _character(character: str) -> str:
    """A character of a TOML basic string; quotes, backslashes and control characters have to be escaped."""
    if character in '"\\':
        return "\\" + character
    return f"\\u{ord(character):04X}" if ord(character) < 0x20 or ord(character) == 0x7F else character
