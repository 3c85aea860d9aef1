"""Events are one line each, for machines or for people; a command's are never on stdout, the service's always."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd import log as logging
from flexispd.config import LogParams
from flexispd.log import COMPLAINTS_MAX, REPEAT_S, close_file, configure, log, open_file, to_service

TERMINAL_CONTROLS = "\n\r\t\x1b\x07\x9b\u202e"


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    yield
    close_file()
    configure()


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stdout at which somebody sits."""

    def isatty(self) -> bool:
        return True


def events(text: str) -> list[dict[str, Any]]:
    """The lines of a log."""
    return [json.loads(line) for line in text.splitlines()]


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


def test_a_traceback_reaches_people_without_a_warning() -> None:
    """
    It follows the line of its event.
    """
    stream = io.StringIO()
    configure("info", "console", stream)

    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("frame.failed")

    assert "frame.failed" in stream.getvalue().splitlines()[0]
    assert "ValueError: broken" in stream.getvalue()


def test_the_service_logs_to_stdout_and_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The same JSON in both; the folder is made by the first line.
    """
    to_service(LogParams(), tmp_path / "logs")
    assert not (tmp_path / "logs").exists()

    log.info("capture.recorded", capture="DSC1.NEF", size_mb=25)
    log.debug("capture.seen")
    close_file()

    printed = capsys.readouterr()
    assert printed.err == ""
    assert (tmp_path / "logs/flexispd.log").read_text() == printed.out
    (event,) = events(printed.out)
    assert (event["event"], event["capture"], event["size_mb"]) == ("capture.recorded", "DSC1.NEF", 25)


def test_without_a_folder_stdout_has_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    As long as the outbox's volume is not there; the file is opened when it has come, and let go of when it leaves.
    """
    to_service(LogParams(), None)
    log.info("one")
    open_file(LogParams(), tmp_path / "logs")
    open_file(LogParams(), tmp_path / "logs")
    log.info("two")
    close_file()
    log.info("three")

    assert [event["event"] for event in events(capsys.readouterr().out)] == ["one", "two", "three"]
    assert [event["event"] for event in events((tmp_path / "logs/flexispd.log").read_text())] == ["two"]


def test_parents_are_never_made(tmp_path: Path) -> None:
    """
    Where no volume is mounted, the log would fill another disk.
    """
    to_service(LogParams(), tmp_path / "absent" / "logs")
    log.info("one")
    close_file()

    assert list(tmp_path.iterdir()) == []


def test_the_level_is_the_configurations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A reload may change it.
    """
    to_service(LogParams(level="warning"), tmp_path)
    log.info("one")
    to_service(LogParams(level="debug"), tmp_path)
    log.debug("two")

    assert [event["event"] for event in events(capsys.readouterr().out)] == ["two"]


@given(
    st.dictionaries(
        st.sampled_from(["capture", "reason", "free_mb", "details"]),
        st.text(st.characters()) | st.binary() | st.floats() | st.none(),
    )
)
def test_no_field_ever_stops_the_work(fields: dict[str, Any]) -> None:
    """
    Whatever it holds, an event is one line for a program, and for people too.
    """
    for stream in (io.StringIO(), Terminal()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            to_service(LogParams(), None, Clock())
            log.bind(**fields).info("frame.done")
        assert stream.getvalue().count("\n") == 1
        assert stream.getvalue().isascii() or isinstance(stream, Terminal)


class Unspeakable:
    """A value that cannot be described."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def test_a_field_that_cannot_be_described_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The event is logged all the same.
    """
    to_service(LogParams(), None)

    log.info("frame.done", value=Unspeakable())

    (event,) = events(capsys.readouterr().out)
    assert (event["event"], event["unloggable"]) == ("frame.done", "RuntimeError")


def test_a_terminal_gets_colours_and_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A file name must not be able to move the cursor or hide a line.
    """
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    to_service(LogParams(), None)

    log.info("frame.done", capture=f"a{TERMINAL_CONTROLS}b\udce9", path=Path("x\ny"))

    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert "\x1b[" in text
    assert not set("\r\x07\x9b\u202e") & set(text)
    assert r"a\n\r\t\x1b\x07\x9b\u202eb\udce9" in text


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_stdout_that_went_away_is_no_reason_to_stop(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    The file still has the lines.
    """

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stdout", Gone())
    to_service(LogParams(), tmp_path / "logs")
    log.info("one")
    close_file()

    assert len((tmp_path / "logs/flexispd.log").read_text().splitlines()) == 1


def test_a_terminal_of_few_letters_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    LANG=C, and a name with an umlaut.
    """
    raw = io.BytesIO()
    monkeypatch.setenv("FLEXISPD_LOG", "console")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    to_service(LogParams(), None)

    log.info("frame.done", capture="Tür")

    assert b"capture=T\\xfcr" in raw.getvalue()


def test_the_journal_is_told_the_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Only when stdout is the journal, and not a file that stdout was redirected to.
    """
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setattr(sys, "stdout", journal)
        for stream in (f"{status.st_dev}:{status.st_ino}", f"{status.st_dev}:1"):
            monkeypatch.setenv("JOURNAL_STREAM", stream)
            to_service(LogParams(), None)
            log.warning("frame.late")
        journal.seek(0)
        lines = journal.read().splitlines()

    assert lines[0].startswith('<4>{"')
    assert lines[1].startswith('{"')


def test_a_complaint_is_made_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Whichever capture it is about; the next one says how many were left out. Another reason is another complaint.
    """
    clock = Clock()
    to_service(LogParams(), None, clock)

    for number in range(5):
        log.warning("capture.failed", capture=f"DSC{number}", reason="disk full")
        log.warning("capture.failed", capture=f"DSC{number}", reason="truncated")
        log.info("capture.started", capture=f"DSC{number}")
        clock.now_s += REPEAT_S / 5 - 0.001
    before = events(capsys.readouterr().out)
    clock.now_s += 1
    log.warning("capture.failed", capture="DSC9", reason="disk full")
    clock.now_s += REPEAT_S
    log.warning("capture.failed", capture="DSC10", reason="disk full")
    log.warning("capture.failed", capture="DSC10", reason="disk full", inbox="/another")
    after = events(capsys.readouterr().out)

    assert [e["reason"] for e in before if e["event"] == "capture.failed"] == ["disk full", "truncated"]
    assert len([e for e in before if e["event"] == "capture.started"]) == 5
    assert (after[0]["capture"], after[0]["repeated"]) == ("DSC9", 4)
    assert "repeated" not in after[1]
    assert after[2]["inbox"] == "/another"


def test_an_endless_variety_of_complaints_does_not_fill_the_memory() -> None:
    """
    The one that has been quiet for longest is forgotten.
    """
    repeats = logging.Repeats(Clock())

    for number in range(COMPLAINTS_MAX + 5):
        event = {"event": "capture.failed", "level": "error", "problem": f"problem {number}"}
        assert repeats(None, "error", event) == event

    assert len(repeats._passed) == COMPLAINTS_MAX
