"""
Looks to choose from: one frame under several profiles, quickly and small, on a contact sheet or side by side.

A large frame is first made smaller as a mosaic (`develop.binning`), so the networks run as ever on a ninth or a
twenty-fifth of the pixels; only the light is found on all of them (`develop.quick`). The averaging takes noise away:
how grain and sharpening look at full size, it cannot show.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from flexispd.capture.scan import find_captures
from flexispd.decode import read_mosaic
from flexispd.develop.binning import binned, binning_factor
from flexispd.develop.models import Models
from flexispd.develop.quick import found_light, under_light
from flexispd.errors import ConfigError, FlexispError, displayable
from flexispd.export.encode import upright
from flexispd.export.fit import cropped
from flexispd.export.sheet import Row, Tile, arranged, contact_sheet, shrunk, split_picture
from flexispd.pipeline import develop
from flexispd.profile import ExportParams, Profile, RuleReport, is_path, list_profiles
from flexispd.types import Capture, Illuminant, Mosaic, UInt8
from flexispd.variation import Variation
from flexispd.weights import OFFICIAL_2022

PIXELS_MAX = 2_000_000
"""Sites that a quick look develops: more than a sheet shows, and enough for the networks to see what is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """One look of a sheet: what stands below its picture, and the profile it is made with."""

    title: str
    note: str
    profile: Profile


def default_profiles() -> list[Profile]:
    """Every profile of our own networks. The official ones decide everything themselves, and take minutes."""
    return [profile for profile in list_profiles() if profile.model != OFFICIAL_2022]


def wanted(profiles: Sequence[Profile], variation: Variation | None) -> list[list[Wanted]]:
    """The looks in their rows: all profiles in one, or the values of the variation in a row for each profile."""
    if variation is None:
        return [[Wanted(profile.name, profile.description, profile) for profile in profiles]]
    return [
        [Wanted(f"{variation} = {value}", f"on {profile.name}", varied) for value, varied in variation.of(profile)]
        for profile in profiles
    ]


def captures_of(paths: Sequence[Path]) -> list[Capture]:
    """The capture of each raw, in order, each once. The first problem is raised."""
    findings = find_captures(paths)
    for problem in findings.problems:
        raise problem
    if not findings.captures:
        raise ConfigError("No raw was found in what is named.", remedy="Name a raw file.")
    return [found.capture for found in findings.captures]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """
    A frame made small.

    Attributes:
        mosaic: At 1/`factor` of the frame's size.
        lights: Model set -> the light that it finds in the frame as it is; empty where nothing was made smaller.
    """

    mosaic: Mosaic
    factor: int
    lights: Mapping[str, Illuminant | None]

    def told(self, profile: Profile) -> Profile:
        """The look that the frame gets under a profile, told the light of the frame as it is."""
        look, _ = profile.for_frame(self.mosaic.shot)
        return under_light(look, self.lights.get(profile.model))

    def rule(self, profile: Profile) -> RuleReport | None:
        """The rule that chooses another look for the frame, or None."""
        _, report = profile.for_frame(self.mosaic.shot)
        return report if report and report.number else None

    def tile(self, picture: UInt8, look: Wanted) -> Tile:
        """A picture with what stands below it, and the rule that chose its look."""
        notes = [look.note] if look.note else []
        if rule := self.rule(look.profile):
            used = Path(rule.use).stem if is_path(rule.use) else rule.use
            notes.append(f"rule {rule.number}: the look of {displayable(used)}")
        return Tile(picture, look.title, "; ".join(notes))


def reduced(capture: Capture, pixels_max: int | None, models: Models) -> Reduced:
    """The capture's frame with at most `pixels_max` sites (None: as it is); errors as `read_mosaic`."""
    try:
        mosaic = read_mosaic(capture)
    except FlexispError as error:
        name = displayable(capture.raw)
        if name not in error.problem:
            error.problem = f"{name}: {error.problem}"
        raise
    factor = binning_factor(mosaic, pixels_max) if pixels_max else 1
    lights = {model: found_light(mosaic, model, models) for model in models.weights} if factor > 1 else {}
    return Reduced(binned(mosaic, factor), factor, lights)


def developed(frame: Reduced, profiles: Sequence[Profile], models: Models) -> list[UInt8]:
    """Upright 8-bit sRGB pictures, cut as the profiles say, in whatever they would export."""
    shown = [dataclasses.replace(frame.told(profile), export=(ExportParams("png"),)) for profile in profiles]
    pictures = develop(frame.mosaic, shown, models)
    return [
        cropped(upright(picture.values, picture.orientation), profile.crop.aspect)
        for picture, profile in zip(pictures, profiles, strict=True)
    ]


def preview_sheet(
    captures: Sequence[Capture], looks: Sequence[Sequence[Wanted]], models: Models, *, full: bool
) -> tuple[bytes, list[Mapping[str, object]]]:
    """
    A contact sheet of every capture under every look, as a PNG file, and what was done with each capture.

    One capture under a row of profiles is laid out in several columns; otherwise rows stay rows.
    """
    rows: list[Row] = []
    report: list[Mapping[str, object]] = []
    flat = [look for row in looks for look in row]
    for capture in captures:
        frame = reduced(capture, None if full else PIXELS_MAX, models)
        pictures = iter(developed(frame, [look.profile for look in flat], models))
        tiles = [[frame.tile(shrunk(next(pictures)), look) for look in row] for row in looks]
        name = displayable(capture.raw.name)
        height, width = frame.mosaic.values.shape
        rules = {look.profile.name: rule.as_json() for look in flat if (rule := frame.rule(look.profile))}
        size = {"reduced_by": frame.factor, "width": width, "height": height}
        report.append({"input": capture.raw, **size, "rules": rules})
        if len(captures) == 1 and len(looks) == 1:
            rows = arranged(tiles[0])
        else:
            rows += [Row(name if len(captures) > 1 else "", row) for row in tiles]
    heading = displayable(captures[0].raw.name) if len(captures) == 1 else f"{len(captures)} captures"
    return contact_sheet(heading, rows), report


def comparison(capture: Capture, pair: tuple[Profile, Profile], models: Models, *, at: float, full: bool) -> bytes:
    """One picture of a capture as a PNG file, the first profile left of a line at `at`, the second right of it."""
    frame = reduced(capture, None if full else PIXELS_MAX, models)
    before, after = developed(frame, pair, models)
    if before.shape != after.shape:
        raise ConfigError(
            f"{pair[0].name} and {pair[1].name} cut the frame differently.",
            remedy="Compare profiles with the same aspect in [crop].",
        )
    looks = [Wanted(profile.name, profile.description, profile) for profile in pair]
    return split_picture(frame.tile(before, looks[0]), frame.tile(after, looks[1]), at)
