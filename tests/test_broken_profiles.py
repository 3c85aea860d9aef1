"""Everything that can be wrong with a profile is one error: what, where, and what to do."""

import subprocess
import sys
from pathlib import Path

import pytest
from ledger_making import claimed
from studio_making import Studio

from flexispd.cli.main import run
from flexispd.config import load_config
from flexispd.errors import ConfigError
from flexispd.ledger import Ledger, profiles
from flexispd.profile import load_profile, load_with_text
from flexispd.readiness import choose_profile, set_profile

RULE = "[[rule]]\nwhen = {when}\nuse = 'neutral'\n"

BROKEN: dict[str, tuple[str | bytes, str]] = {
    "a text for a number": ("[render]\ncontrast = 'hard'", "line 2, column 12: [render] contrast must be a number"),
    "a number for a text": ("description = 3", "line 1, column 15: description must be a text in quotes, not 3"),
    "true for a number": ("[grain]\namount = true", "line 2, column 10: [grain] amount must be a number, not true"),
    "out of range": ("[hue_shift]\nred = 31", "line 2, column 7: [hue_shift] red must lie in -30 .. 30 degrees"),
    "just out of range": (
        "[crop]\n[lut]\nstrength = 1.0000001",
        "line 3, column 12: [lut] strength must lie in",
    ),
    "not a number": ("[sky]\n\tcooler = nan", "line 2, column 11: [sky] cooler must be a finite number"),
    "infinite": ("render = {contrast = -inf}", "line 1, column 22: [render] contrast must be a finite number"),
    "unknown key": ("[render]\ncontrasd = 1", "line 2, column 1: there is no key contrasd in [render]"),
    "unknown dotted key": ("render.contrasd = 1", "line 1, column 8: there is no key contrasd in [render]"),
    "unknown section": ("\n[rendr]", "line 2, column 1: there is no key rendr"),
    "section as a value": ("denoise = 1", "line 1, column 11: denoise must be a section, [denoise], not 1"),
    "section as an array": ("[[grain]]\namount = 1", "line 1, column 1: grain must be a section, [grain]"),
    "key twice": ("[grain]\namount = 1\namount = 0", "the same key is given twice (at line 3, column 11)"),
    "section twice": ("[grain]\n[sky]\n[grain]", "the same section is given twice"),
    "no TOML": ("[render]\ncontrast: 1", "not valid TOML"),
    "unfinished": ("[render", "not valid TOML"),
    "a text without its end": ("description = 'mine", "not valid TOML"),
    "not UTF-8": (b"description = '\xff'", "line 1: this is not UTF-8 text"),
    "UTF-16": ("[render]".encode("utf-16"), "not UTF-8"),
    "binary": (b"\0" * 100, "not valid TOML"),
    "too large": (b"#" * 100_000, "is larger than 64 KiB"),
    "nested for ever": ("x = " + "[" * 30_000, "nested too deeply"),
    "two exports to one name": (
        "[[export]]\n[[export]]\nquality = 80",
        "line 2, column 1: [export] format would",
    ),
    "two exports to one folder": (
        "[[export]]\nfolder = 'Web'\n[[export]]\nfolder = 'web'",
        "[export] folder would write a second .jpg file over the first",
    ),
    "an export as a value": ("export = [1]", "line 1, column 10: export must be a section, [[export]], not 1"),
    "no exports": ("export = []", "line 1, column 10: export must be one or more sections, [[export]]"),
    "export as a section": ("[export]\nformat = 'png'", "line 1, column 1: export must be one or more sections"),
    "a folder elsewhere": ("[[export]]\nfolder = '../x'", "line 2, column 10: [export] folder must be the name of one"),
    "a hidden folder": ("[[export]]\nfolder = '.x'", "line 2, column 10: [export] folder must be the name of one"),
    "an aspect that is none": ("[crop]\naspect = '3:0'", 'line 2, column 10: [crop] aspect must be "original" or two'),
    "a curve that goes back": (
        "[render]\ncurve = [[0, 0], [0.5, 1], [0.5, 0]]",
        "must go from left to right",
    ),
    "a curve of one point": ("[render]\ncurve = [[0, 0]]", "line 2, column 9: [render] curve must have two points"),
    "a curve of nothing": ("[render]\ncurve = [0, 1]", "[render] curve must be a list of [in, out]"),
    "a black and white of nothing": (
        "[monochrome]\nblue = -1\nred = 0.3",
        "line 3, column 7: [monochrome] red and green and blue must come to 0.25 or more",
    ),
    "a black and white of nothing, together": (
        "extends = 'blue.toml'\n[monochrome]\nred = 0.3",
        "broken.toml, line 3, column 7: [monochrome] red and green and blue must come to",
    ),
    "a rule to a look that is broken": (
        "[[rule]]\nwhen = '1=1'\nuse = 'blue.toml'\n",
        "blue.toml, line 1, column 1: [monochrome] red and green and blue must come to 0.25 or more",
    ),
    "a parent that is not there": (
        "extends = 'nobody'",
        "line 1, column 11: extends names nobody, which",
    ),
    "a parent file that is not there": ("\nextends = 'no.toml'", "line 2, column 11: extends names"),
    "a parent whose name is too long": (f"extends = '{'x' * 300}.toml'", "line 1, column 11: extends names"),
    "a parent that is a folder": ("extends = './'", "line 1, column 11: extends names"),
    "a parent that is itself": ("extends = 'broken.toml'", "goes in a circle: broken.toml extends broken.toml"),
    "a rule without its look": ("[[rule]]\nwhen = 'iso > 1'", "line 1, column 1: use is not set"),
    "a rule without its condition": ("[[rule]]\nuse = 'neutral'", "line 1, column 1: when is not set"),
    "a rule to nobody": ("[[rule]]\nwhen = 'iso > 1'\nuse = 'nobody'", "line 3, column 7: use names nobody"),
    "a rule of other networks": ("[[rule]]\nwhen = '1=1'\nuse = 'deep-flexisp-2022'", "line 3, column 7: rule 1 uses"),
    "rules as a section": ("[rule]\nwhen = 'iso > 1'", "line 1, column 1: rule must be sections, [[rule]]"),
    "a look that is none": (RULE.format(when="'1=1'") + "look = 3", "line 4, column 8: [rule] look must be a section"),
    "an unknown knob of a look": (
        RULE.format(when="'1=1'") + "look.grain.sise = 1",
        "no key sise in [rule.look",
    ),
    "a condition that is none": (RULE.format(when="'iso >'"), "line 2, column 14: [rule] when needs a number"),
    "a condition of one number": (RULE.format(when='"iso"'), "line 2, column 9: [rule] when has a number where"),
    "a condition on two lines": (
        RULE.format(when="'''\n1 = 1 and\nizo > 1'''"),
        "line 4, column 1: [rule] when asks for izo, which no frame has (did you mean iso?).",
    ),
    "an unknown field": (RULE.format(when="'lens ~ \"a\" or izo > 1'"), "line 2, column 23: [rule] when asks for izo"),
    "a division by zero": (RULE.format(when="'iso > 1 / (2 - 2)'"), "line 2, column 17: [rule] when divides by zero"),
    "a second condition": (RULE.format(when="'1=1'") + RULE.format(when="'1'"), "line 5, column 9: [rule] when has a"),
    "a table that is not there": ("[lut]\nfile = 'no.cube'", "line 2, column 8: "),
    "a hash that is none": ("[lut]\nsha256 = 'abc'", "line 2, column 10: [lut] sha256 must be 64 digits"),
    "a hash of nothing": (f"[lut]\nsha256 = '{'a' * 64}'", "belongs to a file, and this section names none"),
    "a table with a NaN": ("[lut]\nfile = 'nan.cube'", "nan.cube, line 3: nan is no finite number"),
    "a table without end": ("[lut]\nfile = 'endless.cube'", "endless.cube is larger than 128 MiB"),
    "a table that is too large": ("[lut]\nfile = 'huge.cube'", "huge.cube, line 1: LUT_3D_SIZE must be a whole number"),
    "a table that is a device": ("[lut]\nfile = '/dev/zero'", "/dev/zero is not a plain file"),
    "a table that is short": ("[lut]\nfile = 'short.cube'", "the table has 1 entries and should have 8"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a profile and of look-up tables that cannot be used."""
    (tmp_path / "blue.toml").write_text("[monochrome]\nblue = -1\n")
    (tmp_path / "nan.cube").write_text("LUT_1D_SIZE 2\n0 0 0\nnan 1 1\n")
    (tmp_path / "huge.cube").write_text("LUT_3D_SIZE 1000\n0 0 0\n")
    (tmp_path / "short.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n")
    with (tmp_path / "endless.cube").open("wb") as file:
        file.write(b"LUT_3D_SIZE 33\n")
        file.truncate(10**9 * 6)  # a thousand million lines; the disk holds none of them
    return tmp_path


def broken(folder: Path, case: str) -> Path:
    content, _ = BROKEN[case]
    path = folder / "broken.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_profile_is_one_clear_error(folder: Path, case: str) -> None:
    """
    It names the file, the line and the column where there is one, and what to do.
    """
    path = broken(folder, case)

    with pytest.raises(ConfigError) as caught:
        load_profile(path)

    error = caught.value
    assert BROKEN[case][1] in error.problem
    assert str(folder) in error.problem or "/dev/zero" in error.problem
    assert error.problem.endswith(".")
    assert error.remedy.endswith(".")
    assert "\n" not in f"{error.problem}{error.remedy}"
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "case", ["out of range", "not UTF-8", "a parent that is itself", "a division by zero", "a table without end"]
)
def test_the_command_says_so_and_exits_with_78(folder: Path, case: str) -> None:
    """
    Two lines on stderr, nothing on stdout, no traceback; at once, however much there is.
    """
    command = [sys.executable, "-m", "flexispd", "profile", "check", str(broken(folder, case))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 78
    assert done.stdout == ""
    problem, remedy = done.stderr.splitlines()
    assert problem.startswith("error: ")
    assert BROKEN[case][1] in problem
    assert remedy.startswith("  fix: ")


@pytest.mark.parametrize(
    "case", ["a parent that is not there", "a rule to nobody", "a condition that is none", "a table with a NaN"]
)
def test_what_is_broken_never_becomes_the_look_of_new_captures(studio: Studio, folder: Path, case: str) -> None:
    """
    `profile set` refuses it, and the one before stays.
    """
    assert studio.run("profile", "set", str(broken(folder, case)))[0] == 2

    assert BROKEN[case][1] in studio.error
    assert studio.json("profile", "get")["profile"] == "natural"


@pytest.mark.parametrize("lost", ["base.toml", "night.toml", "own.cube"])
def test_a_reload_that_finds_something_broken_keeps_the_look(studio: Studio, folder: Path, lost: str) -> None:
    """
    Also where the profile's own file is as it was, and only one that it builds on is lost.
    """
    (folder / "own.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n")
    (folder / "base.toml").write_text("[render]\ncontrast = 1.4\n")
    (folder / "night.toml").write_text("[render]\ncontrast = 1.6\n")
    mine = folder / "mine.toml"
    mine.write_text(
        "extends = 'base.toml'\n[lut]\nfile = 'own.cube'\n[[rule]]\nwhen = 'iso > 1600'\nuse = 'night.toml'\n"
    )
    config = load_config(studio.folder / "config.toml")
    ledger = Ledger.open(studio.state)
    choose_profile(ledger, config, str(mine), *load_with_text(str(mine)))
    before = profiles.active(ledger)
    (folder / lost).unlink()

    with pytest.raises(ConfigError):
        set_profile(ledger, config, again=True)
    set_profile(ledger, config)

    assert profiles.active(ledger) == before
    assert before is not None
    assert (before.render.contrast, before.rules[0].look.render.contrast) == (1.4, 1.6)
    ledger.close()


def test_a_reload_takes_what_changed_in_a_file_that_the_profile_builds_on(studio: Studio, folder: Path) -> None:
    """
    And what has arrived before keeps its look.
    """
    (folder / "base.toml").write_text("[render]\ncontrast = 1.4\n")
    mine = folder / "mine.toml"
    mine.write_text("extends = 'base.toml'\n")
    studio.run("profile", "set", str(mine))
    studio.arrive("a.NEF", "a")
    (folder / "base.toml").write_text("[render]\ncontrast = 1.5\n")

    ledger = Ledger.open(studio.state)
    set_profile(ledger, load_config(studio.folder / "config.toml"), again=True)
    active = profiles.active(ledger)
    ledger.close()

    assert active is not None
    assert active.render.contrast == 1.5
    (stamped,) = studio.json("ls")
    assert stamped["profile"] == "mine"
    assert profiles.snapshot(studio.ledger, claimed(studio.ledger).look).render.contrast == 1.4


def test_a_broken_profile_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    `profile check` of another one says that it is right.
    """
    broken(folder, "unknown key")
    good = folder / "good.toml"
    good.write_text("extends = 'natural'\n")

    assert run(["profile", "check", str(good)]) == 0
    assert "is a valid profile, called good" in capsys.readouterr().out
