"""`flexispd profile preview` and `compare`: looks chosen by eye."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from flexispd.cli.output import JsonOption, counted, print_json
from flexispd.cli.render import Device, DeviceOption
from flexispd.errors import NameTakenError, displayable

FullOption = Annotated[
    bool, typer.Option("--full", help="Develop at full size, and make the pictures smaller afterwards.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


def preview(
    raws: Annotated[list[Path], typer.Argument(metavar="RAW", help="A raw file; several give a row each.")],
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="A look to show; give it again for more. Default: all, or with --knob natural.",
        ),
    ] = None,
    knob: Annotated[
        str | None,
        typer.Option(
            metavar="SECTION.KEY=VALUES",
            help="Turn one knob instead: render.contrast=0.5..2:0.25, or values with commas between them.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The sheet. Default: STEM.preview.png in this folder.")
    ] = None,
    full: FullOption = False,
    force: ForceOption = False,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Show a raw under several looks, or one look with a knob at several values, on one contact sheet.

    A raw of more than 2 megapixels is made smaller before the networks see it, by averaging sites of one colour in
    blocks of 3x3, 5x5 and so on: that is fast, and shows tones and colours truly, but less noise, and sharpening and
    grain as if the camera had fewer pixels. --full does without.

    The sheet is a PNG file in sRGB. No file is replaced without --force.
    """
    from flexispd.develop.models import load_models
    from flexispd.preview import captures_of, default_profiles, preview_sheet, wanted
    from flexispd.profile import load_profile
    from flexispd.variation import parse_variation

    started = time.monotonic()
    variation = parse_variation(knob) if knob else None
    names = profiles or (["natural"] if variation else None)
    chosen = [load_profile(name) for name in names] if names else default_profiles()
    captures = captures_of(raws)
    target = out or Path(f"{captures[0].raw.stem}.preview.png")
    refuse_taken(target, [*raws, *(capture.raw for capture in captures)], force=force)
    looks = wanted(chosen, variation)
    sheet, report = preview_sheet(captures, looks, load_models(chosen, device.value), full=full)
    write(sheet, target, force=force)
    if as_json:
        shown = [{"title": look.title, "profile": look.profile.name} for row in looks for look in row]
        print_json({"sheet": target, "captures": report, "looks": shown})
    else:
        pictures = len(captures) * sum(len(row) for row in looks)
        typer.echo(f"{counted(pictures, 'picture')} on {displayable(target)}, {time.monotonic() - started:.1f} s")


def compare(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="A raw file.")],
    first: Annotated[str, typer.Argument(metavar="A", help="The look on the left: a profile, or a .toml file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The look on the right.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The picture. Default: STEM.A-B.png in this folder.")
    ] = None,
    at: Annotated[float, typer.Option(min=0, max=1, help="Where the line stands: 0 is the left edge.")] = 0.5,
    full: FullOption = False,
    force: ForceOption = False,
    device: DeviceOption = Device.auto,
    as_json: JsonOption = False,
) -> None:
    """
    Show a raw under two looks in one picture, with a line between them.

    A raw of more than 2 megapixels is made smaller first, as `flexispd profile preview` does; --full shows every
    pixel. The picture is a PNG file in sRGB. No file is replaced without --force.
    """
    from flexispd.develop.models import load_models
    from flexispd.preview import captures_of, comparison
    from flexispd.profile import load_profile

    left, right = load_profile(first), load_profile(second)
    (capture, *others) = captures_of([raw])
    if others:
        raise typer.BadParameter(f"{displayable(raw)} holds several raws; name one", param_hint="RAW")
    target = out or Path(f"{capture.raw.stem}.{left.name}-{right.name}.png")
    refuse_taken(target, [raw, capture.raw], force=force)
    models = load_models([left, right], device.value)
    write(comparison(capture, (left, right), models, at=at, full=full), target, force=force)
    if as_json:
        print_json({"picture": target, "left": left.name, "right": right.name, "at": at})
    else:
        typer.echo(f"{left.name} and {right.name} in {displayable(target)}")


def refuse_taken(target: Path, read: Iterable[Path], *, force: bool) -> None:
    """An error when a file is in the way of one that is to be written, before any work; one that is read always is."""
    if not (target.exists() or target.is_symlink()):
        return
    if any(path.exists() and target.samefile(path) for path in read):
        raise typer.BadParameter(f"{displayable(target)} is read, and never written to", param_hint="--out")
    if not force:
        raise NameTakenError(
            f"{displayable(target)} exists already.", remedy="Name another file with --out, or replace it with --force."
        )


def write(data: bytes, target: Path, *, force: bool) -> None:
    """Write a file of which `refuse_taken` has approved; one that appeared meanwhile stays unless `force`."""
    from flexispd.export.publish import publish_together

    publish_together([(target, data)], replacing=[target] if force else [])
