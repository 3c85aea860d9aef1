"""`flexispd profile set` and `get`: the look of every capture from now on."""

import json
from pathlib import Path

import pytest
from studio_making import Studio, write_config

from flexispd.cli.main import run
from flexispd.config import load_config
from flexispd.ledger import Ledger, profiles
from flexispd.presence import running
from flexispd.profile import load_profile, user_profiles
from flexispd.readiness import set_profile


def test_the_next_capture_gets_the_new_look(studio: Studio) -> None:
    """
    What has arrived keeps its own.
    """
    studio.arrive("a.NEF", "a")

    assert studio.run("profile", "set", "vivid night") == (0, "vivid-night, from the next capture on\n")

    studio.arrive("b.NEF", "b")
    assert [row["profile"] for row in studio.json("ls")] == ["natural", "vivid-night"]
    assert studio.json("profile", "get") == {"profile": "vivid-night", "sha256": load_profile("vivid-night").sha256}


@pytest.mark.parametrize(
    ("text", "said"), [("[render]\ncontrast = 9\n", "line 2"), ("[render\n", "line 1"), ("\0", "broken.toml")]
)
def test_a_profile_that_is_not_right_is_refused_and_the_old_one_stays(studio: Studio, text: str, said: str) -> None:
    """
    Exit code 2, and the message names the line.
    """
    user_profiles().mkdir(parents=True)
    (user_profiles() / "broken.toml").write_text(text)

    code, out = studio.run("profile", "set", "broken", "--json")

    assert code == 2
    assert json.loads(out)["error"]["kind"] == "ConfigError"
    assert said in studio.error
    assert studio.json("profile", "get")["profile"] == "natural"


def test_an_unknown_profile_is_refused_with_the_nearest_name(studio: Studio) -> None:
    """
    Exit code 2 as well.
    """
    assert studio.run("profile", "set", "vivid-nigth")[0] == 2
    assert "Did you mean vivid-night?" in studio.error


def test_a_profile_whose_networks_are_not_here_is_refused(studio: Studio) -> None:
    """
    Otherwise every capture from now on would fail.
    """
    user_profiles().mkdir(parents=True)
    (user_profiles() / "official.toml").write_text('model = "deep-flexisp-2022"\n')

    assert studio.run("profile", "set", "official")[0] == 2
    assert "deep-flexisp-2022" in studio.error
    assert studio.json("profile", "get")["profile"] == "natural"


def test_it_works_before_the_daemons_first_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    `get` tells the configuration's profile and makes nothing; `set` makes the ledger, and no daemon.
    """
    config = ["--config", str(write_config(tmp_path, 'profile = "neutral"'))]

    assert run(["profile", "get", *config]) == 0
    assert capsys.readouterr().out.startswith("neutral ")
    assert not (tmp_path / "state").exists()
    assert run(["profile", "set", "no-such-profile", *config]) == 2
    assert not (tmp_path / "state").exists()
    assert run(["profile", "set", "vivid-night", *config]) == 0
    capsys.readouterr()
    assert run(["profile", "get", *config]) == 0
    assert capsys.readouterr().out.startswith("vivid-night ")
    assert running(tmp_path / "state") is None


def test_the_daemons_first_start_keeps_what_was_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A configuration counts again when it names another profile than it did then.
    """
    path = write_config(tmp_path, 'profile = "neutral"')
    assert run(["profile", "set", "vivid-night", "--config", str(path)]) == 0
    capsys.readouterr()
    ledger = Ledger.open(tmp_path / "state")

    set_profile(ledger, load_config(path))
    assert profiles.active(ledger) == load_profile("vivid-night")
    write_config(tmp_path, 'profile = "natural"')
    set_profile(ledger, load_config(path))
    assert profiles.active(ledger) == load_profile("natural")

    ledger.close()


def test_a_configuration_that_is_wrong_makes_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Exit code 78, as for every command.
    """
    config = write_config(tmp_path, "wrong = 1")

    assert run(["profile", "set", "natural", "--config", str(config)]) == 78
    assert not (tmp_path / "state").exists()
    capsys.readouterr()


def test_the_look_is_kept_as_it_was_when_it_was_set(studio: Studio, tmp_path: Path) -> None:
    """
    Whatever happens to its file afterwards.
    """
    mine = tmp_path / "mine.toml"
    mine.write_text("[render]\ncontrast = 1.5\n")
    studio.run("profile", "set", str(mine))
    mine.unlink()

    ledger = Ledger.open(studio.state)
    active = profiles.active(ledger)
    ledger.close()

    assert active is not None
    assert (active.name, active.render.contrast) == ("mine", 1.5)
