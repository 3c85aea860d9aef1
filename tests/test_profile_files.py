"""Profiles that build on other files: what they are then, and how their text stands alone."""

import hashlib
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flexispd.cube import Cube, write_cube
from flexispd.errors import ConfigError
from flexispd.profile import (
    CropParams,
    ExportParams,
    explained_text,
    load_profile,
    load_source,
    parse_profile,
    user_profiles,
)
from flexispd.types import ShotInfo


def write(folder: Path, **texts: str) -> Path:
    """Files NAME.toml in a folder; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / f"{next(iter(texts))}.toml"


def identity(path: Path, *, gamma: float = 1.0) -> Path:
    """A small look-up table."""
    write_cube(Cube(np.linspace(0, 1, 4, dtype=np.float32)[:, None].repeat(3, 1) ** np.float32(gamma)), path)
    return path


def refused(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert caught.value.remedy
    return caught.value


def test_what_a_file_does_not_set_is_as_in_the_one_that_it_extends(tmp_path: Path) -> None:
    """
    Key by key, also where a key says the default.
    """
    path = write(
        tmp_path,
        mine="extends = 'Vivid Night'\n[render]\ncontrast = 1.1\nsaturation = 1.0\n[grain]\namount = 0.2\n",
    )

    mine, vivid = load_profile(path), load_profile("vivid-night")

    assert mine.render == replace(vivid.render, contrast=1.1, saturation=1.0)
    assert mine.grain.amount == 0.2
    assert (mine.white_balance, mine.denoise, mine.export) == (vivid.white_balance, vivid.denoise, vivid.export)
    assert (mine.name, mine.description) == ("mine", vivid.description)


def test_profiles_stack(tmp_path: Path) -> None:
    """
    Through several files, by paths that start at the folder of the file that names them.
    """
    write(tmp_path / "base", ground="[render]\ncontrast = 1.5\nvibrance = 0.5\nblacks = 0.1\n")
    write(tmp_path, middle="extends = 'base/ground.toml'\n[render]\nvibrance = 0.25\n")
    path = write(tmp_path, top="extends = './middle.toml'\n[render]\nblacks = 0.2\n")

    render = load_profile(path).render

    assert (render.contrast, render.vibrance, render.blacks) == (1.5, 0.25, 0.2)


def test_the_files_to_write_are_all_of_the_child_or_all_of_the_parent(tmp_path: Path) -> None:
    """
    Nobody gets a TIFF by surprise.
    """
    write(tmp_path, base="[[export]]\nformat = 'tiff16'\n[[export]]\nquality = 80\n")

    assert load_profile(write(tmp_path, a="extends = 'base.toml'")).export == (
        ExportParams("tiff16"),
        ExportParams("jpeg", 80),
    )
    assert load_profile(write(tmp_path, b="extends = 'base.toml'\n[[export]]\nformat = 'png'")).export == (
        ExportParams("png"),
    )


def test_a_replacement_of_a_shipped_profile_may_extend_the_shipped_one() -> None:
    """
    `natural.toml` in the user's folder with `extends = "natural"` is no circle.
    """
    shipped = load_profile("natural")
    write(user_profiles(), Natural="extends = 'natural'\n[render]\ncontrast = 1.3\n")

    mine = load_profile("natural")

    assert mine.render == replace(shipped.render, contrast=1.3)
    assert mine.denoise == shipped.denoise


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"a": "extends = 'a.toml'"}, "goes in a circle: a.toml extends a.toml"),
        ({"a": "extends = 'b.toml'", "b": "extends = 'a.toml'"}, "a.toml extends b.toml extends a.toml"),
        ({"a": "\n extends = 'no.toml'"}, "line 2, column 12: extends names"),
        ({"a": "extends = 'no such'"}, "a.toml, line 1, column 11: extends names no such, which is no profile"),
        ({"a": "extends = 'b.toml'", "b": "[render]\ncontrast = 9"}, "b.toml, line 2, column 12"),
        ({"a": "extends = 3"}, "a.toml, line 1, column 11: extends must be a text"),
        ({f"a{n}": f"extends = 'a{n + 1}.toml'" for n in range(9)} | {"a9": ""}, "more than 8 files"),
    ],
)
def test_a_stack_that_does_not_stand_is_refused(tmp_path: Path, texts: dict[str, str], expected: str) -> None:
    """
    With the file that is wrong, and the place in it.
    """
    assert expected in refused(write(tmp_path, **texts)).problem


def test_a_nearest_name_is_offered_for_a_parent(tmp_path: Path) -> None:
    """
    As for any name of a profile.
    """
    assert "Did you mean natural?" in refused(write(tmp_path, a="extends = 'naturall'")).remedy


RULES = """
extends = "natural"
[crop]
aspect = "16:9"
[[rule]]
when = "iso >= 6400"
use = "dark.toml"
[[rule]]
when = "lens ~ '35mm'"
use = "Vivid Night"
"""


def test_the_first_rule_that_is_fulfilled_chooses_the_look(tmp_path: Path) -> None:
    """
    Its values in place of the profile's, but the name, the files and the crop stay.
    """
    write(tmp_path, dark="extends = 'neutral'\n[render]\nexposure_ev = 1\n[crop]\naspect = '1:1'\n")
    profile = load_profile(write(tmp_path, mine=RULES))

    dark, report = profile.for_frame(ShotInfo(iso=6400, lens="35mm"))
    assert report is not None
    assert (report.number, report.when, report.use) == (1, "iso >= 6400", str(tmp_path / "dark.toml"))
    assert (dark.render.exposure_ev, dark.render.learned) == (1, 0)
    assert (dark.name, dark.crop, dark.sha256) == ("mine", CropParams("16:9"), profile.sha256)

    vivid, report = profile.for_frame(ShotInfo(iso=100, lens="A 35MM lens"))
    assert report is not None
    assert (report.number, report.use) == (2, "Vivid Night")
    assert vivid.render == load_profile("vivid-night").render

    same, report = profile.for_frame(ShotInfo(iso=100))
    assert same == profile
    assert report is not None
    assert report.as_json() is None


def test_a_profile_without_rules_has_nothing_to_report() -> None:
    """
    Every frame gets the same look.
    """
    natural = load_profile("natural")

    assert natural.for_frame(ShotInfo()) == (natural, None)


def test_rules_of_a_child_are_asked_before_those_of_its_parent(tmp_path: Path) -> None:
    """
    And those of a look that a rule uses are not asked at all.
    """
    write(tmp_path, base="[[rule]]\nwhen = 'iso > 1'\nuse = 'neutral'\n")
    child = load_profile(write(tmp_path, a="extends = 'base.toml'\n[[rule]]\nwhen = 'iso > 2'\nuse = 'base.toml'\n"))

    assert [rule.when for rule in child.rules] == ["iso > 2", "iso > 1"]
    assert child.for_frame(ShotInfo(iso=3))[0].rules == ()


def test_a_rule_that_a_frame_makes_divide_by_zero_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    """
    Which ends up in the receipt; the next rule may still be fulfilled.
    """
    profile = load_profile(
        write(
            tmp_path,
            mine="[[rule]]\nwhen = '1/(iso - 100) > 0'\nuse = 'natural'\n[[rule]]\nwhen = 'iso > 1'\nuse = 'neutral'",
        )
    )

    _, report = profile.for_frame(ShotInfo(iso=100))

    assert report is not None
    assert report.number == 2
    assert "Rule 1 of mine divides by zero" in report.warnings[0]


def test_a_text_that_stands_alone_gives_the_same_profile(tmp_path: Path) -> None:
    """
    Whatever becomes of all the files: that is what the ledger keeps.
    """
    write(tmp_path, dark=f"[lut]\nfile = '{identity(tmp_path / 'dark.cube')}'\nstrength = 0.5")
    identity(tmp_path / "own look.cube")
    path = write(tmp_path, mine=f"{RULES}\n[lut]\nfile = 'own look.cube'\n[render]\ncurve = [[0, 0.1], [1, 1]]")
    source = load_source(path)
    for file in tmp_path.iterdir():
        file.unlink()

    again = parse_profile(source.text, "mine")

    assert replace(again, sha256=source.profile.sha256) == source.profile
    assert again.lut.file == str(tmp_path / "own look.cube")
    assert again.rules[0].look.lut.strength == 0.5


def test_a_file_that_stands_alone_is_kept_as_it_is(tmp_path: Path) -> None:
    """
    Its hash is that of its bytes, its text its own.
    """
    source = load_source(write(tmp_path, mine="# mine\n[render]\ncontrast = 1.2\n"))

    assert source.text == source.own_text == "# mine\n[render]\ncontrast = 1.2\n"
    assert source.profile.sha256 == hashlib.sha256(source.text.encode()).hexdigest()


@pytest.mark.parametrize("changed", ["mine.toml", "base.toml", "night.toml", "deep.toml", "a.cube", "b.cube"])
def test_the_hash_changes_with_every_file_that_a_profile_builds_on(tmp_path: Path, changed: str) -> None:
    """
    So what was rendered before is not up to date any more.
    """
    identity(tmp_path / "a.cube")
    identity(tmp_path / "b.cube")
    path = write(
        tmp_path,
        mine="extends = 'base.toml'\n[[rule]]\nwhen = 'iso > 1'\nuse = 'night.toml'\n",
        base="[lut]\nfile = 'a.cube'\n",
        night="extends = 'deep.toml'\n",
        deep="[lut]\nfile = 'b.cube'\n",
    )
    before = load_profile(path).sha256
    assert load_profile(path).sha256 == before

    with (tmp_path / changed).open("a") as file:
        file.write("# x\n")

    assert load_profile(path).sha256 != before


def test_the_same_files_elsewhere_are_another_snapshot(tmp_path: Path) -> None:
    """
    Or captures would look for their look-up table where it lay before.
    """
    for place in ("here", "there"):
        write(tmp_path / place, mine="[lut]\nfile = 'a.cube'\n")
        identity(tmp_path / place / "a.cube")

    here, there = (load_profile(tmp_path / place / "mine.toml") for place in ("here", "there"))

    assert here.lut.sha256 == there.lut.sha256
    assert here.sha256 != there.sha256


def test_a_look_up_table_lies_beside_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Not where the command was called, and not beside a profile that extends that one.
    """
    (tmp_path / "base").mkdir()
    cube = identity(tmp_path / "base" / "warm.cube")
    write(tmp_path / "base", base="[lut]\nfile = 'warm.cube'\n")
    write(tmp_path, mine="extends = 'base/base.toml'\n[lut]\nstrength = 0.5\n")
    monkeypatch.chdir(tmp_path)

    lut = load_profile("mine.toml").lut

    assert (lut.file, lut.strength) == (str(cube), 0.5)
    assert lut.sha256 == hashlib.sha256(cube.read_bytes()).hexdigest()


def test_a_profile_may_insist_on_one_look_up_table(tmp_path: Path) -> None:
    """
    Another file of that name is refused, with both hashes.
    """
    cube = identity(tmp_path / "a.cube")
    pinned = f"[lut]\nfile = 'a.cube'\nsha256 = '{hashlib.sha256(cube.read_bytes()).hexdigest()}'\n"
    path = write(tmp_path, mine=pinned)
    load_profile(path)

    identity(cube, gamma=2)

    error = refused(path)
    assert "line 2, column 8" in error.problem
    assert "has SHA-256" in error.problem


def test_a_look_of_other_networks_cannot_be_used_by_a_rule(tmp_path: Path) -> None:
    """
    The networks of a profile are loaded before any frame comes.
    """
    path = write(tmp_path, mine="[[rule]]\nwhen = 'iso > 1'\nuse = 'deep-flexisp-2022'\n")

    assert "line 3, column 7: rule 1 uses deep-flexisp-2022, which is for the networks" in refused(path).problem


def test_a_text_that_has_to_stand_alone_names_no_other_file() -> None:
    """
    The ledger's snapshots never depend on what lies on the disk.
    """
    for text in ("extends = 'natural'", "[[rule]]\nwhen = 'iso > 1'\nuse = 'natural'"):
        with pytest.raises(ConfigError, match="has to stand alone"):
            parse_profile(text, "mine")


def test_what_is_explained_is_a_profile_too(tmp_path: Path) -> None:
    """
    With every knob; its rules name profiles as the file did.
    """
    path = write(tmp_path, mine=RULES.replace("dark.toml", "neutral"))

    shown = load_profile(write(tmp_path / "other", mine=explained_text(load_profile(path))))

    assert replace(shown, sha256="") == replace(load_profile(path), sha256="")


def test_a_profile_can_travel_to_another_process(tmp_path: Path) -> None:
    """
    Workers get them whole, rules included.
    """
    profile = load_profile(write(tmp_path, mine=RULES.replace("dark.toml", "neutral")))

    assert pickle.loads(pickle.dumps(profile)) == profile


def test_a_path_that_no_text_can_hold_is_refused(tmp_path: Path) -> None:
    """
    The ledger could not keep it.
    """
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    identity(folder / "a.cube")

    assert "cannot be kept in a profile" in refused(write(folder, mine="[lut]\nfile = 'a.cube'")).problem


def test_the_example_of_the_documentation_is_right(tmp_path: Path) -> None:
    """
    With a profile and a look-up table of the names that it mentions.
    """
    page = (Path(__file__).resolve().parent.parent / "docs" / "profiles.md").read_text()
    (example,) = re.findall(r"```toml\n(extends = .*?)```", page, re.DOTALL)
    write(user_profiles(), **{"Quiet Night": "extends = 'neutral'"})
    identity(tmp_path / "film.cube")

    profile = load_profile(write(tmp_path, mine=example))

    assert profile.render == replace(load_profile("natural").render, contrast=1.1)
    assert profile.for_frame(ShotInfo(iso=6400, lens="50mm"))[0].render == load_profile("neutral").render
