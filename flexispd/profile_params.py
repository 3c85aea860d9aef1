"""
Every knob of a profile, declared once: its default, its range and one line of explanation.

Sections stand in the order in which the light passes through them. A knob at its neutral value, which is its default
unless it says otherwise, leaves every bit of the picture as it is.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from flexispd.profile_rules import check_condition
from flexispd.strict_toml import Checked, Choice, Curve, Flag, Number, Text, Whole, field

Source = Literal[
    "auto", "as-shot", "kelvin", "daylight", "cloudy", "shade", "tungsten", "fluorescent", "flash", "sodium"
]
SOURCES: tuple[Source, ...] = (
    "auto", "as-shot", "kelvin", "daylight", "cloudy", "shade", "tungsten", "fluorescent", "flash", "sodium",
)  # fmt: skip

ColorSpace = Literal["srgb", "display-p3", "adobe-rgb", "rec2020"]
COLOR_SPACES: tuple[ColorSpace, ...] = ("srgb", "display-p3", "adobe-rgb", "rec2020")


def check_aspect(text: str) -> None:
    """ValueError, with the end of a sentence, for what is no aspect."""
    found = re.fullmatch(r"(\d{1,5}):(\d{1,5})", text)
    if text != "original" and not (found and int(found[1]) and int(found[2])):
        raise ValueError('must be "original" or two whole numbers such as "3:2"')


def check_folder(text: str) -> None:
    """ValueError, with the end of a sentence, for what is no name of one folder, or of a hidden one."""
    long = len(text) > 64 or len(text.encode()) > 255
    if text and (not text.isprintable() or "/" in text or text[0] in ". " or text[-1] in ". " or long):
        raise ValueError("must be the name of one folder, at most 64 characters, without / and no dot in front")


DEFAULT_MODEL = "flexispd-s"

PATH_LENGTH_MAX = 4096
"""Characters of a path; relative ones become absolute when a profile is read."""


MIX_MIN = 0.25
"""Sum of the parts of a black-and-white mix, by which they are divided; less would multiply the noise."""


def check_sha256(text: str) -> None:
    """ValueError, with the end of a sentence, for what is neither a SHA-256 in hex nor nothing."""
    if text and not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be 64 digits of 0-9 and a-f, or empty")


@dataclass(frozen=True, slots=True)
class TopParams:
    """What stands at the top of a file, before its first section."""

    extends: str = field(
        "",
        Text(PATH_LENGTH_MAX, empty=True),
        "Profile that this one starts from, a name or a .toml file; keys here go before its.",
    )
    description: str = field("", Text(), "What the look is for, in one line.")
    model: str = field(DEFAULT_MODEL, Text(64), "Set of networks; `flexispd weights list` shows them.")


@dataclass(frozen=True, slots=True)
class RuleParams:
    """Another look for some frames. Give the section once for each; the first whose condition is fulfilled counts."""

    when: str = field(
        MISSING, Checked(check_condition, "a condition"), "A condition such as \"iso >= 1600 and lens ~ '35mm'\"."
    )
    use: str = field(MISSING, Text(PATH_LENGTH_MAX), "Profile whose look such a frame gets, a name or a .toml file.")


@dataclass(frozen=True, slots=True)
class DenoiseParams:
    """Stage 1: how much of the noise that the network finds is taken away."""

    luminance: float = field(
        1.0, Number(0, 1.5), "Share of the brightness noise removed; 0 leaves every pixel as it is."
    )
    chrominance: float = field(1.0, Number(0, 1.5), "Share of the colour noise removed; colour blotches please nobody.")
    keep_grain: float = field(
        0.0, Number(0, 1), "Share of the fine brightness noise given back, as grain; blotches and colour stay away."
    )


@dataclass(frozen=True, slots=True)
class WhiteBalanceParams:
    """Stage 2: which light the picture is neutral under, and how neutral a night should be."""

    source: Source = field(
        "auto", Choice(SOURCES), "Who says what white is: the network, the camera, `kelvin` below, or a kind of light."
    )
    kelvin: float = field(5500.0, Number(1500, 20000, "K"), "Colour temperature of the light, for source kelvin only.")
    tint: float = field(
        0.0, Number(-100, 100, "duv/3000"), "For source kelvin only: positive makes the picture more magenta."
    )
    warmth_mired: float = field(
        0.0, Number(-100, 100, "mired"), "Added after the light is known; positive makes the picture warmer."
    )
    adaptation: float = field(
        1.0, Number(0, 1), "Share of the light's colour that is neutralised; lower keeps the warmth of a night."
    )
    gain_max: float = field(
        16.0,
        Number(1, 16),
        "Largest gain of red or blue over green, or that of daylight; extreme lamps keep some colour.",
    )


@dataclass(frozen=True, slots=True)
class RenderParams:
    """Stage 3: from sensor light to a picture on a screen."""

    learned: float = field(
        0.0, Number(0, 1), "Share of the look that a network finds for the frame; 0 leaves it all to this file."
    )
    exposure_ev: float = field(0.0, Number(-5, 5, "EV"), "Added to the exposure; 1 doubles the light.")
    auto_exposure: float = field(
        1.0, Number(0, 1), "Share of the automatic exposure that is applied; 0 keeps the camera's."
    )
    vignette: float = field(0.0, Number(-1, 1), "Negative darkens the corners, positive brightens them.")
    glow: float = field(0.0, Number(0, 1), "Halo of light around lamps, as a mist filter makes it.")
    clarity: float = field(0.0, Number(-1, 1), "Contrast of middle-sized structures; negative softens them.")
    shadows: float = field(0.0, Number(-1, 1), "Positive lifts the dark parts of the picture.")
    highlights: float = field(0.0, Number(-1, 1), "Negative brings the bright parts down.")
    contrast: float = field(1.0, Number(0.5, 2), "Slope of the tone curve at middle grey; higher is harder.")
    whites: float = field(0.0, Number(-1, 1), "Positive brings light tones up to white, negative keeps them from it.")
    curve: tuple[tuple[float, float], ...] = field(
        (), Curve(), "Lightness in to lightness out, a smooth curve through these points; `[]` is a straight line."
    )
    saturation: float = field(1.0, Number(0, 2), "Strength of all colours; 0 is black and white.")
    vibrance: float = field(0.0, Number(-1, 1), "Strength of pale colours; vivid ones stay as they are.")
    blacks: float = field(0.0, Number(-1, 1), "Positive lifts the deepest black, negative deepens it.")


def _shift(hues: str) -> Any:
    return field(0.0, Number(-30, 30, "degrees"), f"Turns {hues}; positive goes on towards the next hue of this list.")


def _strength(hues: str) -> Any:
    return field(1.0, Number(0, 2), f"Strength of {hues}; 0 makes them grey.")


def _lightness(hues: str) -> Any:
    return field(0.0, Number(-1, 1), f"Positive makes {hues} lighter, negative darker.")


@dataclass(frozen=True, slots=True)
class HueShiftParams:
    """Each of eight hues, turned on the colour circle; between two of them one shift passes into the other."""

    red: float = _shift("reds")
    orange: float = _shift("oranges")
    yellow: float = _shift("yellows")
    green: float = _shift("greens")
    aqua: float = _shift("aquas")
    blue: float = _shift("blues")
    purple: float = _shift("purples")
    magenta: float = _shift("magentas")


@dataclass(frozen=True, slots=True)
class HueSaturationParams:
    """The strength of each of eight hues."""

    red: float = _strength("reds")
    orange: float = _strength("oranges")
    yellow: float = _strength("yellows")
    green: float = _strength("greens")
    aqua: float = _strength("aquas")
    blue: float = _strength("blues")
    purple: float = _strength("purples")
    magenta: float = _strength("magentas")


@dataclass(frozen=True, slots=True)
class HueLightnessParams:
    """The lightness of each of eight hues; what is grey stays."""

    red: float = _lightness("reds")
    orange: float = _lightness("oranges")
    yellow: float = _lightness("yellows")
    green: float = _lightness("greens")
    aqua: float = _lightness("aquas")
    blue: float = _lightness("blues")
    purple: float = _lightness("purples")
    magenta: float = _lightness("magentas")


@dataclass(frozen=True, slots=True)
class SplitToningParams:
    """A colour for the dark tones and one for the light tones; lightness stays."""

    shadows_hue: float = field(260.0, Number(0, 360, "degrees"), "Hue of the dark tones in OKLab: 30 red, 260 blue.")
    shadows_strength: float = field(0.0, Number(0, 1), "How much of it.")
    highlights_hue: float = field(70.0, Number(0, 360, "degrees"), "Hue of the light tones in OKLab: 70 orange.")
    highlights_strength: float = field(0.0, Number(0, 1), "How much of it.")
    balance: float = field(0.0, Number(-1, 1), "Moves the border: positive makes more tones count as light.")


@dataclass(frozen=True, slots=True)
class SkyParams:
    """The night sky: what is dark, smooth and reaches the upper edge of the upright picture."""

    cooler: float = field(0.0, Number(0, 1), "Moves the sky towards blue.")
    darker: float = field(0.0, Number(0, 1), "Takes light from the sky; 1 is one EV.")


@dataclass(frozen=True, slots=True)
class MonochromeParams:
    """Black and white, from a mix of the channels as a colour filter on black-and-white film would make it."""

    strength: float = field(0.0, Number(0, 1), "1 is black and white, 0 is colour.")
    red: float = field(0.21, Number(-1, 2), "Part of red light in the mix; the three parts are scaled to a sum of 1.")
    green: float = field(0.72, Number(-1, 2), "Part of green light.")
    blue: float = field(0.07, Number(-1, 2), "Part of blue light.")


@dataclass(frozen=True, slots=True)
class LutParams:
    """A look-up table of another program, applied to the toned picture in sRGB."""

    file: str = field(
        "", Text(PATH_LENGTH_MAX, empty=True), "A .cube file, 1D or 3D, beside the profile or by its whole path."
    )
    sha256: str = field(
        "", Checked(check_sha256, "a SHA-256 in hex"), "If given, the file has to be this one and no other."
    )
    strength: float = field(1.0, Number(0, 1), "Share of it.")


@dataclass(frozen=True, slots=True)
class SharpeningParams:
    """Edges made clearer, by unsharp masking of lightness; colours and noise are left alone."""

    amount: float = field(0.0, Number(0, 2), "How much; 0.5 is a usual value.")
    radius_px: float = field(0.8, Number(0.3, 3, "px"), "Size of what counts as an edge.")
    noise_aware: float = field(1.0, Number(0, 1), "Share of what could be noise that is not sharpened.")


@dataclass(frozen=True, slots=True)
class GrainParams:
    """Grain of film, the same on every run."""

    amount: float = field(0.0, Number(0, 1), "How much; strongest in the middle tones.")
    size_px: float = field(1.5, Number(0.5, 4, "px"), "Size of a grain.")


@dataclass(frozen=True, slots=True)
class CropParams:
    """What of the frame is shown."""

    aspect: str = field(
        "original",
        Checked(check_aspect, '"original", or two whole numbers: "3:2", "16:9", "1:1"'),
        "Width to height of the upright picture, cut from its middle; the longer side stays the longer.",
    )


@dataclass(frozen=True, slots=True)
class ExportParams:
    """One file to write. Give the section once for each file wanted."""

    format: Literal["jpeg", "png", "png16", "tiff16"] = field(
        "jpeg", Choice(("jpeg", "png", "png16", "tiff16")), "Kind of file: 8-bit JPEG or PNG, 16-bit PNG or TIFF."
    )
    quality: int = field(95, Whole(1, 100), "JPEG only: 100 is the best and the largest.")
    chroma: Literal["4:4:4", "4:2:0"] = field(
        "4:4:4", Choice(("4:4:4", "4:2:0")), "JPEG only: 4:2:0 halves the colour resolution, for smaller files."
    )
    color_space: ColorSpace = field(
        "srgb", Choice(COLOR_SPACES), "Colours that the file can hold; its ICC profile says which they are."
    )
    edge_px: int = field(
        0, Whole(16, 65500, zero=True), "Longer edge of a smaller picture; 0 keeps the size, and nothing is enlarged."
    )
    sharpening: float = field(0.0, Number(0, 1), "Sharpening of a picture that was made smaller.")
    watermark: str = field(
        "", Text(80, empty=True), "Text in the lower right corner: Latin, Greek, Cyrillic, Chinese, Japanese, Korean."
    )
    folder: str = field(
        "", Checked(check_folder, "one folder name"), "A folder beside the other pictures for this file."
    )
    gps: bool = field(True, Flag(), "Whether the position of the capture is copied into the file.")


SUFFIXES = {"jpeg": ".jpg", "png": ".png", "png16": ".png", "tiff16": ".tif"}
"""Output format -> ending of the file's name."""
