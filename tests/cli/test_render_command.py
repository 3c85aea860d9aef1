"""`flexispd render`: the public contract of files, exit codes and messages."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from flexispd.cli.main import run
from flexispd.decode import read_mosaic
from flexispd.demo import night_raw
from flexispd.types import Capture, Mosaic


@pytest.fixture(scope="session")
def small_raw() -> bytes:
    """A DNG file of 240 by 160 pixels."""
    return night_raw(240, 160)


@pytest.fixture
def inbox(tmp_path: Path, small_raw: bytes) -> Path:
    """A folder with one raw."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "night.dng").write_bytes(small_raw)
    return folder


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that travel by environment end with the test."""
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", "warning")
    monkeypatch.setenv("FLEXISPD_DEBUG", "")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_raw_becomes_a_picture_and_its_receipt(
    inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The picture is called STEM.PROFILE.jpg, natural by default; the inbox stays as it was.
    """
    outbox = tmp_path / "new" / "outbox"

    assert run(["render", str(inbox), "--outbox", str(outbox)]) == 0

    assert names(outbox) == ["night.natural.jpg", "night.natural.json"]
    assert names(inbox) == ["night.dng"]
    assert capsys.readouterr().out.startswith(f"1 picture of 1 capture in {outbox}, ")


def test_profiles_formats_and_names_in_any_spelling(inbox: Path, tmp_path: Path) -> None:
    """
    Every profile gives a picture of its own, in the format asked for.
    """
    outbox = tmp_path / "outbox"
    looks = ["--profile", "Vivid Night", "--profile", "neutral"]

    assert run(["render", str(inbox), "--outbox", str(outbox), *looks, "--format", "png16"]) == 0

    assert [name for name in names(outbox) if name.endswith(".png")] == ["night.neutral.png", "night.vivid-night.png"]
    receipt = json.loads((outbox / "night.neutral.json").read_text())
    assert receipt["profile"]["name"] == "neutral"


def test_with_json_stdout_holds_json_only(inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    One document, whatever happened; errors stay on stderr too.
    """
    (inbox / "broken.dng").write_bytes(b"II*\0 no raw at all")
    (inbox / "notes.txt").write_text("x")
    outbox = tmp_path / "outbox"

    assert run(["render", str(inbox), "--outbox", str(outbox), "--json"]) == 1

    printed = capsys.readouterr()
    report = json.loads(printed.out)
    by_name = {Path(capture["input"]).name: capture for capture in report["captures"]}
    assert (report["done"], report["failed"]) == (1, 1)
    assert by_name["night.dng"]["pictures"] == [
        {"profile": "natural", "status": "done", "outputs": [str(outbox / "night.natural.jpg")], "warnings": []}
    ]
    assert set(by_name["broken.dng"]["error"]) == {"kind", "problem", "remedy"}
    assert printed.err.startswith("error: ")
    assert "\n  fix: " in printed.err


def test_one_failed_file_does_not_stop_the_others(
    inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The broken one is named with a remedy and without a traceback; the exit code says that there was one.
    """
    (inbox / "a_broken.dng").write_bytes((inbox / "night.dng").read_bytes()[:3000])
    outbox = tmp_path / "outbox"

    assert run(["render", str(inbox), "--outbox", str(outbox)]) == 1

    printed = capsys.readouterr()
    assert "night.natural.jpg" in names(outbox)
    assert "a_broken.dng" in printed.err
    assert "Traceback" not in printed.err
    assert "1 capture failed" in printed.out


def test_a_second_run_finds_everything_there(inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What was made of the same ingredients is left alone, and --overwrite makes it again.
    """
    command = ["render", str(inbox), "--outbox", str(tmp_path / "outbox")]
    run(command)
    picture = tmp_path / "outbox" / "night.natural.jpg"
    before = picture.stat().st_mtime_ns

    assert run(command) == 0
    assert "1 there already" in capsys.readouterr().out
    assert picture.stat().st_mtime_ns == before
    assert run([*command, "--overwrite"]) == 0
    assert picture.stat().st_mtime_ns > before


def test_a_file_of_somebody_else_is_never_replaced(inbox: Path, tmp_path: Path) -> None:
    """
    Not even with --overwrite.
    """
    theirs = tmp_path / "outbox" / "night.natural.jpg"
    theirs.parent.mkdir()
    theirs.write_text("a photograph of my own")

    assert run(["render", str(inbox), "--outbox", str(theirs.parent), "--overwrite"]) == 1

    assert theirs.read_text() == "a photograph of my own"
    assert names(theirs.parent) == ["night.natural.jpg"]


@pytest.mark.parametrize("inside", ["", "pictures", "pictures/new"])
def test_an_outbox_inside_a_folder_that_is_read_is_refused(
    inbox: Path, inside: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The inbox belongs to the camera; nothing is made there.
    """
    assert run(["render", str(inbox), "--outbox", str(inbox / inside)]) == 2

    assert "never written to" in capsys.readouterr().err
    assert names(inbox) == ["night.dng"]
    assert not (inbox / "pictures").exists()


@pytest.mark.parametrize(
    "inputs", [["in/night.dng"], ["in/night.dng", "other"], ["deep", "other"], ["links/night.dng"]]
)
def test_no_picture_ever_goes_into_a_folder_that_is_read(
    inputs: list[str], inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Neither beside a file that was named, nor through a mirrored subfolder, nor through a link.
    """
    monkeypatch.chdir(tmp_path)
    inbox.rename("in")
    for folder in ("deep/in", "other", "links"):
        Path(folder).mkdir(parents=True)
    shutil.copy("in/night.dng", "deep/in/another.dng")
    shutil.copy("in/night.dng", "other/third.dng")
    Path("links/night.dng").symlink_to("../in/night.dng")
    Path("out").mkdir()
    Path("out/in").symlink_to("../other")
    before = names(tmp_path)

    assert run(["render", *inputs, "--outbox", "out" if inputs[0] == "deep" else "in"]) == 2

    assert "never written to" in capsys.readouterr().err
    assert names(tmp_path) == before


def test_a_subfolder_that_meets_another_inbox_is_refused(
    inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The pictures of one inbox's subfolder do not land in another inbox.
    """
    (tmp_path / "other" / "inbox").mkdir(parents=True)
    shutil.copy(inbox / "night.dng", tmp_path / "other" / "inbox" / "second.dng")

    assert run(["render", str(inbox), str(tmp_path / "other"), "--outbox", str(tmp_path)]) == 2

    assert str(inbox) in capsys.readouterr().err
    assert names(inbox) == ["night.dng"]


def test_what_a_crashed_run_left_is_swept_out(inbox: Path, tmp_path: Path) -> None:
    """
    Old temporary files of ours go from every folder that is written into.
    """
    (inbox / "deep").mkdir()
    shutil.copy(inbox / "night.dng", inbox / "deep" / "night.dng")
    left = tmp_path / "outbox" / "deep" / f".flexispd-{16 * '0'}.tmp"
    left.parent.mkdir(parents=True)
    left.write_text("half a picture")
    os.utime(left, (0, 0))

    assert run(["render", str(inbox), "--outbox", str(tmp_path / "outbox")]) == 0

    assert not left.exists()


def test_errors_name_a_path_that_can_be_typed_again(
    inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Two folders may hold a file of one name.
    """
    broken = inbox / "broken.dng"
    broken.write_bytes(b"no raw at all, but long enough to be looked at")

    assert run(["render", str(broken), "--outbox", str(tmp_path / "outbox"), "--json"]) == 1
    printed = capsys.readouterr()
    assert run(["info", str(broken)]) == 1

    assert printed.err.startswith(f"error: {broken} ")
    assert json.loads(printed.out)["captures"][0]["error"]["problem"].startswith(f"{broken} ")
    assert capsys.readouterr().err.startswith(f"error: {broken} ")


def test_an_outbox_that_is_a_file_is_refused(inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The message says what is in the way.
    """
    (tmp_path / "outbox").write_text("x")

    assert run(["render", str(inbox), "--outbox", str(tmp_path / "outbox")]) == 2

    assert "a file is in the way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["render"], 2, "Missing argument"),
        (["render", "x.dng"], 2, "--outbox"),
        (["render", "x.dng", "--outbox", "o", "--format", "gif"], 2, "'--format': 'gif' is not one of 'jpeg'"),
        (["render", "", "--outbox", "o"], 2, "a value is empty"),
        (["render", "x.dng", "--outbox", ""], 2, "a value is empty"),
        (["render", "x.dng", "--outbox="], 2, "a value is empty"),
        (["weights", "import", ""], 2, "a value is empty"),
        (["weights", "import", "nowhere"], 2, "does not exist"),
        (["weights", "import", ".", "--name", "a/b"], 2, "cannot name a model set"),
        (["info", "x.dng"], 2, "does not exist"),
        (["render", "x.dng", "--outbox", "o", "--device", "tpu"], 2, "tpu"),
        (["render", "x.dng", "--outbox", "o", "--profil", "natural"], 2, "--profil"),
        (["render", "x.dng", "--outbox", "o", "--profile", "natural", "--profile", "Natural"], 2, "given twice"),
        (["render", "x.dng", "--outbox", "o", "--profile", "naturel"], 78, "There is no profile called naturel"),
        (["render", "x.dng", "--outbox", "o", "--profile", "no.toml"], 78, "no.toml does not exist"),
        (["render", "x.dng", "--outbox", "o"], 1, "x.dng does not exist"),
        (["rendr"], 2, "Did you mean 'render'"),
    ],
)
def test_a_wrong_command_line_is_answered_with_problem_and_remedy(
    arguments: list[str],
    code: int,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    2 for usage, 78 for configuration, 1 for captures; always two lines, never a traceback.
    """
    monkeypatch.chdir(tmp_path)

    assert run(arguments) == code

    problem, remedy = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: ")
    assert expected in problem
    assert remedy.startswith("  fix: ")
    assert names(tmp_path) == []


def test_a_gpu_that_is_not_there_is_said_once(inbox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What every capture lacks stops the run before anything is made.
    """
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")

    assert run(["render", str(inbox), "--outbox", str(tmp_path / "outbox"), "--device", "cuda"]) == 1

    assert capsys.readouterr().err.count("error:") == 1
    assert not (tmp_path / "outbox").exists()


def test_a_bug_is_called_a_bug_and_does_not_stop_the_others(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An exception that is not ours names itself and its place; only --debug shows the traceback.
    """
    (inbox / "another.dng").write_bytes((inbox / "night.dng").read_bytes())

    def fragile(capture: Capture) -> Mosaic:
        if capture.raw.name == "another.dng":
            raise KeyError("surprise")
        return read_mosaic(capture)

    monkeypatch.setattr("flexispd.pipeline.read_mosaic", fragile)
    command = ["render", str(inbox), "--outbox", str(tmp_path / "outbox"), "--overwrite"]

    assert run(command) == 1

    said = capsys.readouterr().err
    assert "This is a bug in flexispd: KeyError: 'surprise' (test_render_command.py, line " in said
    assert "Traceback" not in said
    assert "night.natural.jpg" in names(tmp_path / "outbox")
    assert run(["--debug", *command]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_empty_folder_is_not_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Nothing to do is done; the outbox is not made, and files that were passed over are counted.
    """
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "notes.txt").write_text("x")

    assert run(["render", str(tmp_path / "inbox"), "--outbox", str(tmp_path / "outbox")]) == 0

    assert capsys.readouterr().out.startswith("no raw was found, 1 file seen and not used, ")
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("stem", [b"caf\xe9", b"new\nline", b"-dash", "\N{WINE GLASS}".encode(), b"x" * 251])
def test_any_file_name_is_rendered(
    stem: bytes, small_raw: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Names are bytes; JSON and messages hold a readable form of them.
    """
    (tmp_path / "inbox").mkdir()
    path = tmp_path / "inbox" / os.fsdecode(stem + b".dng")
    path.write_bytes(small_raw)
    command = ["render", "--outbox", str(tmp_path / "outbox"), "--json", "--", str(path)]

    assert run(command) == 0

    assert json.loads(capsys.readouterr().out)["done"] == 1
    assert len(names(tmp_path / "outbox")) == 2


def test_events_are_printed_when_asked_for(inbox: Path, tmp_path: Path) -> None:
    """
    `flexispd -v render` prints JSON lines on stderr where there is no terminal.
    """
    environment = {**os.environ, "FLEXISPD_LOG_LEVEL": "info"}
    command = [sys.executable, "-m", "flexispd", "-v", "render", str(inbox), "--outbox", str(tmp_path / "outbox")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["capture.started", "capture.finished"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing_half_written(number: int, code: int, tmp_path: Path) -> None:
    """
    Ctrl-C ends in one line and exit code 130, SIGTERM in one line and 143; the outbox holds whole pictures or none.
    """
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    inbox.mkdir()
    for night in range(3):
        (inbox / f"{night}.dng").write_bytes(night_raw(960, 640))
    command = [sys.executable, "-m", "flexispd", "-v", "render", str(inbox), "--outbox", str(outbox)]
    environment = {**os.environ, "FLEXISPD_LOG_LEVEL": "info"}
    before = signal.signal(number, signal.SIG_DFL)  # a shell starts its background jobs with SIGINT ignored
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    signal.signal(number, before)
    with child:
        assert child.stderr is not None
        assert "capture.started" in child.stderr.readline()
        child.send_signal(number)
        said = child.stderr.read()

    assert child.returncode == code
    assert said.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in said
    written = names(outbox) if outbox.exists() else []
    assert all(name.endswith((".natural.jpg", ".natural.json")) for name in written)
    assert len(written) % 2 == 0


def test_small_raws_can_be_made_for_tests(small_raw: bytes) -> None:
    """
    The demonstration's raw is the same on every run, and another street for another seed.
    """
    assert night_raw(240, 160) == small_raw
    assert night_raw(240, 160, seed=1) != small_raw
    assert len(np.frombuffer(small_raw, np.uint8)) > 240 * 160 * 2


def test_a_terminal_shows_how_far_it_is(inbox: Path, tmp_path: Path) -> None:
    """
    A bar with the name of the capture in work, on stderr; an error starts on a line of its own.
    """
    (inbox / "broken.dng").write_bytes(b"II*\0 no raw at all")
    reader, terminal = pty.openpty()
    command = [sys.executable, "-m", "flexispd", "render", str(inbox), "--outbox", str(tmp_path / "outbox")]
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(command, stderr=terminal, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    os.close(terminal)
    with os.fdopen(reader, "rb", buffering=0) as screen:
        shown = screen.read(65536).decode()

    assert done.returncode == 1
    assert "1/2" in shown
    assert "night.dng" in shown
    assert "\r\033[Kerror: " in shown
    assert done.stdout.startswith("1 picture of 2 captures")
