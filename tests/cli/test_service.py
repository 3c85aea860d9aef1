"""`flexispd service`: what is put in place, what is taken away, and what is left alone."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from flexispd.cli.main import run
from flexispd.config import SYSTEM, parse_config
from flexispd.errors import SetupError
from flexispd.service import MARK, Step, Target, closed_to_service, is_running, quoted


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty machine, and a command that runs on it."""
    command = tmp_path / "bin" / "flexispd"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(command)])
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('inbox = "/srv/cards"\noutbox = "/srv/pictures"\n')
    return path


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_system_s_files_are_put_in_place(root: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Three files, each with the mark and readable by all, each told in a line; then what to run next.
    """
    assert run(["service", "install", "--system", "--root", str(root), "--config", str(config)]) == 0

    files = all_files(root)
    assert set(files) == {
        "etc/systemd/system/flexispd.service",
        "etc/sysusers.d/flexispd.conf",
        "etc/tmpfiles.d/flexispd.conf",
    }
    assert all(content.startswith(MARK.encode()) for content in files.values())
    assert f'/bin/flexispd" run --config "{config}"'.encode() in files["etc/systemd/system/flexispd.service"]
    assert (root / "etc/systemd/system/flexispd.service").stat().st_mode & 0o777 == 0o644
    said = capsys.readouterr().out
    for name in files:
        assert f"wrote {root / name}" in said
    assert "  systemctl enable --now flexispd\n" in said


def test_the_user_s_unit_is_put_in_place(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    One file in the user's own folder, named as the service, without needing a configuration yet.
    """
    assert run(["service", "install", "--user", "--root", str(root)]) == 0

    place = root / os.environ["XDG_CONFIG_HOME"][1:] / "systemd/user/flexispd.service"
    assert f'ExecStart="{tmp_path}/bin/flexispd" run\n' in place.read_text()
    said = capsys.readouterr().out
    assert "there is no configuration yet" in said
    assert "systemctl --user enable --now flexispd" in said
    assert "loginctl enable-linger" in said


def test_a_second_time_changes_nothing(root: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Same files, same content; a change in the configuration is taken over.
    """
    line = ["service", "install", "--system", "--root", str(root), "--config", str(config)]
    assert run(line) == 0
    before = all_files(root)
    capsys.readouterr()

    assert run(line) == 0
    assert all_files(root) == before
    assert capsys.readouterr().out.count("is up to date") == 3

    config.write_text('inbox = "/srv/cards"\noutbox = "/srv/other"\n')
    assert run(line) == 0
    assert b"/srv/other" in all_files(root)["etc/systemd/system/flexispd.service"]


def test_nothing_is_written_in_a_dry_run(root: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The same lines, in the conditional.
    """
    line = ["service", "install", "--system", "--dry-run", "--root", str(root), "--config", str(config), "--json"]

    assert run(line) == 0

    assert all_files(root) == {}
    told = json.loads(capsys.readouterr().out)
    assert [step["text"].split()[:2] for step in told["steps"]] == [["would", "write"]] * 3
    assert told["scope"] == "system"
    assert told["next"]


def test_what_was_installed_is_removed_and_nothing_else(
    root: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Drop-ins, configuration and ledger stay, and so does a file that lost the mark.
    """
    run(["service", "install", "--system", "--root", str(root), "--config", str(config)])
    others = {
        "etc/systemd/system/flexispd.service.d/mine.conf": b"[Service]\n",
        "etc/flexispd/config.toml": b"# mine\n",
        "var/lib/flexispd/ledger.sqlite": b"all of it",
        "etc/tmpfiles.d/flexispd.conf": b"# rewritten by hand\n",
    }
    for name, content in others.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    capsys.readouterr()

    assert run(["service", "uninstall", "--system", "--root", str(root), "--dry-run"]) == 0
    assert "would remove" in capsys.readouterr().out
    assert len(all_files(root)) == 6

    assert run(["service", "uninstall", "--system", "--root", str(root)]) == 0
    assert all_files(root) == others
    assert f"kept {root}/etc/tmpfiles.d/flexispd.conf" in capsys.readouterr().out

    assert run(["service", "uninstall", "--system", "--root", str(root)]) == 0
    assert "is not there" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_stranger_s_file_is_not_replaced(
    root: Path, config: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Written by hand, masked with a link, or something odd: the installation ends before it begins.
    """
    place = root / "etc/systemd/system/flexispd.service"
    place.parent.mkdir(parents=True)
    if kind == "file":
        place.write_text("[Service]\n")
    elif kind == "link":
        place.symlink_to("/dev/null")
    else:
        place.mkdir()

    assert run(["service", "install", "--system", "--root", str(root), "--config", str(config)]) == 1

    assert "was not installed by flexispd" in capsys.readouterr().err
    assert not (root / "etc/sysusers.d").exists()


def test_a_wrong_configuration_is_not_installed(root: Path, tmp_path: Path) -> None:
    """
    78, as everywhere; a named file has to exist.
    """
    (tmp_path / "config.toml").write_text("inboks = 3\n")

    for name in ("config.toml", "none.toml"):
        line = ["service", "install", "--system", "--root", str(root), "--config", str(tmp_path / name)]
        assert run(line) == 78
    assert all_files(root) == {}


def test_only_root_changes_the_system(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Said before anything is tried, with the two ways out.
    """
    assert root.is_dir()
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert run(["service", "install", "--system"]) == 1
    assert "root only" in capsys.readouterr().err
    assert run(["service", "uninstall", "--system"]) == 1
    assert "--user" in capsys.readouterr().err


@pytest.mark.parametrize("name", ['quo"te', "apo'st", "back\\slash", "new\nline"])
def test_a_command_that_systemd_cannot_run_is_refused(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    systemd takes no such characters in a program's path, however they are quoted.
    """
    command = root.parent / name / "flexispd"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(command)])

    assert run(["service", "install", "--user", "--root", str(root)]) == 1
    assert "systemd cannot run" in capsys.readouterr().err


@pytest.fixture
def systemd_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's service manager, as far as anybody can see: its folder, and a systemctl that notes its arguments."""
    (tmp_path / "runtime" / "systemd").mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    systemctl = tmp_path / "tools" / "systemctl"
    systemctl.parent.mkdir()
    noted = tmp_path / "noted"
    systemctl.write_text(
        f'#!/bin/sh\necho "$@" >> "{noted}"\n[ ! -e "{tmp_path}/broken" ] || {{ echo no >&2; exit 1; }}\n'
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    return noted


def test_systemd_is_told(root: Path, systemd_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A reload after the installation; the end, the removal and a reload afterwards. Each is a line.
    """
    assert root.is_dir()
    assert run(["service", "install", "--user", "--dry-run"]) == 0
    assert not systemd_runs.exists()
    assert run(["service", "install", "--user"]) == 0
    assert run(["service", "uninstall", "--user"]) == 0

    assert systemd_runs.read_text().splitlines() == [
        "--user daemon-reload",
        "--user disable --now flexispd.service",
        "--user daemon-reload",
    ]
    said = capsys.readouterr().out
    assert "would run: systemctl --user daemon-reload" in said
    assert "ran: systemctl --user disable --now flexispd.service" in said


def test_a_systemd_that_refuses_is_an_error(root: Path, systemd_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The files are there, the exit code is 1, and its last words are told.
    """
    (root.parent / "broken").touch()

    assert run(["service", "install", "--user"]) == 1

    assert systemd_runs.exists()
    assert "failed: systemctl --user daemon-reload: no" in capsys.readouterr().err


def test_without_systemd_the_files_are_written_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    In a container, or over ssh without a session: the commands are named, so that they can be run later.
    """
    assert root.is_dir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    assert run(["service", "install", "--user"]) == 0

    assert not is_running("user")
    assert "left out, because systemd does not run here: systemctl --user daemon-reload" in capsys.readouterr().out
    assert (Path(os.environ["XDG_CONFIG_HOME"]) / "systemd/user/flexispd.service").is_file()


def test_the_hook_s_path_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """
    For `gphoto2 --hook-script`: one line, and a script that runs.
    """
    assert run(["service", "hook"]) == 0
    path = Path(capsys.readouterr().out.strip())

    assert subprocess.run([path], env={"ACTION": "init"}, check=True).returncode == 0
    assert run(["service", "hook", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"hook": str(path)}


def test_root_gets_the_system_s_service(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """
    Without --user or --system the caller decides by who they are.
    """
    for uid, place in ((0, "etc/systemd/system"), (1000, os.environ["XDG_CONFIG_HOME"][1:])):
        monkeypatch.setattr("os.geteuid", lambda uid=uid: uid)
        assert run(["service", "install", "--root", str(root)]) == 0
        assert (root / place).is_dir()


def test_folders_that_the_service_cannot_pass_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    """
    The service has a user of its own, who may not enter what only its owner may.
    """
    private = tmp_path / "private"
    (private / "in").mkdir(parents=True)
    private.chmod(0o700)
    monkeypatch.setattr("sys.executable", "/usr/bin/env")
    elsewhere = parse_config('inbox = "/usr"\noutbox = "/srv/out"\n', SYSTEM.config)
    inside = parse_config(f'inbox = "{private}/in"\noutbox = "/srv/out"\n', SYSTEM.config)

    assert closed_to_service(Path("/usr/bin/env"), elsewhere) == []
    (folder,) = closed_to_service(Path("/usr/bin/env"), inside)
    assert private.is_relative_to(folder)  # the folder of all tests may be closed as well

    assert run(["service", "install", "--system", "--root", str(root)]) == 0
    assert "give the user flexispd a way into " in capsys.readouterr().out or not closed_to_service(
        root.parent / "bin/flexispd", None
    )


def test_a_path_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Unit files are UTF-8.
    """
    monkeypatch.setattr("sys.executable", "/usr/bin/env")
    with pytest.raises(SetupError, match="not UTF-8"):
        quoted(Path("/caf\udce9"))


def test_the_command_beside_python_is_taken_or_the_one_in_the_path(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `python -m flexispd` installs the command too; without any, there is nothing that systemd could run.
    """
    monkeypatch.setattr("sys.argv", [str(tmp_path / "flexispd/__main__.py")])
    monkeypatch.setattr("sys.executable", str(tmp_path / "venv/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    line = ["service", "install", "--user", "--root", str(root)]
    unit = root / os.environ["XDG_CONFIG_HOME"][1:] / "systemd/user/flexispd.service"

    assert run(line) == 0
    assert f'ExecStart="{tmp_path}/bin/flexispd" run\n' in unit.read_text()

    (tmp_path / "venv").mkdir()
    (tmp_path / "bin/flexispd").rename(tmp_path / "venv/flexispd")
    assert run(line) == 0
    assert f'ExecStart="{tmp_path}/venv/flexispd" run\n' in unit.read_text()

    (tmp_path / "venv/flexispd").unlink()
    assert run(line) == 1
    assert "The command flexispd is not installed" in capsys.readouterr().err


def test_a_step_and_a_target_are_plain_records() -> None:
    """
    What others build on: a target knows its files without touching the disk.
    """
    assert [path.name for path in Target("system", Path("/nowhere")).files().values()] == [
        "flexispd.conf",
        "flexispd.conf",
        "flexispd.service",
    ]
    assert Step(True, "done").ok
