"""`flexispd profile preview` and `compare`: sheets to choose by eye from."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flexispd.cli.main import run
from flexispd.decode import read_mosaic
from flexispd.demo import night_raw
from flexispd.develop.models import load_models
from flexispd.preview import reduced
from flexispd.profile import load_profile
from flexispd.training.dng import write_dng
from flexispd.types import Capture


@pytest.fixture(scope="module")
def small_raw() -> bytes:
    """A DNG file of 300 by 200 pixels."""
    return night_raw(300, 200)


@pytest.fixture
def raw(tmp_path: Path, small_raw: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw in a folder of its own, and another folder to work in."""
    path = tmp_path / "card" / "night.dng"
    path.parent.mkdir()
    path.write_bytes(small_raw)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", "warning")
    return path


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB")).astype(int)


def test_a_sheet_shows_every_look_of_our_own_networks(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    It lies in this folder under the raw's name, and nothing is written beside the raw.
    """
    assert run(["profile", "preview", str(raw), "--json"]) == 0

    report = json.loads(capsys.readouterr().out)
    assert {"natural", "neutral", "vivid-night"} <= {look["title"] for look in report["looks"]}
    assert "deep-flexisp-2022" not in {look["title"] for look in report["looks"]}
    assert report["sheet"] == "night.preview.png"
    assert report["captures"][0]["reduced_by"] == 1
    assert [path.name for path in Path().iterdir()] == ["night.preview.png"]
    assert [path.name for path in raw.parent.iterdir()] == ["night.dng"]


def test_a_knob_is_turned_over_its_values(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    One picture for each; brighter exposure gives brighter pictures, from left to right.
    """
    words = ["--knob", "render.exposure_ev=-2,0,2", "--profile", "neutral", "--out", "sheet.png"]

    assert run(["profile", "preview", str(raw), *words]) == 0

    sheet = pixels(Path("sheet.png"))
    columns = [sheet[70:260, 24 + i * 316 : 324 + i * 316].mean() for i in range(2)]
    assert columns[0] < columns[1]
    assert capsys.readouterr().out.startswith("3 pictures on sheet.png, ")


def test_several_raws_and_profiles_of_a_knob_make_rows(raw: Path, small_raw: bytes) -> None:
    """
    A row for each raw under each profile.
    """
    (raw.parent / "other.dng").write_bytes(small_raw)
    words = ["--knob", "render.contrast=1,1.5", "--profile", "neutral", "--profile", "natural", "--out", "all.png"]

    assert run(["profile", "preview", str(raw), str(raw.parent / "other.dng"), *words]) == 0

    height, width, _ = pixels(Path("all.png")).shape
    assert 2 * 300 < width < 3 * 300
    assert height > 4 * 200


def test_a_portrait_raw_stands_upright(raw: Path) -> None:
    """
    The camera's orientation is applied before a picture is laid on the sheet.
    """
    mosaic = read_mosaic(Capture(raw))
    turned = dataclasses.replace(mosaic, shot=dataclasses.replace(mosaic.shot, orientation=6))
    upright = raw.parent / "portrait.dng"
    upright.write_bytes(write_dng(turned))

    assert run(["profile", "compare", str(upright), "neutral", "neutral", "--out", "p.png"]) == 0

    height, width, _ = pixels(Path("p.png")).shape
    assert width == 200
    assert height > 300


def test_a_large_raw_is_made_smaller_unless_full_is_asked_for(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A frame of more than two megapixels is developed at a third of its size, and looks nearly the same.
    """
    large = raw.with_name("large.dng")
    large.write_bytes(night_raw(1800, 1200))
    words = ["profile", "preview", str(large), "--profile", "neutral", "--json"]

    assert run([*words, "--out", "quick.png"]) == 0
    quick = json.loads(capsys.readouterr().out)["captures"][0]
    assert run([*words, "--out", "full.png", "--full"]) == 0
    full = json.loads(capsys.readouterr().out)["captures"][0]

    assert (quick["reduced_by"], quick["width"], quick["height"]) == (3, 600, 400)
    assert (full["reduced_by"], full["width"]) == (1, 1800)
    assert np.abs(pixels(Path("quick.png")) - pixels(Path("full.png"))).mean() < 4


def test_two_looks_are_compared_in_one_picture(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Left of the line is the first look, right of it the second, each as it is alone.
    """
    for a, b, at in (("neutral", "vivid-night", "0.5"), ("neutral", "neutral", "0.5")):
        assert run(["profile", "compare", str(raw), a, b, "--at", at]) == 0

    mixed, alone = pixels(Path("night.neutral-vivid-night.png")), pixels(Path("night.neutral-neutral.png"))
    assert (mixed[:200, :140] == alone[:200, :140]).all()
    assert (mixed[:200, 160:] != alone[:200, 160:]).any()
    assert "neutral and vivid-night in night.neutral-vivid-night.png" in capsys.readouterr().out


def test_no_file_is_replaced_without_force(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The error comes before any work; a raw is not replaced even with it.
    """
    Path("mine.png").write_text("mine")
    words = ["profile", "compare", str(raw), "neutral", "natural", "--out"]
    before = raw.read_bytes()

    assert run([*words, "mine.png"]) == 1
    assert "--force" in capsys.readouterr().err
    assert Path("mine.png").read_text() == "mine"
    assert run([*words, str(raw), "--force"]) == 2
    assert raw.read_bytes() == before
    assert run([*words, "mine.png", "--force"]) == 0
    assert Path("mine.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["preview", "RAW", "--profile", "natrual"], 78, "Did you mean natural?"),
        (["preview", "RAW", "--knob", "render.contrats=1,2"], 78, "Did you mean render.contrast?"),
        (["preview", "absent.dng"], 1, "absent.dng"),
        (["preview", "."], 78, "No raw was found"),
        (["preview", "broken.dng"], 1, "broken.dng"),
        (["compare", "RAW", "neutral", "natural", "--at", "2"], 2, "--at"),
        (["compare", "RAW", "neutral", "natural", "--out", "file/x.png"], 1, "file"),
    ],
)
def test_errors_have_a_remedy_and_the_right_exit_code(
    raw: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Nothing is written, and no traceback shown.
    """
    if "broken.dng" in words:
        Path("broken.dng").write_bytes(raw.read_bytes()[:3000])
    Path("file").write_text("a file")

    assert run(["profile", *(str(raw) if word == "RAW" else word for word in words)]) == code

    printed = capsys.readouterr().err
    assert said in printed
    assert "\n  fix: " in printed
    assert "Traceback" not in printed
    assert not list(Path().glob("*.png"))


def test_a_profile_of_my_own_is_on_the_sheet(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever lies in the user's folder counts, under its file's name.
    """
    folder = tmp_path / "config" / "flexispd" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('description = "My look"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert load_profile("mine").description == "My look"

    assert run(["profile", "preview", str(raw), "--json"]) == 0

    assert "mine" in {look["title"] for look in json.loads(capsys.readouterr().out)["looks"]}


@pytest.fixture
def ruled(tmp_path: Path) -> Path:
    """A profile that makes every frame black and white by a rule, and its pictures square."""
    path = tmp_path / "ruled.toml"
    text = 'extends = "neutral"\n[crop]\naspect = "1:1"\n[[rule]]\nwhen = "iso > 0"\nuse = "monochrome-night"\n'
    path.write_text(text)
    return path


def test_a_sheet_shows_the_look_that_a_frame_gets_by_a_rule(
    raw: Path, ruled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Cut as the files would be, the knob turned on that look, and the report says which rule it was.
    """
    words = ["--profile", str(ruled), "--knob", "render.exposure_ev=-2,2", "--out", "sheet.png", "--json"]

    assert run(["profile", "preview", str(raw), *words]) == 0

    sheet = pixels(Path("sheet.png"))
    dark, light = sheet[70:260, 24:240], sheet[70:260, 24 + 256 : 240 + 256]
    assert np.ptp(sheet, axis=2).max() <= 1
    assert light.mean() > dark.mean() + 20
    (capture,) = json.loads(capsys.readouterr().out)["captures"]
    assert capture["rules"] == {"ruled": {"number": 1, "when": "iso > 0", "use": "monochrome-night"}}


def test_the_light_of_a_large_frame_counts_for_the_looks_of_rules_too(raw: Path, ruled: Path) -> None:
    """
    A small picture under a rule is the one that the rule's profile makes.
    """
    frame = reduced(Capture(raw), 20_000, load_models([load_profile("neutral")], "cpu"))

    by_rule, itself = (frame.told(load_profile(name)) for name in (ruled, "monochrome-night"))

    assert frame.factor > 1
    assert by_rule.white_balance == itself.white_balance
    assert by_rule.white_balance.source == "kelvin"


def test_looks_that_are_cut_differently_are_not_compared(
    raw: Path, ruled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Nothing would lie at the line that belongs together.
    """
    assert run(["profile", "compare", str(raw), "neutral", str(ruled)]) == 78
    assert "cut the frame differently" in capsys.readouterr().err
