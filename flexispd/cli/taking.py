"""`flexispd profile import`: a look of another program as a profile."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.looks import ForceOption, refuse_taken
from flexispd.cli.output import JsonOption, counted, print_json
from flexispd.errors import NameTakenError, displayable

if TYPE_CHECKING:
    from flexispd.foreign.draft import Draft

NameOption = Annotated[str | None, typer.Option(metavar="NAME", help="What the profile is called.")]
ProfileOutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="The profile's file. Default: NAME.toml among your profiles."),
]


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .cube table, Lightroom's .xmp or RawTherapee's .pp3.")
    ],
    name: NameOption = None,
    out: ProfileOutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Make a profile of another program's look, as near as it comes.

    Says what was taken, what only nearly, and what has no knob here and is left out; docs/import.md has the formulas.
    A .cube table is copied beside the profile, as its [lut]. Without --name the profile is called like the file.
    """
    from flexispd.export.publish import publish_together
    from flexispd.foreign import name_of, read_look
    from flexispd.profile import profile_name

    chosen = profile_name(name) if name else name_of(out) if out else name_of(file)
    target = profile_target(chosen, out, [file], force=force)
    text, draft, table = read_look(file, chosen)
    files = [(target, text.encode())]
    if table is not None:
        cube = target.with_name(f"{chosen}.cube")
        if not (cube.exists() and file.samefile(cube)):
            refuse_taken(cube, [file], force=force)
            files.insert(0, (cube, table))
    publish_together(files, replacing=[path for path, _ in files] if force else [])
    if as_json:
        lines = {
            key: [dataclasses.asdict(line) for line in getattr(draft, key)] for key in ("taken", "nearest", "left")
        }
        print_json({"name": chosen, "files": [path for path, _ in files], **lines})
    else:
        _print(draft)
        typer.echo(f"{chosen} is in {displayable(target)}")


def profile_target(name: str, out: Path | None, read: list[Path], *, force: bool) -> Path:
    """Where a new profile goes. Without --force an error when a file is there, or its name is another profile's."""
    from flexispd.profile import profile_files, user_profiles

    target = out or user_profiles() / f"{name}.toml"
    if target.suffix.lower() != ".toml":
        raise typer.BadParameter(f"{displayable(target)} does not end in .toml", param_hint="--out")
    if out is None and not force and (there := profile_files().get(name)) and there.parent != target.parent:
        raise NameTakenError(
            f"{name} is a profile that flexispd brings.",
            remedy="Choose another name with --name, or take its place with --force.",
        )
    refuse_taken(target, read, force=force)
    return target


def _print(draft: Draft) -> None:
    """Three lists for people."""
    for title, lines in (("taken", draft.taken), ("nearly", draft.nearest), ("left out", draft.left)):
        if lines:
            typer.echo(f"{title}: {counted(len(lines), 'setting')}")
        for line in lines:
            typer.echo(f"  {f'{line.source} = {line.value}':<44}  {line.result}")
