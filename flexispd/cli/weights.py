"""`flexispd weights`: which networks there are, whether their files are unaltered, and how to add the official ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flexispd.cli.output import JsonOption, counted, error_json, explained, print_error, print_json
from flexispd.errors import FlexispError, displayable

app = typer.Typer(help="The networks: list them, verify their files, import the official ones.", no_args_is_help=True)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """
    List every network: its model set, stage, licence, and how it was trained.

    A profile chooses a model set with `model = "NAME"`. The shipped networks come first, then the imported ones. Exit
    code 1 if a shipped one is missing.
    """
    from flexispd.weights import list_entries, shipped_fault

    entries, fault = list_entries(), shipped_fault()
    if as_json:
        print_json({"networks": [_row(entry) for entry in entries], **_errors(fault)})
    for entry in entries if not as_json else ():
        figures = ", ".join(f"{name} {value}" for name, value in entry.figures.items())
        typer.echo(f"{entry.model}  {entry.stage}  {entry.file}  {entry.licence}")
        typer.echo(f"  {entry.trained}{figures and ' ('}{figures}{figures and ')'}")
    _end(fault)


@app.command()
def verify(as_json: JsonOption = False) -> None:
    """
    Check every weight file against the SHA-256 in its manifest.

    An altered or missing file is an error here and is refused when a picture is rendered, and so is a shipped network
    that its manifest does not name. Exit code 1 if there is one.
    """
    from flexispd.weights import list_entries, shipped_fault, verify

    fault = shipped_fault()

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
        print_json({"networks": rows, **_errors(fault)})
    else:
        typer.echo(f"{counted(len(rows), 'file')} checked, {failed} wrong")
    _end(fault)
    if failed:
        raise typer.Exit(1)


@app.command("import")
def import_(
    folder: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="A checkout of the official repository, with its weight files."
        ),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the model set that is made.")
    ] = "deep-flexisp-2022",
) -> None:
    """
    Take the official networks of 2022 from a checkout and make them a model set.

    The files are converted and checked, every shape of them, before anything is stored. Afterwards
    `flexispd render --profile deep-flexisp-2022` uses them. Nothing is downloaded.
    """
    from flexispd.develop.networks.import_official import import_checkout
    from flexispd.weights import is_name, user_folder

    if not is_name(name):
        raise typer.BadParameter(
            f"{displayable(name)} cannot name a model set; use up to 64 letters, digits, `.`, `_` and `-`",
            param_hint="--name",
        )
    entries = import_checkout(folder, user_folder(), name)
    typer.echo(f"{counted(len(entries), 'network')} imported as {name}, into {displayable(entries[0].folder)}")


def _errors(fault: FlexispError | None) -> dict[str, Any]:
    return {} if fault is None else {"error": error_json(fault)}


def _end(fault: FlexispError | None) -> None:
    """End with the error, if there is one."""
    if fault is not None:
        print_error(fault)
        raise typer.Exit(fault.exit_code)


def _row(entry: Any) -> dict[str, Any]:
    names = ("model", "stage", "file", "sha256", "architecture", "licence", "trained", "data", "figures", "path")
    return {name: getattr(entry, name) for name in names}
