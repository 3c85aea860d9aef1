"""Synthetic raws go through LibRaw and come back as they were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decode_making import SHOT, frame, raw_capture

from flexispd.decode import read_mosaic
from flexispd.types import CFA

EVERY_PHASE = pytest.mark.parametrize("cfa", list(CFA), ids=lambda cfa: cfa.name)


@EVERY_PHASE
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (64, 97), (65, 96), (22, 23)], ids=str)
def test_all_phases_and_odd_sizes_come_back_unchanged(tmp_path: Path, cfa: CFA, size: tuple[int, int]) -> None:
    """
    Values, phase, black per plane and white are those that were written.
    """
    wanted = frame(*size, cfa)

    got = read_mosaic(raw_capture(tmp_path, wanted))

    np.testing.assert_array_equal(got.values, wanted.values)
    assert (got.cfa, got.black_level, got.white_level) == (cfa, wanted.black_level, wanted.white_level)


@EVERY_PHASE
@pytest.mark.parametrize("margins", [(2, 4, 0, 0), (6, 2, 4, 8), (3, 4, 1, 0), (2, 5, 0, 3), (7, 3, 2, 1)], ids=str)
def test_masked_margins_are_cut_off_and_the_phase_stays_true(
    tmp_path: Path, cfa: CFA, margins: tuple[int, int, int, int]
) -> None:
    """
    Only the visible area is returned. Where a margin is odd, LibRaw cuts one line more; phase and the black level of
    each plane must follow.
    """
    wanted = frame(64, 96, cfa)
    cut_rows, cut_columns = margins[0] % 2, margins[1] % 2

    got = read_mosaic(raw_capture(tmp_path, wanted, margins=margins))

    np.testing.assert_array_equal(got.values, wanted.values[cut_rows:, cut_columns:])
    assert got.cfa is cfa.shifted(cut_rows, cut_columns)
    assert got.black_level == wanted.black_level


def test_a_linearization_table_is_applied(tmp_path: Path) -> None:
    """
    Stored values are indices into the table; the mosaic holds what the table says.
    """
    table = np.round(np.arange(1024) ** 2 / 16).astype(np.uint16)
    stored = np.random.default_rng(3).integers(100, 800, (64, 96)).astype(np.uint16)
    wanted = replace(frame(), values=stored, white_level=(65472.0,) * 4)

    got = read_mosaic(raw_capture(tmp_path, wanted, table=table))

    np.testing.assert_array_equal(got.values, table[stored])


def test_every_tag_comes_back_and_names_its_source(tmp_path: Path) -> None:
    """
    All of ShotInfo survives the way through the file, and each field says that it is from there.
    """
    got = read_mosaic(raw_capture(tmp_path, frame())).shot

    for name in ("make", "model", "lens", "iso", "taken_at", "orientation", "as_shot_neutral", "gps"):
        assert getattr(got, name) == getattr(SHOT, name), name
    for name in ("exposure_s", "f_number", "focal_length_mm"):
        assert getattr(got, name) == pytest.approx(getattr(SHOT, name)), name
    assert set(got.sources.values()) == {"exif"}
    assert got.warnings == ()
    assert got.noise_profile is not None
    assert got.noise_profile.shot == pytest.approx((1e-4, 2e-4, 2e-4, 3e-4))
    assert got.noise_profile.source == "exif"
    assert [matrix.cct_k for matrix in got.color_matrices] == [2856.0, 6504.0]
    for matrix, written in zip(got.color_matrices, SHOT.color_matrices, strict=True):
        np.testing.assert_allclose(matrix.xyz_to_camera, written.xyz_to_camera, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_read_the_same_by_exif_and_libraw(tmp_path: Path, orientation: int) -> None:
    """
    LibRaw's flips are translated into EXIF's numbers, so the two sources never contradict each other.
    """
    mosaic = replace(frame(), shot=replace(SHOT, orientation=orientation))

    shot = read_mosaic(raw_capture(tmp_path, mosaic)).shot

    assert (shot.orientation, shot.warnings) == (orientation, ())
