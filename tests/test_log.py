"""Events are one line each, for machines or for people, and never on stdout."""

import io
import json
from collections.abc import Iterator

import pytest

from flexispd.log import configure, log


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    configure()


def test_an_event_is_one_json_object_on_one_line() -> None:
    """
    Name, level, time and every field, whatever they hold.
    """
    stream = io.StringIO()
    configure("info", "json", stream)

    log.info("frame.done", duration_ms=412, capture="new\nline \udce9")

    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["duration_ms"]) == ("frame.done", "info", 412)
    assert event["capture"] == "new\nline \udce9"
    assert "timestamp" in event


def test_people_get_a_readable_line() -> None:
    """
    The console style names the event first and the fields after it.
    """
    stream = io.StringIO()
    configure("info", "console", stream)

    log.warning("frame.late", by_s=3)

    assert "frame.late" in stream.getvalue()
    assert "by_s=3" in stream.getvalue()


@pytest.mark.parametrize(("level", "seen"), [("debug", 3), ("info", 2), ("warning", 1), ("nonsense", 2)])
def test_less_important_events_are_dropped(level: str, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    By argument or by environment; a level that does not exist is info.
    """
    stream = io.StringIO()
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", level)
    configure(None, "json", stream)

    log.debug("a")
    log.info("b")
    log.warning("c")

    assert len(stream.getvalue().splitlines()) == seen


def test_by_default_events_go_to_stderr_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """
    stdout belongs to results, even when stderr was redirected after the program had started.
    """
    configure()

    log.info("frame.done")

    printed = capsys.readouterr()
    assert printed.out == ""
    assert json.loads(printed.err)["event"] == "frame.done"
