"""
Colour arithmetic: chromaticities, correlated colour temperature, and the way from camera RGB to linear Rec.2020.

Textbook functions with their sources, float64, one colour or one matrix at a time. What the light of a frame is, is
decided in `white_balance.py`; pixels are multiplied in `render.py`.

A camera's colour matrix takes CIE XYZ to its RGB and depends on the light. `neutral` is the camera's RGB of a grey
surface, green = 1; camera RGB divided by it is called balanced.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike

from flexispd.color_spaces import D65_XY as D65_XY
from flexispd.color_spaces import REC2020, SRGB
from flexispd.color_spaces import Chromaticity as Chromaticity
from flexispd.color_spaces import xy_to_xyz as xy_to_xyz
from flexispd.errors import CaptureError
from flexispd.types import ColorMatrix, Float64

Neutral = tuple[float, float, float]

D50_XY: Chromaticity = (0.34567, 0.35850)

MIRED_MIN, MIRED_MAX = 40.0, 1000.0
"""25,000 K and 1,000 K: the range of `planckian_uv`; colours beyond it are given the temperature at its end."""

WHITE_MIRED = (50.0, 667.0)
"""20,000 K to 1,500 K: whites outside it (a neutral that no light gives) are moved to the nearest white in it."""

NEUTRAL_MIN = 0.02
"""No light is weaker than this in red or blue: a gain above 50 shows nothing but noise."""

WHITE_DUV_MAX = 0.05
"""Distance from the Planckian locus that no lamp meant for seeing exceeds; twice that of clear mercury lamps."""

UNMIXING_MAX = 2.0
"""Most that one balanced channel adds to or takes from another on the way to Rec.2020. Cameras need 0.3 to 1.2 in
daylight; more happens under light that holds hardly any blue, where it would only turn noise into colours."""

KEPT_MIRED_MAX = 120.0
"""Most of a light's colour that partial adaptation leaves: about a living room's warmth, never sodium orange."""

# Planckian locus of the CIE 1931 2 degree observer (second radiation constant 1.4388e-2 m K) in u and v of CIE 1960 as
# Chebyshev series in log(mired + 100), least squares over 40..1000 mired; at most 7e-6 from the integrals.
_LOCUS_U = (
    2.78466279e-1,
    1.31051663e-1,
    3.88389628e-2,
    1.80504031e-3,
    -1.84723980e-3,
    -3.13585780e-4,
    1.50182702e-5,
    -4.95053277e-6,
    -1.28681281e-6,
    -3.51502496e-7,
)
_LOCUS_V = (
    3.26463663e-1,
    4.49653151e-2,
    -1.36368929e-2,
    -5.18099579e-3,
    1.66279001e-3,
    5.29624573e-4,
    -1.48924011e-4,
    -3.83535577e-5,
    4.52465642e-6,
    2.81018101e-6,
)
_LOCUS_SPAN = (math.log(MIRED_MIN + 100), math.log(MIRED_MAX + 100))


def xy_to_uv(xy: Chromaticity) -> Chromaticity:
    """CIE 1931 xy to CIE 1960 uv (CIE 15:2004, appendix)."""
    x, y = xy
    divisor = -2 * x + 12 * y + 3
    return 4 * x / divisor, 6 * y / divisor


def uv_to_xy(uv: Chromaticity) -> Chromaticity:
    """CIE 1960 uv to CIE 1931 xy, the inverse of `xy_to_uv`."""
    u, v = uv
    divisor = 2 * u - 8 * v + 4
    return 3 * u / divisor, 2 * v / divisor


def planckian_uv(mired: ArrayLike) -> Float64:
    """Chromaticity of black bodies, CIE 1960 uv, shape (..., 2), for `mired` of shape (...) within 40..1000."""
    low, high = _LOCUS_SPAN
    position = (2 * np.log(np.asarray(mired, np.float64) + 100) - low - high) / (high - low)
    return np.stack([chebyshev.chebval(position, _LOCUS_U), chebyshev.chebval(position, _LOCUS_V)], axis=-1)


def _normal(mired: ArrayLike) -> Float64:
    """Unit vectors in uv at right angles to the locus, towards green, shape (..., 2), for `mired` of shape (...)."""
    place = np.asarray(mired, np.float64)
    along = planckian_uv(place + 0.05) - planckian_uv(place - 0.05)
    du, dv = along[..., 0], along[..., 1]
    return np.stack([-dv, du], axis=-1) / np.hypot(du, dv)[..., None]


def cct_and_duv(xy: Chromaticity) -> tuple[float, float]:
    """
    Correlated colour temperature in kelvin and signed distance from the Planckian locus of a chromaticity.

    The foot of the perpendicular in CIE 1960 uv, as in Ohno, "Practical use and calculation of CCT and Duv", LEUKOS
    10 (2014): coarse search, then bisection of the sign of the component along the locus. duv is positive on the green
    side. Kept within 1,000 to 25,000 K.
    """
    uv = np.array(xy_to_uv(xy))
    grid = np.linspace(MIRED_MIN, MIRED_MAX, 193)  # every 5 mired
    nearest = grid[np.argmin(((planckian_uv(grid) - uv) ** 2).sum(axis=-1))]
    low, high = max(MIRED_MIN, float(nearest) - 5), min(MIRED_MAX, float(nearest) + 5)
    for _ in range(26):
        middle = (low + high) / 2
        normal = _normal(middle)
        along = float(np.dot(uv - planckian_uv(middle), [normal[1], -normal[0]]))
        low, high = (middle, high) if along > 0 else (low, middle)
    mired = (low + high) / 2
    offset = uv - planckian_uv(mired)
    side = math.copysign(1.0, float(np.dot(offset, _normal(mired))))
    return 1e6 / float(mired), side * math.hypot(*offset)


def white_xy(cct_k: float, duv: float) -> Chromaticity:
    """Chromaticity of a light of `cct_k` within 1,000..25,000 K, at a distance from the Planckian locus."""
    mired = min(max(1e6 / cct_k, MIRED_MIN), MIRED_MAX)
    u, v = planckian_uv(mired) + duv * _normal(mired)
    return uv_to_xy((float(u), float(v)))


def plausible_white(xy: Chromaticity) -> Chromaticity:
    """`xy` itself if a lamp or the sky can have this colour, otherwise the nearest colour that one can have."""
    cct_k, duv = cct_and_duv(xy)
    mired = 1e6 / cct_k
    if WHITE_MIRED[0] <= mired <= WHITE_MIRED[1] and abs(duv) <= WHITE_DUV_MAX and sum(xy) <= 0.999:
        return xy
    mired = min(max(mired, WHITE_MIRED[0]), WHITE_MIRED[1])
    duv = min(max(duv, -WHITE_DUV_MAX), WHITE_DUV_MAX)
    xy = white_xy(1e6 / mired, duv)
    while sum(xy) > 0.99:  # greener than the yellow of the spectrum itself, which lies close to the warm whites
        duv *= 0.8
        xy = white_xy(1e6 / mired, duv)
    return xy


# Lam, "Metamerism and colour constancy", 1985, as in CIE 160:2004: XYZ to the cone-like responses of Bradford.
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def bradford(source: Chromaticity, target: Chromaticity) -> Float64:
    """XYZ as seen under white `source` to XYZ that looks alike under white `target`, shape (3, 3)."""
    # Low-pressure sodium leaves the blue response at or below zero, where the model has no meaning.
    before = np.maximum(_BRADFORD @ xy_to_xyz(source), 0.05)
    after = _BRADFORD @ xy_to_xyz(target)
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(after / before) @ _BRADFORD)


REC2020_TO_XYZ = REC2020.to_xyz
SRGB_TO_XYZ = SRGB.to_xyz
XYZ_TO_REC2020: Float64 = np.asarray(np.linalg.inv(REC2020_TO_XYZ), np.float64)
XYZ_TO_SRGB: Float64 = np.asarray(np.linalg.inv(SRGB_TO_XYZ), np.float64)
REC2020_TO_SRGB: Float64 = XYZ_TO_SRGB @ REC2020_TO_XYZ


def checked_matrices(matrices: tuple[ColorMatrix, ...]) -> tuple[ColorMatrix, ...]:
    """
    The matrices that a picture can be made with, scaled so that daylight gives green = 1.

    Raises:
        CaptureError: There is none: all are singular, not finite, or see daylight as a negative colour.
    """
    whites = [xy_to_xyz(D65_XY), xy_to_xyz(D50_XY)]
    usable = []
    for matrix in matrices:
        values = np.asarray(matrix.xyz_to_camera, np.float64)
        seen = np.stack([values @ white for white in whites])
        if not np.isfinite(values).all() or not math.isfinite(matrix.cct_k) or matrix.cct_k <= 0 or seen.min() <= 0:
            continue
        scaled = values / seen[0, 1]
        if np.linalg.cond(scaled) < 1e3:
            usable.append(ColorMatrix(scaled, matrix.cct_k))
    if not usable:
        raise CaptureError(
            "The camera's colour matrix is missing, or does not lead back from camera RGB to colours.",
            remedy="Convert the raw with a DNG converter that knows the camera, or correct color_matrix_1 in its JSON.",
        )
    return tuple(sorted(usable, key=lambda m: m.cct_k))


def color_matrix_at(matrices: tuple[ColorMatrix, ...], cct_k: float) -> Float64:
    """
    XYZ to camera under a light of `cct_k`, shape (3, 3), scaled so that daylight gives green = 1.

    Linear in 1 / T between two calibration illuminants and constant beyond them (DNG 1.4, chapter 6).

    Raises:
        CaptureError: No matrix is usable.
    """
    return _interpolated(checked_matrices(matrices), cct_k)


def _interpolated(matrices: tuple[ColorMatrix, ...], cct_k: float) -> Float64:
    """`color_matrix_at` for matrices that are already checked, which loops over many temperatures need."""
    warm, cool = matrices[0], matrices[-1]
    if warm.cct_k == cool.cct_k:
        return warm.xyz_to_camera
    share = (1 / cct_k - 1 / cool.cct_k) / (1 / warm.cct_k - 1 / cool.cct_k)
    share = min(max(share, 0.0), 1.0)
    return share * warm.xyz_to_camera + (1 - share) * cool.xyz_to_camera


def white_to_neutral(xy: Chromaticity, matrices: tuple[ColorMatrix, ...]) -> Neutral:
    """
    Camera RGB of a grey surface under a light of this chromaticity, green = 1, each at least `NEUTRAL_MIN`.

    Raises:
        CaptureError: No matrix is usable.
    """
    return _seen(xy, cct_and_duv(xy)[0], checked_matrices(matrices))


def planckian_neutrals(mired: Float64, matrices: tuple[ColorMatrix, ...], duv: float = 0.0) -> Float64:
    """
    Neutrals of black bodies, or of lights `duv` beside them, shape (n, 3), for `mired` of shape (n,) within 40..1000.

    Raises:
        CaptureError: No matrix is usable.
    """
    usable = checked_matrices(matrices)
    lights = planckian_uv(mired) + duv * _normal(mired)
    whites = [uv_to_xy((float(u), float(v))) for u, v in lights]
    return np.array([_seen(xy, 1e6 / m, usable) for xy, m in zip(whites, mired, strict=True)])


def _seen(xy: Chromaticity, cct_k: float, matrices: tuple[ColorMatrix, ...]) -> Neutral:
    seen = _interpolated(matrices, cct_k) @ xy_to_xyz(xy)
    red, green, blue = np.maximum(seen, NEUTRAL_MIN * max(float(seen[1]), 1e-6))
    return float(red / green), 1.0, float(blue / green)


def neutral_to_white(neutral: Neutral, matrices: tuple[ColorMatrix, ...]) -> tuple[Chromaticity, float, float]:
    """
    The light under which a grey surface has this camera RGB: chromaticity, colour temperature, duv.

    The matrix depends on the temperature that is sought, so both are found in turn, as DNG 1.4 chapter 6 describes;
    where that swings between two answers, their mean is taken. A neutral that is no light's colour gives the nearest
    plausible white.

    Raises:
        CaptureError: No matrix is usable.
    """
    usable = checked_matrices(matrices)
    xy = D50_XY
    for step in range(60):
        found = _chromaticity(np.linalg.solve(_interpolated(usable, cct_and_duv(xy)[0]), np.array(neutral)))
        moved = abs(found[0] - xy[0]) + abs(found[1] - xy[1])
        # After a few rounds a step of half the way ends any swinging.
        share = 1.0 if step < 8 else 0.5
        xy = (xy[0] + share * (found[0] - xy[0]), xy[1] + share * (found[1] - xy[1]))
        if moved < 1e-10:
            break
    xy = plausible_white(xy)
    return xy, *cct_and_duv(xy)


def _chromaticity(xyz: Float64) -> Chromaticity:
    """Chromaticity xy of a colour; one that lies outside of everything visible is first brought to the border."""
    x, y, z = np.maximum(xyz, 1e-4 * max(float(np.abs(xyz).max()), 1e-9))
    return float(x / (x + y + z)), float(y / (x + y + z))


def adapted_white(cct_k: float, adaptation: float, warmth_mired: float) -> Chromaticity:
    """
    What a grey surface looks like in the picture: D65, moved along the Planckian locus by what is left of the light.

    Args:
        cct_k: Colour temperature of the light of the scene.
        adaptation: Share of the light's colour that is neutralised, 0..1. People do not adapt fully to lamps at night.
        warmth_mired: Added after it; positive makes a warmer picture.

    `adaptation` = 1 and `warmth_mired` = 0 give D65 exactly.
    """
    daylight_k, duv = cct_and_duv(D65_XY)
    left = (1 - adaptation) * (1e6 / cct_k - 1e6 / daylight_k)
    # The cap is soft, so that of two lamps the warmer one always stays the warmer one.
    shift = KEPT_MIRED_MAX * math.tanh(left / KEPT_MIRED_MAX) + warmth_mired
    if shift == 0:
        return D65_XY
    return white_xy(1e6 / max(1e6 / daylight_k + shift, MIRED_MIN), duv)


def camera_to_rec2020(
    neutral: Neutral, matrices: tuple[ColorMatrix, ...], adaptation: float, warmth_mired: float
) -> Float64:
    """
    Balanced camera RGB (already divided by `neutral`) to linear Rec.2020, shape (3, 3).

    (1, 1, 1) becomes `adapted_white` with a luminance of 1: exactly (1, 1, 1) where that is D65.

    Raises:
        CaptureError: No matrix is usable.
    """
    usable = checked_matrices(matrices)
    xy, cct_k, _ = neutral_to_white(neutral, usable)
    camera = _interpolated(usable, cct_k)
    # The matrix starts from the neutral of the plausible white, not from `neutral`: where they differ, balanced grey
    # has to stay grey, and the hues only have to stay reasonable.
    balanced_to_xyz = np.linalg.inv(camera) * (camera @ xy_to_xyz(xy))
    seen_as_d65 = XYZ_TO_REC2020 @ bradford(xy, D65_XY) @ balanced_to_xyz
    exact = _bounded(seen_as_d65 / seen_as_d65.sum(axis=1, keepdims=True))
    white = adapted_white(cct_k, adaptation, warmth_mired)
    if white == D65_XY:
        return exact
    tint = XYZ_TO_REC2020 @ bradford(D65_XY, white) @ REC2020_TO_XYZ
    return np.asarray(tint @ exact, np.float64)


def _bounded(balanced_to_rgb: Float64) -> Float64:
    """The matrix, or, where it leaves the identity too far, a mixture of both. Its rows still add up to 1."""
    distance = float(np.abs(balanced_to_rgb - np.eye(3)).max())
    share = min(1.0, UNMIXING_MAX / max(distance, 1e-9))
    return share * balanced_to_rgb + (1 - share) * np.eye(3)
