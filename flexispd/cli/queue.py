"""`flexispd retry`, `pause`, `resume` and `submit`: what people ask of the daemon, through the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexispd.cli.captures import file_json, opened, record_json, shown_name
from flexispd.cli.output import ConfigOption, JsonOption, counted, print_json
from flexispd.errors import CaptureError, VanishedError, displayable

if TYPE_CHECKING:
    from flexispd.config import Config


def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", help="Ids of captures, as `flexispd ls` shows them.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every capture that is quarantined.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Queue captures again that are quarantined, waiting or vanished, with their failures forgotten.

    A capture that waits for its metadata stays where it is, because without it there is nothing to try. Whether the
    daemon runs does not matter: it sees the change within a second, or when it starts.
    """
    from flexispd.ledger import requests, work

    if failed == bool(ids):
        raise typer.BadParameter("give ids, or --failed")
    with opened(config) as (settings, ledger):
        if unknown := [id_ for id_ in ids or () if work.get(ledger, id_) is None]:
            raise CaptureError(f"There is no capture {unknown[0]}.", remedy="`flexispd ls` shows the ids.")
        queued = requests.retry(ledger, None if failed else ids, time.time())
        stayed = [
            record for id_ in ids or () if (record := work.get(ledger, id_)) and id_ not in {r.id for r in queued}
        ]
        if as_json:
            rows = {"queued": queued, "stayed": stayed}
            print_json({k: [record_json(record, settings.outbox) for record in v] for k, v in rows.items()})
            return
        typer.echo(f"{counted(len(queued), 'capture')} queued again")
        for record in stayed:
            typer.echo(f"{record.id} {shown_name(record)} stays {record.state}: {displayable(record.reason)}")


def pause(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """
    Stop rendering until `flexispd resume`; what arrives is still noticed and queued.

    Frames in work are finished. It stays paused when the daemon is started again.
    """
    with opened(config) as (_, ledger):
        if ledger.setting("paused") is None:
            ledger.set_setting("paused", {"at_s": time.time()})
        paused = ledger.setting("paused")
    if as_json:
        print_json({"paused": paused})
    else:
        typer.echo("paused; `flexispd resume` goes on")


def resume(
    accept_volumes: Annotated[
        bool,
        typer.Option(
            "--accept-volumes", help="Do not wait any more for volumes that inboxes or the outbox lay on before."
        ),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Go on after `flexispd pause`.

    With `--accept-volumes` the volumes that are mounted now are the right ones from now on: use it after a folder has
    moved to another disk on purpose.
    """
    with opened(config) as (_, ledger), ledger.writing():
        was_paused = ledger.setting("paused") is not None
        ledger.set_setting("paused", None)
        if accept_volumes:
            ledger.set_setting("mounts", None)
    if as_json:
        print_json({"paused": None, "was_paused": was_paused, "volumes_accepted": accept_volumes})
        return
    typer.echo("rendering goes on" if was_paused else "it was not paused")
    if accept_volumes:
        typer.echo("the volumes that are mounted now are taken for the right ones")


def submit(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files in an inbox that are complete.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Say that files are complete, so that the daemon need not wait and see.

    For whoever writes into an inbox and knows when it is done, such as a gphoto2 hook. All paths are checked before the
    first is submitted.
    """
    from flexispd.ledger import requests

    with opened(config) as (settings, ledger):
        places = [_in_inbox(settings, path) for path in paths]
        with ledger.writing():
            for place in places:
                requests.submit(ledger, place, time.time())
    if as_json:
        print_json({"submitted": [file_json("path", place) for place in places]})
    else:
        typer.echo(f"{counted(len(places), 'file')} submitted")


def _in_inbox(config: Config, path: Path) -> Path:
    """The file as the daemon knows it: below an inbox as that is configured, also when links lead there."""
    place = Path(os.path.abspath(path))  # noqa: PTH100  (links stay as they are)
    if place.is_dir():
        raise typer.BadParameter(f"{displayable(place)} is a folder; name the files in it", param_hint="PATH")
    found = _below(place, config.inboxes) or _below(Path(os.path.realpath(place.parent)) / place.name, config.inboxes)
    if found is None:
        inboxes = ", ".join(map(displayable, config.inboxes))
        raise typer.BadParameter(f"{displayable(place)} does not lie in an inbox: {inboxes}", param_hint="PATH")
    if not found.is_file():
        raise VanishedError(f"{displayable(found)} does not exist.", remedy="Submit a file after it was written.")
    return found


def _below(place: Path, inboxes: Sequence[Path]) -> Path | None:
    for inbox in inboxes:
        for known in (inbox, Path(os.path.realpath(inbox))):
            if place.is_relative_to(known) and place != known:
                return inbox / place.relative_to(known)
    return None
