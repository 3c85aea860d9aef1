"""
The receipt `STEM.PROFILE.json` beside each output: what was done to this capture, with which inputs.

It answers two questions: how was this picture made, and is this file ours (`replace.py`). It therefore appears in
the outbox before the pictures it names, and it carries on what earlier receipts said about files that are still there.
docs/receipt.md describes every field.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from flexispd import __version__
from flexispd.capture.formats import RECEIPT_MARK
from flexispd.capture.records import Observation
from flexispd.errors import CorruptRawError, TransientError, VanishedError, displayable
from flexispd.profile import ExportParams, Profile
from flexispd.types import Capture, Picture, ShotInfo

SCHEMA = f"{RECEIPT_MARK}1"
"""First field of every receipt. The number grows when an old reader would misunderstand."""

RECEIPT_BYTES_MAX = 4 << 20
"""No receipt of ours comes near; a larger JSON file is somebody else's."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that went into a picture, by its content."""

    path: Path  # absolute
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """
    The files of a capture that decide its picture; the companion JPEG is not looked at.

    Attributes:
        sidecars: JSON and XMP.
        observed: Every one of them, by its absolute path, as it was when it was opened for hashing.
        content_sha256: Of all contents together, and of which is which; names and places do not count.
    """

    raw: InputFile
    sidecars: tuple[InputFile, ...]
    observed: Mapping[Path, Observation]
    content_sha256: str

    def check_unchanged(self) -> None:
        """
        Make sure that what was read after hashing is what was hashed.

        Raises:
            VanishedError: A file is not there any more.
            CorruptRawError: A file was written to meanwhile, so it may not be complete yet.
            TransientError: A file cannot be looked at.
        """
        for path, before in self.observed.items():
            with _reading(path):
                now = observation(path.stat())
            if now != before:
                raise CorruptRawError(
                    f"{displayable(path)} was written to while it was read.", remedy="Wait until it is complete."
                )


@dataclass(frozen=True, slots=True)
class OutputFile:
    """
    A file that came out.

    Attributes:
        name: In the receipt's own folder or, as `FOLDER/NAME`, in one beside it, so that an outbox can be moved.
        width, height: In pixels, upright.
    """

    name: str
    sha256: str
    width: int
    height: int
    export: ExportParams


@dataclass(frozen=True, slots=True)
class Ingredients:
    """
    All that decides how a picture looks. The same ingredients need not be developed again.

    Attributes:
        sidecars: JSON and XMP; the companion JPEG is not looked at.
        weights: Stage -> SHA-256 of its weight file.
    """

    raw: InputFile
    sidecars: tuple[InputFile, ...]
    profile: Profile
    weights: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Receipt:
    """
    One capture under one profile.

    Attributes:
        profile: "name", "sha256" and "values".
        metadata: Field -> {"value", "source"}.
        development: What the stages reported: noise profile, white balance, device, tiles, milliseconds, ...
        outputs: Files that were made from exactly these ingredients.
        earlier_outputs: Files of ours from other ingredients that lay there when this receipt was written; a run
            that is cut short leaves some of them in place.
    """

    raw: InputFile
    sidecars: tuple[InputFile, ...]
    profile: Mapping[str, Any]
    weights: Mapping[str, str]
    metadata: Mapping[str, Any]
    development: Mapping[str, Any]
    warnings: tuple[str, ...]
    outputs: tuple[OutputFile, ...]
    earlier_outputs: tuple[OutputFile, ...] = ()
    version: str = __version__

    def made_of(self, ingredients: Ingredients) -> bool:
        """Whether rendering `ingredients` would make these outputs again."""
        return (
            self.raw.sha256 == ingredients.raw.sha256
            and sorted(s.sha256 for s in self.sidecars) == sorted(s.sha256 for s in ingredients.sidecars)
            and self.profile.get("sha256") == ingredients.profile.sha256
            and dict(self.weights) == dict(ingredients.weights)
        )


def hash_inputs(capture: Capture) -> Inputs:
    """
    The raw and its sidecars with their SHA-256.

    Raises:
        VanishedError: A file is not there.
        TransientError: A file cannot be read now.
    """
    files: dict[str, InputFile] = {}
    observed: dict[Path, Observation] = {}
    for kind, path in (("raw", capture.raw), ("json", capture.json), ("xmp", capture.xmp)):
        if path is not None:
            place = Path(os.path.abspath(path))  # noqa: PTH100  (links stay)
            with _reading(path), path.open("rb") as file:
                observed[place] = observation(os.fstat(file.fileno()))
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            files[kind] = InputFile(place, observed[place].size_bytes, sha256)
    content = "".join(f"{kind} {file.sha256}\n" for kind, file in files.items())
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return Inputs(files.pop("raw"), tuple(files.values()), observed, sha256)


def observation(status: os.stat_result) -> Observation:
    """What tells one state of a file from another."""
    return Observation(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """The operating system's errors about a capture's file, as ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VanishedError(f"{displayable(path)} does not exist.", remedy="Check the path.") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise TransientError(
            f"{displayable(path)} cannot be read: {reason}.",
            remedy="Check its permissions and its disk.",
        ) from error


def build_receipt(
    ingredients: Ingredients,
    shot: ShotInfo,
    picture: Picture,
    outputs: Sequence[OutputFile],
    previous: Receipt | None = None,
) -> Receipt:
    """
    The receipt of `outputs`, which must be complete before the first of them is published.

    `previous` is the receipt that this one replaces, reduced to the files that are still there; they are carried over,
    so that a TIFF asked for later does not make strangers of the JPEGs. The position stays out of the receipt when it
    stays out of every output.
    """
    report = dict(picture.report)
    warnings = [*shot.warnings, *report.pop("warnings", ())]
    carried, earlier = _carried_over(previous, ingredients, {output.name for output in outputs})
    metadata = _metadata(shot)
    if not any(output.export.gps for output in (*outputs, *carried)):
        metadata.pop("gps", None)
    profile = {field.name: getattr(ingredients.profile, field.name) for field in dataclasses.fields(Profile)}
    return Receipt(
        raw=ingredients.raw,
        sidecars=ingredients.sidecars,
        profile={"name": profile.pop("name"), "sha256": profile.pop("sha256"), "values": profile},
        weights=dict(ingredients.weights),
        metadata=metadata,
        development=report,
        warnings=tuple(dict.fromkeys(warnings)),
        outputs=(*outputs, *carried),
        earlier_outputs=earlier,
    )


def receipt_bytes(receipt: Receipt) -> bytes:
    """The receipt as UTF-8 JSON. Every number is finite: what is not becomes null."""
    document = {
        "schema": SCHEMA,
        "version": receipt.version,
        "input": _input_json(receipt.raw),
        "sidecars": [_input_json(sidecar) for sidecar in receipt.sidecars],
        "profile": receipt.profile,
        "weights": receipt.weights,
        "metadata": receipt.metadata,
        "development": receipt.development,
        "warnings": receipt.warnings,
        "outputs": [_output_json(output) for output in receipt.outputs],
        "earlier_outputs": [_output_json(output) for output in receipt.earlier_outputs],
    }
    text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def read_receipt(path: Path) -> Receipt | None:
    """
    The receipt in this file; None when there is none, or when the file is not a receipt of ours.

    Raises OSError when nobody can tell, because the disk or share does not answer.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(RECEIPT_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    if len(data) > RECEIPT_BYTES_MAX:
        return None
    try:
        return _from_json(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None


def name_beside(receipt_path: Path, output: Path) -> str:
    """What a receipt calls an output."""
    return str(output.relative_to(receipt_path.parent))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _metadata(shot: ShotInfo) -> dict[str, Any]:
    """Every field that a source had, with that source."""
    fields = {
        f.name: getattr(shot, f.name) for f in dataclasses.fields(ShotInfo) if f.name not in ("sources", "warnings")
    }
    return {
        name: {"value": value, "source": shot.sources.get(name, "default")}
        for name, value in fields.items()
        if value is not None and value != ()
    }


def _carried_over(
    previous: Receipt | None, ingredients: Ingredients, names: Set[str]
) -> tuple[tuple[OutputFile, ...], tuple[OutputFile, ...]]:
    """What the previous receipt adds to the outputs and to the earlier outputs of one that writes `names`."""
    if previous is None:
        return (), ()
    alike = previous.made_of(ingredients)
    outputs = tuple(output for output in previous.outputs if alike and output.name not in names)
    return outputs, tuple(o for o in (*previous.outputs, *previous.earlier_outputs) if o not in outputs)


def _plain(value: Any) -> Any:
    """Only what JSON has: no NaN, no numpy, no bytes of file names inside text."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case np.generic() | np.ndarray():
            return _plain(value.tolist())
        case Enum():
            return value.name
        case Path():
            return displayable(value)
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"a receipt cannot hold a {type(value).__name__}")


def _path_json(path: Path | str) -> dict[str, str]:
    """A path for people, and its exact bytes where the two differ: not UTF-8, or with control characters in it."""
    shown = displayable(path)
    if shown.encode() == os.fsencode(path):
        return {"path": shown}
    return {"path": shown, "path_base64": base64.b64encode(os.fsencode(path)).decode("ascii")}


def _path_of(document: Mapping[str, Any]) -> str:
    exact = document.get("path_base64")
    # Through bytes, because not every system keeps its file names as UTF-8.
    return os.fsdecode(_text(document["path"]).encode() if exact is None else base64.b64decode(exact, validate=True))


def _input_json(file: InputFile) -> dict[str, Any]:
    return {**_path_json(file.path), "size_bytes": file.size_bytes, "sha256": file.sha256}


def _output_json(file: OutputFile) -> dict[str, Any]:
    export = dataclasses.asdict(file.export)
    return {**_path_json(file.name), "sha256": file.sha256, "width": file.width, "height": file.height, **export}


def _from_json(document: Any) -> Receipt | None:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    return Receipt(
        raw=_input_of(document["input"]),
        sidecars=tuple(_input_of(sidecar) for sidecar in document["sidecars"]),
        profile=dict(document["profile"]),
        weights=dict(document["weights"]),
        metadata=dict(document["metadata"]),
        development=dict(document["development"]),
        warnings=tuple(_text(warning) for warning in document["warnings"]),
        outputs=tuple(_output_of(output) for output in document["outputs"]),
        earlier_outputs=tuple(_output_of(output) for output in document["earlier_outputs"]),
        version=_text(document["version"]),
    )


def _input_of(document: Mapping[str, Any]) -> InputFile:
    return InputFile(Path(_path_of(document)), int(document["size_bytes"]), _text(document["sha256"]))


def _output_of(document: Mapping[str, Any]) -> OutputFile:
    known = {field.name for field in dataclasses.fields(ExportParams)}
    export = ExportParams(**{name: value for name, value in document.items() if name in known})
    width, height = int(document["width"]), int(document["height"])
    name = _path_of(document)
    parts = name.split("/")
    if "\0" in name or len(parts) > 2 or not {"", ".", ".."}.isdisjoint(parts):
        raise ValueError("not the name of a file beside the receipt, or in a folder there")
    return OutputFile(name, _text(document["sha256"]), width, height, export)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
