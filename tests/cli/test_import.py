"""`flexispd profile import`: a look of another program among one's own profiles."""

import json
from pathlib import Path

import pytest

from flexispd.cli.main import run
from flexispd.profile import load_profile, user_profiles

PP3 = "[Version]\n[Exposure]\nCompensation=0.5\nBrightness=7\n"


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    """A profile of RawTherapee."""
    path = tmp_path / "My Street.pp3"
    path.write_text(PP3)
    return path


def test_a_look_becomes_a_profile_that_can_be_asked_for(preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    It is among the user's profiles, and the command says what was taken and what was not.
    """
    assert run(["profile", "import", str(preset)]) == 0

    printed = capsys.readouterr().out
    assert "taken: 1 setting\n" in printed
    assert "left out: 1 setting\n" in printed
    assert "Exposure/Brightness = 7" in printed
    assert load_profile("my-street").render.exposure_ev == 0.5


def test_its_report_is_json_too(preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    With a name and a place of one's own.
    """
    out = tmp_path / "new" / "street.toml"

    assert run(["profile", "import", str(preset), "--out", str(out), "--json"]) == 0

    report = json.loads(capsys.readouterr().out)
    assert (report["name"], report["files"]) == ("street", [str(out)])
    assert [line["source"] for line in report["left"]] == ["Exposure/Brightness"]
    assert load_profile(out).render.exposure_ev == 0.5


def test_no_profile_is_replaced_without_force(preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Neither one of the user's nor, by its name, one that is shipped.
    """
    words = ["profile", "import", str(preset), "--name"]

    assert run([*words, "mine"]) == 0
    assert run([*words, "mine"]) == 1
    assert run([*words, "natural"]) == 1
    assert "a profile that flexispd brings" in capsys.readouterr().err
    assert run([*words, "mine", "--force"]) == 0


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [("absent.xmp", 78, "does not exist"), ("folder.xmp", 78, "not a plain file"), ("look.png", 78, "ends in .cube")],
)
def test_errors_have_a_remedy_and_write_nothing(
    tmp_path: Path, file: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    And no traceback.
    """
    (tmp_path / "folder.xmp").mkdir()
    (tmp_path / "look.png").write_bytes(b"\x89PNG")

    assert run(["profile", "import", str(tmp_path / file)]) == code

    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
    assert not user_profiles().exists()
