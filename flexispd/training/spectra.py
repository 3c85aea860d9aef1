"""
Cameras and lamps as spectra: what a sensor counts under a light, from the wavelengths up.

Camera sensitivities and reflectances come from a file; lamps and the standard observer from colour-science, which is
imported here alone and only when somebody trains.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flexispd.develop import color
from flexispd.errors import SetupError, displayable
from flexispd.types import ColorMatrix, Float64

Generator = np.random.Generator

_LAMPS: dict[str, tuple[str, ...]] = {
    "sodium": ("HPS", "Super HPS", "C100S54 (HPS)", "C100S54C (HPS)", "SDW-T 100W/LV (Super HPS)", "HP1", "HP2"),
    "monochrome": ("LPS",),
    "mercury": ("Mercury", "H38HT-100 (Mercury)", "H38JA-100/DX (Mercury DX)"),
    "halide": ("Metal Halide", "MHC100/U/MP/3K", "MHC100/U/MP/4K", "HP3", "HP4", "HP5", "Kinoton 75P"),
    "led": (
        "LED-B1", "LED-B2", "LED-B3", "LED-B4", "LED-B5", "LED-BH1", "LED-V1", "LED-V2", "LED-RGB1", "Luxeon WW 2880",
        "PHOS-1", "PHOS-2", "PHOS-3", "PHOS-4", "Phosphor LED YAG",
    ),
    "fluorescent": (
        "FL1", "FL2", "FL4", "FL7", "FL8", "FL9", "FL10", "FL11", "FL12", "FL3.1", "FL3.4", "FL3.7", "FL3.12", "FL3.15",
        "Philips TL-84", "Cool White FL", "Daylight FL", "Triphosphor FL", "F32T8/TL830 (Triphosphor)",
    ),
}  # fmt: skip
"""Lamps by kind, under the names that colour-science gives to their spectra."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """
    Everything on one wavelength grid, `n` samples.

    Attributes:
        wavelength_nm: Shape (n,).
        cameras: Names, sorted as in the file.
        sensitivity: Shape (cameras, n, 3).
        reflectance: Shape (surfaces, n), 0..1.
        observer: CIE 1931 2 degree colour matching functions, shape (n, 3).
        lamps: Kind -> relative power, shape (lamps, n), each with a luminance of 1.
        daylight: CIE daylight's mean and its two components S0, S1, S2, shape (3, n).
    """

    wavelength_nm: Float64
    cameras: tuple[str, ...]
    sensitivity: Float64
    reflectance: Float64
    observer: Float64
    lamps: dict[str, Float64]
    daylight: Float64

    def black_body(self, cct_k: float) -> Float64:
        """Planck's law, luminance 1, shape (n,)."""
        metres = self.wavelength_nm * 1e-9
        return self._unit(1 / (metres**5 * np.expm1(1.4388e-2 / (metres * cct_k))))

    def sky(self, cct_k: float) -> Float64:
        """CIE daylight of 4,000..25,000 K (CIE 15:2004, 3.1), luminance 1, shape (n,)."""
        a = (0.244063, 0.09911, 2.9678, -4.607) if cct_k <= 7000 else (0.23704, 0.24748, 1.9018, -2.0064)
        x = a[0] + a[1] * (1e3 / cct_k) + a[2] * (1e3 / cct_k) ** 2 + a[3] * (1e3 / cct_k) ** 3
        y = -3 * x**2 + 2.87 * x - 0.275
        divisor = 0.0241 + 0.2562 * x - 0.7341 * y
        first, second = (-1.3515 - 1.7703 * x + 5.9114 * y) / divisor, (0.03 - 31.4424 * x + 30.0717 * y) / divisor
        return self._unit(self.daylight[0] + first * self.daylight[1] + second * self.daylight[2])

    def _unit(self, power: Float64) -> Float64:
        return np.asarray(power / (power @ self.observer[:, 1]), np.float64)

    def lamp(self, kind: str, random: Generator) -> Float64:
        """A random lamp of a kind: two of its spectra mixed, since no two makers' lamps are alike, luminance 1."""
        lamps = self.lamps[kind]
        first, second = lamps[random.integers(len(lamps))], lamps[random.integers(len(lamps))]
        share = random.uniform(0, 0.5)
        position = np.linspace(-1, 1, len(first))
        aged = np.exp(random.normal(0, 0.12) * position + random.normal(0, 0.08) * position**2)
        return self._unit(((1 - share) * first + share * second) * aged)

    def neon(self, random: Generator) -> Float64:
        """The narrow band of a coloured sign, luminance 1, shape (n,)."""
        middle, width = random.uniform(450, 645), random.uniform(6, 18)
        return self._unit(np.exp(-(((self.wavelength_nm - middle) / width) ** 2) / 2) + 1e-4)


def load(path: Path) -> Spectra:
    """
    Read cameras and reflectances from an npz file, lamps from colour-science.

    The file has `wavelength_nm` (n,), `camera` (c,), `sensitivity` (c, n, 3) and `reflectance` (s, n).

    Raises:
        SetupError: colour-science is not installed, or the file is not such a file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of plotting libraries that are not installed
            import colour
    except ImportError as error:
        raise SetupError(
            "colour-science, which has the spectra of street lamps, is not installed.",
            remedy="Run: pip install 'flexispd[train]'",
        ) from error
    try:
        with np.load(path) as file:
            wavelengths = file["wavelength_nm"].astype(np.float64)
            cameras = tuple(str(name) for name in file["camera"])
            sensitivity, reflectance = file["sensitivity"].astype(np.float64), file["reflectance"].astype(np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise SetupError(
            f"{displayable(path)} does not hold camera sensitivities.",
            remedy="Name an npz file with the arrays wavelength_nm, camera, sensitivity and reflectance.",
        ) from error

    def on_grid(name: str) -> Float64:
        table = colour.SDS_ILLUMINANTS if name in colour.SDS_ILLUMINANTS else colour.SDS_LIGHT_SOURCES
        power = np.maximum(table[name].values, 0)
        return np.asarray(np.interp(wavelengths, table[name].wavelengths, power), np.float64)

    matching = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"]
    observer = np.stack([np.interp(wavelengths, matching.wavelengths, matching.values[:, i]) for i in range(3)], axis=1)
    lamps = {kind: np.stack([on_grid(name) for name in names]) for kind, names in _LAMPS.items()}
    lamps = {kind: power / (power @ observer[:, 1])[:, None] for kind, power in lamps.items()}
    basis = colour.colorimetry.SDS_BASIS_FUNCTIONS_CIE_ILLUMINANT_D_SERIES
    daylight = np.stack([np.interp(wavelengths, basis[k].wavelengths, basis[k].values) for k in ("S0", "S1", "S2")])
    return Spectra(wavelengths, cameras, sensitivity, reflectance, observer, lamps, daylight)


@dataclass(frozen=True, slots=True, eq=False)
class SpectralCamera:
    """
    One camera, real or between two real ones.

    Attributes:
        spectra: The tables.
        sensitivity: Shape (n, 3).
    """

    spectra: Spectra
    sensitivity: Float64

    def neutral(self, light: Float64) -> Float64:
        """Camera RGB of white under a light, green = 1, shape (3,)."""
        seen = light @ self.sensitivity
        return np.asarray(np.maximum(seen / seen[1], 1e-4), np.float64)

    def look(self, light: Float64) -> Float64:
        """
        Linear sRGB of a surface in daylight to its balanced camera RGB under `light`, shape (3, 3).

        Least squares over the reflectances; white stays white. Lamps that show no colours give a matrix without any.
        """
        surfaces = self.spectra.reflectance
        day = self.spectra.sky(6504.0)
        rgb = (surfaces * day) @ self.spectra.observer @ color.XYZ_TO_SRGB.T
        rgb /= (day @ self.spectra.observer) @ color.XYZ_TO_SRGB.T
        seen = (surfaces * light) @ self.sensitivity / np.maximum(light @ self.sensitivity, 1e-9)
        return _fit(rgb, np.clip(seen, 0, 4), np.ones(3), np.ones(3))

    def matrix(self, light: Float64, cct_k: float) -> ColorMatrix:
        """The colour matrix that a raw file would carry for this light: least squares over the reflectances."""
        surfaces, observer = self.spectra.reflectance, self.spectra.observer
        xyz, seen = (surfaces * light) @ observer, (surfaces * light) @ self.sensitivity
        return ColorMatrix(_fit(xyz, seen, light @ observer, light @ self.sensitivity), cct_k)

    def matrices(self, *, both: bool) -> tuple[ColorMatrix, ...]:
        """Colour matrices for standard illuminant A and D65, or for D65 alone as in LibRaw's table."""
        cool = self.matrix(self.spectra.sky(6504.0), 6504.0)
        return (self.matrix(self.spectra.black_body(2856.0), 2856.0), cool) if both else (cool,)


def _fit(source: Float64, target: Float64, source_white: Float64, target_white: Float64) -> Float64:
    """Matrix (3, 3) from colours (k, 3) to colours (k, 3), in which white counts as much as all others together."""
    weight = np.sqrt(np.mean(source_white**2) / np.mean(source**2) * len(source)) * 10
    rows = np.concatenate([source, weight * source_white[None]])
    solution = np.linalg.lstsq(rows, np.concatenate([target, weight * target_white[None]]), rcond=None)[0]
    return np.asarray(solution.T, np.float64)
