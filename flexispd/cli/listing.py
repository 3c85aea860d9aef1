"""`flexispd ls`: every capture with its state and the reason for it."""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.captures import file_json, looked_into, print_wrong, summary_json
from flexispd.cli.output import ConfigOption, JsonOption
from flexispd.errors import displayable

if TYPE_CHECKING:
    from flexispd.ledger.reports import Line


WIDTH_MAX = 40
"""Characters of a column."""


class StateName(enum.StrEnum):
    """Where a capture can be."""

    waiting = "waiting"
    queued = "queued"
    running = "running"
    done = "done"
    quarantined = "quarantined"
    duplicate = "duplicate"
    superseded = "superseded"
    vanished = "vanished"


def ls(
    state: Annotated[StateName | None, typer.Option(help="Only captures in this state.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the last N that arrived.")] = None,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Instead: files of the inboxes that belong to no capture, and why.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    List captures: id, state, file, version, profile, and why it is where it is.

    In the order of arrival. Older versions of a capture are listed with `--state superseded`; `flexispd explain ID`
    tells the whole story of one capture.
    """
    from flexispd.ledger import State, reports

    if leftovers and (state or limit):
        raise typer.BadParameter("--leftovers stands alone")
    with looked_into(config) as (settings, ledger, wrong):
        print_wrong(wrong)
        if leftovers:
            _print_leftovers(reports.leftovers(ledger), as_json=as_json)
            return
        wanted = State(state) if state else None
        if as_json:
            outbox = os.fspath(settings.outbox)
            print_rows([summary_json(summary, outbox) for summary in reports.summaries(ledger, wanted, limit)])
        elif found := list(reports.lines(ledger, wanted, limit)):
            typer.echo("\n".join(_lines(found)))


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A JSON list with one entry a line, for programs and for grep."""
    typer.echo("[" + ",".join("\n  " + json.dumps(row) for row in rows) + ("\n]" if rows else "]"))


def _lines(found: Sequence[Line]) -> list[str]:
    """In columns; the last has no width, and a name that is longer than most moves only its own line."""
    prefixes = _prefixes({line.inbox for line in found})
    cells = [
        (
            str(line.id),
            line.state,
            displayable(prefixes[line.inbox] + line.name),
            f"v{line.version}",
            line.profile,
            displayable(line.reason),
        )
        for line in found
    ]
    widths = [min(max(map(len, column)), WIDTH_MAX) for column in zip(*cells, strict=True)]
    form = "{{:>{}}}  {{:<{}}}  {{:<{}}}  {{:<{}}}  {{:<{}}}  {{}}".format(*widths[:-1])
    return [form.format(*row) for row in cells]


def _prefixes(inboxes: Set[str]) -> dict[str, str]:
    """What tells captures of several inboxes apart: the folders' names, or their paths where those are the same."""
    if len(inboxes) == 1:
        return dict.fromkeys(inboxes, "")
    names = {inbox: os.path.basename(inbox) for inbox in inboxes}  # noqa: PTH119  (they came as text)
    alike = len(set(names.values())) < len(names)
    return {inbox: f"{inbox if alike else name}/" for inbox, name in names.items()}


def _print_leftovers(found: Sequence[tuple[Path, str]], *, as_json: bool) -> None:
    rows = [(path, reason, leftover_reason(reason)) for path, reason in found]
    if as_json:
        print_rows([{**file_json("path", path), "reason": reason, "why": why} for path, reason, why in rows])
        return
    for path, _, why in rows:
        typer.echo(f"{displayable(path)}: {why}")


def leftover_reason(name: str) -> str:
    """Why a file belongs to no capture, in words."""
    from flexispd.capture.pair import Reason

    return Reason[name.upper()].value
