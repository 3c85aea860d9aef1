"""`flexispd status`: how it goes, at a glance or for as long as somebody watches."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexispd.cli.captures import duration, file_json, looked_into, print_wrong
from flexispd.cli.output import ConfigOption, JsonOption, counted, error_json, print_json
from flexispd.errors import ConfigError, displayable
from flexispd.presence import clock

if TYPE_CHECKING:
    from flexispd.config import Config
    from flexispd.ledger import Ledger

WATCH_S = 1.0
DISK_ANSWER_S = 0.1
"""A disk on a network that went away may not answer at all."""

SOON_MIN = 24 * 60.0
"""That the disk is full after more than a day is no news."""

_STANDS_STILL = ("blocked", "paused", "not running")
"""Phases in which nothing is rendered, however fast it went before."""

_CLEAR = "\033[H\033[2J"


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C, every second.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """
    Tell how it goes: captures by state, pace, what is left to do, device, disk, and what went wrong last.

    Works whether or not the daemon runs. `--watch` redraws a terminal every second; elsewhere it prints a line for each
    change, with `--json` a document.
    """
    with looked_into(config) as (settings, ledger, wrong):
        if not watch:
            told = read(settings, ledger, time.time(), wrong)
            if as_json:
                print_json(told)
            else:
                typer.echo("\n".join(lines(told)))
            return
        if not sys.stdout.isatty():
            print_wrong(wrong)
        try:
            follow(_every_second(settings, ledger, wrong), as_json=as_json, redraw=sys.stdout.isatty())
        except KeyboardInterrupt:  # the way to end it
            return


def follow(updates: Iterable[Mapping[str, Any]], *, as_json: bool, redraw: bool) -> None:
    """Show one status after another: in place of the one before, or only those that say something else."""
    last = ""
    for told in updates:
        if redraw and not as_json:
            typer.echo(_CLEAR + "\n".join(lines(told)), color=True)  # a terminal it is
            continue
        if (line := _line(told)) != last:
            typer.echo(json.dumps(told) if as_json else f"{clock(told['at_s'])} {line}")
            last = line


def read(config: Config, ledger: Ledger, at_s: float, wrong: ConfigError | None = None) -> dict[str, Any]:
    """Everything there is to say, as JSON has it; `wrong` is what was looked past in the configuration."""
    from flexispd.ledger import profiles, reports
    from flexispd.presence import read_status, running

    daemon = running(config.state)
    said = read_status(config.state) or {}
    live = said if daemon and said.get("pid") == daemon.pid else {}
    counts = {state.value: number for state, number in reports.counts(ledger).items()}
    counts["settling"] = sum(inbox.get("settling") or 0 for inbox in live.get("inboxes", ()))
    pace = reports.pace(ledger, at_s)
    todo = counts["queued"] + counts["running"] + counts["settling"]
    free_bytes = live.get("free_bytes") if live else _free_bytes(config.outbox)
    name, sha256 = profiles.active_name(ledger) or (config.profile, None)
    return {
        "at_s": at_s,
        "daemon": {"pid": daemon.pid, "since_s": daemon.since_s} if daemon else None,
        "phase": (live.get("phase") or "starting") if daemon else "not running",
        "configuration": error_json(wrong) if wrong else None,
        "profile": {"name": name, "sha256": sha256},
        "captures": counts,
        "waiting_for": reports.waiting_for(ledger),
        "todo": todo,
        "images_per_minute": round(pace.per_minute, 2),
        "frame_s": pace.frame_s,
        "done_in_min": round(todo / pace.per_minute, 2) if todo and pace.per_minute else None,
        **file_json("outbox", config.outbox),
        "free_bytes": free_bytes,
        "full_in_min": pace.full_in_min(free_bytes, config.output.free_min_mb),
        "paused": ledger.setting("paused"),
        "blocked": live.get("blocked"),
        "inboxes": live.get("inboxes") or [file_json("path", inbox) for inbox in config.inboxes],
        "workers": live.get("workers") or [],
        "reconcile": live.get("reconcile"),
        "last_error": said.get("last_error"),
    }


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A status for people."""
    daemon = told["daemon"]
    since = f", process {daemon['pid']} since {clock(daemon['since_s'])}" if daemon else "; `flexispd run` starts it"
    yield f"{'daemon':<10} {told['phase']}{since}"
    if wrong := told["configuration"]:
        goes_on = "The daemon goes on with what it read before. " if daemon else ""
        yield f"{'warning':<10} {wrong['problem']} {wrong['remedy']} {goes_on}None starts until that is put right."
    if told["paused"]:
        yield f"{'paused':<10} since {clock(told['paused']['at_s'])}; `flexispd resume` goes on"
    if told["blocked"]:
        yield f"{'blocked':<10} {displayable(told['blocked']['reason'])}"
    yield f"{'profile':<10} {told['profile']['name']}"
    counts = told["captures"]
    parts = [f"{number:,} {state}" for state, number in counts.items() if number and state != "superseded"]
    yield f"{'captures':<10} {', '.join(parts) or 'none yet'}"
    if told["waiting_for"]:
        yield f"{'waiting':<10} " + ", ".join(
            f"{number:,} for {cause}" for cause, number in told["waiting_for"].items()
        )
    yield f"{'pace':<10} {_pace(told)}"
    for worker in told["workers"]:
        yield f"{'worker':<10} {_worker(worker)}"
    for inbox in told["inboxes"]:
        yield f"{'inbox':<10} {_inbox(inbox)}"
    yield f"{'outbox':<10} {told['outbox']}{_room(told)}"
    if told["last_error"]:
        error = told["last_error"]
        said = displayable(" ".join(filter(None, (error["problem"], error.get("remedy")))))
        yield f"{'last error':<10} {clock(error['at_s'])} {said}"


def _line(told: Mapping[str, Any]) -> str:
    """A status in one line, without what differs every second."""
    parts = [f"{number} {state}" for state, number in told["captures"].items() if number and state != "superseded"]
    blocked = f", blocked: {displayable(told['blocked']['reason'])}" if told["blocked"] else ""
    paused = ", paused" if told["paused"] and told["phase"] != "paused" else ""
    return f"{told['phase']}: {', '.join(parts) or 'no captures yet'}{paused}{blocked}, {told['profile']['name']}"


def _pace(told: Mapping[str, Any]) -> str:
    todo = counted(told["todo"], "capture") + " to do"
    if not told["images_per_minute"]:
        return f"{todo}, nothing finished in the last ten minutes"
    goes_on = told["done_in_min"] is not None and told["phase"] not in _STANDS_STILL
    end = f", done in about {duration(60 * told['done_in_min'])}" if goes_on else ""
    return f"{told['images_per_minute']:.1f} images/min, {told['frame_s']:.1f} s each; {todo}{end}"


def _worker(worker: Mapping[str, Any]) -> str:
    memory = f", {worker['rss_mb']:,.0f} MB" if worker.get("rss_mb") else ""
    if worker.get("device") is None:
        return f"starting{memory}"
    return f"{worker['device']}: {worker.get('state')}, {worker.get('in_flight', 0)} in work{memory}"


def _inbox(inbox: Mapping[str, Any]) -> str:
    if inbox.get("absent"):
        return f"{displayable(inbox['path'])}: {displayable(str(inbox['absent']))}"
    settling = f", {inbox['settling']} settling" if inbox.get("settling") else ""
    return displayable(inbox["path"]) + (f": {displayable(inbox['mode'])}{settling}" if inbox.get("mode") else "")


def _room(told: Mapping[str, Any]) -> str:
    if told["free_bytes"] is None:
        return ": free space unknown"
    full_in_min = told["full_in_min"]
    soon = full_in_min is not None and 0 < full_in_min < SOON_MIN
    full = f", full in about {duration(60 * full_in_min)} at this rate" if soon else ""
    gigabytes = told["free_bytes"] / 1e9
    return f": {gigabytes:,.1f} GB free{full}" if gigabytes >= 1 else f": {1000 * gigabytes:,.1f} MB free{full}"


def _free_bytes(folder: Path) -> int | None:
    """Room for a user like us, when the disk says it at once."""
    found: list[int] = []

    def ask() -> None:
        try:
            room = os.statvfs(folder)
        except OSError:
            return
        found.append(room.f_bavail * room.f_frsize)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(DISK_ANSWER_S)
    return found[0] if found else None


def _every_second(config: Config, ledger: Ledger, wrong: ConfigError | None) -> Iterator[dict[str, Any]]:
    while True:
        yield read(config, ledger, time.time(), wrong)
        time.sleep(WATCH_S)
