"""`flexispd profile`: which looks there are, what they set, whether a file is right, and which one the daemon uses."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.output import ConfigOption, JsonOption, error_json, print_error, print_json
from flexispd.errors import ConfigError, displayable

if TYPE_CHECKING:
    from flexispd.profile import Profile

REFUSED = 2

app = typer.Typer(
    help="The looks a picture can have: list them, read one, check a file of your own, choose the daemon's.",
    no_args_is_help=True,
)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """
    List every profile with what it is for.

    Your own profiles lie in ~/.config/flexispd/profiles, one TOML file each; one with the name of a shipped profile
    replaces it. A file that is not right is named on stderr, and the exit code is 78.
    """
    from flexispd.profile import load_profile, profile_files

    rows: list[dict[str, Any]] = []
    failure: ConfigError | None = None
    for name, path in profile_files().items():
        try:
            profile = load_profile(path)
        except ConfigError as error:
            print_error(error)
            failure = error
        else:
            rows.append({"name": name, "description": profile.description, "model": profile.model, "path": path})
    if as_json:
        print_json({"profiles": rows})
    else:
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            typer.echo(f"{row['name']:<{width}}  {row['description']}")
    if failure:
        raise typer.Exit(failure.exit_code)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a profile, in any spelling, or a .toml file.")],
    as_json: JsonOption = False,
) -> None:
    """
    Print everything a profile sets, defaults included, with the range of every knob.

    The output is itself a valid profile. To make your own, redirect it into a file, change it, and check it with
    `flexispd profile check FILE`.
    """
    from flexispd.profile import load_profile

    profile = load_profile(name)
    if as_json:
        print_json(dataclasses.asdict(profile))
    else:
        typer.echo(_as_text(profile))


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="The .toml file to check, or the name of a profile.")],
    as_json: JsonOption = False,
) -> None:
    """
    Check a profile, and say what is wrong with it and on which line.

    Checks the file and nothing else: the networks that it names may still have to be imported.
    """
    from flexispd.profile import load_profile

    profile = load_profile(file)
    if as_json:
        print_json({"file": displayable(file), "ok": True, "name": profile.name, "sha256": profile.sha256})
    else:
        typer.echo(f"{displayable(file)} is a valid profile, called {profile.name}")


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
    from flexispd.ledger import Ledger, profiles
    from flexispd.ledger.store import NAME
    from flexispd.profile import load_profile

    settings = load_config(config)
    active = None
    if (settings.state / NAME).is_file():
        ledger = Ledger.open(settings.state)
        try:
            active = profiles.active_name(ledger)
        finally:
            ledger.close()
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


def _as_text(profile: Any) -> str:
    """The profile as a TOML file, every knob explained by a comment."""
    from flexispd.profile import as_toml, knobs

    lines = [f"# {profile.name}, sha256 {profile.sha256}"]
    tables: dict[str, list[Any]] = {}
    for knob in knobs():
        tables.setdefault(knob.section, []).append(knob)
    for section, group in tables.items():
        records = {"": (profile,), "export": profile.export}.get(section) or (getattr(profile, section),)
        header = {"": "", "export": "\n[[export]]"}.get(section, f"\n[{section}]")
        for record in records:
            lines += [header] if header else []
            for knob in group:
                value = getattr(record, knob.key)
                if value != "":
                    lines.append(f"{f'{knob.key} = {as_toml(value)}':<26} # {knob.allowed}; {knob.doc}")
    return "\n".join(lines)
