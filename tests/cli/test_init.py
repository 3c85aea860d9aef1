"""`flexispd init` writes a configuration that works, and overwrites nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flexispd import config as configuration
from flexispd.cli.main import run
from flexispd.config import default_paths, load_config


@pytest.fixture(autouse=True)
def ordinary_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody with an empty home, on a machine whose system folders are elsewhere."""
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", "warning")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    system = configuration.Places(
        tmp_path / "etc/flexispd/config.toml", tmp_path / "srv/inbox", tmp_path / "srv/outbox", tmp_path / "var"
    )
    monkeypatch.setattr(configuration, "SYSTEM", system)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> Any:
    """What `flexispd init --json` prints."""
    assert run(["init", "--json", *map(str, arguments)]) == code
    return json.loads(capsys.readouterr().out)


def test_a_new_user_gets_a_configuration_and_its_folders(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    One command without options; what it wrote is what `load_config` finds, and it says what comes next.
    """
    assert run(["init"]) == 0

    config = load_config()
    assert config.path == default_paths(system=False).config
    assert config.inboxes == (tmp_path / "home/Pictures/flexispd/inbox",)
    for folder in (*config.inboxes, config.outbox, config.state):
        assert folder.is_dir()
    printed = capsys.readouterr().out
    assert f"wrote {config.path}" in printed
    assert f"inbox  {config.inboxes[0]} (made)" in printed
    assert printed.endswith("next: flexispd run\n")


def test_folders_can_be_chosen(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Several inboxes, an outbox, a place for the ledger, and a file of its own.
    """
    (tmp_path / "a").mkdir()
    file = tmp_path / "new/my studio.toml"

    told = answer(
        capsys, "--inbox", tmp_path / "a", "--inbox", tmp_path / "b", "--outbox", tmp_path / "o", "--state",
        tmp_path / "s", "--config", file,
    )  # fmt: skip

    config = load_config(file)
    assert config.inboxes == (tmp_path / "a", tmp_path / "b")
    assert (config.outbox, config.state) == (tmp_path / "o", tmp_path / "s")
    assert told["made"] == [str(tmp_path / name) for name in "bos"]
    assert told["next"] == f"flexispd run --config '{file}'"
    assert not default_paths(system=False).config.exists()


def test_relative_folders_are_written_in_full(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The daemon is started from somewhere else.
    """
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    answer(capsys, "--inbox", "in", "--outbox", "../out")

    assert load_config().inboxes == (tmp_path / "here/in",)
    assert load_config().outbox == tmp_path / "out"


def test_a_tilde_that_the_shell_left_alone_is_the_home_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    No shell expands `--inbox=~/in` or a quoted tilde, and a folder called `~` is removed with the home one day.
    """
    monkeypatch.chdir(tmp_path)

    answer(capsys, "--inbox=~/in", "--outbox", "~/out")

    assert load_config().inboxes == (tmp_path / "home/in",)
    assert load_config().outbox == tmp_path / "home/out"
    assert not (tmp_path / "~").exists()


def test_an_existing_configuration_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Exit code 1, what to do, and no folder made; a link that leads nowhere exists too.
    """
    file = tmp_path / "mine.toml"
    file.symlink_to("nowhere")

    told = answer(capsys, "--config", file, "--inbox", tmp_path / "in", code=1)

    assert "already exists" in told["error"]["problem"]
    assert "--config" in told["error"]["remedy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]


def test_folders_in_one_another_are_refused_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """
    The same rule as for a configuration that is read.
    """
    told = answer(capsys, "--inbox", tmp_path / "in", "--outbox", tmp_path / "in/out", code=78)

    assert "outbox lies in the inbox" in told["error"]["problem"]
    assert not (tmp_path / "in").exists()


def test_a_file_in_the_way_of_a_folder_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    With the option that named it, and without a configuration that could not work.
    """
    (tmp_path / "in").touch()

    told = answer(capsys, "--inbox", tmp_path / "in", code=2)

    assert "--inbox" in told["error"]["problem"]
    assert not default_paths(system=False).config.exists()


def test_a_path_that_toml_cannot_hold_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    TOML is UTF-8; the way out is a link.
    """
    told = answer(capsys, "--inbox", tmp_path / os.fsdecode(b"caf\xe9"), code=2)

    assert "not UTF-8" in told["error"]["problem"]
    assert "link" in told["error"]["problem"]
    assert list(tmp_path.iterdir()) == []


def test_control_characters_in_a_path_survive(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Odd, but a name.
    """
    answer(capsys, "--inbox", tmp_path / 'tab\tline\n"quote"\\')

    assert load_config().inboxes == (tmp_path / 'tab\tline\n"quote"\\',)


@pytest.mark.parametrize(("euid", "options"), [(1000, ["--system"]), (0, [])])
def test_root_configures_the_system(
    euid: int, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By option, or because there is nobody else to configure.
    """
    monkeypatch.setattr(os, "geteuid", lambda: euid)

    told = answer(capsys, *options)

    assert told["config"] == str(configuration.SYSTEM.config)
    assert load_config().state == configuration.SYSTEM.state
    assert configuration.SYSTEM.outbox.is_dir()


def test_a_configuration_that_cannot_be_written_leaves_nothing_half_done(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """
    A file stands where its folder should be.
    """
    (tmp_path / "file").touch()

    told = answer(capsys, "--config", tmp_path / "file/config.toml", code=1)

    assert "--config" in told["error"]["remedy"]
    assert (tmp_path / "file").read_bytes() == b""
