"""The night benchmark makes honest raws of photographs, and compares what programs make of them."""

import stat
from typing import Any

import cv2
import numpy as np
import pytest
from bench_making import picture, save

from flexispd.bench import converters, night
from flexispd.bench.converters import Converter, ConverterError
from flexispd.bench.libraw import developed
from flexispd.bench.metrics import ciede2000, lab_of, matched, to_encoded
from flexispd.bench.night_raw import BLACK, COLOR_MATRICES, LIGHTS, UNDEREXPOSED_EV_MAX, WHITE, night_raw
from flexispd.bench.noisy import at_iso
from flexispd.bench.pictures import find_photographs
from flexispd.decode import read_mosaic
from flexispd.errors import SetupError
from flexispd.types import CFA, Capture

GRAY = np.full((200, 240, 3), 160, np.uint8)


@pytest.fixture
def photographs(tmp_path):
    """Two of the day and one of the night, in sub-folders."""
    save(tmp_path / "photos/day/a.jpg", picture())
    save(tmp_path / "photos/day/b.png", picture(97, 131, 1))
    save(tmp_path / "photos/night/c.png", picture(number=2) // 3)
    return tmp_path / "photos"


@pytest.fixture
def no_converters(monkeypatch):
    """A machine without RawTherapee and darktable."""
    monkeypatch.setattr(night, "CONVERTERS", ())


@pytest.fixture
def photograph(tmp_path):
    """A folder of one."""
    save(tmp_path / "one/a.jpg", picture())
    return tmp_path / "one"


def script(folder, text):
    """A program of that shell text; the first argument is the raw, the second the picture to be made."""
    path = folder / "converter"
    path.write_text(f"#!/bin/sh\nif [ $1 = --version ]; then echo converter 7.5.1; exit; fi\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Converter("Other", str(path), lambda raw, target, settings: [str(raw), str(target), str(settings)])


def opened(png):
    """The picture in a file's bytes, whatever it is."""
    picture: Any = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return picture


def decoded(raw, tmp_path):
    """The frame of a raw."""
    path = tmp_path / "night.dng"
    path.write_bytes(raw.data)
    return read_mosaic(Capture(path))


def test_a_raw_says_what_a_camera_says(tmp_path):
    """
    Matrices, the neutral of the true light, ISO, exposure and noise profile all reach whoever reads the DNG.
    """
    raw = night_raw(GRAY, "a.jpg", 6400)
    mosaic = decoded(raw, tmp_path)
    shot, noise = mosaic.shot, at_iso(6400)

    assert mosaic.cfa is CFA.RGGB
    assert mosaic.values.shape == (200, 240)
    assert (mosaic.black_level[0], mosaic.white_level[0]) == (BLACK, WHITE)
    assert shot.iso == 6400
    assert shot.exposure_s == pytest.approx(1 / 15)
    assert shot.as_shot_neutral == pytest.approx(LIGHTS[raw.light].neutral, abs=1e-4)
    assert [m.cct_k for m in shot.color_matrices] == pytest.approx([2856, 6504], abs=1)
    assert shot.noise_profile.shot == pytest.approx((noise.shot,) * 4)
    assert shot.noise_profile.read == pytest.approx((noise.read,) * 4)


def test_gray_stays_gray_as_bright_as_its_exposure_says(tmp_path):
    """
    Balanced by its neutral, a grey photograph is grey in the raw, by the exposure darker than in the photograph.
    """
    raw = night_raw(GRAY, "a.jpg", 100)
    mosaic = decoded(raw, tmp_path)
    red, blue = (float(mosaic.values[i::2, i::2].mean()) - BLACK for i in (0, 1))
    green = float(mosaic.values[::2, 1::2].mean()) - BLACK
    neutral = LIGHTS[raw.light].neutral

    assert -UNDEREXPOSED_EV_MAX <= raw.exposure_ev <= 0
    assert green / (WHITE - BLACK) == pytest.approx(0.3515 * 2**raw.exposure_ev, rel=0.01)
    assert (red / green, blue / green) == pytest.approx((neutral[0], neutral[2]), rel=0.01)


def test_light_and_exposure_go_with_the_name():
    """
    So they are the same in any selection of photographs, and different between them.
    """
    raws = [night_raw(GRAY, f"{number}.jpg", 3200) for number in range(12)]

    assert night_raw(GRAY, "3.jpg", 3200).data == raws[3].data
    assert {raw.light for raw in raws} == set(LIGHTS)
    assert len({raw.exposure_ev for raw in raws}) == 12


def test_libraw_finds_the_photographs_colours():
    """
    An independent program sees the right colours in the raw. At a low ISO and in daylight, for which the matrix is made
    that it uses, only exposure is left to put right; in any light, whites are white.
    """
    surfaces = np.array([[200, 60, 50], [60, 140, 70], [60, 80, 170], [210, 180, 60], [150, 150, 150], [230, 220, 210]])
    chart = np.kron(surfaces.reshape(2, 3, 3), np.ones((48, 48, 1))).astype(np.uint8)
    seen = set()

    for number in range(12):
        raw = night_raw(chart, f"{number}.jpg", 50)
        made = matched(developed(raw.data), chart / 255)
        apart = ciede2000(lab_of(made), lab_of(chart / 255)).reshape(2, 48, 3, 48)[:, 8:-8, :, 8:-8].mean(axis=(1, 3))
        seen.add(raw.light)

        assert apart[1, 1:].max() < 3, raw.light
        assert apart.max() < (1.5 if raw.light.startswith("daylight") else 17), raw.light
    assert seen == set(LIGHTS)


def test_the_lights_are_those_of_the_measured_spectra(shared_data):
    """
    The numbers in the code come from rawtoaces-data and colour-science, by way of the training's own arithmetic.
    """
    pytest.importorskip("colour")
    from flexispd.training import spectra

    tables = spectra.load(shared_data / "camera/spectra.npz")
    camera = spectra.SpectralCamera(tables, tables.sensitivity[tables.cameras.index("Sony ILCE-7M3")])
    power = dict(
        zip(
            LIGHTS,
            (tables.sky(6504.0), tables.lamps["led"][2], tables.black_body(2856.0), tables.lamps["led"][0]),
            strict=True,
        )
    )

    for name, light in LIGHTS.items():
        assert camera.neutral(power[name]) == pytest.approx(light.neutral, abs=2e-4)
        assert camera.look(power[name]) == pytest.approx(np.array(light.look), abs=2e-3)
    for ours, theirs in zip(COLOR_MATRICES, camera.matrices(both=True), strict=True):
        scale = ours.xyz_to_camera[1, 1] / theirs.xyz_to_camera[1, 1]
        assert theirs.xyz_to_camera * scale == pytest.approx(ours.xyz_to_camera, abs=2e-4)


@pytest.mark.usefixtures("no_converters")
def test_profiles_and_libraw_have_their_figures(photographs, tmp_path):
    """
    Over all photographs, with how many there are of each kind, and with a sheet to look at.
    """
    result = night.run(photographs, 1600, sheet=tmp_path / "sheets/all.png")

    assert [row["method"].split()[0] for row in result.rows] == [*night.PROFILES, "LibRaw"]
    for row in result.rows:
        assert row["psnr_matched_db"] >= row["psnr_db"] > 5
        assert 0 < row["ssim"] <= 1
        assert row["ciede2000"] > 0
    assert result.notes[0] == "ISO 1600, 3 photographs (2 day, 1 night)."
    assert result.notes[1].startswith("PSNR: natural ")
    assert opened((tmp_path / "sheets/all.png").read_bytes()).shape[1] > 5 * 112


def test_photographs_that_a_training_keeps_back_can_be_chosen(tmp_path):
    """
    The same as in training: those of its list, and of a folder without them every sixteenth by name.
    """
    for number in range(33):
        save(tmp_path / f"{number:02}.jpg", picture())

    assert [path.name for path in find_photographs(tmp_path, kept=True)] == ["00.jpg", "16.jpg", "32.jpg"]
    assert len(find_photographs(tmp_path, kept=False)) == 33

    save(tmp_path / "night/af32d67cce.jpg", picture())
    assert [path.name for path in find_photographs(tmp_path, kept=True)] == ["af32d67cce.jpg"]

    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match="holds no photographs"):
        find_photographs(tmp_path / "empty", kept=True)


def test_a_converter_starts_from_its_own_defaults(tmp_path):
    """
    It runs in an empty home, so the user's settings stay out, and what it writes there is not the user's.
    """
    save(tmp_path / "made.png", GRAY)
    other = script(tmp_path, f'[ "$HOME" = "$3" ] && touch "$HOME/settings" && cp {tmp_path}/made.png "$2"')
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    made = other.developed(tmp_path / "a.dng", scratch)

    assert other.label() == "Other 7.5.1"
    assert made == pytest.approx(np.full((200, 240, 3), 160 / 255), abs=1e-6)
    assert (scratch / "Other" / "settings").exists()


@pytest.mark.parametrize("text", ["exit 3", "echo nothing", 'echo garbage > "$2"'])
def test_a_converter_that_fails_is_a_note(photograph, monkeypatch, tmp_path, text):
    """
    The others are compared all the same; its row has no figures.
    """
    monkeypatch.setattr(night, "PROFILES", ("neutral",))
    monkeypatch.setattr(night, "CONVERTERS", (script(tmp_path, text),))

    result = night.run(photograph)

    assert result.rows[-1] == {"method": "Other 7.5.1", **dict.fromkeys(night.FIGURES)}
    assert any(note.startswith("Other gave no picture") for note in result.notes)
    assert result.rows[0]["psnr_db"] > 5


def test_a_converter_that_is_not_installed_is_a_note(photograph, monkeypatch):
    """
    With the name of its command.
    """
    monkeypatch.setattr(night, "PROFILES", ("neutral",))
    monkeypatch.setenv("PATH", "")

    assert "darktable is left out: darktable-cli is not installed." in night.run(photograph).notes


def test_a_picture_without_its_border_is_compared_where_it_belongs():
    """
    RawTherapee leaves out four pixels on each side; another size is no picture of the same scene.
    """
    truth = to_encoded(np.random.default_rng(0).uniform(0, 1, (90, 100, 3)))

    inner, wanted = night.alike(truth[4:-4, 4:-4], truth)

    assert np.array_equal(inner, wanted)
    for wrong in (truth[1:], truth[20:-20]):
        with pytest.raises(ConverterError, match="pixels came of 100x90"):
            night.alike(wrong, truth)


def test_the_known_converters_are_the_two_that_users_have():
    """
    Under the names of their commands.
    """
    assert [converter.program for converter in converters.CONVERTERS] == ["rawtherapee-cli", "darktable-cli"]
