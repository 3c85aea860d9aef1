"""How commands speak: results on stdout, as text or JSON; errors on stderr, as a problem and its remedy."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from flexispd.errors import FlexispError, displayable

DEBUG = "FLEXISPD_DEBUG"
"""Environment variable that `--debug` sets, so that child processes know it too."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


def print_json(value: Any) -> None:
    """One JSON document on stdout. Paths become text; everything is ASCII, so that any file name survives any pipe."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def print_error(error: BaseException) -> None:
    """The problem and its remedy on stderr; the traceback before them only when somebody is hunting a bug."""
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    problem, remedy = explained(error)
    if sys.stderr.isatty():
        typer.echo("\r\033[K", nl=False, err=True)  # a progress bar may stand on this line
    typer.echo(f"error: {problem}\n  fix: {remedy}", err=True)


def explained(error: BaseException) -> tuple[str, str]:
    """Problem and remedy of any exception; one that is not ours is a bug, and the remedy says how to report it."""
    if isinstance(error, FlexispError):
        return error.problem, error.remedy
    if isinstance(error, MemoryError):
        return "There is not enough memory.", "Close other programs, or render fewer files at a time."
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    text = displayable(str(error))
    return (
        f"This is a bug in flexispd: {type(error).__name__}{text and ': '}{text[:200]}{place}.",
        "Report it with what the same command prints under `flexispd --debug`, and keep the file that caused it.",
    )


def counted(number: int, noun: str) -> str:
    """The number with its noun: 1 capture, 2 captures."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return displayable(value)
    if hasattr(value, "tolist"):  # arrays and scalars of numpy
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not for JSON")
