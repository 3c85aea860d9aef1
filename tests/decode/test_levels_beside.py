"""Levels that a JSON file states wrongly: refused beside a PNG mosaic, reported beside a raw."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decode_making import METADATA, frame, png_capture, raw_capture
from hypothesis import given
from hypothesis import strategies as st

from flexispd.decode import read_mosaic, sidecar_json
from flexispd.decode.sanity import check_levels
from flexispd.errors import CaptureError, CorruptRawError
from flexispd.types import CFA, Capture

VALUES = np.random.default_rng(3).integers(300, 15902, (64, 96)).astype(np.uint16)


def warnings_beside_a_raw(folder: Path, **keys: Any) -> tuple[str, ...]:
    capture = raw_capture(folder, frame())
    (folder / "frame.json").write_text(json.dumps(keys))
    return read_mosaic(replace(capture, json=folder / "frame.json")).shot.warnings


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"black_level": 0, "white_level": 10}, "frame.json: white_level 10 is too low"),
        ({"white_level": 1023}, "frame.json: white_level 1023 is too low"),
        ({"white_level": [16383, 16383, 16383, 4095]}, "white_level 4095 is too low"),
        ({"white_level": 1e30}, "frame.json: white_level must be at most 65535"),
        ({"white_level": 65536}, "white_level must be at most 65535"),
        ({"black_level": 12000}, "frame.json: black_level 12000 is too high"),
        ({"black_level": [256, 12000, 256, 256]}, "black_level 12000 is too high"),
    ],
)
def test_levels_of_another_sensor_are_refused_beside_a_png(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    """
    They would make a picture that is flat grey or black, and look like success.
    """
    with pytest.raises(CaptureError) as caught:
        read_mosaic(png_capture(tmp_path, VALUES, METADATA | keys))

    assert words in caught.value.problem
    assert caught.value.remedy.endswith(".")


@given(
    clipped_share=st.floats(0, 1), over=st.floats(1, 1.2), black=st.integers(0, 2048), white=st.integers(4095, 50000)
)
def test_a_clipped_frame_is_no_contradiction(clipped_share: float, over: float, black: int, white: int) -> None:
    """
    However many sites are full, at white or a little above it, and however dark the rest.
    """
    rng = np.random.default_rng(1)
    values = rng.normal(black + 2, 30, (40, 40))
    values[rng.random((40, 40)) < clipped_share] = black + over * (white - black)

    check_levels(np.clip(values, 0, 65535).astype(np.uint16), CFA.GRBG, (black,) * 4, (white,) * 4, "a.json")


def test_hot_pixels_above_white_are_no_contradiction(tmp_path: Path) -> None:
    """
    Less than one site in a hundred proves nothing about the level.
    """
    values = np.minimum(VALUES, 8000)
    values[::15, ::15] = 15902

    read_mosaic(png_capture(tmp_path, values, METADATA | {"white_level": 8191}))


def test_a_blank_frame_is_told_as_blank_before_its_levels_are_judged(tmp_path: Path) -> None:
    """
    Zeros below a black of 2048 are a copy that stopped, not a wrong black level.
    """
    with pytest.raises(CorruptRawError, match="only zeros"):
        read_mosaic(png_capture(tmp_path, np.zeros((64, 96), np.uint16), METADATA | {"black_level": 2048}))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"white_level": 100}, "The JSON's white level 100 contradicts the raw's 16383; the raw's is used."),
        ({"black_level": 4096}, "The JSON's black level 4096 contradicts the raw's 256; the raw's is used."),
        ({"black_level": 288}, "The JSON's black level 288 contradicts the raw's 256; the raw's is used."),
        ({"cfa_pattern": [2, 1, 1, 0]}, "The JSON's cfa_pattern BGGR contradicts the raw's RGGB; the raw's is used."),
    ],
)
def test_a_contradiction_between_json_and_raw_is_reported(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    """
    The raw is right about its own pixels, but whoever wrote the file learns that it was not believed.
    """
    assert sentence in warnings_beside_a_raw(tmp_path, **keys)


@pytest.mark.parametrize("key", ["black_level", "white_level", "cfa_pattern"])
def test_a_level_that_cannot_be_read_beside_a_raw_is_a_warning(tmp_path: Path, key: str) -> None:
    """
    A raw can do without; the warning names the key.
    """
    (warning,) = (note for note in warnings_beside_a_raw(tmp_path, **{key: "many"}) if "frame.json" in note)

    assert key in warning
    assert warning.endswith("The raw's is used.")


def test_agreeing_levels_beside_a_raw_are_silent(tmp_path: Path) -> None:
    """
    The same phase, and levels that differ by rounding.
    """
    assert warnings_beside_a_raw(tmp_path, **METADATA) == warnings_beside_a_raw(tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" " * 60_000_000, "is larger than 16 MiB"),
        (b"[" * 100_000, "is not valid metadata: its values are nested more than 8 deep"),
        (b'{"iso": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested more than 8 deep"),
        (b'{"iso": ' + b"1" * 5000 + b"}", "a number of 5000 digits is beyond all bounds"),
        (b'{"make": "\xff"}', "is no UTF-8 text"),
    ],
    ids=["large", "open deep", "deep", "digits", "latin"],
)
def test_an_absurd_json_file_is_told_in_our_words(tmp_path: Path, data: bytes, words: str) -> None:
    """
    The user reads what is wrong with the file, not how Python noticed.
    """
    capture = png_capture(tmp_path, VALUES, METADATA)
    (tmp_path / "frame.json").write_bytes(data)

    with pytest.raises(CaptureError) as caught:
        read_mosaic(capture)

    assert words in caught.value.problem
    for leak in ("recursion", "sys.", "codec", str(sidecar_json.SIZE_BYTES_MAX + 1)):
        assert leak not in caught.value.problem


@pytest.mark.parametrize("suffix", [".nef", ".png", ".json"])
def test_an_error_names_the_file_with_its_folder(tmp_path: Path, suffix: str) -> None:
    """
    Two cards may each have a DSC_1.
    """
    folder = tmp_path / "second card"
    folder.mkdir()
    broken = folder / f"DSC_1{suffix}"
    whole = png_capture(folder, VALUES, METADATA)
    broken.write_bytes(b"broken")
    capture = Capture(whole.raw if suffix == ".json" else broken, json=broken if suffix == ".json" else whole.json)

    with pytest.raises(CaptureError) as caught:
        read_mosaic(capture)

    assert str(broken) in caught.value.problem
