"""What no camera took is refused; where the sensor saturates is seen in the frame."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decode_making import frame, raw_capture, with_values
from hypothesis import given
from hypothesis import strategies as st

from flexispd.decode import read_mosaic
from flexispd.decode.levels import saturation_levels
from flexispd.decode.sanity import check_content
from flexispd.errors import CorruptRawError
from flexispd.types import CFA, UInt16

BLACK, WHITE = (128.0,) * 4, (4095.0,) * 4


def picture(height: int = 400, width: int = 40) -> UInt16:
    return np.random.default_rng(7).integers(90, 4000, (height, width)).astype(np.uint16)


@pytest.mark.parametrize("value", [0, 1, 256, 65535])
def test_a_constant_frame_is_corrupt(value: int) -> None:
    """
    A frame without noise is no photograph.
    """
    with pytest.raises(CorruptRawError, match="no picture"):
        check_content(np.full((64, 64), value, np.uint16), "a.dng")


@given(st.integers(min_value=0, max_value=399))
def test_more_than_one_percent_of_blank_rows_at_the_end_is_corrupt(blank_rows: int) -> None:
    """
    Of 400 rows, 4 may be zero; from 5 on the file was cut short.
    """
    values = picture()
    values[400 - blank_rows :] = 0

    if blank_rows <= 4:
        check_content(values, "a.dng")
    else:
        with pytest.raises(CorruptRawError, match=f"last {blank_rows} of 400 rows"):
            check_content(values, "a.dng")


def test_zeros_that_went_through_a_table_are_found_too() -> None:
    """
    A tail at the lowest value of the frame is blank, even where that value is not zero.
    """
    values = picture()
    values[200:] = 64

    with pytest.raises(CorruptRawError, match="200 of 400"):
        check_content(values, "a.dng")


def test_a_saturated_foreground_is_a_picture() -> None:
    """
    Rows of one bright value at the end are overexposed, not missing.
    """
    values = picture()
    values[200:] = 4095

    check_content(values, "a.dng")


def test_zeros_that_are_not_at_the_end_or_not_whole_rows_are_a_picture() -> None:
    """
    A camera with black at zero writes many zeros in the dark; noise keeps a row from being all zeros.
    """
    values = picture()
    values[:200] = 0
    values[200:, 1:] = 0

    check_content(values, "a.dng")


def test_a_sparse_copy_is_corrupt_through_the_whole_way(tmp_path: Path) -> None:
    """
    A raw of full length whose second half was never written decodes without an error, and must not pass.
    """
    capture = raw_capture(tmp_path, frame())
    data = capture.raw.read_bytes()
    capture.raw.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))

    with pytest.raises(CorruptRawError, match="cut short"):
        read_mosaic(capture)


def test_24_megapixels_are_checked_in_a_tenth_of_a_second() -> None:
    """
    The checks may not be felt beside decoding. (They take a hundredth; the rest is for slow machines.)
    """
    values = np.tile(picture(400, 600), (10, 10))

    started = time.perf_counter()
    check_content(values, "a.dng")

    assert time.perf_counter() - started < 0.1


def lamps(level: float, spread: float, channels: str = "RGB", sites: int = 3000) -> UInt16:
    """A dim frame in which the given channels pile up at a level, as the sites of lamps do."""
    rng = np.random.default_rng(5)
    values = rng.integers(130, 900, (400, 400))
    for letter, (row, column) in {"R": (0, 0), "G": (0, 1), "g": (1, 0), "B": (1, 1)}.items():
        if letter.upper() in channels:
            plane = values[row::2, column::2].ravel()
            plane[:sites] = np.round(rng.normal(level, spread, sites))
            values[row::2, column::2] = plane.reshape(200, 200)
    return np.clip(values, 0, 4095).astype(np.uint16)


@pytest.mark.parametrize("spread", [0.0, 6.0, 15.0])
def test_a_pile_of_sites_below_white_is_where_the_sensor_saturates(spread: float) -> None:
    """
    Nine tenths of the pile lie at or above the level that is returned.
    """
    levels = saturation_levels(lamps(3800, spread), CFA.RGGB, BLACK, WHITE)

    assert levels is not None
    assert levels == pytest.approx((3800 - 1.28 * spread,) * 4, abs=3 + 0.1 * spread)


def test_a_channel_without_a_pile_gets_the_level_of_the_others() -> None:
    """
    Sodium lamps saturate red and green; blue saturates where they do.
    """
    levels = saturation_levels(lamps(3800, 5, "RG"), CFA.RGGB, BLACK, WHITE)

    assert levels is not None
    assert levels[3] == pytest.approx(3794, abs=5)


@pytest.mark.parametrize(
    "values",
    [picture(), lamps(3800, 5, "G"), lamps(3000, 5), lamps(3800, 5, sites=10), lamps(4095, 0)],
    ids=["no pile", "greens only", "too low", "too few", "at white"],
)
def test_a_white_level_stays_as_stated_without_clear_evidence(values: UInt16) -> None:
    """
    A bright wall, one channel or a handful of sites prove nothing.
    """
    assert saturation_levels(values, CFA.RGGB, BLACK, WHITE) is None


def test_hot_pixels_above_the_pile_do_not_hide_it() -> None:
    """
    A few sites above everything are defects.
    """
    values = lamps(3800, 5)
    values[::50, ::50] = 4095

    assert saturation_levels(values, CFA.RGGB, BLACK, WHITE) is not None


def test_a_lowered_white_level_is_reported(tmp_path: Path) -> None:
    """
    The receipt says that the stated white level was not used.
    """
    mosaic = with_values(replace(frame(), white_level=WHITE, black_level=BLACK), lamps(3800, 5))

    got = read_mosaic(raw_capture(tmp_path, mosaic))

    assert max(got.white_level) < 3810
    assert any("saturates" in warning for warning in got.shot.warnings)
