"""The demonstration: a raw that any converter reads, and pictures that show what flexispd does."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from flexispd.cli.main import run
from flexispd.decode import read_mosaic
from flexispd.demo import BLACK, NOISE, WHITE, night_raw, side_by_side
from flexispd.demo.street import night_street
from flexispd.errors import CorruptRawError
from flexispd.types import CFA, Capture


def test_the_street_is_dark_with_lights_far_above_white() -> None:
    """
    Most of a night is dark, some of it is bright, and a lamp is ten times brighter than a camera can tell.
    """
    scene = night_street(480, 320)

    assert scene.shape == (320, 480, 3)
    assert scene.dtype == np.float32
    assert np.isfinite(scene).all()
    assert scene.min() >= 0
    assert np.median(scene) < 0.05
    assert scene.max() > 10


def test_the_raw_is_a_noisy_bayer_frame_with_its_metadata(tmp_path: Path) -> None:
    """
    It is decoded like any camera's: levels, phase, noise profile, colour matrix and neutral are in the file.
    """
    (tmp_path / "night.dng").write_bytes(night_raw(480, 320))

    mosaic = read_mosaic(Capture(tmp_path / "night.dng"))

    assert mosaic.values.shape == (320, 480)
    assert (mosaic.cfa, mosaic.black_level, max(mosaic.white_level)) == (CFA.RGGB, (BLACK,) * 4, WHITE)
    assert mosaic.shot.noise_profile is not None
    assert mosaic.shot.noise_profile.shot == pytest.approx(NOISE.shot)
    assert mosaic.shot.as_shot_neutral is not None
    assert len(mosaic.shot.color_matrices) == 1
    assert (mosaic.values == WHITE).any()  # clipped lamps
    assert (mosaic.values < BLACK).any()  # noise below black is kept


def test_pictures_stand_side_by_side_with_their_names(tmp_path: Path) -> None:
    """
    All are scaled to one width, and a band below holds the labels.
    """
    picture = np.full((200, 300, 3), (0, 0, 255), np.uint8)
    (tmp_path / "one.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())

    row = side_by_side([("one", tmp_path / "one.png"), ("two", tmp_path / "one.png")], width_px=150)

    image = cv2.imdecode(np.frombuffer(io.BytesIO(row).read(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (100 + 56, 150 + 12 + 150, 3)
    assert (image[:100, :150] == (0, 0, 255)).all()
    assert image[100:].max() > 200


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    """
    The message names the file.
    """
    (tmp_path / "no.png").write_bytes(b"no")

    with pytest.raises(CorruptRawError, match=r"no\.png"):
        side_by_side([("no", tmp_path / "no.png")])


def test_the_demo_ends_with_pictures_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    One command, no files needed: the raw, two looks that differ, and both in one picture; a second time works too.
    """
    monkeypatch.setattr("flexispd.demo.night_raw", lambda: night_raw(600, 400))
    assert run(["demo", "--outbox", str(tmp_path)]) == 0
    capsys.readouterr()

    assert run(["demo", "--outbox", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    files = [tmp_path / line.split(maxsplit=1)[1].removeprefix("by side").strip() for line in said.splitlines()[-4:]]
    assert all(path.is_file() for path in files)
    looks = [cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) for path in files[1:3]]
    assert all(look is not None and look.shape == (400, 600, 3) for look in looks)
    assert np.abs(np.subtract(*[np.asarray(look, np.float64) for look in looks])).mean() > 2
