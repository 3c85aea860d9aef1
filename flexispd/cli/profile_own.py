"""`flexispd profile new` and `edit`: looks of one's own. None that is not right takes the place of one that is."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.output import JsonOption, print_json
from flexispd.errors import ConfigError, FlexispError, displayable

if TYPE_CHECKING:
    from flexispd.profile import Profile


def new(
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    parent: Annotated[
        str, typer.Option("--from", metavar="PROFILE", help="The profile, or .toml file, that it starts from.")
    ] = "natural",
    as_json: JsonOption = False,
) -> None:
    """
    Make a profile of your own that starts from another, with every knob in it as a comment.

    It is written into your folder, usually ~/.config/flexispd/profiles; what lies there already is never replaced. With
    the name of a shipped profile it takes that one's place.
    """
    from flexispd.profile import is_path, load_profile, profile_name, starter_text

    if is_path(name):
        raise typer.BadParameter("give a name; the file is made in your folder of profiles", param_hint="NAME")
    path = _own_file(profile_name(name))
    if os.path.lexists(path):
        raise ConfigError(
            f"{displayable(path)} already exists.", remedy=f"`flexispd profile edit {path.stem}` opens it."
        )
    source = load_profile(parent)
    named = as_parent(parent, source)
    _save(path, starter_text(named, source).encode(), replacing=False)
    if as_json:
        print_json({"name": path.stem, "path": path, "extends": named})
    else:
        typer.echo(f"wrote {displayable(path)}, which extends {displayable(named)}")


def edit(
    name: Annotated[str, typer.Argument(help="Name of a profile, in any spelling, or a .toml file.")],
) -> None:
    """
    Open a profile in $VISUAL or $EDITOR; it is replaced only by one that is right.

    Of a shipped profile, a file of your own is made that extends it. What is not right stays in a draft beside the
    file, the exit code is 78, and the next `flexispd profile edit` goes on with the draft.
    """
    from flexispd.profile import profile_path, read_source, shipped_files
    from flexispd.strict_toml import read_bytes

    path = profile_path(name)
    shipped = path in shipped_files().values()
    path = _own_file(path.stem) if shipped else path
    before = None if shipped else read_bytes(path)
    draft = path.with_name(f".{path.stem}.draft.toml")  # no profile is called so, and editors know what it is
    if draft.is_file():
        typer.echo(f"going on with the draft {displayable(draft)}", err=True)
    else:
        _save(draft, _starting_point(path) if before is None else before, replacing=False)
    start = draft.read_bytes()
    _open_editor(draft)
    data = read_bytes(draft)
    if data == (start if before is None else before):
        draft.unlink()
        typer.echo("nothing was changed")
        return
    try:
        read_source(data, path)
        if (read_bytes(path) if os.path.lexists(path) else None) != before:
            raise ConfigError(f"{displayable(path)} was changed meanwhile.", remedy="Look at both.")
    except ConfigError as error:
        kept = f"`flexispd profile edit` goes on with the draft, which is kept as {displayable(draft)}."
        raise ConfigError(error.problem, remedy=f"{error.remedy} {kept}") from None
    _save(Path(os.path.realpath(path)), data, replacing=before is not None)  # a link stays one
    with suppress(OSError):
        draft.unlink()
    typer.echo(f"saved {displayable(path)}; `flexispd profile set {shlex.quote(path.stem)}` gives it to new captures")


def as_parent(wanted: str, profile: Profile) -> str:
    """How a file in any folder extends the profile that `--from` means."""
    from flexispd.profile import is_path

    named = os.path.abspath(os.path.expanduser(wanted)) if is_path(wanted) else profile.name  # noqa: PTH100, PTH111
    if not named.isprintable():
        raise typer.BadParameter(f"{displayable(named)} cannot stand in a TOML file", param_hint="--from")
    return named


def _own_file(name: str) -> Path:
    """The file of this name in the user's folder, in whatever spelling; it need not exist."""
    from flexispd.profile import profile_files, user_profiles

    path = profile_files().get(name)
    return path if path is not None and path.parent == user_profiles() else user_profiles() / f"{name}.toml"


def _starting_point(path: Path) -> bytes:
    """A file of the user that takes the place of the shipped profile of the same name, and changes nothing."""
    from flexispd.profile import load_profile, starter_text

    return starter_text(path.stem, load_profile(path.stem)).encode()


def _open_editor(file: Path) -> None:
    """Wait until the user's editor is done. FlexispError when there is none, or it failed."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    remedy = f"Set VISUAL or EDITOR to an editor that waits, such as nano; the draft is {displayable(file)}."
    try:
        words = shlex.split(chosen)
        code = subprocess.run([*words, str(file)], check=False).returncode
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FlexispError(f"The editor {displayable(chosen)} cannot be started: {reason}.", remedy=remedy) from None
    if code:
        raise FlexispError(f"The editor {displayable(chosen)} ended with exit code {code}.", remedy=remedy)


def _save(path: Path, data: bytes, *, replacing: bool) -> None:
    """All of the file or nothing of it."""
    from flexispd.export.publish import publish_together

    try:
        publish_together([(path, data)], replacing=[path] if replacing else [])
    except FlexispError as error:
        raise FlexispError(error.problem, remedy="Make the folder of your profiles writable.") from None
