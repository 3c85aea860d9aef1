"""
Events for whoever watches the program: one line each, as JSON for machines or readable for people.

An event has a constant name and varying fields, units in their names: `log.info("frame.done", duration_ms=412)`.
Stages do not log; whoever runs them does. Commands log on stderr, because stdout belongs to results. The service has
no results, so it logs on stdout, and into a file of the outbox for as long as the outbox is there.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog

from flexispd.log_file import LogFile

if TYPE_CHECKING:
    from flexispd.config import LogParams

Style = Literal["json", "console"]

REPEAT_S = 60.0
"""The same complaint is made once in so long."""

COMPLAINTS_MAX = 1000
"""Complaints that are remembered, so that an endless variety of them does not fill the memory."""

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""As syslog has them; systemd reads them from the front of a line."""

_file: LogFile | None = None


def configure(level: str | None = None, style: Style | None = None, stream: TextIO | None = None) -> None:
    """
    Choose what a command says, how, and where.

    Args:
        level: Least important level that is printed: "debug", "info", "warning" or "error"; by default what
            $FLEXISPD_LOG_LEVEL says, else "info".
        style: "json" or "console"; by default the terminal decides, and $FLEXISPD_LOG overrules it.
        stream: Where lines go; by default to stderr, because stdout belongs to results.
    """
    chosen = style or os.environ.get("FLEXISPD_LOG") or ("console" if sys.stderr.isatty() else "json")
    renderer: Any = _console(sys.stderr) if chosen == "console" else _json
    printer = structlog.PrintLoggerFactory(stream) if stream else _to_stderr
    _set_up(level or os.environ.get("FLEXISPD_LOG_LEVEL", ""), [renderer], printer)


def to_service(params: LogParams, folder: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
    """
    Log as the service does: on stdout, and in files in `folder`. Logging then never raises, nor waits for a disk.

    Complaints that repeat themselves are made once a minute, see `Repeats`. May be called again, with other settings.

    Args:
        folder: Usually OUTBOX/logs; as in `open_file`. None: no files, until they are opened.
        clock: Seconds that only grow.
    """
    chosen = os.environ.get("FLEXISPD_LOG") or ("console" if sys.stdout.isatty() else "json")
    deliver = _Deliver(_console(sys.stdout) if chosen == "console" else None, to_journal=_is_journal(sys.stdout))
    _set_up(params.level, [deliver], _Stdout, before=[Repeats(clock)])
    if folder is None:
        close_file()
    else:
        open_file(params, folder)
    atexit.unregister(close_file)
    atexit.register(close_file)


def open_file(params: LogParams, folder: Path) -> None:
    """
    Log into files in `folder` from now on. It is made by the first line, its parents never are.

    Only for a volume that is there: in the place where it would be mounted, the folder would be made on another disk.
    """
    global _file
    made_of = (folder, params.file_mb * 1_000_000, params.files)
    if _file is not None and _file.made_of == made_of:
        return
    close_file()
    _file = LogFile(*made_of)


def close_file() -> None:
    """Let go of the log file, so that its volume can be unmounted. Until it is opened again, stdout has to do."""
    global _file
    closing, _file = _file, None
    if closing is not None:
        closing.close()


class Repeats:
    """
    Lets the same complaint pass once a minute, and the next one then says how many were left out: `repeated=41`.

    Complaints, of level warning and above, are the same when event, inbox, reason and problem are, whichever capture
    they are about.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._passed: dict[tuple[object, ...], list[float]] = {}  # when, and how many were left out since

    def __call__(self, _logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """The event, or structlog.DropEvent."""
        if _PRIORITIES.get(event.get("level", ""), 6) > _PRIORITIES["warning"]:
            return event
        texts = (event.get(key) for key in ("event", "inbox", "reason", "problem"))
        key = tuple(text if isinstance(text, str) else None for text in texts)
        now_s = self._clock()
        if (last := self._passed.get(key)) and now_s - last[0] < REPEAT_S:
            last[1] += 1
            raise structlog.DropEvent
        self._passed.pop(key, None)
        if len(self._passed) >= COMPLAINTS_MAX:
            del self._passed[next(iter(self._passed))]  # the one that has been quiet for longest
        self._passed[key] = [now_s, 0]
        return {**event, "repeated": int(last[1])} if last and last[1] else event


def _set_up(level: str, last: list[Any], printer: Callable[..., Any], before: list[Any] | None = None) -> None:
    least = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *(before or []),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=printer,
        cache_logger_on_first_use=False,
    )


def _to_stderr(*_: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)  # looked up at every line, so that redirecting stderr works


class _Stdout:
    """Prints a line where stdout is now, or nothing: a reader that went away is no reason to stop."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        """Print."""
        with suppress(OSError, ValueError, AttributeError):
            try:
                sys.stdout.write(line + "\n")
            except UnicodeEncodeError:
                sys.stdout.write(line.encode("ascii", "backslashreplace").decode() + "\n")
            sys.stdout.flush()

    debug = info = warning = error = critical = msg


class _Deliver:
    """The last step of the service: JSON for the file, and for stdout what reads well there."""

    def __init__(self, console: Any, *, to_journal: bool) -> None:
        self._console = console
        self._to_journal = to_journal

    def __call__(self, logger: object, name: str, event: structlog.typing.EventDict) -> str:
        """The line for stdout."""
        try:
            line = _json(logger, name, event)
        except Exception as error:  # a field that cannot even be described must not stop the work it describes
            event = {key: event.get(key) for key in ("event", "level", "timestamp")}
            event["unloggable"] = type(error).__name__
            line = _json(logger, name, event)
        if _file is not None:
            _file.write(line)
        if self._console:
            return str(self._console(logger, name, event))
        return f"<{_PRIORITIES.get(name, 6)}>{line}" if self._to_journal else line


def _json(_logger: object, _name: str, event: structlog.typing.EventDict) -> str:
    """The event on one line of ASCII, so that any name survives any pipe."""
    return json.dumps(event, default=_plain)


def _plain(value: object) -> str:
    return os.fspath(value) if isinstance(value, PurePath) else str(value)


def _console(stream: TextIO) -> Callable[..., str]:
    """A renderer for people: one line, whatever the fields hold; a traceback follows on lines of its own."""
    render = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        pad_event_to=20,
        exception_formatter=structlog.dev.plain_traceback,  # the traceback is text already
    )

    def on_one_line(logger: Any, name: str, event: structlog.typing.EventDict) -> str:
        shown = {key: value if key == "exception" else _one_line(value) for key, value in event.items()}
        return str(render(logger, name, shown))

    return on_one_line


def _one_line(value: object) -> object:
    """A value without control characters, which a terminal would obey, and without halves of characters."""
    if isinstance(value, bool | int | float | None):
        return value
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_journal(stream: TextIO) -> bool:
    """Whether what is printed goes into systemd's journal: it says which file that is."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


configure()
log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
