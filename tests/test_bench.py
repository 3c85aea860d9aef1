"""The benchmarks measure what they say, on pictures small enough for a test."""

import cv2
import numpy as np
import pytest

from flexispd.bench import demosaic, denoise, speed
from flexispd.bench.result import BenchResult
from flexispd.errors import SetupError
from flexispd.training.denoise import VALIDATION_LEVELS
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Mosaic, ShotInfo


@pytest.fixture
def pictures(tmp_path):
    """Two smooth 8-bit pictures with an edge."""
    rows, columns = np.mgrid[:96, :112]
    for number in range(2):
        picture = np.stack([rows + 40, columns + 20, 200 - rows], axis=2) + 30 * (columns > 50 + 9 * number)[..., None]
        (tmp_path / f"{number}.png").write_bytes(cv2.imencode(".png", picture.astype(np.uint8))[1].tobytes())
    return tmp_path


def test_demosaicking_is_compared_with_libraw_in_the_same_run(pictures):
    """
    One row a method with cPSNR and seconds per megapixel; the network is better than bilinear.
    """
    rows = {row["method"]: row for row in demosaic.run(pictures).as_json()["rows"]}

    assert {"bilinear", "Malvar", "LibRaw AHD", "S"} <= rows.keys()
    assert rows["S"]["cpsnr_db"] > rows["bilinear"]["cpsnr_db"] + 3


def test_denoising_has_a_row_for_each_method_and_level_in_their_order(pictures):
    """
    Levels rise within a method; the network removes noise at each of them, also with a profile of its own finding.
    """
    rows = denoise.run(pictures).as_json()["rows"]
    by_method = {m: [row for row in rows if row["method"] == m] for m in denoise.METHODS}

    assert all([row["level"] for row in part] == [a for a, _ in VALIDATION_LEVELS] for part in by_method.values())
    for noisy, quiet, estimated in zip(
        by_method["noisy"], by_method["S"], by_method["S, estimated profile"], strict=True
    ):
        assert quiet["psnr_db"] > noisy["psnr_db"] + 1
        assert estimated["psnr_db"] > noisy["psnr_db"]


def test_speed_is_measured_from_file_to_file(tmp_path, monkeypatch):
    """
    Each raw and each made frame has its steps, its total and its own peak memory.
    """
    random = np.random.default_rng(0)
    values = random.integers(600, 9000, (120, 160)).astype(np.uint16)
    shot = ShotInfo("Maker", "Body", as_shot_neutral=(0.5, 1.0, 0.6))
    (tmp_path / "a.dng").write_bytes(write_dng(Mosaic(values, CFA.GBRG, (512.0,) * 4, (16383.0,) * 4, shot)))
    monkeypatch.setattr(speed, "MADE_MEGAPIXELS", (0.1,))

    rows = speed.run(tmp_path, "cpu").as_json()["rows"]

    assert [row["file"] for row in rows] == ["a.dng", "made_0.1mp.dng"]
    for row in rows:
        assert {"decode_ms", "denoise_ms", "white_balance_ms", "render_ms", "encode_ms", "peak_mib"} <= row.keys()
        assert row["median_s"] <= row["worst_s"]


def test_a_folder_with_nothing_to_measure_is_an_error(tmp_path):
    """
    Said in a sentence, with what to do.
    """
    for run in (demosaic.run, denoise.run, speed.run):
        with pytest.raises(SetupError, match="holds no"):
            run(tmp_path)


def test_a_result_prints_its_machine_and_aligned_columns():
    """
    A table can be read at a terminal and names where it was measured.
    """
    result = BenchResult(
        "demosaic", [{"method": "S", "cpsnr_db": 40.5}, {"method": "LibRaw AHD", "cpsnr_db": 37.0}], "m"
    )

    assert result.as_table().splitlines() == [
        "# demosaic: m",
        "method      cpsnr_db",
        "S           40.5",
        "LibRaw AHD  37",
    ]
