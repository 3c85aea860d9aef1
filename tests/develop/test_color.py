"""Colour arithmetic: published values, round trips, and matrices that no camera has."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flexispd.develop import color
from flexispd.errors import CaptureError
from flexispd.types import ColorMatrix, Float64

D65_ONLY = (
    ColorMatrix(np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]]), 6504.0),
)
WARM = ColorMatrix(np.array([[0.7460, -0.2365, -0.0588], [-0.5687, 1.3442, 0.2474], [-0.0624, 0.1156, 0.6584]]), 2856.0)
BOTH = (WARM, *D65_ONLY)

# Every example takes a millisecond or two; a busy machine must not make a test fail.
unhurried = settings(deadline=None)

kelvins = st.floats(1600, 19000)
duvs = st.floats(-0.02, 0.02)
neutrals = st.tuples(st.floats(1e-3, 20), st.just(1.0), st.floats(1e-3, 20))


@pytest.mark.parametrize(
    ("xy", "cct_k", "duv"),
    [
        ((0.44757, 0.40745), 2856, 0.0),  # CIE standard illuminant A
        ((0.34567, 0.35850), 5003, 0.0032),  # D50
        ((0.31270, 0.32900), 6504, 0.0032),  # D65
        ((0.29902, 0.31485), 7504, 0.0031),  # D75
    ],
)
def test_standard_illuminants_have_their_temperature(xy: color.Chromaticity, cct_k: float, duv: float) -> None:
    """
    Temperatures of CIE 15 and duv to the fourth decimal.
    """
    found_k, found_duv = color.cct_and_duv(xy)

    assert found_k == pytest.approx(cct_k, rel=0.01)
    assert found_duv == pytest.approx(duv, abs=5e-4)


@unhurried
@given(kelvins, duvs)
def test_temperature_and_duv_come_back_from_the_chromaticity(cct_k: float, duv: float) -> None:
    """
    Chromaticity and (temperature, duv) name the same colour.
    """
    found_k, found_duv = color.cct_and_duv(color.white_xy(cct_k, duv))

    assert found_k == pytest.approx(cct_k, rel=0.01)
    assert found_duv == pytest.approx(duv, abs=2e-5)


def test_planckian_locus_agrees_with_the_integrals() -> None:
    """
    Chromaticities of Wyszecki and Stiles for black bodies, CIE 1931 observer.
    """
    for cct_k, xy in ((2000, (0.5267, 0.4133)), (4000, (0.3805, 0.3768)), (10000, (0.2807, 0.2884))):
        assert color.white_xy(cct_k, 0.0) == pytest.approx(xy, abs=3e-4)


def test_matrices_between_spaces_have_their_published_values() -> None:
    """
    The sRGB matrix of IEC 61966-2-1 and the luminance weights of BT.2020.
    """
    srgb = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]

    assert np.allclose(color.SRGB_TO_XYZ, srgb, atol=1e-4)
    assert np.allclose(color.REC2020_TO_XYZ[1], [0.2627, 0.6780, 0.0593], atol=1e-4)
    assert np.allclose(color.REC2020_TO_SRGB @ np.ones(3), 1)


def test_bradford_maps_white_to_white() -> None:
    """
    The source white becomes the target white, and a colour survives the way there and back.
    """
    there, back = color.bradford(color.D65_XY, color.D50_XY), color.bradford(color.D50_XY, color.D65_XY)

    assert np.allclose(there @ color.xy_to_xyz(color.D65_XY), color.xy_to_xyz(color.D50_XY))
    assert np.allclose(there @ back, np.eye(3))


@unhurried
@given(kelvins, duvs, st.sampled_from([D65_ONLY, BOTH]))
def test_a_light_comes_back_from_its_neutral(cct_k: float, duv: float, matrices: tuple[ColorMatrix, ...]) -> None:
    """
    From light to camera neutral and back, with one matrix and with two.
    """
    xy = color.white_xy(cct_k, duv)
    assume(sum(xy) < 0.95)  # beyond lies the yellow of the spectrum, and colours that do not exist
    found, found_k, _ = color.neutral_to_white(color.white_to_neutral(xy, matrices), matrices)

    assert found == pytest.approx(xy, abs=2e-5)
    assert found_k == pytest.approx(cct_k, rel=0.01)


def test_matrix_is_interpolated_in_reciprocal_temperature() -> None:
    """
    DNG 1.4 chapter 6: linear in 1 / T between the calibration lights and constant beyond them.
    """
    warm, cool = (color.color_matrix_at((m,), 5000) for m in BOTH)
    middle_k = 2 / (1 / 2856 + 1 / 6504)

    assert np.allclose(color.color_matrix_at(BOTH, middle_k), (warm + cool) / 2)
    assert np.allclose(color.color_matrix_at(BOTH, 2000), warm)
    assert np.allclose(color.color_matrix_at(BOTH, 9000), cool)


@unhurried
@given(neutrals, st.sampled_from([D65_ONLY, BOTH]))
def test_balanced_grey_becomes_white(neutral: color.Neutral, matrices: tuple[ColorMatrix, ...]) -> None:
    """
    Whatever the neutral is, even one that no light has, grey stays grey.
    """
    matrix = color.camera_to_rec2020(neutral, matrices, 1.0, 0.0)

    assert np.allclose(matrix @ np.ones(3), 1, atol=1e-9)


@unhurried
@given(neutrals, st.floats(0, 1), st.floats(-100, 100))
def test_extreme_neutrals_give_a_sane_matrix(neutral: color.Neutral, adaptation: float, warmth_mired: float) -> None:
    """
    No neutral, adaptation or warmth gives anything but a bounded matrix, and white keeps a luminance of 1.
    """
    matrix = color.camera_to_rec2020(neutral, BOTH, adaptation, warmth_mired)

    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max() < 10
    assert (color.REC2020_TO_XYZ @ matrix @ np.ones(3))[1] == pytest.approx(1)


def test_more_warmth_makes_a_warmer_white() -> None:
    """
    Red over blue of white rises with warmth, and falls with adaptation to a warm lamp.
    """

    def warmth(adaptation: float, warmth_mired: float) -> float:
        neutral = color.white_to_neutral(color.white_xy(2700, 0.0), BOTH)
        red, _, blue = color.camera_to_rec2020(neutral, BOTH, adaptation, warmth_mired) @ np.ones(3)
        return float(red / blue)

    by_mired = [warmth(1.0, mired) for mired in (-80, -20, 0, 20, 80)]
    by_adaptation = [warmth(share, 0.0) for share in (1.0, 0.8, 0.5, 0.0)]

    assert by_mired == sorted(by_mired)
    assert by_adaptation == sorted(by_adaptation)
    assert by_mired[2] == pytest.approx(1)


def test_sodium_light_is_never_left_as_orange_as_it_is() -> None:
    """
    Without any adaptation to a 2,000 K lamp the picture is as warm as a living room, at 3,500 K or above.
    """
    cct_k, _ = color.cct_and_duv(color.adapted_white(2000, 0.0, 0.0))

    assert 3500 < cct_k < 4500


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 3)),
        np.ones((3, 3)),
        np.full((3, 3), np.nan),
        -np.eye(3),
        np.diag([1, 1, -1.0]),
        np.diag([1, 1, 1e-9]),
    ],
    ids=["zero", "singular", "nan", "negative", "negative blue", "nearly singular"],
)
def test_a_matrix_that_leads_nowhere_is_refused(values: Float64) -> None:
    """
    Such a matrix is a CaptureError with a remedy; beside a usable one it is left out.
    """
    broken = ColorMatrix(values, 2856.0)
    with pytest.raises(CaptureError) as raised:
        color.camera_to_rec2020((0.5, 1.0, 0.6), (broken,), 1.0, 0.0)

    assert "color_matrix_1" in raised.value.remedy
    assert np.allclose(color.color_matrix_at((broken, *D65_ONLY), 3000), color.color_matrix_at(D65_ONLY, 3000))


def test_no_matrix_at_all_is_refused() -> None:
    """
    Decoding always finds at least a default; its absence must not pass in silence.
    """
    with pytest.raises(CaptureError):
        color.checked_matrices(())
