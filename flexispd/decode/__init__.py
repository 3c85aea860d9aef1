"""
A capture's files become a Mosaic: sensor counts of the visible area, and everything known about the shot.

    raw file     -> raw.py (LibRaw), metadata.py (EXIF, DNG tags)  \
    PNG mosaic   -> png.py                                          >  levels and content checked -> Mosaic
    JSON, XMP    -> sidecar_json.py, xmp.py                        /

The decoders are imported when the first capture is read, so that naming this package costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexispd.capture.formats import Kind, kind_of
from flexispd.decode.formats import is_foveon, known_kind, starts_like_raw
from flexispd.decode.limits import check_file_size
from flexispd.errors import (
    CaptureError,
    CorruptRawError,
    TransientError,
    UnsupportedRawError,
    VanishedError,
    displayable,
)
from flexispd.types import CFA, Capture, FourPlanes, Mosaic, UInt16

if TYPE_CHECKING:
    from flexispd.decode.raw import Preview

__all__ = ["read_mosaic", "read_preview"]


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """A decoded file before its levels are settled; the fields are those of Mosaic, `facts` those of its ShotInfo."""

    values: UInt16
    cfa: CFA
    black_level: FourPlanes
    white_level: FourPlanes
    facts: Sequence[tuple[str, dict[str, Any]]]
    warnings: Sequence[str]


def read_mosaic(capture: Capture) -> Mosaic:
    """
    The capture's sensor frame, checked, with its metadata merged from all files.

    Raises:
        UnsupportedRawError: Whole, but no Bayer mosaic, or no raw at all.
        CorruptRawError: Damaged, cut short or blank.
        VanishedError: A file is not there any more.
        CaptureError: A PNG mosaic without its JSON file, or with one that cannot be used.
        TransientError: A file cannot be read now, or memory is short.
    """
    from flexispd.decode.levels import saturation_levels
    from flexispd.decode.metadata import merge
    from flexispd.decode.sanity import check_content, check_levels

    name = displayable(capture.raw)  # with its folder: two cards may each have a DSC_1
    data = _read(capture.raw)
    frame = _png_frame(capture, data, name) if kind_of(capture.raw) is Kind.PNG else _raw_frame(capture, data, name)
    check_content(frame.values, name)
    if capture.json is not None and kind_of(capture.raw) is Kind.PNG:  # a raw's own levels are trusted
        check_levels(frame.values, frame.cfa, frame.black_level, frame.white_level, displayable(capture.json))
    white, warnings = frame.white_level, list(frame.warnings)
    seen = saturation_levels(frame.values, frame.cfa, frame.black_level, white)
    if seen is not None:
        warnings.append(f"The sensor saturates at {min(seen):.0f}, below its stated white level {max(white):.0f}.")
    shot = merge(frame.facts, warnings)
    return Mosaic(frame.values, frame.cfa, frame.black_level, seen or white, shot)


def read_preview(path: Path) -> Preview | None:
    """The picture that the camera left in a raw, unchecked; None if there is none. Errors as `read_mosaic`."""
    from flexispd.decode import raw

    if kind_of(path) is Kind.PNG:
        return None
    name = displayable(path)
    data = _read(path)
    _check_kind(path, data[:32], name)
    return raw.preview(data, name)


def _raw_frame(capture: Capture, data: bytes, name: str) -> _Frame:
    from flexispd.decode import raw
    from flexispd.decode.metadata import exif_facts

    _check_kind(capture.raw, data[:32], name)
    decoded = raw.decode(data, name)
    facts: list[tuple[str, dict[str, Any]]] = []
    warnings = list(decoded.warnings)
    if capture.json is not None:
        try:
            sidecar = _sidecar(capture.json)
            warnings += sidecar.contradictions(decoded.cfa, decoded.black_level, decoded.white_level)
            facts.append(("json", sidecar.facts()))
        except CaptureError as error:  # a raw can do without
            warnings.append(f"The JSON file is ignored. {error.problem}")
    facts += _xmp_facts(capture, warnings)
    from_exif, troubles = exif_facts(data)
    facts += [("exif", from_exif), ("rawpy", decoded.facts)]
    return _Frame(decoded.values, decoded.cfa, decoded.black_level, decoded.white_level, facts, [*warnings, *troubles])


def _png_frame(capture: Capture, data: bytes, name: str) -> _Frame:
    from flexispd.decode import png

    if capture.json is None:
        awaited = displayable(capture.raw.with_suffix(".json").name)
        raise CaptureError(
            f"{name} has no metadata beside it: {awaited} is missing.",
            remedy=f"Put {awaited} with black level, white level and CFA pattern into the same folder.",
        )
    sidecar = _sidecar(capture.json)
    levels = sidecar.levels()
    values = png.decode(data, name)
    if levels.table is not None:
        values = levels.table.take(values, mode="clip")
    warnings: list[str] = []
    facts = [("json", sidecar.facts()), *_xmp_facts(capture, warnings)]
    return _Frame(values, levels.cfa, levels.black_level, levels.white_level, facts, warnings)


def _sidecar(path: Path) -> Any:
    from flexispd.decode import sidecar_json

    return sidecar_json.parse(_read(path, sidecar_json.SIZE_BYTES_MAX), displayable(path))


def _xmp_facts(capture: Capture, warnings: list[str]) -> list[tuple[str, dict[str, Any]]]:
    from flexispd.decode import xmp

    if capture.xmp is None:
        return []
    try:
        return [("xmp", xmp.facts(_read(capture.xmp, xmp.SIZE_BYTES_MAX)))]
    except (xmp.XmpError, CaptureError) as error:
        warnings.append(f"{displayable(capture.xmp.name)} is ignored: {error}.")
        return []


def _check_kind(path: Path, head: bytes, name: str) -> None:
    """Let only that reach LibRaw which is a raw by name and by its first bytes."""
    kind = known_kind(head)
    if kind is not None and not starts_like_raw(head):
        raise UnsupportedRawError(f"{name} is {kind}, not a camera raw.", remedy="Give the raw file of this shot.")
    if kind_of(path) is not Kind.RAW:
        raise UnsupportedRawError(
            f"{name} does not have the extension of a camera raw.",
            remedy="Give it the extension of its camera's raws; headerless dumps need a PNG or DNG made of them.",
        )
    if is_foveon(head):
        raise UnsupportedRawError(
            f"{name} is a Sigma Foveon file, with all colours at every site; only Bayer mosaics can be developed.",
            remedy="Develop it with Sigma Photo Pro.",
        )
    if not starts_like_raw(head):
        raise CorruptRawError(f"{name} does not begin like any camera raw.", remedy="Copy it from the card again.")


def _read(path: Path, size_bytes_max: int | None = None) -> bytes:
    """The file's bytes; one more than `size_bytes_max` at most, so that its reader sees that it is too large."""
    name = displayable(path)
    try:
        with path.open("rb") as file:
            check_file_size(os.fstat(file.fileno()).st_size, name)
            return file.read() if size_bytes_max is None else file.read(size_bytes_max + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VanishedError(f"{name} does not exist.", remedy="Check the path.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TransientError(
            f"{name} cannot be read: {reason}.", remedy="Check its permissions and its disk, and try again."
        ) from error
    except MemoryError as error:
        raise TransientError(f"There is not enough memory for {name}.", remedy="Free memory and try again.") from error
