"""`flexispd service`: the systemd units put in place and taken away, and where the hook for gphoto2 lies."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.output import JsonOption, print_json
from flexispd.errors import SetupError, displayable

if TYPE_CHECKING:
    from flexispd.config import Config
    from flexispd.service import Scope, Step

HOOK = "flexispd-gphoto2-hook"

app = typer.Typer(
    help="flexispd as a service of systemd: install it, remove it, and find the hook for gphoto2.",
    no_args_is_help=True,
)

ScopeOption = Annotated[
    bool | None,
    typer.Option("--user/--system", help="A service of your own, or of the machine. By default root gets the latter."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Change nothing; print what would be done.")]
RootOption = Annotated[
    Path,
    typer.Option("--root", metavar="DIR", help="Treat this folder as /, for packages; systemd is not told anything."),
]


@app.command()
def install(
    user: ScopeOption = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The configuration that the service reads.")
    ] = None,
    root: RootOption = Path("/"),
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Put the systemd units in place, with this command and the folders of the configuration filled in.

    Prints every file and every command, and what to run next; nothing is started. Run it again after the folders in
    the configuration have changed. Files that flexispd did not install are not replaced.
    """
    from flexispd.service import Target, closed_to_service
    from flexispd.service import install as put_in_place

    target = Target(_scope(user), root.absolute(), dry_run)
    executable, chosen = _executable(), _config(config, target.scope)
    steps = put_in_place(target, executable, chosen)
    notes = _next(target.scope, chosen)
    if target.scope == "system":
        notes = [
            f"give the user flexispd a way into {displayable(folder)}, which only its owner may enter"
            for folder in closed_to_service(executable, chosen)
        ] + notes
    _report(target.scope, steps, notes, as_json)


@app.command()
def uninstall(
    user: ScopeOption = None,
    root: RootOption = Path("/"),
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Stop the service and remove the files that `flexispd service install` wrote.

    Configuration, ledger, pictures, drop-ins and the user flexispd stay. Files that flexispd did not install are not
    removed either.
    """
    from flexispd.service import Target
    from flexispd.service import uninstall as take_away

    target = Target(_scope(user), root.absolute(), dry_run)
    _report(target.scope, take_away(target), [], as_json)


@app.command("hook")
def hook(as_json: JsonOption = False) -> None:
    """
    Print the path of the hook script for gphoto2.

    With `gphoto2 --capture-tethered --hook-script PATH` every frame is known to flexispd the moment it is on disk.
    docs/operations.md has the whole recipe.
    """
    path = Path(__file__).resolve().parent.parent / "hooks" / HOOK
    if not path.is_file():
        raise SetupError(
            f"The hook script is missing: {displayable(path)} does not exist.",
            remedy="Install flexispd again: pip install --force-reinstall flexispd.",
        )
    if as_json:
        print_json({"hook": path})
    else:
        typer.echo(os.fsencode(path))


def _scope(user: bool | None) -> Scope:
    if user is None:
        return "system" if os.geteuid() == 0 else "user"
    return "user" if user else "system"


def _config(named: Path | None, scope: Scope) -> Config | None:
    """The configuration that the service will read; None when there is none yet."""
    from flexispd.config import default_paths, load_config

    path = named or default_paths(system=scope == "system").config
    return load_config(path) if named or os.path.lexists(path) else None


def _executable() -> Path:
    """The `flexispd` that is running, else the one beside this Python, else the one in the PATH."""
    started = Path(sys.argv[0]).absolute()
    beside = Path(sys.executable).parent / "flexispd"
    for path in (started, beside):
        if path.name == "flexispd" and path.is_file() and os.access(path, os.X_OK):
            return path
    if found := shutil.which("flexispd"):
        return Path(found).absolute()
    raise SetupError(
        "The command flexispd is not installed, only its Python package is importable.",
        remedy="Install it: pip install . in the checkout.",
    )


def _next(scope: Scope, config: Config | None) -> list[str]:
    systemctl = "systemctl" if scope == "system" else "systemctl --user"
    notes = [f"{systemctl} enable --now flexispd", f"{systemctl} status flexispd"]
    if scope == "user":
        notes.append("loginctl enable-linger    (it then also runs while you are logged out)")
    if config is None:
        notes.insert(0, f"flexispd init, then flexispd service install --{scope} again: there is no configuration yet")
    return notes


def _report(scope: Scope, steps: list[Step], notes: list[str], as_json: bool) -> None:
    """Say what was done; exit code 1 when a part of it failed."""
    if as_json:
        rows = [{"ok": step.ok, "text": step.text} for step in steps]
        print_json({"scope": scope, "steps": rows, "next": notes})
    else:
        for step in steps:
            typer.echo(step.text, err=not step.ok)
        if notes:
            typer.echo("next:")
        for note in notes:
            typer.echo(f"  {note}")
    if not all(step.ok for step in steps):
        raise typer.Exit(1)
