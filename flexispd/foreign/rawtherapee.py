"""Processing profiles of RawTherapee: .pp3 files, which are INI files of many sections."""

from __future__ import annotations

import configparser
import math
import re
from collections.abc import Mapping

from flexispd.errors import ConfigError
from flexispd.foreign.draft import Draft, Rule, about_one, curve_points, hundredth, number
from flexispd.strict_toml import Curve

RULES = (
    Rule("Exposure/Compensation", "render.exposure_ev", "x", lambda x: x),
    Rule("Exposure/Contrast", "render.contrast", "1.5 ^ (x / 100)", lambda x: 1.5 ** (x / 100)),
    about_one("Exposure/Saturation", "render.saturation"),
    Rule("Exposure/Black", "render.blacks", "-x / 2000", lambda x: -x / 2000),
    hundredth("Shadows & Highlights/Shadows", "render.shadows"),
    Rule("Shadows & Highlights/Highlights", "render.highlights", "-x / 100", lambda x: -x / 100),
    hundredth("Vibrance/Pastels", "render.vibrance"),
    Rule("Local Contrast/Amount", "render.clarity", "x", lambda x: x),
    Rule("PCVignette/Strength", "render.vignette", "-x / 3", lambda x: -x / 3),
    Rule("Sharpening/Amount", "sharpening.amount", "x / 400", lambda x: x / 400),
    Rule("Sharpening/Radius", "sharpening.radius_px", "x", lambda x: x),
    Rule("Directional Pyramid Denoising/Luma", "denoise.luminance", "x / 50", lambda x: x / 50),
    Rule("Directional Pyramid Denoising/Chroma", "denoise.chrominance", "x / 15", lambda x: x / 15),
)
"""The rest is in `translate`. A section that has a switch counts only where it is on."""

LIGHTS = {
    "camera": "as-shot",
    "auto": "auto",
    "autold": "auto",
    "autitcgreen": "auto",
    "daylight": "daylight",
    "cloudy": "cloudy",
    "shade": "shade",
}

TINT_OF_GREEN = -170.0
"""Steps of tint for ln(`Green`): how far the white of sRGB goes in CIE 1960 uv as its green grows."""

LISTED = ("Brightness", "HighlightCompr", "ShadowCompr", "Curve2", "HistogramMatching", "LContrast", "Chromaticity")
"""Settings in sections without a switch that change the picture and have no knob."""

POINTS = ("1", "3", "4")
"""Kinds of curve that go through points: standard, control cage, flexible. 0 is a straight line, 2 has parameters."""

_SECTIONS_DONE = ("Crop", "Resize", "Black & White", "White Balance", "Film Simulation")


def translate(text: str, title: str) -> Draft | None:
    """The settings of a .pp3 file as a draft, None when there are none. ConfigError for what is no INI file."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or (getattr(error, "errors", None) or [[None]])[0][0]
        raise ConfigError(
            f"{title}{f', line {line}' if line else ''}: this is not a RawTherapee profile.",
            remedy="Name a .pp3 file as RawTherapee writes it: sections in brackets, and `key=value` lines.",
        ) from None
    sections = {name: dict(parser[name]) for name in parser.sections()}
    if "Version" not in sections and "Exposure" not in sections:
        return None
    draft = Draft()
    on = {name: values for name, values in sections.items() if values.get("Enabled", "true").lower() != "false"}
    _white_balance(draft, on.get("White Balance", {}))
    settings = {f"{section}/{key}": text for section, values in on.items() for key, text in values.items()}
    if on.get("Sharpening", {}).get("Method", "usm") != "usm":
        for key in ("Amount", "Radius"):
            settings.pop(f"Sharpening/{key}", None)
    known = {rule.source.split("/")[0] for rule in RULES}
    draft.follow(RULES, settings)
    _curve(draft, settings.get("Exposure/Curve", ""))
    _black_and_white(draft, on.get("Black & White", {}))
    _frame(draft, on)
    if film := on.get("Film Simulation", {}).get("ClutFilename"):
        draft.leave("Film Simulation/ClutFilename", film, "convert the HaldCLUT to a .cube file and import that")
    _others(draft, on, known)
    return draft


def _white_balance(draft: Draft, values: Mapping[str, str]) -> None:
    setting = values.get("Setting", "")
    source = LIGHTS.get(setting.lower())
    if source:
        draft.take("White Balance/Setting", setting, "white_balance.source", source)
        return
    kelvin, green = number(values.get("Temperature", "")), number(values.get("Green", ""))
    if kelvin is None:
        return
    draft.take("White Balance/Temperature", values["Temperature"], "white_balance.kelvin", kelvin)
    draft.settings["white_balance", "source"] = "kelvin"
    if green is not None and green > 0 and green != 1:
        tint = TINT_OF_GREEN * math.log(green)
        draft.take("White Balance/Green", values["Green"], "white_balance.tint", tint, nearly=True)


def _curve(draft: Draft, text: str) -> None:
    kind, *coordinates = text.strip(";").split(";")
    if kind in {"", "0"}:
        return
    values = [number(coordinate) for coordinate in coordinates]
    pairs = [(x, y) for x, y in zip(values[::2], values[1::2], strict=False) if x is not None and y is not None]
    if kind not in POINTS:
        draft.leave("Exposure/Curve", text, "only curves through points can be taken")
    elif points := curve_points(pairs, Curve.points_max):
        # Between the points RawTherapee draws another kind of curve than ours.
        draft.take("Exposure/Curve", text, "render.curve", points, nearly=True)


def _black_and_white(draft: Draft, values: Mapping[str, str]) -> None:
    if values.get("Enabled", "false").lower() != "true":
        return
    method = values.get("Method", "Desaturation")
    mixer = [number(values.get(f"Mixer{color}", "")) for color in ("Red", "Green", "Blue")]
    draft.take("Black & White/Method", method, "monochrome.strength", 1.0, nearly=method != "ChannelMixer")
    parts = [x for x in mixer if x is not None]
    if method == "ChannelMixer" and len(parts) == 3 and sum(parts) > 0:
        for color, part in zip(("Red", "Green", "Blue"), parts, strict=True):
            draft.take(f"Black & White/Mixer{color}", f"{part:g}", f"monochrome.{color.lower()}", part / sum(parts))


def _frame(draft: Draft, on: Mapping[str, Mapping[str, str]]) -> None:
    """Crop and size of the file."""
    crop, resize = on.get("Crop", {}), on.get("Resize", {})
    if crop.get("Enabled", "false").lower() == "true":
        ratio = crop.get("Ratio", "").strip()
        fixed = crop.get("FixRatio", "false").lower() == "true"
        if fixed and re.fullmatch(r"[1-9]\d{0,4}:[1-9]\d{0,4}", ratio):
            draft.take("Crop/Ratio", ratio, "crop.aspect", ratio, nearly=True)
        else:
            place = " ".join(crop.get(key, "?") for key in ("X", "Y", "W", "H"))
            draft.leave("Crop", place, "a profile cuts the middle only")
    if resize.get("Enabled", "false").lower() == "true":
        edges = [x for key in ("Width", "Height") if (x := number(resize.get(key, ""))) is not None and x >= 1]
        if edges:
            draft.take("Resize", f"{max(edges):g}", "export.edge_px", int(max(edges, default=0)))


def _others(draft: Draft, on: Mapping[str, Mapping[str, str]], known: set[str]) -> None:
    """What is switched on, or turned, and has no rule."""
    for section, values in on.items():
        if section in known:
            for key in LISTED:
                text = values.get(key, "")
                if text and text.lower() != "false" and number(text.split(";")[0]) != 0:
                    draft.leave(f"{section}/{key}", text)
        elif section not in _SECTIONS_DONE and values.get("Enabled", "").lower() == "true":
            draft.leave(section, "on")
    if on.get("Sharpening", {}).get("Enabled", "").lower() == "true" and on["Sharpening"].get("Method", "usm") != "usm":
        draft.leave("Sharpening/Method", on["Sharpening"]["Method"], "only unsharp masking can be taken")
    saturated = number(on.get("Vibrance", {}).get("Saturated", ""))
    if saturated and saturated != number(on["Vibrance"].get("Pastels", "")):
        draft.leave("Vibrance/Saturated", f"{saturated:g}", "vibrance leaves vivid colours as they are")
