"""`flexispd weights`: which networks there are, whether their files are unaltered, and how to add the official ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flexispd.cli.output import JsonOption, counted, explained, print_error, print_json
from flexispd.errors import FlexispError, displayable

app = typer.Typer(help="The networks: list them, verify their files, import the official ones.", no_args_is_help=True)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """
    List every network: its model set, stage, licence, and how it was trained.

    A profile chooses a model set with `model = "NAME"`. The shipped networks come first, then the imported ones.
    """
    from flexispd.weights import list_entries

    entries = list_entries()
    if as_json:
        print_json({"networks": [_row(entry) for entry in entries]})
        return
    for entry in entries:
        figures = ", ".join(f"{name} {value}" for name, value in entry.figures.items())
        typer.echo(f"{entry.model}  {entry.stage}  {entry.file}  {entry.licence}")
        typer.echo(f"  {entry.trained}{figures and ' ('}{figures}{figures and ')'}")


@app.command()
def verify(as_json: JsonOption = False) -> None:
    """
    Check every weight file against the SHA-256 in its manifest.

    An altered or missing file is an error here and is refused when a picture is rendered. Exit code 1 if there is one.
    """
    from flexispd.weights import list_entries, verify

    rows, failed = [], 0
    for entry in list_entries():
        row = _row(entry) | {"ok": True}
        try:
            verify(entry)
        except FlexispError as error:
            failed += 1
            problem, remedy = explained(error)
            row |= {"ok": False, "problem": problem, "remedy": remedy}
            print_error(error)
        rows.append(row)
        if not as_json and row["ok"]:
            typer.echo(f"ok  {entry.model}  {entry.stage}  {entry.sha256[:12]}")
    if as_json:
        print_json({"networks": rows})
    else:
        typer.echo(f"{counted(len(rows), 'file')} checked, {failed} wrong")
    if failed:
        raise typer.Exit(1)


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A checkout of the official repository, with its weight files.")],
    name: Annotated[str, typer.Option(help="Name of the model set that is made.")] = "deep-flexisp-2022",
) -> None:
    """
    Take the official networks of 2022 from a checkout and make them a model set.

    The files are converted and checked, every shape of them, before anything is stored. Afterwards
    `flexispd render --profile deep-flexisp-2022` uses them. Nothing is downloaded.
    """
    from flexispd.develop.networks.import_official import import_checkout
    from flexispd.weights import user_folder

    entries = import_checkout(folder, user_folder(), name)
    typer.echo(f"{counted(len(entries), 'network')} imported as {name}, into {displayable(entries[0].folder)}")


def _row(entry: Any) -> dict[str, Any]:
    names = ("model", "stage", "file", "sha256", "architecture", "licence", "trained", "data", "figures", "path")
    return {name: getattr(entry, name) for name in names}
