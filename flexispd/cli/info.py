"""`flexispd info`: what a raw says about itself, and who said it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.output import JsonOption, explained, print_json
from flexispd.errors import CaptureError, FlexispError, displayable

if TYPE_CHECKING:
    from flexispd.types import Mosaic


def info(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A raw file, or a PNG mosaic with its JSON file beside it.")
    ],
    as_json: JsonOption = False,
) -> None:
    """
    Print what is known about one raw, and the source of every field.

    Sources are json (a sidecar), xmp, exif (the file itself), rawpy (LibRaw) and default (nobody knew). Black and
    white levels are sensor counts for R, Gr, Gb, B. Warnings name contradictions between sources. Nothing is written.
    """
    from flexispd.capture.scan import find_captures
    from flexispd.decode import read_mosaic

    if path.is_dir():
        raise typer.BadParameter(f"{displayable(path)} is a folder; name one file", param_hint="PATH")
    findings = find_captures([path])
    for problem in findings.problems:
        raise problem
    if not findings.captures:
        raise CaptureError(f"{displayable(path)} belongs to no capture.", remedy="Name the raw itself.")
    capture = findings.captures[0].capture
    try:
        facts = _facts(capture.raw, read_mosaic(capture))
    except FlexispError as error:
        error.problem, _ = explained(error, capture.raw)
        raise
    if as_json:
        print_json(facts)
    else:
        _print(facts)


def _facts(path: Path, mosaic: Mosaic) -> dict[str, Any]:
    """Everything there is to say, ready for JSON."""
    shot = mosaic.shot
    fields = {f.name: getattr(shot, f.name) for f in dataclasses.fields(shot)}
    for name in ("sources", "warnings", "noise_profile", "color_matrices"):
        fields.pop(name)
    matrices = [{"cct_k": matrix.cct_k, "xyz_to_camera": matrix.xyz_to_camera} for matrix in shot.color_matrices]
    fields["color_matrices"] = matrices or None
    height, width = mosaic.values.shape
    noise, doubts = _noise(mosaic)
    return {
        "file": path,
        "width": width,
        "height": height,
        "cfa": mosaic.cfa.name,
        "black_level": mosaic.black_level,
        "white_level": mosaic.white_level,
        "noise_profile": noise,
        "metadata": {
            name: {"value": value, "source": shot.sources.get(name)}
            for name, value in fields.items()
            if value is not None
        },
        "warnings": [*shot.warnings, *doubts],
    }


def _noise(mosaic: Mosaic) -> tuple[dict[str, Any], list[str]]:
    """The noise profile that a rendering would use, and why it is not the file's own where that was doubted."""
    from flexispd.develop.models import choose_device
    from flexispd.develop.noise import noise_profile
    from flexispd.develop.upload import upload

    profile, doubts = noise_profile(mosaic, upload(mosaic, choose_device("cpu")).planes)
    return dataclasses.asdict(profile), doubts


def _print(facts: Mapping[str, Any]) -> None:
    """A table for people: field, value, source."""
    rows = [("file", displayable(facts["file"]), ""), ("size", f"{facts['width']} x {facts['height']}", "")]
    rows += [(name, _text(facts[name]), "") for name in ("cfa", "black_level", "white_level")]
    noise = facts["noise_profile"]
    rows.append(("noise_profile", f"shot {_text(noise['shot'])}, read {_text(noise['read'])}", noise["source"]))
    rows += [(name, _text(entry["value"]), entry["source"] or "") for name, entry in facts["metadata"].items()]
    for name, value, source in rows:
        typer.echo(f"{name:<18} {value}{source and '  ['}{source}{source and ']'}")
    for warning in facts["warnings"]:
        typer.echo(f"warning: {warning}")


def _text(value: Any) -> str:
    """A value on one line; numbers with the digits that matter."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if hasattr(value, "tolist"):
        return _text(value.tolist())
    if isinstance(value, list | tuple):
        return "; ".join(map(_text, value)) if value and isinstance(value[0], dict) else " ".join(map(_text, value))
    return displayable(str(value))
