"""`flexispd explain`: what happened to a capture, why it is where it is, and what would change that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.captures import (
    file_json,
    looked_into,
    print_wrong,
    read_receipt,
    receipt_of,
    record_json,
    shown_name,
)
from flexispd.cli.listing import leftover_reason
from flexispd.cli.output import ConfigOption, JsonOption, counted, error_json, print_json
from flexispd.errors import CaptureError, displayable
from flexispd.presence import clock

if TYPE_CHECKING:
    from flexispd.config import Config
    from flexispd.ledger import Ledger, Record


ROUND = 3
"""Queued, running, waiting: a try in vain has so many entries."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What holds for all captures: whether a daemon runs, and what keeps it from rendering."""

    runs: bool
    paused: bool
    blocked: str | None


def explain(
    capture: Annotated[
        str, typer.Argument(metavar="CAPTURE", help="Id, path, file name, stem, or the name of a picture.")
    ],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Tell the whole history of a capture, why it is where it is, and what would change that.

    All of its versions, with their files, pictures, and what the receipts say. A name that several captures have tells
    of all of them; so does a file of an inbox that is no capture.
    """
    from flexispd.ledger import reports

    with looked_into(config) as (settings, ledger, wrong):
        print_wrong(wrong)
        records = reports.find(ledger, capture)
        unused = [] if records else _unused(ledger, capture)
        if not records and not unused:
            raise _not_found(ledger, capture)
        around = _surroundings(settings, ledger)
        stories: dict[Path, list[dict[str, Any]]] = {}
        for record in records:
            stories.setdefault(record.capture.raw, []).append(_story(ledger, record, settings.outbox, around))
    if as_json:
        captures = [{**file_json("path", raw), "versions": versions} for raw, versions in stories.items()]
        left = [{**file_json("path", path), "reason": reason} for path, reason in unused]
        told = {"captures": captures, "leftovers": left}
        print_json(told if wrong is None else {**told, "configuration": error_json(wrong)})
        return
    for path, reason in unused:
        typer.echo(f"{displayable(path)} is not part of a capture: {leftover_reason(reason)}")
    for raw, versions in stories.items():
        typer.echo("\n".join(_text([record for record in records if record.capture.raw == raw], versions)))


def _surroundings(config: Config, ledger: Ledger) -> Surroundings:
    """How the daemon is, as far as it matters to a capture."""
    from flexispd.presence import read_status, running

    daemon = running(config.state)
    status = read_status(config.state) if daemon else None
    blocked = (status or {}).get("blocked") or {}
    return Surroundings(daemon is not None, ledger.setting("paused") is not None, blocked.get("reason"))


_CHANGES = {
    "waiting for metadata": "It is queued when its metadata lies beside it, as {stem}.json.",
    "waiting for whole file": "It is tried again {when}when the file changes; {retry} tries at once.",
    "waiting for file access": "It is tried again {when}when the file changes; make it readable, then {retry}.",
    "waiting for outbox": "It goes on by itself when pictures can be written again.",
    "waiting for volume": "It goes on when its volume is back; `flexispd resume --accept-volumes` takes this one.",
    "waiting for networks": "It is tried again {when}when what its look needs is in place; {retry} tries at once.",
    "running": "It is finished, or, when its worker dies, tried again alone.",
    "done": "A raw, JSON or XMP that changes or joins makes a new version, like `flexispd reprocess`; pictures stay.",
    "quarantined": "{retry}, or a change of its files, queues it again.",
    "duplicate": "It is rendered when its file changes, or when the one with the same bytes vanishes before it is.",
    "superseded": "Nothing: a newer version took its place. The pictures stay.",
    "vanished": "It is queued again when its file comes back.",
}


def would_change(record: Record, around: Surroundings) -> str:
    """A sentence: what takes a capture out of the state that it is in."""
    state = record.state.value
    if state == "queued":
        return _what_queues_wait_for(record, around)
    if state == "running" and not around.runs:
        return "No daemon runs: `flexispd run` takes it up again."
    return _CHANGES[f"{state} for {record.cause}" if state == "waiting" else state].format(
        stem=displayable(record.capture.raw.stem),
        when=f"at {clock(record.due_s)}, and " if record.due_s > 0 else "",
        retry=f"`flexispd retry {record.id}`",
    )


def _what_queues_wait_for(record: Record, around: Surroundings) -> str:
    if around.paused:
        return "Rendering is paused: `flexispd resume` goes on."
    if not around.runs:
        return "No daemon runs: `flexispd run` renders it."
    if around.blocked:
        return f"Rendering is blocked, and goes on by itself: {around.blocked}"
    if record.suspect:
        return "It is rendered alone, because a worker died while it was rendered with others."
    return "It is rendered when its turn comes: the newest first, then in the order of arrival."


def _unused(ledger: Ledger, wanted: str) -> list[tuple[Path, str]]:
    """Files of the inboxes that are meant, and belong to no capture."""
    from flexispd.ledger import reports

    name = Path(wanted).name.casefold()
    return [
        found for found in reports.leftovers(ledger) if name in (found[0].name.casefold(), found[0].stem.casefold())
    ]


def _not_found(ledger: Ledger, wanted: str) -> CaptureError:
    from difflib import get_close_matches

    from flexispd.ledger import reports

    names = {path.name.casefold(): path.name for path in reports.raws(ledger, 2000)}
    part = Path(wanted).name.casefold()
    near = [name for name in names if part and part in name][:3] or get_close_matches(part, names, n=3)
    meant = f"Did you mean {' or '.join(displayable(names[name]) for name in near)}? " if near else ""
    return CaptureError(
        f"No capture is called {displayable(wanted)}.", remedy=f"{meant}`flexispd ls` lists all that have arrived."
    )


def _story(ledger: Ledger, record: Record, outbox: Path, around: Surroundings) -> dict[str, Any]:
    """One version, as JSON has it."""
    from flexispd.ledger import reports

    roles = {"raw": record.capture.raw, "json": record.capture.json, "xmp": record.capture.xmp}
    roles["companion"] = record.capture.companion
    files = [
        {"role": role, **file_json("path", path), "size_bytes": record.observed[path].size_bytes}
        for role, path in roles.items()
        if path is not None
    ]
    receipt = receipt_of(record, outbox)
    return {
        **record_json(record, outbox),
        "would_change": would_change(record, around),
        "files": files,
        "history": [
            {"at_s": entry.at_s, "state": entry.state.value, "reason": entry.reason}
            for entry in reports.history(ledger, record.id)
        ],
        "rendering": None if receipt is None else _facts(receipt),
    }


def _facts(receipt: Path) -> dict[str, Any] | None:
    """What a receipt says that people ask for; None when it cannot be read."""
    document = read_receipt(receipt)
    if document is None:
        return None
    development = _mapping(document.get("development"))
    light = _mapping(development.get("illuminant"))
    steps = {key: value for key, value in _mapping(development.get("milliseconds")).items() if _is_number(value)}
    return {
        "profile": _mapping(document.get("profile")).get("name"),
        "profile_sha256": _mapping(document.get("profile")).get("sha256"),
        "device": development.get("device"),
        "white_balance": {"source": light.get("source"), "cct_k": light.get("cct_k")},
        "rule": _mapping(development.get("rule")) or None,
        "milliseconds": steps,
        "warnings": document.get("warnings") or [],
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(records: Sequence[Record], versions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A capture for people: where it is, then each version from the newest to the oldest."""
    newest, story = records[-1], versions[-1]
    yield f"{displayable(newest.capture.raw)} is {newest.state}: {displayable(newest.reason).rstrip('.')}."
    yield story["would_change"]
    for record, told in zip(reversed(records), reversed(versions), strict=True):
        yield f"\nversion {record.version}, {shown_name(record)}: id {record.id}, shot {record.shot}, {record.profile}"
        yield from (f"  {file['role']:<10} {file['path']}, {file['size_bytes']:,} bytes" for file in told["files"])
        yield from (f"  {'picture':<10} {path}" for path in told["outputs"])
        if told["receipt"]:
            yield f"  {'receipt':<10} {told['receipt']}"
            yield from _rendering(told["rendering"])
        yield from _history(told["history"])


def _history(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line an entry; rounds of the same that follow one another, such as tries in vain, are told once."""
    said = [(entry["state"], entry["reason"]) for entry in entries]
    at, times = 0, 0
    while at < len(entries):
        if at >= ROUND and said[at : at + ROUND] == said[at - ROUND : at]:
            at, times = at + ROUND, times + 1
            continue
        if times:
            yield f"  {clock(entries[at - 1]['at_s'])}  the same {counted(times, 'time')} more"
            times = 0
        yield f"  {clock(entries[at]['at_s'])}  {said[at][0]}: {displayable(said[at][1])}"
        at += 1
    if times:
        yield f"  {clock(entries[-1]['at_s'])}  the same {counted(times, 'time')} more"


def _rendering(said: Mapping[str, Any] | None) -> Iterator[str]:
    if said is None:
        yield "             cannot be read; `flexispd verify` checks all of them"
        return
    light = said["white_balance"]
    kelvin = f", {light['cct_k']:.0f} K" if _is_number(light["cct_k"]) else ""
    yield f"  {'rendered':<10} on {said['device']} in {sum(said['milliseconds'].values()):,.0f} ms"
    if light["source"]:
        yield f"  {'light':<10} {light['source']}{kelvin}"
    if rule := said["rule"]:
        told = f"{rule.get('number')}, {rule.get('when')}: the look of {rule.get('use')}"
        yield f"  {'rule':<10} {displayable(told)}"
    yield from (f"  {'warning':<10} {displayable(str(warning))}" for warning in said["warnings"])
