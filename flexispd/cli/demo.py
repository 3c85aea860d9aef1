"""`flexispd demo`: a first picture without a camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flexispd.cli.render import Device, DeviceOption, make_folder, render_all
from flexispd.errors import displayable

PROFILES = ("natural", "vivid-night")


def demo(
    outbox: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the raw and the pictures; made if absent.")
    ] = Path("demo"),
    device: DeviceOption = Device.auto,
) -> None:
    """
    Make a night raw, render it under two profiles, and lay the pictures side by side.

    Needs no camera and no file: the raw is a street at night, drawn from numbers and taken with the noise of ISO 3200.
    It is an ordinary DNG file, which you can render again: `flexispd render demo/raw/night-street.dng --outbox out`.
    """
    from flexispd.demo import night_raw, side_by_side
    from flexispd.export.publish import publish
    from flexispd.profile import load_profile

    raw = outbox / "raw" / "night-street.dng"
    pictures = outbox / "pictures"
    make_folder(raw.parent)
    typer.echo("drawing a street at night ...")
    publish(night_raw(), raw)
    typer.echo("developing it ...")
    chosen = [load_profile(name) for name in PROFILES]
    summary = render_all([raw], chosen, pictures, device, overwrite=True)
    if summary.count("failed"):
        raise typer.Exit(1)
    files = [pictures / f"{raw.stem}.{profile.name}.jpg" for profile in chosen]
    row = outbox / "side-by-side.png"
    publish(side_by_side(list(zip(PROFILES, files, strict=True))), row)
    for label, path in (("raw", raw), *zip(PROFILES, files, strict=True), ("side by side", row)):
        typer.echo(f"{label:<13} {displayable(path)}")
