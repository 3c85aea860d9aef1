"""The script that gphoto2 calls: run as gphoto2 runs it, with a `flexispd` that only notes what it was told."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).resolve().parent.parent / "flexispd" / "hooks" / "flexispd-gphoto2-hook"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A pipe that the stand-in writes its arguments to, each ended by a zero."""
    (tmp_path / "bin").mkdir()
    pipe = tmp_path / "told"
    os.mkfifo(pipe)
    stand_in = tmp_path / "bin" / "flexispd"
    stand_in.write_text(
        f"#!/bin/sh\necho noise; echo noise >&2\nprintf '%s\\0' \"$@\" > {shlex.quote(str(pipe))}\nexit 1\n"
    )
    stand_in.chmod(0o755)
    return pipe


def run_hook(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **environment}
    return subprocess.run([HOOK], cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize(
    ("argument", "submitted"),
    [
        ("/inbox/DSC_0001.NEF", "/inbox/DSC_0001.NEF"),
        ("DSC_0001.NEF", "./DSC_0001.NEF"),
        ("--help", "./--help"),
        ("-rf *.NEF", "./-rf *.NEF"),
        ("/a b/c\nd\te.NEF", "/a b/c\nd\te.NEF"),
        ("$(touch x);`touch y`'\"\\n.NEF", "./$(touch x);`touch y`'\"\\n.NEF"),
        ("/inbox/\udcff.NEF", "/inbox/\udcff.NEF"),
    ],
)
def test_a_download_is_submitted(told: Path, argument: str, submitted: str) -> None:
    """
    The name arrives as it is, whatever is in it; that the command fails and prints is nobody's business.
    """
    done = run_hook(told.parent, {"ACTION": "download", "ARGUMENT": argument})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with told.open("rb") as pipe:  # waits for the background
        assert os.fsdecode(pipe.read()).split("\0") == ["submit", submitted, ""]
    assert not (told.parent / "x").exists()


@pytest.mark.parametrize(
    "environment",
    [
        {"ACTION": "init"},
        {"ACTION": "start"},
        {"ACTION": "stop"},
        {"ACTION": "download"},
        {"ACTION": "download", "ARGUMENT": ""},
        {"ACTION": "", "ARGUMENT": "DSC_0001.NEF"},
        {},
    ],
)
def test_anything_else_is_passed_over(tmp_path: Path, environment: dict[str, str]) -> None:
    """
    Other actions, and a download without a file, start nothing.
    """
    noted = tmp_path / "noted"
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "flexispd"
    stand_in.write_text(f"#!/bin/sh\necho called > {shlex.quote(str(noted))}\n")
    stand_in.chmod(0o755)

    done = run_hook(tmp_path, environment)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not noted.exists()


def test_a_command_that_is_not_installed_does_not_end_the_session(tmp_path: Path) -> None:
    """
    gphoto2 stops tethering when a hook fails, so this one never does.
    """
    done = run_hook(tmp_path, {"ACTION": "download", "ARGUMENT": "a.NEF", "FLEXISPD": str(tmp_path / "nowhere")})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_command_can_be_named(told: Path) -> None:
    """
    In a virtual environment FLEXISPD says where the command is.
    """
    elsewhere = told.parent / "my programs"
    elsewhere.mkdir()
    (told.parent / "bin" / "flexispd").rename(elsewhere / "flexispd")

    run_hook(told.parent, {"ACTION": "download", "ARGUMENT": "/a.NEF", "FLEXISPD": str(elsewhere / "flexispd")})

    with told.open("rb") as pipe:
        assert pipe.read() == b"submit\0/a.NEF\0"


def test_the_script_is_plain_sh() -> None:
    """
    It can be run as it lies there, and by any shell.
    """
    assert HOOK.stat().st_mode & 0o111 == 0o111
    assert HOOK.read_text().startswith("#!/bin/sh\n")
