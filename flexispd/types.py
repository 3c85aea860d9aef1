"""
The records that travel down the pipeline: what a capture is, what a sensor frame is, what a picture is.

They hold numbers and their units and decide nothing. Arrays are numpy here, so that decoding and the command line
never load torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flexispd.capture.records import Capture as Capture  # here too: it is one of the records that travel
from flexispd.profile_params import ColorSpace

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
UInt16 = NDArray[np.uint16]

FourPlanes = tuple[float, float, float, float]
"""One number for each plane of a packed mosaic, in the order R, Gr, Gb, B."""


class CFA(Enum):
    """Bayer phase, named by its 2x2 cell read row by row. The value is the (row, column) of the red site."""

    RGGB = (0, 0)
    GRBG = (0, 1)
    GBRG = (1, 0)
    BGGR = (1, 1)

    def shifted(self, rows: int, columns: int) -> CFA:
        """Phase that remains after `rows` are cut from the top and `columns` from the left."""
        red_row, red_column = self.value
        return CFA(((red_row + rows) % 2, (red_column + columns) % 2))


@dataclass(frozen=True, slots=True)
class NoiseProfile:
    """
    Poisson-Gaussian noise of one frame: variance = shot * signal + read, with black at 0 and white at 1.

    The convention of DNG 1.4's NoiseProfile tag.

    Attributes:
        shot: Slope of the variance for R, Gr, Gb, B.
        read: Variance at black for R, Gr, Gb, B.
        source: "json", "exif" (the file's own NoiseProfile tag) or "estimated" (from the frame itself).
    """

    shot: FourPlanes
    read: FourPlanes
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class ColorMatrix:
    """
    CIE XYZ to linear camera RGB under one calibration illuminant, the DNG direction.

    Attributes:
        xyz_to_camera: Shape (3, 3), float64; scale is free.
        cct_k: Correlated colour temperature of the calibration illuminant, in kelvin.
    """

    xyz_to_camera: Float64
    cct_k: float


@dataclass(frozen=True, slots=True, eq=False)
class ShotInfo:
    """
    Everything known about a capture besides its pixels. None means that no source had the field.

    Attributes:
        make, model, lens: As the camera wrote them, stripped.
        iso: Exposure index in ISO units.
        exposure_s: Exposure time in seconds.
        f_number: Aperture as N in f/N.
        focal_length_mm: Real focal length.
        taken_at: Local time of the camera's clock, "YYYY:MM:DD HH:MM:SS" as EXIF writes it.
        gps: Position: "latitude" and "longitude" in signed degrees, "altitude_m" if known.
        orientation: EXIF orientation 1 to 8, not yet applied.
        as_shot_neutral: Camera RGB of a grey surface under the camera's own white balance, green = 1.
        color_matrices: One or two, in rising order of cct_k.
        noise_profile: None means that it has to be estimated from the frame.
        sources: Field name -> "json", "xmp", "exif", "rawpy" or "default".
        warnings: Sentences for the receipt: contradictions between sources, defaults that matter.
    """

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    iso: float | None = None
    exposure_s: float | None = None
    f_number: float | None = None
    focal_length_mm: float | None = None
    taken_at: str | None = None
    gps: Mapping[str, float] | None = None
    orientation: int = 1
    as_shot_neutral: tuple[float, float, float] | None = None
    color_matrices: tuple[ColorMatrix, ...] = ()
    noise_profile: NoiseProfile | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """
    One sensor frame behind its colour filter array: linear sensor counts of the visible area, nothing subtracted yet.

    Attributes:
        values: uint16, shape (H, W), any size from 2x2. Already linearised if the file carries a table.
        cfa: Bayer phase of `values[0, 0]`.
        black_level: Sensor count of no light, for R, Gr, Gb, B.
        white_level: Sensor count at which a site is full, for R, Gr, Gb, B.
        shot: The capture's metadata.
    """

    values: UInt16
    cfa: CFA
    black_level: FourPlanes
    white_level: FourPlanes
    shot: ShotInfo


@dataclass(frozen=True, slots=True)
class Illuminant:
    """
    The light that a frame was taken in.

    Attributes:
        neutral: Camera RGB of a grey surface under it, green = 1. The white balance gains are its inverse.
        cct_k: Correlated colour temperature in kelvin.
        duv: Distance from the Planckian locus in CIE 1960 uv; positive is greenish.
        confidence: 0 (a guess) to 1 (certain).
        source: "auto", "as-shot", "kelvin", or the kind of light that the profile names.
        estimates: What each method said: name -> (neutral R, neutral B, confidence), green = 1.
    """

    neutral: tuple[float, float, float]
    cct_k: float
    duv: float
    confidence: float
    source: str
    estimates: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """
    A finished frame, display-referred, still in the sensor's orientation.

    Attributes:
        values: Encoded R, G, B; uint8 or uint16 over the full range; shape (H, W, 3).
        orientation: EXIF orientation 1 to 8 that export has to apply.
        report: What the stages did, as JSON-ready values: noise profile, illuminant, exposure, tiles, warnings.
        space: Colour space of `values`.
        elsewhere: The same picture in further colour spaces, each as `values`; the depth may differ.
    """

    values: NDArray[Any]
    orientation: int
    report: Mapping[str, Any]
    space: ColorSpace = "srgb"
    elsewhere: Mapping[ColorSpace, NDArray[Any]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Size of all pixels in memory."""
        return self.values.nbytes + sum(values.nbytes for values in self.elsewhere.values())
