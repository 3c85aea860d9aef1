"""
The demonstration: a night raw out of nothing, for a first picture where no camera is at hand.

The street of `street.py` is taken as a camera would: through the colours of a sensor, with the noise of ISO 3200,
clipped where the lamps are, one colour a site, into a DNG file that any raw converter opens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from flexispd.decode.cfa import unpack
from flexispd.demo.street import night_street
from flexispd.errors import CorruptRawError, displayable
from flexispd.training.dng import write_dng
from flexispd.types import CFA, ColorMatrix, Float32, Float64, FourPlanes, Mosaic, NoiseProfile, ShotInfo

BLACK, WHITE = 512, 16383
EXPOSURE = 1.5
"""Sensor signal for scene light 1.0: the walls stay dark, bright windows are about white, the lamps far beyond."""

NOISE = NoiseProfile((9e-4,) * 4, (2.5e-6,) * 4, "json")

# CIE XYZ (D65) from linear Rec.709, IEC 61966-2-1.
_XYZ_FROM_REC709 = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
# A sensor's filters overlap more than the primaries do, and its green is the most sensitive.
_CAMERA_FROM_REC709 = np.array([[0.36, 0.17, 0.03], [0.12, 0.76, 0.12], [0.02, 0.16, 0.46]])


def night_raw(width: int = 2400, height: int = 1600, seed: int = 2022) -> bytes:
    """A DNG file of the street at night; the same arguments give the same bytes. Sides are even."""
    random = np.random.default_rng([seed, 7])
    scene = night_street(width, height, seed)
    camera = scene @ _CAMERA_FROM_REC709.astype(np.float32).T * np.float32(EXPOSURE)
    return write_dng(_expose(camera, random))


def side_by_side(pictures: Sequence[tuple[str, Path]], width_px: int = 1200) -> bytes:
    """
    Pictures in a row, each with its label below, as a PNG file.

    Args:
        pictures: Label and file of each: JPEG or PNG, all of the same shape.
        width_px: Width of one picture in the row.
    """
    gap, band = 12, 56
    columns = []
    for label, path in pictures:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise CorruptRawError(f"{displayable(path)} is not a picture.", remedy="Render it again.")
        height = round(image.shape[0] * width_px / image.shape[1])
        small = cv2.resize(image, (width_px, height), interpolation=cv2.INTER_AREA)
        column = np.full((height + band, width_px, 3), 24, np.uint8)
        column[:height] = small
        cv2.putText(column, label, (8, height + 38), cv2.FONT_HERSHEY_DUPLEX, 1.0, (225, 225, 225), 1, cv2.LINE_AA)
        columns += [column, np.full((height + band, gap, 3), 24, np.uint8)]
    encoded = cv2.imencode(".png", np.hstack(columns[:-1]))[1]
    return encoded.tobytes()


def _expose(camera: Float32, random: np.random.Generator) -> Mosaic:
    """Linear camera RGB, 1.0 at white, to what the sensor reads out: one colour a site, noise, and whole counts."""
    planes = np.stack(
        [camera[0::2, 0::2, 0], camera[0::2, 1::2, 1], camera[1::2, 0::2, 1], camera[1::2, 1::2, 2]]
    )  # RGGB, so R, Gr, Gb, B
    deviation = np.sqrt(NOISE.shot[0] * np.minimum(planes, 1) + NOISE.read[0])
    signal = planes + deviation * random.standard_normal(planes.shape).astype(np.float32)
    counts = np.clip(np.rint(BLACK + signal * (WHITE - BLACK)), 0, WHITE).astype(np.uint16)
    levels: tuple[FourPlanes, FourPlanes] = ((BLACK,) * 4, (WHITE,) * 4)
    return Mosaic(unpack(counts, CFA.RGGB), CFA.RGGB, *levels, _shot())


def _shot() -> ShotInfo:
    """What the camera would write into the file."""
    xyz_to_camera: Float64 = _CAMERA_FROM_REC709 @ np.linalg.inv(_XYZ_FROM_REC709)
    # The camera's own guess: a mixture of warm lamps, as automatic white balances make it at night.
    red, green, blue = _CAMERA_FROM_REC709 @ np.array([1.0, 0.86, 0.68])
    return ShotInfo(
        make="flexispd",
        model="Night Street",
        iso=3200.0,
        exposure_s=1 / 30,
        f_number=2.0,
        focal_length_mm=28.0,
        taken_at="2022:06:19 22:22:00",
        as_shot_neutral=(red / green, 1.0, blue / green),
        color_matrices=(ColorMatrix(xyz_to_camera, 6504.0),),
        noise_profile=NOISE,
    )
