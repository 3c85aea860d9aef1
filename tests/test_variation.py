"""One knob at several values is asked for in one word, and read without guessing."""

import pytest

from flexispd.errors import ConfigError
from flexispd.profile import load_profile
from flexispd.variation import parse_variation


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("render.contrast=0.5..2:0.25", (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)),
        ("render.saturation=0..1:0.3", (0.0, 0.3, 0.6, 0.9)),
        ("render.exposure_ev=-1..1:1", (-1.0, 0.0, 1.0)),
        ("render.vibrance=-0.5..1", (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)),
        ("render.shadows= 0, .5 ,0.5,1", (0.0, 0.5, 1.0)),
        ("white_balance.source=auto,tungsten", ("auto", "tungsten")),
    ],
)
def test_ranges_and_lists_become_values(text, values):
    """
    A range holds its end where a step reaches it; without a step it is cut into six.
    """
    assert parse_variation(text).values == values


def test_each_value_makes_a_profile_that_differs_in_nothing_else():
    """
    And has its value as text.
    """
    natural = load_profile("natural")

    (low, first), (high, second) = parse_variation("render.contrast=0.5,1.5").of(natural)

    assert (low, high) == ("0.5", "1.5")
    assert (first.render.contrast, second.render.contrast) == (0.5, 1.5)
    assert first.white_balance == natural.white_balance
    assert first.denoise == natural.denoise


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("contrast=0..1", "Did you mean render.contrast?"),
        ("render.contrats=1,2", "Did you mean render.contrast?"),
        ("render.contrast", "No values"),
        ("render.contrast=0..1:0.5", "must lie in 0.5 .. 2"),
        ("render.contrast=1..2:0.001", "1001 values"),
        ("render.contrast=1..2:1e-300", "values, and a sheet has room"),
        ("render.contrast=2..1:0.1", "smaller end first"),
        ("render.contrast=1..2:0", "cannot go"),
        ("render.contrast=1..2:-1", "cannot go"),
        ("render.contrast=a..b", "is no number"),
        ("render.contrast=nan,1", "is no number"),
        ("render.contrast=1,,2", "is no number"),
        ("white_balance.source=auto,moon", "must be one of"),
        ("lut.file=a,b", "no knob"),
        ("export.quality=1..100:50", "no knob"),
        ("", "no knob"),
        ("=", "no knob"),
        ("\x1b[31m=1", "no knob"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(text, said):
    """
    Unknown knobs name the nearest, values out of range the range, and too many values the limit.
    """
    with pytest.raises(ConfigError) as caught:
        parse_variation(text)

    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)
