"""The real files: what is known of each of them comes out right."""

from pathlib import Path

import numpy as np
import pytest
from decode_making import METADATA, png_capture, raw_capture

from flexispd.decode import read_mosaic
from flexispd.decode.metadata import exif_facts
from flexispd.errors import UnsupportedRawError
from flexispd.types import CFA, Capture, Mosaic, ShotInfo


def read(shared_data: Path, name: str) -> Mosaic:
    return read_mosaic(Capture(shared_data / "raw" / name))


def test_a_gopro_takes_matrices_noise_and_mirroring_from_its_own_tags(shared_data: Path) -> None:
    """
    LibRaw has an all-zero matrix for it. The frame is stored mirrored (a road sign reads backwards): orientation 2.
    """
    mosaic = read(shared_data, "gopro_hero8_dusk.dng")

    assert (mosaic.values.shape, mosaic.cfa, mosaic.white_level) == ((3000, 4000), CFA.RGGB, (16383.0,) * 4)
    shot = mosaic.shot
    assert (shot.iso, shot.f_number, shot.orientation) == (317.0, 2.8, 2)
    assert [matrix.cct_k for matrix in shot.color_matrices] == [2850.0, 5003.0]
    assert shot.noise_profile is not None
    assert shot.noise_profile.shot[0] == pytest.approx(4.9516e-4, rel=1e-4)
    assert shot.gps == pytest.approx({"latitude": 56.29843, "longitude": 10.14656, "altitude_m": 78.8}, rel=1e-6)
    assert shot.warnings == ()


def test_a_canon_d30_has_no_white_balance_and_saturates_below_its_range(shared_data: Path) -> None:
    """
    LibRaw's -1 means none. Its lamps pile up near 3815 of 4095, and would turn magenta at the stated white.
    """
    mosaic = read(shared_data, "canon_eos_d30_5s_tree.crw")

    assert (mosaic.values.shape, mosaic.cfa) == ((1448, 2176), CFA.RGGB)
    assert mosaic.black_level == (127.0, 128.0, 128.0, 128.0)
    assert all(3800 < level < 3820 for level in mosaic.white_level)
    assert mosaic.shot.as_shot_neutral is None
    assert mosaic.shot.sources["color_matrices"] == "rawpy"
    assert mosaic.shot.iso == 100.0
    assert mosaic.shot.exposure_s == pytest.approx(4.97, abs=0.01)


def test_a_blackmagic_is_linearised(shared_data: Path) -> None:
    """
    12 bits become 16 through its table; black counts in the table's output.
    """
    mosaic = read(shared_data, "blackmagic_pocket4k_dusk.dng")

    assert (mosaic.values.shape, mosaic.cfa) == ((2176, 4128), CFA.RGGB)
    assert mosaic.values.max() == 65472
    assert mosaic.black_level == (512.0,) * 4
    assert all(64000 < level < 65536 for level in mosaic.white_level)
    assert mosaic.shot.as_shot_neutral == pytest.approx((0.4533, 1.0, 0.53))


@pytest.mark.parametrize(
    ("name", "size", "matrix_source"),
    [("kodak_dc50.kdc", (512, 768), "default"), ("quicktake150_night_street.qtk", (480, 640), "rawpy")],
)
def test_cameras_of_the_nineties_are_read_with_what_they_lack_filled_in(
    shared_data: Path, name: str, size: tuple[int, int], matrix_source: str
) -> None:
    """
    No white balance, for the Kodak no matrix either; still pictures.
    """
    mosaic = read(shared_data, name)

    assert (mosaic.values.shape, mosaic.cfa) == (size, CFA.GRBG)
    assert mosaic.shot.as_shot_neutral is None
    assert mosaic.shot.sources["color_matrices"] == matrix_source


@pytest.mark.parametrize("cfa", list(CFA), ids=lambda cfa: cfa.name)
def test_one_scene_in_four_phases_comes_through_dng_and_png_alike(shared_data: Path, tmp_path: Path, cfa: CFA) -> None:
    """
    A headerless dump, given a header in both ways, is the same frame.
    """
    path = shared_data / "raw" / f"dsc1339_768x512_14bit_{cfa.name.lower()}.bin"
    values = np.fromfile(path, "<u2").astype(np.uint16).reshape(512, 768)
    mosaic = Mosaic(values, cfa, (600.0,) * 4, (16383.0,) * 4, ShotInfo())
    metadata = METADATA | {"black_level": 600, "cfa_pattern": cfa.name}

    for got in (read_mosaic(raw_capture(tmp_path, mosaic)), read_mosaic(png_capture(tmp_path, values, metadata))):
        np.testing.assert_array_equal(got.values, values)
        assert (got.cfa, got.black_level, got.white_level) == (cfa, (600.0,) * 4, (16383.0,) * 4)


def test_a_headerless_dump_is_refused_under_its_own_name(shared_data: Path) -> None:
    """
    Its length is not evidence of a camera.
    """
    with pytest.raises(UnsupportedRawError, match="extension"):
        read(shared_data, "dsc1339_768x512_14bit_rggb.bin")


@pytest.mark.parametrize(
    ("name", "model", "exposure_s"),
    [
        ("22f39e_t__images__CanonRaw.cr3", "Canon EOS M50", 1 / 80),
        ("c51ef1_t__images__FujiFilm.raf", "FinePix S5Pro", 1 / 250),
        ("54dea7_t__images__Panasonic.rw2", "DMC-LX3", 1 / 250),
        ("50b296_t__images__CanonRaw.cr2", "Canon EOS 350D DIGITAL", 1 / 15),
    ],
)
def test_exif_is_found_in_every_container(shared_data: Path, name: str, model: str, exposure_s: float) -> None:
    """
    CR3 keeps it in boxes, RAF in a JPEG, RW2 behind a TIFF header of its own. (These samples hold nothing else.)
    """
    facts, warnings = exif_facts((shared_data / "nasty" / "exiftool+exiftool" / name).read_bytes())

    assert (facts["model"], warnings) == (model, [])
    assert facts["exposure_s"] == pytest.approx(exposure_s)
