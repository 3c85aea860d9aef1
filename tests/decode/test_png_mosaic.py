"""PNG mosaics with JSON beside them, in every dialect of the NTIRE night challenges, and in every broken form."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from decode_making import METADATA, chunk, frame, png, png_capture
from hypothesis import given
from hypothesis import strategies as st

from flexispd.decode import read_mosaic, sidecar_json
from flexispd.errors import CaptureError, CorruptRawError, UnsupportedRawError
from flexispd.types import CFA, Capture

VALUES = frame().values

EXIFTOOL_WORDS = [
    "Horizontal (normal)",
    "Mirror horizontal",
    "Rotate 180",
    "Mirror vertical",
    "Mirror horizontal and rotate 270 CW",
    "Rotate 90 CW",
    "Mirror horizontal and rotate 90 CW",
    "Rotate 270 CW",
]


def facts(**keys: Any) -> dict[str, Any]:
    return sidecar_json.parse(json.dumps(keys).encode(), "shot.json").facts()


def levels(**keys: Any) -> sidecar_json.Levels:
    return sidecar_json.parse(json.dumps(METADATA | keys).encode(), "shot.json").levels()


def value_or_problem(read: Callable[[], object]) -> object:
    """What is read, or the problem of the one kind of error that may come instead."""
    try:
        return read()
    except CaptureError as error:
        return error.problem


def test_a_pair_becomes_a_mosaic(tmp_path: Path) -> None:
    """
    Values come from the PNG, everything else from the JSON file; what it lacks is a default with a warning.
    """
    mosaic = read_mosaic(png_capture(tmp_path, VALUES, METADATA))

    np.testing.assert_array_equal(mosaic.values, VALUES)
    assert (mosaic.cfa, mosaic.black_level, mosaic.white_level) == (CFA.RGGB, (256.0,) * 4, (16383.0,) * 4)
    assert mosaic.shot.sources == {"color_matrices": "default", "orientation": "default"}
    assert mosaic.shot.as_shot_neutral is None
    assert [matrix.cct_k for matrix in mosaic.shot.color_matrices] == [6504.0]
    assert "colour matrix" in mosaic.shot.warnings[0]


@pytest.mark.parametrize("name", ["IMG_2304", "23__test", "24__test_canon", "24__test_huawei"])
def test_the_challenges_own_files_are_read(shared_data: Path, tmp_path: Path, name: str) -> None:
    """
    Genuine metadata of 2022, 2023 and 2024, Canon and Huawei, beside a picture of ours.
    """
    (source,) = (shared_data / "ntire_json").glob(f"*{name}.json")
    (tmp_path / "frame.png").write_bytes(png(frame().values // 8 + 2100))

    mosaic = read_mosaic(Capture(tmp_path / "frame.png", json=source))

    huawei = "huawei" in name
    assert mosaic.black_level == ((256.0,) * 4 if huawei else (2048.0,) * 4)
    assert mosaic.cfa is (CFA.RGGB if huawei else CFA.GBRG)
    assert mosaic.shot.orientation == 1
    assert len(mosaic.shot.color_matrices) == (1 if huawei else 2)
    assert (mosaic.shot.as_shot_neutral is None) is not huawei
    assert (mosaic.shot.noise_profile is None) is huawei


@pytest.mark.parametrize("name", ["canon_d30_5s", "dsc1339_flower_crop", "quicktake150_night_street"])
def test_pairs_of_real_raws_are_read(shared_data: Path, name: str) -> None:
    """
    PNG and JSON made from real raws, with black levels as fractions.
    """
    folder = shared_data / "ntire_pairs"

    mosaic = read_mosaic(Capture(folder / f"{name}.png", json=folder / f"{name}.json"))

    assert mosaic.shot.as_shot_neutral is not None
    assert mosaic.shot.sources["as_shot_neutral"] == "json"


@pytest.mark.parametrize(("value", "words"), list(enumerate(EXIFTOOL_WORDS, 1)))
def test_an_orientation_may_be_a_number_a_list_or_words(value: int, words: str) -> None:
    """
    All eight, in each of the forms, in any case and spacing.
    """
    for form in (value, float(value), [value], [[value]], str(value), words, [words], words.upper(), f"  {words} "):
        assert facts(orientation=form) == {"orientation": value}


@given(st.one_of(st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.dictionaries(st.text(), st.none())))
def test_an_orientation_is_one_to_eight_or_an_error_that_names_it(value: object) -> None:
    """
    Whatever stands there: eight values, or one clear error.
    """
    answer = value_or_problem(lambda: facts(orientation=value)["orientation"])

    assert answer in range(1, 9) or "orientation" in str(answer) or "not valid metadata" in str(answer)


NUMBERS = st.integers(min_value=1, max_value=10**6)


@given(numerator=NUMBERS, denominator=NUMBERS)
def test_a_fraction_is_the_number_it_means(numerator: int, denominator: int) -> None:
    """
    Plain, in a list, or as numerator and denominator: the same number.
    """
    fraction = {"Fraction": [numerator, denominator]}

    for form in (fraction, [fraction], numerator / denominator, [numerator / denominator]):
        assert facts(iso=form)["iso"] == numerator / denominator


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["Fraction", "x"]), inner, max_size=2)
        ),
        max_leaves=12,
    )
)
def test_levels_are_numbers_or_an_error_that_names_the_key(value: object) -> None:
    """
    No shape of JSON under a key reaches numpy or ends in anything but a CaptureError.
    """
    for key in ("black_level", "white_level", "cfa_pattern", "linearization_table"):
        answer = value_or_problem(functools.partial(levels, **{key: value}))

        assert isinstance(answer, sidecar_json.Levels) or any(
            words in str(answer) for words in (key, "white_level", "not valid metadata")
        )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("black_level", [1, 2, 3]),
        ("black_level", "256"),
        ("black_level", None),
        ("black_level", [256, None, 256, 256]),
        ("black_level", [{"Fraction": [256, 0]}] * 4),
        ("black_level", [{"Fraction": [256]}] * 4),
        ("black_level", [{"Ratio": [256, 1]}] * 4),
        ("black_level", True),
        ("white_level", 100),
        ("white_level", 10**400),
        ("white_level", None),
        ("cfa_pattern", [0, 1, 2, 1]),
        ("cfa_pattern", [0, 1, 1]),
        ("cfa_pattern", None),
        ("linearization_table", [1]),
        ("linearization_table", [0, 70000]),
    ],
)
def test_a_wrong_level_is_an_error_that_names_its_key(key: str, value: object) -> None:
    """
    The sentence has the key in it, so that the user finds the line.
    """
    with pytest.raises(CaptureError, match=key):
        levels(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("iso", 0),
        ("iso", "high"),
        ("exposure_time", [1, 2]),
        ("make", 7),
        ("as_shot_neutral", [1, 2]),
        ("as_shot_neutral", [0.5, 1, 0]),
        ("as_shot_neutral", [900, 1, 1]),
        ("color_matrix_1", [1] * 8),
        ("color_matrix_1", [1] * 9),
        ("noise_profile", [[1], [2], [3]]),
        ("noise_profile", [[-1], [2]]),
    ],
)
def test_a_wrong_fact_is_an_error_that_names_its_key(key: str, value: object) -> None:
    """
    What is stated has to be right; only what is absent has a default.
    """
    with pytest.raises(CaptureError, match=key):
        facts(**{key: value})


def test_null_is_the_same_as_absent() -> None:
    """
    The challenges write null for what a camera lacks.
    """
    assert facts(linearization_table=None, as_shot_neutral=None, orientation=None, noise_profile=None) == {}


@pytest.mark.parametrize("cell", [[0, 1, 1, 2], [1, 0, 2, 1], [1, 2, 0, 1], [2, 1, 1, 0]])
def test_levels_are_given_site_by_site_and_kept_plane_by_plane(cell: list[int]) -> None:
    """
    Black levels stand in the file in the order of the cell's sites, as DNG has them.
    """
    by_color = {0: 10.0, 2: 40.0}
    got = levels(cfa_pattern=cell, black_level=[by_color.get(color, 20.0) for color in cell])

    assert got.black_level == (10.0, 20.0, 20.0, 40.0)


def test_the_phase_may_be_nested_or_in_letters() -> None:
    """
    [[1, 2], [0, 1]] and "GBRG" mean what [1, 2, 0, 1] means.
    """
    assert {levels(cfa_pattern=form).cfa for form in ([1, 2, 0, 1], [[1, 2], [0, 1]], "GBRG", "gbrg")} == {CFA.GBRG}


def test_matrices_belong_to_standard_light_a_and_d65_unless_stated() -> None:
    """
    color_matrix_1 is for 2856 K and color_matrix_2 for 6504 K; calibration_illuminant_N overrules that.
    """
    matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1]

    plain = facts(color_matrix_1=matrix, color_matrix_2=matrix)["color_matrices"]
    stated = facts(color_matrix_1=matrix, calibration_illuminant_1=23)["color_matrices"]

    assert [each.cct_k for each in plain] == [2856.0, 6504.0]
    assert [each.cct_k for each in stated] == [5003.0]


@pytest.mark.parametrize(
    "form",
    [
        [[1e-4, 2e-4, 3e-4], [1e-6, 2e-6, 3e-6]],
        [[1e-4, 1e-6], [2e-4, 2e-6], [3e-4, 3e-6]],
        [1e-4, 1e-6, 2e-4, 2e-6, 3e-4, 3e-6],
        [[1e-4, 2e-4, 2e-4, 3e-4], [1e-6, 2e-6, 2e-6, 3e-6]],
    ],
)
def test_noise_of_three_or_four_planes_is_read_in_either_order(form: list[Any]) -> None:
    """
    Rows of shot and read, or pairs of them.
    """
    profile = facts(noise_profile=form)["noise_profile"]

    assert profile.shot == (1e-4, 2e-4, 2e-4, 3e-4)
    assert profile.read == (1e-6, 2e-6, 2e-6, 3e-6)


def test_a_linearization_table_is_applied(tmp_path: Path) -> None:
    """
    Stored values are indices; those beyond the table get its last value, as DNG 1.4 says.
    """
    stored = np.random.default_rng(1).integers(0, 40, (64, 96)).astype(np.uint16)
    table = [300 + 7 * index for index in range(32)]

    mosaic = read_mosaic(png_capture(tmp_path, stored, METADATA | {"linearization_table": table}))

    np.testing.assert_array_equal(mosaic.values, np.asarray(table)[np.minimum(stored, 31)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "7",
        '{"iso": 1} trailing',
        '{"iso": 1, "iso": 2}',
        '{"iso": NaN}',
        "[" * 100_000,
        '{"iso": ' + "[" * 500 + "]" * 500 + "}",
        "\xff",
    ],
    ids=["empty", "open", "list", "number", "trailing", "twice", "nan", "open deep", "deep", "latin"],
)
def test_a_json_file_that_is_no_object_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    """
    Not valid JSON, no object, a key twice, NaN, something behind the end: all refused.
    """
    capture = png_capture(tmp_path, VALUES, METADATA)
    (tmp_path / "frame.json").write_text(text, encoding="latin-1")

    with pytest.raises(CaptureError, match=r"frame\.json"):
        read_mosaic(capture)


def test_a_png_alone_names_the_file_that_it_waits_for(tmp_path: Path) -> None:
    """
    A mosaic without levels cannot be developed, and the user learns which file is missing.
    """
    (tmp_path / "night.png").write_bytes(png(VALUES))

    with pytest.raises(CaptureError, match=r"night\.json is missing"):
        read_mosaic(Capture(tmp_path / "night.png"))


@pytest.mark.parametrize(
    "data",
    [
        png((VALUES // 256).astype(np.uint8), bits=8),
        cv2.imencode(".png", np.zeros((20, 20, 3), np.uint16))[1].tobytes(),
        cv2.imencode(".png", np.zeros((20, 20, 4), np.uint8))[1].tobytes(),
    ],
    ids=["8 bit", "RGB", "RGBA"],
)
def test_a_picture_is_not_taken_for_a_mosaic(tmp_path: Path, data: bytes) -> None:
    """
    8 bits or several channels are a picture.
    """
    capture = png_capture(tmp_path, VALUES, METADATA)
    capture.raw.write_bytes(data)

    with pytest.raises(UnsupportedRawError, match="not a mosaic"):
        read_mosaic(capture)


WHOLE = png(VALUES)
HEADER = WHOLE[:33]


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:-12],
        WHOLE[: len(WHOLE) // 2] + bytes(len(WHOLE) // 2),
        WHOLE[:5000] + b"\0" + WHOLE[5001:],
        HEADER + chunk(b"IEND", b""),
        HEADER + chunk(b"IDAT", b"nothing") + chunk(b"IEND", b""),
        HEADER + chunk(b"IDAT", WHOLE[41:5000]) + chunk(b"IEND", b""),
        WHOLE[:8] + chunk(b"IDAT", b"") + WHOLE[33:],
        b"II*\0" + WHOLE,
        b"",
    ],
    ids=["half", "no end", "zeros", "flipped", "no pixels", "no stream", "cut stream", "no header", "foreign", "empty"],
)
def test_a_broken_png_is_corrupt_whatever_the_decoder_would_return(tmp_path: Path, data: bytes) -> None:
    """
    Truncated, altered or empty PNGs never become a picture, not even a part of one.
    """
    capture = png_capture(tmp_path, VALUES, METADATA)
    capture.raw.write_bytes(data)

    with pytest.raises(CorruptRawError):
        read_mosaic(capture)


def test_a_png_that_claims_an_absurd_size_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """
    The header alone decides.
    """
    capture = png_capture(tmp_path, VALUES, METADATA)
    header = chunk(b"IHDR", (60000).to_bytes(4, "big") * 2 + bytes([16, 0, 0, 0, 0]))
    capture.raw.write_bytes(WHOLE[:8] + header + WHOLE[33:])

    with pytest.raises(UnsupportedRawError, match="3600 megapixels"):
        read_mosaic(capture)
