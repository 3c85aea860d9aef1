"""Conditions of rules: what they may say, and what a frame has to be to fulfil them."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.profile_rules import FIELDS, TEXTS, ConditionError, fields_of, fulfilled, read_condition
from flexispd.types import ShotInfo

SHOT = ShotInfo(
    make="NIKON CORPORATION",
    model="NIKON Z 6",
    lens="Nikkor Z 35mm f/1.8 S",
    iso=3200,
    exposure_s=1 / 30,
    f_number=1.8,
    focal_length_mm=35.0,
    taken_at="2026:12:24 21:30:00",
)


@pytest.mark.parametrize(
    "condition",
    [
        "iso >= 1600 and lens ~ '35mm'",
        'camera = "nikon corporation NIKON z 6"',
        "ISO == 3200 AND NOT iso != 3200",
        "model ~ 'z 6' or 1/0.5 > 9",
        "not (iso < 100 or iso > 6400)",
        "hour >= 21.5 and hour < 22",
        "date >= '2026-12-24' and date <= '2026-12-26'",
        "exposure_s * 30 > 0.99 and exposure_s * 30 < 1.01",
        "iso / 100 - 2 * 16 = 0",
        "-iso < --1",
        "(iso + 1) * 2 = 6402",
        "1600<iso",
        "f_number < 2 and focal_length_mm = 35",
        "iso = 1 or iso = 3200 and f_number < 2",
        "((((iso))))>.5e1",
    ],
)
def test_a_frame_fulfils_what_is_true_of_it(condition: str) -> None:
    """
    Comparisons, arithmetic, and, or, not and brackets bind as in arithmetic; texts are blind to case.
    """
    assert fulfilled(condition, SHOT)


@pytest.mark.parametrize(
    "condition",
    ["iso < 1600", "lens ~ '50mm'", "not iso > 100", "iso = 3200 and (f_number > 2 or hour < 3)", "make = 'nikon'"],
)
def test_a_frame_does_not_fulfil_what_is_not(condition: str) -> None:
    """
    `=` wants the whole text, `~` a part.
    """
    assert not fulfilled(condition, SHOT)


@pytest.mark.parametrize("name", FIELDS)
def test_a_comparison_with_a_field_that_is_not_there_is_not_fulfilled(name: str) -> None:
    """
    Whatever it asks; and its opposite by `not` is.
    """
    other = "'x'" if name in TEXTS else "0"

    for sign in ("=", "!=", "<", ">=", *(["~"] if other == "'x'" else [])):
        assert not fulfilled(f"{name} {sign} {other}", ShotInfo()), sign
        assert fulfilled(f"not {name} {sign} {other}", ShotInfo()), sign


@pytest.mark.parametrize(
    ("condition", "offset", "expected"),
    [
        ("", 0, "needs a number, a text in quotes or a field before its end"),
        ("   ", 3, "before its end"),
        ("iso >", 5, "before its end"),
        ("iso > > 3", 6, "before >"),
        ("iso", 0, "has a number where a condition is needed"),
        ("lens", 0, "has a text where a condition is needed"),
        ("iso > '3'", 6, "has a text where a number is needed"),
        ("lens ~ 35", 7, "has a number where a text is needed"),
        ("iso ~ '35'", 0, "has a number where a text is needed"),
        ("lens + 1 > 2", 0, "has a text where a number is needed"),
        ("100 < iso < 200", 10, "cannot go on with <"),
        ("(iso > 1) > 1", 0, "has a condition where a number or a text is needed"),
        ("iso > 1 and lens", 12, "has a text where a condition is needed"),
        ("(iso > 1", 8, "lacks a closing bracket"),
        ("iso > 1)", 7, "cannot go on with )"),
        ("iso > 1 lens ~ 'x'", 8, "cannot go on with lens"),
        ("izo > 1", 0, "did you mean iso?"),
        ("lens ~ '35", 7, "without its closing quote"),
        ("iso > 1 & lens ~ 'x'", 8, "means nothing here"),
        ("iso > 1 / 0", 8, "divides by zero"),
        ("iso / (2 - 1 - 1) > 1", 4, "divides by zero"),
        ("not " * 30 + "iso > 1", 84, "levels deep"),
        ("(" * 300, 21, "levels deep"),
        ("-" * 300 + "1", 21, "levels deep"),
        ("iso > 1" + " " * 600, 500, "at most 500 characters"),
        ("__import__('os') = 1", 0, "which no frame has; it has iso, "),
    ],
)
def test_what_is_no_condition_is_refused_with_the_place(condition: str, offset: int, expected: str) -> None:
    """
    Before any frame comes, and with the character that the reader stumbled over.
    """
    with pytest.raises(ConditionError) as caught:
        read_condition(condition)

    assert expected in str(caught.value)
    assert caught.value.offset == offset


def test_a_frame_that_makes_a_condition_divide_by_zero_is_an_error_of_its_own() -> None:
    """
    Which the profile turns into a warning; what `and` does not need is not calculated.
    """
    with pytest.raises(ZeroDivisionError):
        fulfilled("100 / (iso - 3200) > 1", SHOT)
    assert not fulfilled("iso != 3200 and 100 / (iso - 3200) > 1", SHOT)


@given(st.text(alphabet="iso lens()<>=~+-*/'\"0123456789.andort", max_size=60) | st.text(max_size=500))
def test_any_text_is_a_condition_or_an_error_with_a_place(text: str) -> None:
    """
    Nothing gets past the reader as any other exception.
    """
    with suppress(ConditionError, ZeroDivisionError):
        fulfilled(text, SHOT)


def test_the_longest_condition_can_be_answered() -> None:
    """
    However many parts it has.
    """
    assert fulfilled("iso>1" + "+1" * 247, SHOT)
    assert fulfilled(" or ".join(["iso>1"] * 55), SHOT)


def test_every_field_is_known_of_a_frame_and_documented() -> None:
    """
    docs/profiles.md has a row for each.
    """
    text = (Path(__file__).resolve().parent.parent / "docs" / "profiles.md").read_text()

    assert set(fields_of(SHOT)) == set(FIELDS)
    assert None not in fields_of(SHOT).values()
    for name in FIELDS:
        assert f"`{name}`" in text, name
