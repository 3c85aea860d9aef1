"""What the commands about captures share: the ledger that they ask, and a capture as text and as JSON."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flexispd.errors import ConfigError, displayable

if TYPE_CHECKING:
    from flexispd.config import Config
    from flexispd.ledger import Ledger, Record
    from flexispd.ledger.reports import Summary

RECEIPT_BYTES_MAX = 4 << 20
"""A larger file is no receipt."""


@contextmanager
def opened(config_file: Path | None) -> Iterator[tuple[Config, Ledger]]:
    """The configuration and its ledger, which is never made here: SetupError when there is none."""
    from flexispd.config import load_config
    from flexispd.ledger import Ledger

    config = load_config(config_file)
    ledger = Ledger.open(config.state)
    try:
        yield config, ledger
    finally:
        ledger.close()


@contextmanager
def looked_into(config_file: Path | None) -> Iterator[tuple[Config, Ledger, ConfigError | None]]:
    """
    The same for those who only look, and what is wrong with the configuration, where that can be looked past.

    Whoever has just made a typing error wants to see that the daemon goes on. The error is raised when it leaves no
    ledger to be found.
    """
    from flexispd.config import load_config
    from flexispd.ledger import Ledger
    from flexispd.ledger.store import NAME

    wrong: ConfigError | None = None
    try:
        config = load_config(config_file)
    except ConfigError as error:
        from flexispd.broken_config import what_remains

        remains = what_remains(config_file)
        if remains is None or not (remains.state / NAME).is_file():
            raise
        config, wrong = remains, error
    ledger = Ledger.open(config.state)
    try:
        yield config, ledger, wrong
    finally:
        ledger.close()


def print_wrong(wrong: ConfigError | None) -> None:
    """On stderr, what was looked past in the configuration."""
    if wrong is not None:
        typer.echo(f"warning: {wrong.problem}\n  fix: {wrong.remedy}", err=True)


def file_json(key: str, path: os.PathLike[str] | str | None) -> dict[str, str | None]:
    """A path for people, and its exact bytes where the two differ, as in a receipt."""
    if path is None:
        return {key: None}
    shown = displayable(path)
    if shown == path or shown.encode() == os.fsencode(path):
        return {key: shown}
    return {key: shown, f"{key}_base64": _base64(path)}


def _base64(path: os.PathLike[str] | str) -> str:
    return base64.b64encode(os.fsencode(path)).decode("ascii")


def record_json(record: Record, outbox: Path) -> dict[str, Any]:
    """One version of a capture; its outputs as absolute paths."""
    from flexispd.ledger.reports import Summary

    return summary_json(Summary.of(record), os.fspath(outbox))


def summary_json(summary: Summary, outbox: str) -> dict[str, Any]:
    """The same of a version in short."""
    receipt = None if summary.receipt is None else os.path.join(outbox, summary.receipt)  # noqa: PTH118  (many)
    folder = "" if receipt is None else receipt[: receipt.rindex("/") + 1]
    outputs = [folder + name for name in summary.outputs] if folder else []
    shown = list(map(displayable, outputs))
    return {
        "id": summary.id,
        **file_json("path", summary.path),
        **file_json("folder", summary.folder),
        "version": summary.version,
        "shot": summary.shot,
        "state": summary.state,
        "reason": summary.reason,
        "cause": summary.cause,
        "profile": summary.profile,
        "arrived_s": summary.arrived_s,
        "changed_s": summary.changed_s,
        "attempts": summary.attempts,
        "failures": summary.failures,
        "outputs": shown,
        **({} if shown == outputs else {"outputs_base64": list(map(_base64, outputs))}),
        **file_json("receipt", receipt),
        "twin": summary.twin,
    }


def outputs_of(record: Record, outbox: Path) -> list[Path]:
    """The pictures of a version, absolute; none before it is finished."""
    receipt = receipt_of(record, outbox)
    return [] if receipt is None else [receipt.parent / name for name, _, _ in record.outputs]


def receipt_of(record: Record, outbox: Path) -> Path | None:
    """The receipt of a version, absolute; None before it is finished."""
    return None if record.receipt is None else outbox / record.receipt


def read_receipt(path: Path) -> dict[str, Any] | None:
    """A receipt as the JSON that it is; None when it is not there, or is none of ours."""
    from flexispd.capture.formats import RECEIPT_MARK

    try:
        with path.open("rb") as file:
            document = json.loads(file.read(RECEIPT_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(document, dict) and str(document.get("schema")).startswith(RECEIPT_MARK):
        return document
    return None


def shown_name(record: Record) -> str:
    """The raw below its inbox, as people call it."""
    return displayable(record.folder / record.capture.raw.name)


def duration(seconds: float) -> str:
    """About how long, in the largest unit that says something."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{round(seconds / 86400)} days"
