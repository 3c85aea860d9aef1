"""
Events for whoever watches the program: one line each, on stderr, as JSON for machines or readable for people.

An event has a constant name and varying fields, units in their names: `log.info("frame.done", duration_ms=412)`.
Stages do not log; whoever runs them does.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, Literal, TextIO

import structlog

Style = Literal["json", "console"]


def configure(level: str | None = None, style: Style | None = None, stream: TextIO | None = None) -> None:
    """
    Choose what is said, how, and where.

    Args:
        level: Least important level that is printed: "debug", "info", "warning" or "error"; by default what
            $FLEXISPD_LOG_LEVEL says, else "info".
        style: "json" or "console"; by default the terminal decides, and $FLEXISPD_LOG overrules it.
        stream: Where lines go; by default to stderr, because stdout belongs to results.
    """
    chosen = style or os.environ.get("FLEXISPD_LOG") or ("console" if sys.stderr.isatty() else "json")
    levels = logging.getLevelNamesMapping()
    least = levels.get((level or os.environ.get("FLEXISPD_LOG_LEVEL", "")).upper(), logging.INFO)
    renderer: Any = structlog.processors.JSONRenderer(default=str)
    if chosen == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=20)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(stream) if stream else _to_stderr,
        cache_logger_on_first_use=False,
    )


def _to_stderr(*_: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)  # looked up at every line, so that redirecting stderr works


configure()
log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
