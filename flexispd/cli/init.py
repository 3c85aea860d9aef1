"""`flexispd init`: a first configuration, with the folders that it names."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from flexispd.cli.output import JsonOption, print_json
from flexispd.cli.render import make_folder
from flexispd.errors import CaptureError, ConfigError, FlexispError, TransientError, displayable

SERVICE_USER = "flexispd"
"""Whom systemd runs the system's service as."""


def init(
    inboxes: Annotated[
        list[Path] | None,
        typer.Option("--inbox", metavar="DIR", help="Folder where captures arrive; give it again for more."),
    ] = None,
    outbox: Annotated[Path | None, typer.Option("--outbox", metavar="DIR", help="Folder for the pictures.")] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Folder of the ledger, on a local disk.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Write this file instead of the usual one.")
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="Configure the system's service instead of your own; root always does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Write a configuration with every key explained, and make the folders that it names.

    Yours is ~/.config/flexispd/config.toml, with an inbox and an outbox in ~/Pictures/flexispd; the system's is
    /etc/flexispd/config.toml, with its folders in /srv/flexispd. What exists is never overwritten. A second daemon on
    one machine needs a --config and a --state of its own.

    The next step is `flexispd run`, which watches the inbox and develops what arrives there.
    """
    from flexispd.config import config_text, default_paths, overlap

    system = system or os.geteuid() == 0
    places = default_paths(system=system)
    path = (config or places.config).absolute()
    _refuse_existing(path)
    inboxes = [_absolute(inbox, "--inbox") for inbox in inboxes or [places.inbox]]
    outbox = _absolute(outbox or places.outbox, "--outbox")
    state = _absolute(state or places.state, "--state")
    if found := overlap(inboxes, outbox, state):
        key, problem = found
        raise ConfigError(f"The {key} {problem}.", remedy="Choose folders that do not lie in one another.")
    made = [*_make(inboxes, "--inbox"), *_make([outbox], "--outbox"), *_make([state], "--state")]
    if system:
        _hand_over(made)
    # The state is written down, because $XDG_STATE_HOME need not be the same for a shell and for a service.
    text = config_text({"inbox": tuple(inboxes), "outbox": outbox, "state": state})
    _write(text, path)
    _say(path, {"inboxes": inboxes, "outbox": outbox, "state": state, "made": made}, as_json, named=bool(config))


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FlexispError(
            f"{displayable(path)} already exists.",
            remedy="Change it with an editor; or move it away, or name another file with --config, and run this again.",
        )


def _absolute(path: Path, option: str) -> Path:
    """The path as it can stand in the configuration: absolute, and as text. A `~` that the shell left is the home."""
    path = Path(os.path.expanduser(path))  # noqa: PTH111  (Path.expanduser fails where there is no such user)
    path = path.resolve() if ".." in path.parts else path.absolute()
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        raise typer.BadParameter(
            f"{displayable(path)} is not UTF-8 and cannot be written in a TOML file; name a link to it instead",
            param_hint=option,
        ) from None
    return path


def _make(folders: list[Path], option: str) -> list[Path]:
    """Make what is missing, and say what that was."""
    missing = [folder for folder in folders if not folder.is_dir()]
    for folder in missing:
        make_folder(folder, option)
    return missing


def _hand_over(folders: list[Path]) -> None:
    """Folders that root made, to the user that the service runs as; where there is none yet, they stay root's."""
    with suppress(LookupError, PermissionError):
        for folder in folders:
            shutil.chown(folder, SERVICE_USER, SERVICE_USER)


def _write(text: str, path: Path) -> None:
    from flexispd.export.publish import publish_together

    try:
        publish_together([(path, text.encode())])
    except (CaptureError, TransientError) as error:
        remedy = "Name a file that you may write with --config; the system's needs root."
        raise FlexispError(error.problem, remedy=remedy) from error


def _say(path: Path, folders: dict[str, Any], as_json: bool, *, named: bool) -> None:
    following = f"flexispd run --config {shlex.quote(displayable(path))}" if named else "flexispd run"
    if as_json:
        print_json({"config": path, **folders, "next": following})
        return
    typer.echo(f"wrote {displayable(path)}")
    shown = [*(("inbox", inbox) for inbox in folders["inboxes"]), *((key, folders[key]) for key in ("outbox", "state"))]
    for name, folder in shown:
        typer.echo(f"{name:<6} {displayable(folder)}{' (made)' if folder in folders['made'] else ''}")
    typer.echo(f"next: {following}")
