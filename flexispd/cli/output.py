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

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The daemon's configuration, if not the user's or the system's."),
]


def print_json(value: Any) -> None:
    """One JSON document on stdout. Paths become text; everything is ASCII, so that any file name survives any pipe."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def print_error(error: BaseException, path: Path | None = None) -> None:
    """
    The problem and its remedy on stderr; the traceback before them only when somebody is hunting a bug.

    `path` is the capture's, where the error belongs to one.
    """
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    problem, remedy = explained(error, path)
    if sys.stderr.isatty():
        typer.echo("\r\033[K", nl=False, err=True)  # a progress bar may stand on this line
    typer.echo(f"error: {problem}\n  fix: {remedy}", err=True)


def error_json(error: BaseException, path: Path | None = None) -> dict[str, str]:
    """The same for programs."""
    problem, remedy = explained(error, path)
    kind = type(error).__name__ if isinstance(error, FlexispError) else "Bug"
    return {"kind": kind, "problem": problem, "remedy": remedy}


def explained(error: BaseException, path: Path | None = None) -> tuple[str, str]:
    """Problem and remedy of any exception, saying which capture it concerns in a way that can be typed again."""
    problem, remedy = _sentences(error)
    if path is None or (shown := displayable(path)) in problem:
        return problem, remedy
    name = displayable(path.name)
    return (shown + problem.removeprefix(name) if problem.startswith(name) else f"{shown}: {problem}"), remedy


def _sentences(error: BaseException) -> tuple[str, str]:
    """Problem and remedy; an exception that is not ours is a bug, and the remedy says how to report it."""
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
