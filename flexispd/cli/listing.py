"""`flexispd ls`: every capture with its state and the reason for it."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.captures import file_json, opened, record_json, shown_name
from flexispd.cli.output import ConfigOption, JsonOption
from flexispd.errors import displayable

if TYPE_CHECKING:
    from flexispd.ledger import Record


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
    with opened(config) as (settings, ledger):
        if leftovers:
            _print_leftovers(reports.leftovers(ledger), as_json=as_json)
            return
        records = list(reports.listed(ledger, State(state) if state else None, limit))
        if as_json:
            print_rows([record_json(record, settings.outbox) for record in records])
        elif records:
            typer.echo("\n".join(_lines(records)))


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A JSON list with one entry a line, for programs and for grep."""
    typer.echo("[" + ",".join("\n  " + json.dumps(row) for row in rows) + ("\n]" if rows else "]"))


def _lines(records: Sequence[Record]) -> list[str]:
    cells = [
        (str(r.id), r.state.value, shown_name(r), f"v{r.version}", r.profile, displayable(r.reason)) for r in records
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    id_, *middle = widths[:-1]
    return [
        "  ".join([row[0].rjust(id_), *(c.ljust(w) for c, w in zip(row[1:-1], middle, strict=True)), row[-1]])
        for row in cells
    ]


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
