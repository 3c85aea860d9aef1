"""Denoising is measured on the noise that it says, at any size of picture, by ISO and by camera."""

import json

import numpy as np
import pytest
import torch
from bench_making import picture, save

from flexispd.bench import denoise, libraw
from flexispd.bench.noisy import LEVELS, NEUTRAL, SensorNoise, at_iso, read_cameras, sensor_light
from flexispd.errors import SetupError

CAMERA = {
    "Kmin": 0.4,
    "Profile-1": {"g_scale": {"slope": 0.6, "bias": 1.0}, "R_scale": {"slope": 0.5, "bias": -1.0}, "extra": {}},
}


@pytest.fixture
def pictures(tmp_path):
    """Two pictures, one of an odd size."""
    save(tmp_path / "0.png", picture())
    save(tmp_path / "1.png", picture(75, 90, 1))
    return tmp_path


def test_each_method_has_its_figures_by_iso(pictures):
    """
    Noise grows with ISO; the network takes it away at every one of them, also with a profile of its own finding.
    """
    (result,) = denoise.run(pictures)
    rows = {row["method"]: row for row in result.rows}
    columns = [f"iso_{iso}_db" for iso in LEVELS]

    assert list(rows)[:4] == ["noisy", "LibRaw FBDD", "non-local means", "S"]
    assert [rows["noisy"][c] for c in columns] == sorted((rows["noisy"][c] for c in columns), reverse=True)
    for column in columns:
        assert rows["S"][column] > rows["noisy"][column] + 1
        assert rows["S, profile estimated"][column] > rows["noisy"][column]
        assert rows["S"][column] >= rows["S, told half the variance"][column]
    assert rows["S"]["mean_db"] == pytest.approx(np.mean([rows["S"][c] for c in columns]), abs=0.01)


def test_real_cameras_are_a_table_of_their_own(pictures, tmp_path):
    """
    Pictures take turns with the cameras of the file.
    """
    file = tmp_path / "cameras.json"
    file.write_text(json.dumps({"One": CAMERA, "Two": {**CAMERA, "Kmin": 0.2}}))

    levels, cameras = denoise.run(pictures, file)

    assert cameras.bench == "denoise-cameras"
    assert "iso_25600_db" in cameras.rows[0]
    assert [row["method"] for row in cameras.rows] == [row["method"] for row in levels.rows]
    assert cameras.notes[0] == "Pictures take turns with One, Two."


def test_a_calibration_becomes_noise_at_any_iso(tmp_path):
    """
    The gain goes with ISO, the deviations along their lines in counts of 14 bits.
    """
    file = tmp_path / "cameras.json"
    file.write_text(json.dumps({"One": CAMERA}))

    noise = read_cameras(file)["One"].at(1600)

    gain = 0.4 * 16
    assert noise.shot == pytest.approx(gain / 15583)
    assert noise.read == pytest.approx(((np.e * gain**0.6) ** 2 + 1 / 12) / 15583**2)
    assert noise.row == pytest.approx(gain**0.5 / np.e / 15583)


@pytest.mark.parametrize(
    "text", ["no json", "[]", "{}", '{"One": {"Kmin": 1}}', json.dumps({"A": {**CAMERA, "Kmin": 0}})]
)
def test_what_is_no_calibration_is_an_error(tmp_path, text):
    """
    Said in a sentence, with what to do.
    """
    file = tmp_path / "cameras.json"
    file.write_text(text)

    with pytest.raises(SetupError, match=r"cameras\.json"):
        read_cameras(file)


def test_noise_has_the_variance_that_its_profile_says():
    """
    Over a flat frame; what a row shares comes on top, in both planes of the row alike.
    """
    clean = torch.full((4, 400, 400), 0.2)
    noise = SensorNoise(8e-4, 1e-4)

    assert float((noise.added(clean, 1) - clean).var()) == pytest.approx(8e-4 * 0.2 + 1e-4, rel=0.02)

    rows = (SensorNoise(1e-7, 0.0, 0.01).added(clean, 1) - clean).mean(dim=2)
    assert float(rows.std()) == pytest.approx(0.01, rel=0.1)
    assert torch.allclose(rows[0], rows[1], atol=1e-4)
    assert torch.allclose(rows[2], rows[3], atol=1e-4)
    assert not torch.allclose(rows[0], rows[2], atol=1e-3)


def test_between_the_levels_noise_lies_on_a_line_of_logarithms():
    """
    Each level is itself, and twice the ISO is twice the slope.
    """
    assert all(at_iso(iso).read == pytest.approx(noise.read) for iso, noise in LEVELS.items())
    assert at_iso(6400).shot == pytest.approx(1.6e-3)
    assert at_iso(100).shot == pytest.approx(2.5e-5)


def test_planes_survive_the_way_through_libraw():
    """
    Without noise FBDD has little to do: scale, colours and places of the planes are as they were.
    """
    planes = sensor_light(picture())

    assert denoise.psnr_db(libraw.reduced_noise(planes, NEUTRAL)[:, 4:-4, 4:-4], planes[:, 4:-4, 4:-4]) > 45


def test_non_local_means_take_noise_away():
    """
    On a flat frame nearly all of it, with its brightness kept.
    """
    clean = torch.full((4, 64, 64), 0.1)
    noise = LEVELS[12800]

    quiet = denoise.stabilised(noise.added(clean, 0), noise, denoise.non_local_means)

    assert float(quiet.mean()) == pytest.approx(0.1, rel=0.02)
    assert float(quiet.std()) < 0.3 * float(noise.added(clean, 0).std())
