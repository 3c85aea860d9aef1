"""How far the found light is off, on frames whose light is known."""

import json

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from flexispd.bench import white_balance as bench
from flexispd.bench.light_methods import AngularErrors, angle_deg, gray_edge, gray_world, shades_of_gray
from flexispd.cli.bench import app
from flexispd.develop.light_statistics import weighed
from flexispd.develop.networks.illuminant_net import IlluminantNet
from flexispd.errors import SetupError

LIGHT = (0.72, 1.0, 0.41)
METHODS = {"gray-world", "shades-of-gray", "gray-edge", "gray-pixel", "network", "mix"}


KEPT = ("015d5a70b3.jpg", "1684f03db3.jpg")
"""A flower and a town by night, both kept from training."""


def lit(seed, size=(96, 128)):
    """Grey and coloured tiles under LIGHT, (h, w, 3) R, G, B in 0..1; colours average out."""
    random = np.random.default_rng(seed)
    tiles = random.uniform(0.1, 0.6, (8, 8, 1)) * random.uniform(0.7, 1.0, (8, 8, 3))
    tiles[random.random((8, 8)) < 0.5] = random.uniform(0.1, 0.6)
    surfaces = np.kron(tiles, np.ones((size[0] // 8, size[1] // 8, 1))) * random.uniform(0.7, 1.0, (*size, 1))
    return surfaces * np.array(LIGHT)


@pytest.fixture
def frames(tmp_path):
    """Two frames of one light; the second has a black level, and its light at another scale."""
    for name, black, scale in (("a", 0, 1.0), ("b", 1000, 0.1)):
        counts = (black + 40000 * lit(ord(name))).round().astype(np.uint16)
        (tmp_path / f"{name}.png").write_bytes(cv2.imencode(".png", counts[:, :, ::-1])[1].tobytes())
        facts = {"illuminant_color_raw": [scale * value for value in LIGHT]} | ({"black_level": black} if black else {})
        (tmp_path / f"{name}_metadata.json").write_text(json.dumps(facts))
    return tmp_path


def rows_of(result):
    return {row["method"]: row for row in result.rows}


def test_real_frames_are_measured_with_every_method(frames):
    """
    Channels are in order, the black level is subtracted and the scale of the truth is free: simple methods find the
    light of a scene that is grey on average.
    """
    result = bench.run_folder(frames, IlluminantNet().eval())
    methods = rows_of(result.methods)

    assert set(methods) == METHODS
    assert methods["gray-world"]["mean_deg"] < 2
    assert methods["gray-pixel"]["mean_deg"] < 3
    assert [row["frame"] for row in result.frames.rows] == ["a.png", "b.png"]
    assert set(result.frames.rows[0]) == {"frame", *METHODS}
    assert result.failed == ()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: (folder / "a_metadata.json").unlink(), "a_metadata.json is missing"),
        (lambda folder: (folder / "a.png").unlink(), "a.png is missing"),
        (lambda folder: (folder / "a_metadata.json").write_text("{"), "a_metadata.json is not valid metadata"),
        (lambda folder: (folder / "a_metadata.json").write_text("{}"), "illuminant_color_raw must be"),
        (
            lambda folder: (folder / "a_metadata.json").write_text('{"illuminant_color_raw": [1, 2]}'),
            "illuminant_color_raw must hold 3 numbers",
        ),
        (
            lambda folder: (folder / "a_metadata.json").write_text('{"illuminant_color_raw": [0, 1, 1]}'),
            "illuminant_color_raw must be",
        ),
        (lambda folder: (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:-900]), "a.png is damaged"),
        (lambda folder: (folder / "a.png").write_bytes(b""), "a.png is damaged"),
        (
            lambda folder: (folder / "a.png").write_bytes(
                cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
            ),
            "a.png is not a picture of three channels with 16 bits each",
        ),
        (
            lambda folder: (folder / "a_metadata.json").write_text(
                '{"illuminant_color_raw": [1, 1, 1], "black_level": 9, "white_level": 9}'
            ),
            "white_level must lie above black_level",
        ),
    ],
    ids=["no json", "no picture", "broken", "no light", "two", "zero", "truncated", "empty", "8 bit", "levels"],
)
def test_a_frame_that_cannot_be_read_is_said_and_the_others_are_measured(frames, spoil, problem):
    """
    One error names the file and what is wrong with it; the command ends with 1 and still prints the others.
    """
    spoil(frames)
    result = CliRunner().invoke(app, ["white-balance", str(frames), "--json"])
    told = json.loads(result.stdout)

    assert result.exit_code == 1
    assert [row["frame"] for row in told["frames"]] == ["b.png"]
    assert [failure["frame"] for failure in told["failed"]] == ["a.png"]
    assert problem in told["failed"][0]["problem"]
    assert result.stderr.count("error:") == 1


def test_a_folder_without_frames_is_an_error(tmp_path):
    """
    Said in a sentence, with what to do.
    """
    with pytest.raises(SetupError, match="holds no frames"):
        bench.run_folder(tmp_path, IlluminantNet().eval())


@pytest.mark.parametrize("options", [[], ["--photos", "."]], ids=["nothing", "photographs alone"])
def test_scenes_need_photographs_and_spectra(options):
    """
    A folder of real frames, or both; the command says which.
    """
    result = CliRunner().invoke(app, ["white-balance", *options])

    assert result.exit_code == 2
    assert "--spectra" in result.stderr


def test_made_scenes_are_measured_by_night_and_altogether(shared_data, tmp_path):
    """
    Rows of every method for nights and for all scenes, for nights of kept photographs that show lights as well, and of
    photographs that were trained on; a setting of the camera is off by what it is meant to be.
    """
    pytest.importorskip("colour", reason="colour-science is not installed")
    random = np.random.default_rng(0)
    for name in (*(f"{number:02}.png" for number in range(16)), *KEPT):
        picture = cv2.resize(random.integers(0, 255, (20, 24, 3)).astype(np.uint8), (168, 140))
        (tmp_path / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    result = bench.run_made(tmp_path, shared_data / "camera" / "spectra.npz", 6, network=IlluminantNet().eval())
    kinds = ("night", "all", bench.EVERY_NIGHT, bench.KNOWN_NIGHT)
    by_kind = {kind: [row for row in result.rows if row["scenes"] == kind] for kind in kinds}

    assert {row["count"] for row in by_kind["all"]} == {6}
    without_name = {kind: [{**row, "scenes": ""} for row in rows] for kind, rows in by_kind.items()}
    for others in (bench.EVERY_NIGHT, bench.KNOWN_NIGHT):
        assert without_name[others] != without_name["night"]
    for rows in by_kind.values():
        methods = [row["method"] for row in rows]
        assert {*METHODS, "as-shot", "mix with as-shot", "mix, camera unknown"} <= set(methods)
    assert [row["method"] for row in by_kind["night"]] == [row["method"] for row in by_kind["all"]]
    neutral = np.array([0.5, 1.0, 0.7])
    settings = [angle_deg(bench.near(neutral, np.random.default_rng(seed)), neutral) for seed in range(400)]
    assert np.mean(settings) == pytest.approx(bench.AS_SHOT_ERROR_DEG, abs=0.5)


@pytest.mark.parametrize("method", [gray_world, shades_of_gray, gray_edge])
def test_methods_that_learn_nothing_find_what_they_assume(method):
    """
    Where all colours lose alike, mean, norm and differences have the light's colour; a frame without any gives white.
    """
    values = torch.from_numpy(lit(1).transpose(2, 0, 1).astype(np.float32))
    gray = values.mean(0, keepdim=True) * torch.tensor(LIGHT)[:, None, None]
    everywhere = torch.ones(values.shape[1:], dtype=torch.bool)

    assert angle_deg(method(weighed(gray, everywhere)), np.array(LIGHT)) < 0.1
    assert method(weighed(torch.zeros(3, 8, 8), torch.ones(8, 8, dtype=torch.bool))).tolist() == [1, 1, 1]


def test_errors_are_summed_up_as_the_literature_does():
    """
    Mean, median, trimean of the quartiles, and the mean of the worst quarter.
    """
    row = AngularErrors.of(np.arange(1.0, 9.0)).as_row()

    assert row == {"mean_deg": 4.5, "median_deg": 4.5, "trimean_deg": 4.5, "worst_25_deg": 7.5}
