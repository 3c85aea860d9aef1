"""
What a profile is, and how one is read from text and written as text.

Nothing here opens a file. A file of the user may build on others, by `extends`, by the `use` of a rule and by a look-up
table; profile_files.py finds those. What it has made of them can be written as one text that needs no other file, and
`parse_profile` reads it back: that is what the ledger keeps.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn

from flexispd.errors import ConfigError, displayable
from flexispd.export.names import name_key
from flexispd.profile_params import (
    DEFAULT_MODEL,
    MIX_MIN,
    SUFFIXES,
    CropParams,
    DenoiseParams,
    ExportParams,
    GrainParams,
    HueLightnessParams,
    HueSaturationParams,
    HueShiftParams,
    LutParams,
    MonochromeParams,
    RenderParams,
    RuleParams,
    SharpeningParams,
    SkyParams,
    SplitToningParams,
    TopParams,
    WhiteBalanceParams,
)
from flexispd.profile_rules import fulfilled
from flexispd.strict_toml import Document, key_of
from flexispd.toml_reference import Knob, as_toml, knobs, set_line

if TYPE_CHECKING:  # it needs numpy, which commands that only read a profile need not wait for
    from flexispd.types import ShotInfo

NAME_LENGTH_MAX = 64
"""Characters. The name becomes a part of every output's file name, which has 255 bytes."""

REFERENCE = "`flexispd profile show neutral` lists every key with its range."


@dataclass(frozen=True, slots=True)
class Profile:
    """
    One look, complete.

    Attributes:
        name: Lower case with `-` between words; it stands in the names of the outputs.
        lut: Its file is an absolute path, and its sha256 is known, if the profile was read from a file.
        rules: Other looks for some frames; the first that is fulfilled counts.
        sha256: Of the file's bytes, in hex; where the profile builds on other files, of their hashes and its own.
    """

    name: str
    description: str = ""
    model: str = DEFAULT_MODEL
    denoise: DenoiseParams = DenoiseParams()
    white_balance: WhiteBalanceParams = WhiteBalanceParams()
    render: RenderParams = RenderParams()
    hue_shift: HueShiftParams = HueShiftParams()
    hue_saturation: HueSaturationParams = HueSaturationParams()
    hue_lightness: HueLightnessParams = HueLightnessParams()
    sky: SkyParams = SkyParams()
    monochrome: MonochromeParams = MonochromeParams()
    split_toning: SplitToningParams = SplitToningParams()
    lut: LutParams = LutParams()
    sharpening: SharpeningParams = SharpeningParams()
    grain: GrainParams = GrainParams()
    crop: CropParams = CropParams()
    export: tuple[ExportParams, ...] = (ExportParams(),)
    rules: tuple[Rule, ...] = ()
    sha256: str = ""

    def folders(self, beside: Path) -> tuple[Path, ...]:
        """Every folder that files of this look go to: the receipt's, which is `beside`, and those in it."""
        return tuple(dict.fromkeys([beside, *(beside / export.folder for export in self.export)]))

    def looks(self) -> tuple[Profile, ...]:
        """Every look that a frame may get under this profile: its own, and those of its rules."""
        return (self, *(self._under(rule) for rule in self.rules))

    def for_frame(self, shot: ShotInfo) -> tuple[Profile, RuleReport | None]:
        """
        The look for one frame, and what its rules said; None where it has none.

        The files to write and the crop stay those of this profile, because their names are decided before the frame is
        known. A rule that the frame makes divide by zero is not fulfilled, and the report warns of it.
        """
        warnings: list[str] = []
        for number, rule in enumerate(self.rules, 1):
            try:
                if fulfilled(rule.when, shot):
                    return self._under(rule), RuleReport(number, rule.when, rule.use, tuple(warnings))
            except ZeroDivisionError:
                warnings.append(f"Rule {number} of {self.name} divides by zero here and counts as not fulfilled.")
        return self, RuleReport(warnings=tuple(warnings)) if self.rules else None

    def _under(self, rule: Rule) -> Profile:
        return dataclasses.replace(
            rule.look,
            name=self.name,
            description=self.description,
            crop=self.crop,
            export=self.export,
            sha256=self.sha256,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Another look for some frames.

    Attributes:
        when: The condition, as profile_rules.py reads it.
        use: Name, or absolute path, of the profile whose look it is.
        look: That look. Its name is empty; its description, crop, files and rules do not count and are the default.
    """

    when: str
    use: str
    look: Profile


@dataclass(frozen=True, slots=True)
class RuleReport:
    """Which rule decided about a frame, counted from 1, or None; and what was odd about those before it."""

    number: int | None = None
    when: str = ""
    use: str = ""
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any] | None:
        """For the receipt; None where no rule was fulfilled."""
        return None if self.number is None else {"number": self.number, "when": self.when, "use": self.use}


SECTIONS: Mapping[str, type[Any]] = {
    "denoise": DenoiseParams,
    "white_balance": WhiteBalanceParams,
    "render": RenderParams,
    "hue_shift": HueShiftParams,
    "hue_saturation": HueSaturationParams,
    "hue_lightness": HueLightnessParams,
    "sky": SkyParams,
    "monochrome": MonochromeParams,
    "split_toning": SplitToningParams,
    "lut": LutParams,
    "sharpening": SharpeningParams,
    "grain": GrainParams,
    "crop": CropParams,
}
"""Sections that a file may have once, in the order of the light."""

_LOOK_SECTIONS = {section: declared for section, declared in SECTIONS.items() if section != "crop"}


@dataclass(frozen=True, slots=True)
class Part:
    """
    What one file sets, and nothing else.

    Attributes:
        values: Section -> field -> value; "" is the top of the file.
        export: None where the file says nothing of them.
    """

    values: Mapping[str, Mapping[str, Any]]
    export: tuple[ExportParams, ...] | None = None
    rules: tuple[Rule, ...] = ()

    def over(self, base: Part) -> Part:
        """Both, where this one goes first: key by key; files all or none; its rules are asked first."""
        values = {
            section: {**base.values.get(section, {}), **self.values.get(section, {})}
            for section in {**base.values, **self.values}
        }
        return Part(values, base.export if self.export is None else self.export, (*self.rules, *base.rules))

    def profile(self, name: str, sha256: str = "") -> Profile:
        """The profile, where what no file sets has its default."""
        records = {section: SECTIONS[section](**values) for section, values in self.values.items() if section}
        top = {key: value for key, value in self.values.get("", {}).items() if key != "extends"}
        export = (ExportParams(),) if self.export is None else self.export
        return Profile(name, **top, **records, export=export, rules=self.rules, sha256=sha256)


def read_part(document: Document, look_of: Callable[[str, int], Profile] | None) -> Part:
    """
    What a file sets. ConfigError, with the place, for anything that is not known to be right.

    `look_of` gives the look of a rule that names a profile, and knows the rule by its number from 0; without it, rules
    are passed over.
    """
    table = document.table
    document.require_known(table, [*_top_keys(), *SECTIONS, "export", "rule"])
    values = {key: document.values(SECTIONS[key], inner, key) for key, inner in table.items() if key in SECTIONS}
    top = {key: value for key, value in table.items() if key in _top_keys()}
    values[""] = document.values(TopParams, top)
    export = _exports(document, table["export"]) if "export" in table else None
    rules = _rules(document, table["rule"], look_of) if "rule" in table and look_of else ()
    return Part(values, export, rules)


def parse_profile(text: str, name: str, *, title: str | None = None) -> Profile:
    """
    A profile from a text that stands alone, such as `whole_text` writes.

    ConfigError for anything that is not known to be right, and where the text wants another file.

    `title` is what messages call the text.
    """
    document = Document(text, title or f"profile {name}", REFERENCE)

    def look_of(use: str, nth: int) -> NoReturn:
        raise document.error(f"names {displayable(use)}, and this text has to stand alone", "rule", "use", nth)

    part = read_part(document, look_of)
    if part.values[""].get("extends"):
        raise document.error("names another profile, and this text has to stand alone", "", "extends")
    profile = part.profile(profile_name(name), hashlib.sha256(text.encode()).hexdigest())
    require_sound(document, profile)
    return profile


def require_sound(document: Document, profile: Profile) -> None:
    """
    ConfigError for what no file is to blame for by itself: it shows when all that a profile builds on is put together.

    Parts of black and white have to come to something; and the looks of rules have to be for the same networks, because
    those are loaded before any frame comes.
    """
    mix = profile.monochrome
    if mix.red + mix.green + mix.blue < MIX_MIN:
        raise document.error(f"and green and blue must come to {MIX_MIN:g} or more", "monochrome", "red")
    for nth, rule in enumerate(profile.rules):
        if rule.look.model != profile.model:
            raise ConfigError(
                f"{document.place('rule', 'use', nth)}: rule {nth + 1} uses {displayable(rule.use)}, which is for the "
                f"networks {rule.look.model}, and {profile.name} is for {profile.model}.",
                remedy="Use a profile of the same model in the rule.",
            )


def profile_name(text: str) -> str:
    """The one spelling of a profile's name: "Vivid_Night" and "vivid night" are vivid-night."""
    name = re.sub(r"[\s_-]+", "-", text.strip().casefold()).strip("-")
    if not re.fullmatch(r"\w[\w.+-]*", name) or len(name) > NAME_LENGTH_MAX:
        raise ConfigError(
            f"{displayable(text)!r} cannot be the name of a profile.",
            remedy=f"Use letters, digits and `-`, at most {NAME_LENGTH_MAX} of them.",
        )
    return name


def whole_text(profile: Profile) -> str:
    """The profile as a text from which `parse_profile` makes the same again, whatever happens to any file."""
    return "\n".join(_lines(profile, lambda _: "", looks=True)) + "\n"


def explained_text(profile: Profile) -> str:
    """The profile as a file for people: every knob with its range and what it does; rules by name."""
    return "\n".join(_lines(profile, lambda knob: f"{knob.allowed}; {knob.doc}", looks=False)) + "\n"


def starter_text(parent: str, profile: Profile) -> str:
    """
    A file that changes nothing of the profile that it extends, with every knob as a comment, at that profile's value.

    `parent`: how the file names it.
    """
    text = "\n".join(_lines(profile, lambda knob: f"{knob.allowed}; {knob.doc}", looks=False))
    lines = [
        f"# What is set here goes before {displayable(parent)}; take away a # to change a knob.",
        "# `flexispd profile check FILE` finds mistakes, `flexispd profile diff` shows what is different.",
        "",
        f"extends = {as_toml(parent)}",
    ]
    for line in text.split("\n"):
        # A section may be empty, but a file to write or a rule takes effect by being there.
        quiet = not line or (line.startswith("[") and not line.startswith("[["))
        lines.append(line if quiet else f"# {line}")
    return "\n".join(lines) + "\n"


def _lines(profile: Profile, explain: Callable[[Knob], str], *, looks: bool) -> Iterator[str]:
    """Every value in the order of the light. `explain`: the comment at a knob."""
    yield from _table("", profile, TopParams, explain)
    for section, declared in SECTIONS.items():
        yield from _table(f"\n[{section}]", getattr(profile, section), declared, explain)
    for export in profile.export:
        yield from _table("\n[[export]]", export, ExportParams, explain)
    for rule in profile.rules:
        yield from _table("\n[[rule]]", rule, RuleParams, explain)
        if looks:
            yield from _table("[rule.look]", rule.look, TopParams, explain)
            for section, declared in _LOOK_SECTIONS.items():
                yield from _table(f"[rule.look.{section}]", getattr(rule.look, section), declared, explain)


def _table(header: str, record: object, declared: type[Any], explain: Callable[[Knob], str]) -> Iterator[str]:
    if header:
        yield header
    for knob in knobs({"": declared}):
        value = getattr(record, knob.key, "")  # a profile has no `extends` any more: it has the values
        if value != "":
            yield set_line(knob.key, value, explain(knob))


def _top_keys() -> list[str]:
    return [key_of(declared) for declared in dataclasses.fields(TopParams)]


def _rules(document: Document, tables: object, look_of: Callable[[str, int], Profile]) -> tuple[Rule, ...]:
    if not isinstance(tables, list):
        raise document.error("must be sections, [[rule]]", "", "rule")
    rules = []
    for nth, table in enumerate(tables):
        plain = {key: value for key, value in table.items() if key != "look"} if isinstance(table, dict) else table
        params = document.fill(RuleParams, plain, "rule", nth)
        look = _look(document, table["look"], nth) if "look" in table else look_of(params.use, nth)
        rules.append(Rule(params.when, params.use, look))
    return tuple(rules)


def _look(document: Document, table: object, nth: int) -> Profile:
    """The look that stands in a rule itself, as `whole_text` writes it."""
    if not isinstance(table, dict):
        raise document.error("must be a section, [rule.look]", "rule", "look", nth)
    document.require_known(table, ["model", *_LOOK_SECTIONS], "rule.look", nth)
    values = {
        key: document.values(_LOOK_SECTIONS[key], inner, f"rule.look.{key}", nth)
        for key, inner in table.items()
        if key in _LOOK_SECTIONS
    }
    values[""] = document.values(TopParams, {k: v for k, v in table.items() if k == "model"}, "rule.look", nth)
    return Part(values).profile("")


def _exports(document: Document, tables: object) -> tuple[ExportParams, ...]:
    if not isinstance(tables, list) or not tables:
        raise document.error("must be one or more sections, [[export]]", "", "export")
    exports = tuple(document.fill(ExportParams, table, "export", nth) for nth, table in enumerate(tables))
    written: set[tuple[str, str]] = set()
    for nth, export in enumerate(exports):
        suffix = SUFFIXES[export.format]
        place = (name_key(PurePath(export.folder)), suffix)
        if place in written:
            key = "folder" if "folder" in tables[nth] else "format"
            problem = f"would write a second {suffix} file over the first; give one of them another folder"
            raise document.error(problem, "export", key, nth)
        written.add(place)
        if export.watermark:
            _check_letters(document, export.watermark, nth)
    return exports


def _check_letters(document: Document, text: str, nth: int) -> None:
    """ConfigError for a watermark with characters that cannot be drawn."""
    from flexispd.export.letters import undrawable  # only here: it loads what draws letters

    if missing := undrawable(text):
        raise document.error(f"has characters that cannot be drawn: {displayable(missing)}", "export", "watermark", nth)
