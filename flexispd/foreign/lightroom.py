"""
Develop settings of Adobe Camera Raw and Lightroom: the `crs:` properties of an .xmp sidecar or preset.

Only those of the current process (2012 and later) are known. What a nested look or a mask sets is left out.
"""

from __future__ import annotations

from xml.etree import ElementTree

from flexispd.decode.xmp import RDF
from flexispd.foreign.draft import Draft, Rule, about_one, curve_points, hundredth, number
from flexispd.foreign.hues import oklab_hue
from flexispd.strict_toml import Curve

CRS = "{http://ns.adobe.com/camera-raw-settings/1.0/}"
HUES = ("Red", "Orange", "Yellow", "Green", "Aqua", "Blue", "Purple", "Magenta")

RULES = (
    Rule("Exposure2012", "render.exposure_ev", "x", lambda x: x),
    Rule("Contrast2012", "render.contrast", "1.5 ^ (x / 100)", lambda x: 1.5 ** (x / 100)),
    hundredth("Highlights2012", "render.highlights"),
    hundredth("Shadows2012", "render.shadows"),
    hundredth("Whites2012", "render.whites"),
    hundredth("Blacks2012", "render.blacks"),
    hundredth("Clarity2012", "render.clarity"),
    hundredth("Vibrance", "render.vibrance"),
    about_one("Saturation", "render.saturation"),
    hundredth("PostCropVignetteAmount", "render.vignette"),
    *(Rule(f"HueAdjustment{hue}", f"hue_shift.{hue.lower()}", "0.3 x", lambda x: 0.3 * x) for hue in HUES),
    *(about_one(f"SaturationAdjustment{hue}", f"hue_saturation.{hue.lower()}") for hue in HUES),
    *(hundredth(f"LuminanceAdjustment{hue}", f"hue_lightness.{hue.lower()}") for hue in HUES),
    Rule("Sharpness", "sharpening.amount", "x / 80", lambda x: x / 80),
    Rule("LuminanceSmoothing", "denoise.luminance", "x / 50", lambda x: x / 50),
    Rule("ColorNoiseReduction", "denoise.chrominance", "x / 25", lambda x: x / 25),
    hundredth("GrainAmount", "grain.amount"),
)
"""The rest is in `translate`: white balance, toning, curve, black and white, and what belongs to another setting."""

LIGHTS = {
    "as shot": "as-shot",
    "auto": "auto",
    "daylight": "daylight",
    "cloudy": "cloudy",
    "shade": "shade",
    "tungsten": "tungsten",
    "fluorescent": "fluorescent",
    "flash": "flash",
}

AT_REST = {
    "SharpenDetail": "25",
    "SharpenEdgeMasking": "0",
    "LuminanceNoiseReductionDetail": "50",
    "ColorNoiseReductionDetail": "50",
    "ColorNoiseReductionSmoothness": "50",
    "GrainFrequency": "50",
    "VignetteMidpoint": "50",
    "PostCropVignetteMidpoint": "50",
    "PostCropVignetteFeather": "50",
    "PostCropVignetteStyle": "1",
    "ParametricShadowSplit": "25",
    "ParametricMidtoneSplit": "50",
    "ParametricHighlightSplit": "75",
    "ColorGradeBlending": "50",
    "PerspectiveScale": "100",
    "DefringePurpleHueLo": "30",
    "DefringePurpleHueHi": "70",
    "DefringeGreenHueLo": "40",
    "DefringeGreenHueHi": "60",
    "ToneCurveName2012": "Linear",
    "CurveRefineSaturation": "100",
    "LensProfileSetup": "LensDefaults",
    "Treatment": "Color",
}
"""What a setting has where nobody touched it, if that is not 0."""

NO_LOOK = (
    "Version", "ProcessVersion", "UUID", "Name", "ShortName", "SortName", "Group", "Description", "PresetType",
    "Cluster", "Copyright", "ContactInfo", "CameraModelRestriction", "HasSettings", "HasCrop", "AlreadyApplied",
    "RawFileName", "CompatibleVersion", "Preset", "RequiresRGBTables", "ShowInPresets", "ShowInQuickActions",
    "CameraProfileDigest", "CropConstrainToWarp", "CropConstrainToUnitSquare", "UprightTransformCount",
)  # fmt: skip
"""About the file, or about a setting that is listed under another name."""

NO_LOOK_BEGINS = ("Supports", "Upright", "LensProfileMatchKey", "AutoWhiteVersion", "AutoToneDigest")
NOTHING = ("", "0", "+0", "-0", "false", "none")


def translate(root: ElementTree.Element) -> Draft | None:
    """The settings of an XMP document as a draft; None when it holds none."""
    settings, curves = _settings(root)
    if not settings and not curves:
        return None
    draft = Draft()
    _white_balance(draft, settings)
    draft.follow(RULES, settings)
    _companions(draft, settings)
    _toning(draft, settings)
    _black_and_white(draft, settings)
    for name, points in curves.items():
        _curve(draft, name, points)
    _crop(draft, settings)
    for name, text in settings.items():
        about_file = name in NO_LOOK or name.startswith(NO_LOOK_BEGINS)
        if not about_file and not _rests(name, text):
            draft.leave(name, text)
    return draft


def _settings(root: ElementTree.Element) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Simple settings and lists of the outermost descriptions; what is nested in others belongs to them."""
    settings: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for description in root.findall(f".//{RDF}RDF/{RDF}Description"):
        for name, text in description.attrib.items():
            if name.startswith(CRS):
                settings.setdefault(name.removeprefix(CRS), text.strip())
        for child in description:
            if not child.tag.startswith(CRS):
                continue
            name = child.tag.removeprefix(CRS)
            items = child.findall(f"{RDF}Seq/{RDF}li")
            if name.startswith("ToneCurvePV2012"):
                lists.setdefault(name, [item.text or "" for item in items])
            elif len(child):
                settings.setdefault(name, _within(child))
            else:
                settings.setdefault(name, (child.text or "").strip())
    return settings, lists


def _within(element: ElementTree.Element) -> str:
    """What a setting with settings of its own is called, or that it has some."""
    for inner in element.iter():
        if (name := inner.get(f"{CRS}Name")) is not None:
            return name
    text = " ".join(filter(None, (str(inner.text or "").strip() for inner in element.iter(f"{RDF}li"))))
    return text or ("settings of its own" if any(inner.attrib for inner in element.iter()) else "")


def _rests(name: str, text: str) -> bool:
    """Whether a setting is where it does nothing."""
    rest = AT_REST.get(name)
    x = number(text)
    if rest is not None and (text == rest or (x is not None and x == number(rest))):
        return True
    return text.lower() in NOTHING or (x == 0 and rest is None)


def _white_balance(draft: Draft, settings: dict[str, str]) -> None:
    setting = settings.pop("WhiteBalance", "")
    kelvin, tint = settings.pop("Temperature", ""), settings.pop("Tint", "")
    named = LIGHTS.get(setting.lower())
    if named:
        draft.take("WhiteBalance", setting, "white_balance.source", named)
    elif (x := number(kelvin)) is not None:
        draft.take("Temperature", kelvin, "white_balance.kelvin", x)
        draft.settings["white_balance", "source"] = "kelvin"
        if (y := number(tint)) is not None:
            draft.take("Tint", tint, "white_balance.tint", y)
    elif setting:
        draft.leave("WhiteBalance", setting, "it names no light and no temperature")


def _companions(draft: Draft, settings: dict[str, str]) -> None:
    """Settings that mean something only where another is in use."""
    radius, size = settings.pop("SharpenRadius", ""), settings.pop("GrainSize", "")
    if ("sharpening", "amount") in draft.settings and (x := number(radius)) is not None:
        draft.take("SharpenRadius", radius, "sharpening.radius_px", x)
    if ("grain", "amount") in draft.settings and (x := number(size)) is not None:
        draft.take("GrainSize", size, "grain.size_px", 0.5 + 0.035 * x)


def _toning(draft: Draft, settings: dict[str, str]) -> None:
    for part, knob in (("Shadow", "shadows"), ("Highlight", "highlights")):
        hue = settings.pop(f"SplitToning{part}Hue", "")
        saturation = settings.pop(f"SplitToning{part}Saturation", "")
        x, strength = number(hue), number(saturation)
        if x is not None and strength:
            draft.take(f"SplitToning{part}Hue", hue, f"split_toning.{knob}_hue", oklab_hue(x))
            source = f"SplitToning{part}Saturation"
            draft.take(source, saturation, f"split_toning.{knob}_strength", strength / 100)
    balance = settings.pop("SplitToningBalance", "")
    toned = any(section == "split_toning" for section, _ in draft.settings)
    if toned and (x := number(balance)):
        draft.take("SplitToningBalance", balance, "split_toning.balance", x / 100)
    for part in ("Midtone", "Global"):  # a hue without saturation does nothing
        if number(settings.get(f"ColorGrade{part}Sat", "0")) == 0:
            settings.pop(f"ColorGrade{part}Hue", None)


def _black_and_white(draft: Draft, settings: dict[str, str]) -> None:
    gray, treatment = settings.pop("ConvertToGrayscale", ""), settings.get("Treatment", "")
    if gray.lower() == "true" or treatment == "Black & White":
        settings.pop("Treatment", None)
        draft.take("ConvertToGrayscale", gray or treatment, "monochrome.strength", 1.0)
    else:
        for name in [name for name in settings if name.startswith("GrayMixer")]:
            del settings[name]


def _curve(draft: Draft, name: str, texts: list[str]) -> None:
    pairs = []
    for text in texts:
        x, _, y = text.partition(",")
        if (left := number(x)) is not None and (right := number(y)) is not None:
            pairs.append((left / 255, right / 255))
    points = curve_points(pairs, Curve.points_max)
    if points is None:
        return
    shown = "; ".join(texts)
    if name == "ToneCurvePV2012":
        draft.take(name, shown, "render.curve", points, nearly=len(points) != len(texts))
    else:
        draft.leave(name, shown, "there are no curves of single colours")


def _crop(draft: Draft, settings: dict[str, str]) -> None:
    """A crop is of one photograph; only a line says that it was there."""
    crop = {name: settings.pop(name) for name in list(settings) if name.startswith("Crop") and name not in NO_LOOK}
    edges = [number(crop.get(f"Crop{side}", "")) for side in ("Left", "Top", "Right", "Bottom")]
    if None not in edges and edges != [0, 0, 1, 1]:
        draft.leave(
            "Crop", " ".join(f"{edge:g}" for edge in edges if edge is not None), "a profile cuts the middle only"
        )
    if angle := number(crop.get("CropAngle", "")):
        draft.leave("CropAngle", f"{angle:g}", "a profile does not turn the frame")
