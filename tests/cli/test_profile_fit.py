"""`flexispd profile fit`: the look of finished pictures is found again."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flexispd.bench.metrics import mean_ciede2000
from flexispd.cli.main import run
from flexispd.demo import night_raw
from flexispd.develop.models import load_models
from flexispd.fitting.pairs import laid_over, matched_files
from flexispd.preview import developed, reduced
from flexispd.profile import load_profile, parse_profile
from flexispd.types import Capture

KNOWN = """\
[white_balance]
warmth_mired = 20
[render]
exposure_ev = 0.5
contrast = 1.25
saturation = 0.7
shadows = 0.3
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two raws in one folder, and in another what a known profile makes of them, smaller and cut a little."""
    folder = tmp_path_factory.mktemp("studio")
    known = parse_profile(KNOWN, "known")
    models = load_models([known], "cpu")
    for number in (1, 2):
        raw = folder / "raws" / f"DSC{number}.dng"
        raw.parent.mkdir(exist_ok=True)
        raw.write_bytes(night_raw(330, 220, 2021 + number))
        (picture,) = developed(reduced(Capture(raw), None, models), [known], models)
        finished = folder / "finished" / f"DSC{number}-edited.png"
        finished.parent.mkdir(exist_ok=True)
        Image.fromarray(picture[6:-6, 9:-9]).resize((300, 200), Image.Resampling.LANCZOS).save(finished)
    return folder


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", "warning")


def test_a_known_look_is_found_again(studio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The found profile renders a raw as the known one does, within a mean CIEDE2000 of 1.
    """
    out = tmp_path / "mine.toml"
    words = ["profile", "fit", str(studio / "raws" / "DSC1.dng"), str(studio / "finished" / "DSC1-edited.png")]

    assert run([*words, "--name", "mine", "--out", str(out), "--json"]) == 0

    report = json.loads(capsys.readouterr().out)
    (pair,) = report["pairs"]
    found, known = load_profile(out), parse_profile(KNOWN, "known")
    models = load_models([found], "cpu")
    frame = reduced(Capture(studio / "raws" / "DSC1.dng"), None, models)
    ours, theirs = (image / np.float32(255) for image in developed(frame, [found, known], models))
    assert mean_ciede2000(ours, theirs) < 1.0
    assert pair["after"]["ciede2000"] < 1.0 < pair["before"]["ciede2000"]
    assert pair["after"]["psnr_db"] > pair["before"]["psnr_db"]
    assert {"zones", "hues", "corners_lighter", "places", "detail"} == set(pair["unexplained"])
    assert set(report["knobs"]) >= {"render.exposure_ev", "render.saturation"}
    assert f"{report['pairs'][0]['after']['ciede2000']:.2f}" in out.read_text()


def test_several_pairs_give_one_profile(studio: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Found in folders; it lies among the user's profiles, and people get a line for each pair.
    """
    words = ["profile", "fit", str(studio / "raws"), str(studio / "finished"), "--name", "Both"]

    assert run(words) == 0

    printed = capsys.readouterr().out
    assert "DSC1.dng as DSC1-edited.png: CIEDE2000" in printed
    assert "DSC2.dng as DSC2-edited.png: CIEDE2000" in printed
    now = float(printed.rsplit(", ", 1)[1].split()[0])
    assert now < 1.2
    assert load_profile("both").render.saturation == pytest.approx(0.7, abs=0.12)
    assert run(words) == 1  # it is there already


def test_a_look_that_is_ours_already_moves_no_knob(
    studio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What is not needed stays at rest.
    """
    profile = load_profile("neutral")
    models = load_models([profile], "cpu")
    raw = studio / "raws" / "DSC2.dng"
    (picture,) = developed(reduced(Capture(raw), None, models), [profile], models)
    Image.fromarray(picture).save(tmp_path / "DSC2.tif")

    words = [
        "profile",
        "fit",
        str(raw),
        str(tmp_path / "DSC2.tif"),
        "--name",
        "same",
        "--out",
        str(tmp_path / "s.toml"),
    ]
    assert run(words) == 0

    assert "knobs: none is needed" in capsys.readouterr().out
    assert load_profile(tmp_path / "s.toml").render == profile.render


def test_raws_and_pictures_are_paired_by_name(studio: Path, tmp_path: Path) -> None:
    """
    A name may go on after the raw's, but not with a letter or a digit.
    """
    for name in ("DSC1.jpg", "DSC11.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(b"")

    pairs, unused = matched_files([studio / "raws", tmp_path, studio / "finished" / "DSC2-edited.png"])

    assert [(c.raw.name, picture.name) for c, picture in pairs] == [
        ("DSC1.dng", "DSC1.jpg"),
        ("DSC2.dng", "DSC2-edited.png"),
    ]
    assert sorted(path.name for path in unused) == ["DSC11.jpg", "other.jpg"]


def test_a_picture_that_was_cut_is_laid_over_its_frame(studio: Path) -> None:
    """
    Where there is nothing of it, nothing is compared.
    """
    profile = load_profile("neutral")
    models = load_models([profile], "cpu")

    pair = laid_over(Capture(studio / "raws" / "DSC1.dng"), studio / "finished" / "DSC1-edited.png", profile, models)

    assert pair.correlation > 0.95
    assert 0.8 < pair.inside.mean() < 0.98
    assert pair.inside[20:-20, 20:-20].all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda size: np.random.default_rng(1).integers(0, 255, (*size[::-1], 3)).astype(np.uint8),
            "do not show the same",
        ),
        (lambda size: np.zeros((*size[::-1], 3), np.uint8), "do not show the same"),
        (lambda size: np.zeros((size[0], size[1], 3), np.uint8), "different shapes"),
    ],
)
def test_a_picture_of_something_else_is_refused(studio, tmp_path, make, said, capsys):
    """
    Other content, nothing at all, or another shape; both files are named and nothing is written.
    """
    other = tmp_path / "DSC1.png"
    Image.fromarray(make((300, 200))).save(other)
    out = tmp_path / "out.toml"

    words = ["profile", "fit", str(studio / "raws" / "DSC1.dng"), str(other), "--name", "x", "--out", str(out)]
    assert run(words) == 1

    printed = capsys.readouterr().err
    assert said in printed
    assert "DSC1.png" in printed
    assert not out.exists()


def test_what_it_starts_from_is_extended(studio: Path, tmp_path: Path) -> None:
    """
    Files to write, crop and rules stay; and nothing is written that the base has already.
    """
    base, out = tmp_path / "base.toml", tmp_path / "elsewhere.toml"
    base.write_text(
        '[render]\nsaturation = 0.7\n[[rule]]\nwhen = "iso > 1e6"\nuse = "neutral"\n'
        '[[export]]\n[[export]]\nfolder = "web"\nwatermark = "© José"\n'
    )
    words = [str(studio / "raws" / "DSC1.dng"), str(studio / "finished" / "DSC1-edited.png"), "--from", str(base)]

    assert run(["profile", "fit", *words, "--name", "mine", "--out", str(out)]) == 0

    text, found, start = out.read_text(), load_profile(out), load_profile(base)
    assert f'extends = "{base}"' in text
    assert (found.export, found.rules) == (start.export, start.rules)
    assert "[[" not in text
    assert found.render.exposure_ev == pytest.approx(0.5, abs=0.15)


def test_what_it_starts_from_is_never_replaced(
    studio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A profile cannot extend itself, so the new one would have nothing to start from.
    """
    base = tmp_path / "base.toml"
    base.write_text("[render]\nsaturation = 0.7\n")
    words = ["--from", str(base), "--out", str(base), "--force"]

    assert run(["profile", "fit", str(studio / "raws"), str(studio / "finished"), "--name", "base", *words]) == 2

    assert "is read, and never written to" in capsys.readouterr().err
    assert base.read_text() == "[render]\nsaturation = 0.7\n"


def test_a_frame_that_a_rule_takes_away_is_refused(
    studio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Whatever knob is turned, its picture would stay the same.
    """
    base = tmp_path / "base.toml"
    base.write_text('[[rule]]\nwhen = "iso > 0"\nuse = "natural"\n')

    assert run(["profile", "fit", str(studio), "--name", "x", "--from", str(base)]) == 1

    printed = capsys.readouterr().err
    assert "DSC1.dng gets another look by rule 1 of base" in printed
    assert "--from natural" in printed


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (["raws"], 78, "goes with one of 0 pictures"),
        (["finished"], 78, "raw"),
        (["raws/DSC1.dng", "broken.jpg"], 1, "no picture that can be read"),
        (["raws", "finished", "--from", "natrual"], 78, "Did you mean natural?"),
    ],
)
def test_errors_have_a_remedy(studio, files, code, said, capsys, monkeypatch):
    """
    And no traceback.
    """
    (studio / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    monkeypatch.chdir(studio)

    assert run(["profile", "fit", *files, "--name", "x"]) == code

    printed = capsys.readouterr().err
    assert said in printed
    assert "\n  fix: " in printed
    assert "Traceback" not in printed


def test_a_picture_in_another_colour_space_is_brought_to_srgb(tmp_path: Path) -> None:
    """
    The file's own ICC profile says what its numbers mean.
    """
    from PIL import ImageCms

    from flexispd.export.reading import read_picture

    srgb = np.full((40, 60, 3), (200, 80, 40), np.uint8)
    lab_like = ImageCms.createProfile("sRGB")
    path = tmp_path / "a.png"
    Image.fromarray(srgb).save(path, icc_profile=ImageCms.ImageCmsProfile(lab_like).tobytes())
    turned = tmp_path / "b.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(srgb).save(buffer, "JPEG", exif=exif)
    turned.write_bytes(buffer.getvalue())

    assert np.abs(read_picture(path, 100).astype(int) - srgb).max() <= 1
    assert read_picture(turned, 100).shape == (60, 40, 3)
