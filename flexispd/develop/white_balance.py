"""
Stage 2: the colour of the light.

There are three witnesses: the network, the grey pixels of the frame, and the camera's own setting. Each names a log
chroma and how far it may be off; a fourth, the fact that lamps lie near the Planckian locus, only pulls gently. The
likeliest answer under all of them is taken; a witness who contradicts the others is hardly heard.

The network has seen the grey pixels. Heard a second time beside it they only repeat its errors, and on scenes that it
had never seen made the answer worse, however little they counted; so they decide where there is no network.

`estimate` looks at the pixels once; `white_balance` then answers for each profile. How much of a lamp's warmth the
picture keeps is a matter of `color.camera_to_rec2020`, not of the neutral.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from flexispd.develop import color
from flexispd.develop.light_statistics import LOCUS_MIRED, Camera, Thumbnail, gray_pixels, histograms, thumbnail
from flexispd.profile import WhiteBalanceParams
from flexispd.types import Float64, Illuminant, ShotInfo

AS_SHOT_DEVIATION = 0.18
"""How far a camera's setting may be off, in log chroma: 4 degrees, and more where a camera was left on daylight."""

NETWORK_DEVIATION = 0.04
"""Added to what the network says itself. On made scenes of cameras and surfaces kept back it is right about that; real
ones are a little different."""

STRANGER_DEVIATION = 0.08
"""The same for a camera that goes under the default colour matrix: there the network is too sure of itself."""

FREEDOM = 2.0
"""Degrees of freedom of a witness's error: with so few, large errors are expected now and then."""

STRANGER_SLACK = 5.0
"""What is allowed to a camera that goes under the default colour matrix: its locus may lie anywhere near it."""

NIGHT_K = 4500.0
"""Assumed where nothing is known: midway between lamps and the sky."""

CONFIDENCE_DEVIATION = 0.2
"""Deviation of the answer, in log chroma, at which the confidence has fallen to 1/e."""

TINT_DUV = 1 / 3000
"""One step of a profile's tint."""

NAMED_LIGHTS: Mapping[str, color.Chromaticity] = {
    "daylight": (0.33242, 0.34743),
    "cloudy": (0.31271, 0.32902),
    "shade": (0.29902, 0.31485),
    "tungsten": (0.44757, 0.40745),
    "fluorescent": (0.37208, 0.37529),
    "flash": color.white_xy(5500.0, 0.0),
    "sodium": (0.533, 0.415),
}
"""CIE xy of the lights that a profile can call by name.

EXIF and DNG count daylight and flash as D55, cloudy as D65, shade as D75 and tungsten as illuminant A; xenon lies
nearer to a glowing body than the sky does, so flash has D55's temperature without its green. Fluorescent is F2, cool
white. Sodium is HP1, the high-pressure lamp of the streets, 1960 K. Chromaticities from CIE 15:2004."""

GAIN_NO_LIMIT = 16.0
"""A profile's `gain_max` that limits nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """
    One method's answer.

    Attributes:
        chroma: Log R/G and log B/G of the light relative to the camera's daylight, shape (2,).
        covariance: How far it may be off, shape (2, 2).
    """

    chroma: Float64
    covariance: Float64

    @property
    def confidence(self) -> float:
        """From 0, a guess, to 1, certain."""
        deviation = math.sqrt(max(float(np.trace(self.covariance)), 0.0) / 2)
        return math.exp(-deviation / CONFIDENCE_DEVIATION)


@dataclass(frozen=True, slots=True, eq=False)
class LightEstimates:
    """
    What was found out about the light of one frame, before a profile asks.

    Attributes:
        camera: The camera's colour matrices and what follows from them.
        mixed: The answer of all witnesses together, None when the frame itself says nothing.
        witnesses: Each method's own answer: "network", "gray-pixel", "as-shot"; only those that had one.
    """

    camera: Camera
    mixed: Witness | None
    witnesses: Mapping[str, Witness] = field(default_factory=dict)


def estimate(planes: Tensor, shot: ShotInfo, network: nn.Module | None) -> LightEstimates:
    """
    Hear all witnesses.

    Args:
        planes: R, Gr, Gb, B, linear, 0 black and 1 white, denoised, shape (4, h, w), on any device.
        shot: Colour matrices, the camera's own setting, exposure.
        network: An `IlluminantNet`; without one the others decide.

    Raises:
        CaptureError: The camera's colour matrix cannot be used.
    """
    return judge(thumbnail(planes), camera_of(shot), shot, network)


def camera_of(shot: ShotInfo) -> Camera:
    """
    The camera as its colour matrices describe it, or as one of which nothing is known.

    Raises:
        CaptureError: The camera's colour matrix cannot be used.
    """
    stranger = shot.sources.get("color_matrices") == "default"
    return Camera.of(shot.color_matrices, STRANGER_SLACK if stranger else 1.0)


def judge(small: Thumbnail, camera: Camera, shot: ShotInfo, network: nn.Module | None) -> LightEstimates:
    """`estimate` for a thumbnail that is already there."""
    witnesses: dict[str, Witness] = {}
    if small.usable:
        if network is not None:
            witnesses["network"] = _asked(network, small, camera, exposure_ev(shot))
        grays = gray_pixels(small, camera)
        if grays is not None:
            witnesses["gray-pixel"] = Witness(*grays)
    seen_in_frame = bool(witnesses)
    neutral = _as_shot(shot)
    if neutral is not None:
        witnesses["as-shot"] = Witness(camera.chroma(neutral), np.eye(2) * AS_SHOT_DEVIATION**2)
    heard = [w for name, w in witnesses.items() if name != "gray-pixel" or "network" not in witnesses]
    mixed = mix(heard, camera) if seen_in_frame else None
    return LightEstimates(camera, mixed, witnesses)


def _as_shot(shot: ShotInfo) -> tuple[float, float, float] | None:
    """The camera's own neutral, unless it is one that no camera sets."""
    neutral = shot.as_shot_neutral
    if neutral is None or not all(math.isfinite(value) and 0.02 < value < 50 for value in neutral):
        return None
    return neutral[0] / neutral[1], 1.0, neutral[2] / neutral[1]


def exposure_ev(shot: ShotInfo) -> float | None:
    """Exposure value at ISO 100; an unknown aperture counts as f/2.8, which is at most three stops wrong."""
    if not shot.exposure_s or not shot.iso or min(shot.exposure_s, shot.iso) <= 0:
        return None
    f_number = shot.f_number if shot.f_number and shot.f_number > 0 else 2.8
    return math.log2(f_number**2 / shot.exposure_s) - math.log2(shot.iso / 100)


def scene_input(exposure_value: float | None) -> Tensor:
    """The network's second input, shape (2,)."""
    return torch.tensor([0.0, 0.0] if exposure_value is None else [exposure_value / 10, 1.0])


def _asked(network: nn.Module, small: Thumbnail, camera: Camera, exposure_value: float | None) -> Witness:
    device = next(network.parameters()).device
    planes, scene = histograms(small, camera), scene_input(exposure_value)
    with torch.inference_mode():
        mean, covariance = network(planes[None].to(device), scene[None].to(device))
    deviation = NETWORK_DEVIATION if camera.slack == 1.0 else STRANGER_DEVIATION
    return Witness(mean[0].double().cpu().numpy(), covariance[0].double().cpu().numpy() + deviation**2 * np.eye(2))


def mix(witnesses: list[Witness], camera: Camera) -> Witness:
    """
    The answer under which all witnesses together are likeliest, pulled towards the camera's locus.

    Each witness is heard as a Student t distribution: one who contradicts the others is an outlier, not a pull. There
    may be several such answers; the search starts from every witness and takes the likeliest end. What the witnesses
    still disagree by widens the answer, as Birge's ratio does for measured constants.
    """
    return max((_settled(w.chroma, witnesses, camera) for w in witnesses), key=lambda end: end[0])[1]


def _settled(start: Float64, witnesses: list[Witness], camera: Camera) -> tuple[float, Witness]:
    """Log likelihood of the answer that a search from `start` ends at (iteratively reweighted), and that answer."""
    precisions = [_inverse(witness.covariance) for witness in witnesses]
    center = start
    for _ in range(15):
        prior = _near_locus(center, camera)
        pull = _inverse(prior.covariance)
        squares = np.array([_square(w.chroma - center, p) for w, p in zip(witnesses, precisions, strict=True)])
        trust = (FREEDOM + 2) / (FREEDOM + squares)
        scaled = [*(share * p for share, p in zip(trust, precisions, strict=True)), pull]
        center, covariance = _product([*(w.chroma for w in witnesses), prior.chroma], scaled)
    surprise = float(np.log1p(squares / FREEDOM).sum())
    ratio = FREEDOM * surprise / max(2 * len(witnesses) - 2, 1)
    likelihood = -(FREEDOM + 2) / 2 * surprise - _square(prior.chroma - center, pull) / 2
    return likelihood, Witness(center, covariance * max(1.0, ratio))


def _square(offset: Float64, precision: Float64) -> float:
    """Squared distance in deviations."""
    return float(offset @ precision @ offset)


def _product(means: list[Float64], precisions: list[Float64]) -> tuple[Float64, Float64]:
    """Mean and covariance of a product of Gaussians."""
    covariance = _inverse(np.sum(precisions, axis=0))
    weighted = np.sum([p @ m for p, m in zip(precisions, means, strict=True)], axis=0)
    return np.asarray(covariance @ weighted), covariance


def _inverse(matrix: Float64) -> Float64:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _near_locus(chroma: Float64, camera: Camera) -> Witness:
    """What any light is expected to be: near the locus at right angles, and hardly anything along it."""
    nearest = int(np.argmin(((camera.locus - chroma) ** 2).sum(1)))
    index = min(max(nearest, 1), len(LOCUS_MIRED) - 2)
    across = camera.slack * camera.beside[index]
    per_mired = (camera.locus[index + 1] - camera.locus[index - 1]) / (LOCUS_MIRED[index + 1] - LOCUS_MIRED[index - 1])
    along = 200 * per_mired
    covariance = np.outer(across, across) + np.outer(along, along) + 1e-6 * np.eye(2)
    return Witness(camera.locus[nearest], covariance)


def white_balance(estimates: LightEstimates, params: WhiteBalanceParams, shot: ShotInfo) -> Illuminant:
    """
    The light that a profile wants neutralised: the estimated one, the camera's, or one that it names.

    `gain_max` keeps gains in bounds whoever names the light; what is reported is the light after that.
    A profile that wants the camera's setting gets the estimate where the file has none. A frame that says nothing,
    being black or white all over, gets the camera's setting or `NIGHT_K`, with confidence 0.
    """
    camera = estimates.camera
    as_shot, setting = estimates.witnesses.get("as-shot"), _as_shot(shot)
    confidence, source = 0.0, "auto"
    if params.source in NAMED_LIGHTS:
        named = NAMED_LIGHTS[params.source]
        neutral, confidence, source = color.white_to_neutral(named, camera.matrices), 1.0, params.source
    elif params.source == "kelvin":
        # A light that is called greener than it is leaves the picture more magenta, which is what positive asks for.
        named = color.white_xy(params.kelvin, params.tint * TINT_DUV)
        neutral, confidence, source = color.white_to_neutral(named, camera.matrices), 1.0, "kelvin"
    elif params.source == "as-shot" and as_shot is not None and setting is not None:
        neutral, confidence, source = setting, as_shot.confidence, "as-shot"
    elif estimates.mixed is not None:
        neutral, confidence = camera.neutral(estimates.mixed.chroma), estimates.mixed.confidence
        if camera.slack == 1.0:  # under another camera's matrix a true light may look like one that cannot be
            likely, _, _ = color.neutral_to_white(neutral, camera.matrices)
            neutral = color.white_to_neutral(likely, camera.matrices)
    elif setting is not None:
        neutral = setting
    else:
        neutral = color.white_to_neutral(color.white_xy(NIGHT_K, 0.0), camera.matrices)
    neutral = _limited(neutral, params.gain_max, camera)
    _, cct_k, duv = color.neutral_to_white(neutral, camera.matrices)
    found = {name: _reported(witness, camera) for name, witness in estimates.witnesses.items()}
    return Illuminant(neutral, cct_k, duv, confidence, source, found)


def _limited(neutral: color.Neutral, gain_max: float, camera: Camera) -> color.Neutral:
    """
    The neutral under which red and blue are amplified at most `gain_max` times as much as green, or as in daylight.

    It goes as far as it must towards daylight's, so that what a lamp keeps is its own colour: with only blue held back,
    a bulb would turn from orange to yellow-green. Beyond daylight's it does not go, or everything would turn green.
    """
    if gain_max >= GAIN_NO_LIMIT:
        return neutral
    daylight = camera.neutral(np.zeros(2))
    share = 1.0
    for lamp, day in zip(neutral, daylight, strict=True):
        least = min(1 / gain_max, day)
        if lamp < least:
            share = min(share, math.log(least / day) / math.log(lamp / day))
    red, _, blue = (lamp**share * day ** (1 - share) for lamp, day in zip(neutral, daylight, strict=True))
    return (red, 1.0, blue) if share < 1 else neutral


def _reported(witness: Witness, camera: Camera) -> tuple[float, float, float]:
    red, _, blue = camera.neutral(witness.chroma)
    return red, blue, witness.confidence


def cautions(estimates: LightEstimates, params: WhiteBalanceParams) -> tuple[str, ...]:
    """Sentences for the receipt: what was asked for and could not be had."""
    if params.source == "kelvin" or params.source in NAMED_LIGHTS:
        if estimates.camera.slack == 1.0:
            return ()
        return ("The camera's colour matrix is not known; the light that the profile names is only roughly met.",)
    sentences = []
    if params.source == "as-shot" and "as-shot" not in estimates.witnesses:
        sentences.append("The file has no white balance of the camera; the light was estimated from the frame.")
    elif estimates.mixed is None and "as-shot" in estimates.witnesses:
        sentences.append("The frame is too dark or too bright to show its light; the camera's white balance is used.")
    if estimates.mixed is None and "as-shot" not in estimates.witnesses:
        sentences.append(f"The frame is too dark or too bright to show its light; {NIGHT_K:.0f} K is assumed.")
    return tuple(sentences)
