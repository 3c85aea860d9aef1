"""`flexispd profile`: which looks there are, what they set, whether a file is right, and which one captures get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli import profile_own
from flexispd.cli.output import ConfigOption, JsonOption, error_json, print_error, print_json
from flexispd.errors import ConfigError, displayable

if TYPE_CHECKING:
    from flexispd.config import Config
    from flexispd.profile import Profile

REFUSED = 2

app = typer.Typer(
    help="The looks a picture can have: list, read, compare and check them, make your own, choose the daemon's.",
    no_args_is_help=True,
)


@app.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """
    List every profile with what it is for; a * marks the one that captures get now.

    Your own profiles lie in ~/.config/flexispd/profiles, one TOML file each; one with the name of a shipped profile
    replaces it. A file that is not right is named on stderr, and the exit code is 78.
    """
    from flexispd.profile import load_source, profile_files

    active = _active_name(config)
    rows: list[dict[str, Any]] = []
    failure: ConfigError | None = None
    for name, path in profile_files().items():
        try:
            source = load_source(path)
        except ConfigError as error:
            print_error(error)
            failure = error
        else:
            profile = source.profile
            about = {"description": profile.description, "extends": source.extends, "model": profile.model}
            rows.append({"name": name, "active": name == active, **about, "path": path})
    if as_json:
        print_json({"profiles": rows})
    else:
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            extends = f" (extends {displayable(row['extends'])})" if row["extends"] else ""
            typer.echo(f"{'*' if row['active'] else ' '} {row['name']:<{width}}  {row['description']}{extends}")
    if failure:
        raise typer.Exit(failure.exit_code)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a profile, in any spelling, or a .toml file.")],
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Also of a profile that extends another: everything, not its file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Print everything a profile sets, defaults included, with the range of every knob.

    Of one that extends another, its own file is printed, unless --resolved asks for everything; JSON has everything.
    The output is itself a valid profile. To make your own, see `flexispd profile new`.
    """
    from flexispd.profile import explained_text, load_source

    source = load_source(name)
    profile = source.profile
    if as_json:
        print_json(dataclasses.asdict(profile))
    elif source.extends and not resolved:
        typer.echo(source.own_text, nl=not source.own_text.endswith("\n"))
    else:
        typer.echo(f"# {profile.name}, sha256 {profile.sha256}\n{explained_text(profile)}", nl=False)


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="The .toml file to check, or the name of a profile.")],
    as_json: JsonOption = False,
) -> None:
    """
    Check a profile with all that it builds on, and say what is wrong with it, on which line and in which column.

    Checks files and nothing else: the networks that they name may still have to be imported.
    """
    from flexispd.profile import load_profile

    profile = load_profile(file)
    if as_json:
        print_json({"file": displayable(file), "ok": True, "name": profile.name, "sha256": profile.sha256})
    else:
        typer.echo(f"{displayable(file)} is a valid profile, called {profile.name}")


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Name of a profile, in any spelling, or a .toml file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.")],
    as_json: JsonOption = False,
) -> None:
    """
    Print every knob in which two profiles differ, with both values.

    What they extend is counted in. The exit code is 0 whether they differ or not.
    """
    from flexispd.profile import load_profile

    one, other = load_profile(first), load_profile(second)
    rows = list(_differences(one, other))
    if as_json:
        differences = [{"knob": knob, "a": a, "b": b} for knob, a, b in rows]
        print_json({"a": one.name, "b": other.name, "differences": differences})
        return
    if not rows:
        typer.echo(f"{displayable(first)} and {displayable(second)} set the same")
        return
    table = [("", displayable(first), displayable(second)), *((knob, _shown(a), _shown(b)) for knob, a, b in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(2)]
    for knob, a, b in table:
        typer.echo(f"{knob:<{widths[0]}}  {a:<{widths[1]}}  {b}")


app.command("new")(profile_own.new)
app.command("edit")(profile_own.edit)


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="Name of a profile, in any spelling, or a .toml file.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Choose the look of every capture that arrives from now on.

    What has arrived keeps the look that it arrived under; `flexispd reprocess` renders it again. A profile that is not
    right is refused with exit code 2, and the one before stays. The daemon need not run.
    """
    from flexispd.config import load_config
    from flexispd.ledger import Ledger
    from flexispd.readiness import choose_profile

    settings = load_config(config)
    try:
        profile, text = checked_profile(name)
    except ConfigError as error:
        print_error(error)
        if as_json:
            print_json({"error": error_json(error)})
        raise typer.Exit(REFUSED) from error
    ledger = Ledger.create(settings.state)
    try:
        choose_profile(ledger, settings, name, profile, text)
    finally:
        ledger.close()
    if as_json:
        print_json({"profile": profile.name, "sha256": profile.sha256})
    else:
        typer.echo(f"{profile.name}, from the next capture on")


@app.command("get")
def get(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """
    Print the profile that captures get now.

    Before the daemon's first start that is the one in its configuration, unless `flexispd profile set` named another.
    """
    from flexispd.config import load_config
    from flexispd.profile import load_profile

    settings = load_config(config)
    active = _active(settings)
    name, sha256 = active or ((profile := load_profile(settings.profile)).name, profile.sha256)
    if as_json:
        print_json({"profile": name, "sha256": sha256})
    else:
        typer.echo(f"{name}  {sha256}")


def checked_profile(name: str) -> tuple[Profile, str]:
    """A profile, whose networks are in place, with its text. ConfigError when something is not right."""
    from flexispd.profile import load_with_text
    from flexispd.readiness import check_networks

    profile, text = load_with_text(name)
    check_networks(profile.model)
    return profile, text


def _active(settings: Config) -> tuple[str, str] | None:
    """Name and SHA-256 of the ledger's profile; None before there is one. Makes nothing."""
    from flexispd.ledger import Ledger, profiles
    from flexispd.ledger.store import NAME

    if not (settings.state / NAME).is_file():
        return None
    ledger = Ledger.open(settings.state)
    try:
        return profiles.active_name(ledger)
    finally:
        ledger.close()


def _active_name(config: Path | None) -> str | None:
    """The profile that captures get now, as far as anybody can tell; a list of profiles needs no daemon."""
    from flexispd.config import load_config
    from flexispd.errors import FlexispError
    from flexispd.profile import is_path, profile_name

    try:
        settings = load_config(config)
        if active := _active(settings):
            return active[0]
        return profile_name(Path(settings.profile).stem if is_path(settings.profile) else settings.profile)
    except FlexispError:
        if config is not None:
            raise
        return None


def _differences(one: Profile, other: Profile) -> Iterator[tuple[str, Any, Any]]:
    """Each knob in which two profiles differ, with both values; None where one does not have it at all."""
    from flexispd.profile import knobs

    for knob in knobs():
        if knob.section == "export":
            continue
        a, b = (
            getattr(getattr(profile, knob.section) if knob.section else profile, knob.key) for profile in (one, other)
        )
        if a != b:
            yield f"[{knob.section}] {knob.key}" if knob.section else knob.key, a, b
    for nth, pair in enumerate(zip_longest(one.export, other.export), 1):
        a, b = (dataclasses.asdict(export) if export else {} for export in pair)
        for key in {**a, **b}:
            if a.get(key) != b.get(key):
                yield f"[[export]] {nth} {key}", a.get(key), b.get(key)
    for nth, rules in enumerate(zip_longest(one.rules, other.rules), 1):
        a, b = (rule and f"{rule.when}: {rule.use}" for rule in rules)
        if rules[0] != rules[1]:
            yield f"[[rule]] {nth}", a, b


def _shown(value: object) -> str:
    from flexispd.profile import as_toml

    return "-" if value is None else as_toml(value)
