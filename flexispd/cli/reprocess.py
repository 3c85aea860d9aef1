"""`flexispd reprocess`: pictures again, under another profile or with newer networks."""

from __future__ import annotations

import re
import sys
import time
from datetime import datetime
from typing import Annotated

import typer

from flexispd.cli.captures import duration, opened
from flexispd.cli.output import ConfigOption, JsonOption, counted, print_json
from flexispd.cli.profile import checked_profile

_UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_YEARS_AS_S = 100 * 365 * 86400


def reprocess(
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Profile to render under; without it, the one that each capture had."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="T", help="Only pictures made since: 2h, 30min, 1d, 2026-05-31, 2026-05-31T21:30."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many captures, and how long.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Render captures again that have a picture, behind everything else that is queued.

    Says how many captures and how long it takes, and asks first when somebody sits at a terminal. Every capture gets a
    new version with pictures of its own; the old ones stay as they are.
    """
    from flexispd.ledger import profiles, reports, requests

    now_s = time.time()
    since_s = None if since is None else moment(since, now_s)
    with opened(config) as (_, ledger):
        chosen = None if profile is None else checked_profile(profile)
        ids = requests.reprocessable(ledger, since_s)
        effort_s = reports.render_s(ledger, ids)
        about = "" if effort_s is None else f", about {duration(effort_s)}"
        announced = f"{counted(len(ids), 'capture')}{about}"
        if not as_json:
            typer.echo(announced)
        do, queued = bool(ids) and not dry_run, 0
        if do and not yes and sys.stdin.isatty() and not typer.confirm(f"Render {announced} again?", err=True):
            do = False
        if do:
            with ledger.writing():
                look = profiles.keep(ledger, *chosen) if chosen else None
                queued = requests.reprocess(ledger, ids, look, now_s)
    if as_json:
        print_json({"captures": len(ids), "about_s": effort_s, "queued": queued, "ids": ids})
    elif ids and not dry_run:
        typer.echo(f"{counted(queued, 'capture')} queued again")


def moment(text: str, now_s: float) -> float:
    """A time in seconds since the epoch: so long ago, or a date, with or without a time of day."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", text.strip()):
        ago_s = float(found[1]) * _UNITS_S[found[2]]
        if ago_s < _YEARS_AS_S:
            return now_s - ago_s
    try:
        return datetime.fromisoformat(text.strip()).timestamp()  # local time, where the text names no zone
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: give 2h, 30min, 1d, 2026-05-31 or 2026-05-31T21:30", param_hint="--since"
        ) from None
