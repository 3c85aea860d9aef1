"""`flexispd profile list`, `show`, `diff`, `new` and `edit`: reading looks, and making one's own."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from studio_making import Studio

from flexispd.cli.main import run
from flexispd.profile import load_profile, parse_profile, user_profiles


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor that appends the lines of a file to what it is given; its path has a space in it."""
    script = tmp_path / "my editor"
    script.write_text('#!/bin/sh\ncat "$1" >> "$2"\n')
    script.chmod(0o755)
    lines = tmp_path / "lines"
    lines.write_text("")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{script}' {lines}")
    return lines


def own(name: str, text: str) -> Path:
    """A profile in the user's folder."""
    user_profiles().mkdir(parents=True, exist_ok=True)
    path = user_profiles() / name
    path.write_text(text)
    return path


def test_the_list_marks_what_captures_get_now_and_says_what_a_profile_extends(studio: Studio) -> None:
    """
    In text and in JSON.
    """
    own("mine.toml", "description = 'My own'\nextends = 'neutral'\n")
    studio.run("profile", "set", "mine")

    _, out = studio.run("profile", "list")
    rows = {row["name"]: row for row in studio.json("profile", "list")["profiles"]}

    assert "* mine               My own (extends neutral)\n" in out
    assert "  natural            The night" in out
    assert (rows["mine"]["active"], rows["mine"]["extends"]) == (True, "neutral")
    assert (rows["natural"]["active"], rows["natural"]["extends"]) == (False, "")


def test_the_list_needs_no_daemon_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without a configuration nothing is marked; with one that is named and wrong, the error is told.
    """
    assert run(["profile", "list"]) == 0
    assert "*" not in capsys.readouterr().out

    config = tmp_path / "config.toml"
    config.write_text(f"inbox = '{tmp_path}/in'\noutbox = '{tmp_path}/out'\nstate = '{tmp_path}/state'\n")
    assert run(["profile", "list", "--config", str(config)]) == 0
    assert "* natural" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [config]

    config.write_text("wrong = 1")
    assert run(["profile", "list", "--config", str(config)]) == 78
    capsys.readouterr()


def test_what_extends_another_is_shown_as_its_file_or_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Both are profiles that give the same look.
    """
    text = "# Mine.\nextends = 'vivid-night'\n\n[render]\ncontrast = 1.4 # hard"
    own("mine.toml", text)

    assert run(["profile", "show", "Mine"]) == 0
    assert capsys.readouterr().out == text + "\n"
    assert run(["profile", "show", "mine", "--resolved"]) == 0
    shown = parse_profile(capsys.readouterr().out, "mine")
    assert replace(shown, sha256="") == replace(load_profile("mine"), sha256="")
    assert run(["profile", "show", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["render"]["saturation"] == 1.25

    run(["profile", "show", "natural"])
    plain = capsys.readouterr().out
    run(["profile", "show", "natural", "--resolved"])
    assert capsys.readouterr().out == plain


def test_two_profiles_are_compared_knob_by_knob(capsys: pytest.CaptureFixture[str]) -> None:
    """
    With what they extend, their files and their rules; of profiles that set the same, a sentence.
    """
    own("a.toml", "extends = 'neutral'\n[render]\ncontrast = 1.4\n")
    own(
        "b.toml",
        "extends = 'a'\n[[export]]\n[[export]]\nformat='png'\n[[rule]]\nwhen='iso > 1'\nuse='a'\n[grain]\namount=1\n",
    )

    assert run(["profile", "diff", "A", "neutral"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["[render]", "contrast", "1.4", "1.0"]
    assert run(["profile", "diff", "a", "b", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["a"], found["b"]) == ("a", "b")
    knobs = {row["knob"]: (row["a"], row["b"]) for row in found["differences"]}
    assert knobs["[grain] amount"] == (0.0, 1.0)
    assert knobs["[[export]] 2 format"] == (None, "png")
    assert knobs["[[rule]] 1"] == (None, "iso > 1: a")
    assert len([knob for knob in knobs if not knob.startswith("[[")]) == 1
    assert run(["profile", "diff", "a", "b"]) == 0
    capsys.readouterr()
    assert run(["profile", "diff", "a", "a"]) == 0
    assert "a and a set the same" in capsys.readouterr().out


@pytest.mark.parametrize("parent", ["natural", "Vivid Night", "deep-flexisp-2022"])
def test_a_new_profile_changes_nothing_yet(parent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    It extends its parent, and shows every knob as a comment with the parent's value.
    """
    assert run(["profile", "new", "My Own", "--from", parent]) == 0
    assert f"my-own.toml, which extends {load_profile(parent).name}" in capsys.readouterr().out

    mine = load_profile("my own")
    assert replace(mine, name="", sha256="") == replace(load_profile(parent), name="", sha256="")
    text = (user_profiles() / "my-own.toml").read_text()
    assert "\n# contrast = " in text
    (user_profiles() / "my-own.toml").write_text(text.replace("# contrast = ", "contrast = 1.5 # "))
    assert load_profile("my own").render.contrast == 1.5


def test_a_new_profile_replaces_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """
    In whatever spelling; and a parent that is not there makes none.
    """
    own("My Own.toml", "[render]\ncontrast = 1.2\n")

    assert run(["profile", "new", "my-own"]) == 78
    assert "already exists" in capsys.readouterr().err
    assert run(["profile", "new", "other", "--from", "my_owl"]) == 78
    assert "Did you mean my-own?" in capsys.readouterr().err
    assert run(["profile", "new", "a/b"]) == 2
    assert run(["profile", "new", "..."]) == 78
    assert [path.name for path in user_profiles().iterdir()] == ["My Own.toml"]
    capsys.readouterr()


def test_a_new_profile_may_have_a_shipped_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    And may start from a file, wherever that lies.
    """
    base = tmp_path / "base.toml"
    base.write_text("[render]\ncontrast = 1.1\n")
    shipped = load_profile("natural")

    assert run(["profile", "new", "natural"]) == 0
    assert load_profile("natural").render == shipped.render
    assert run(["profile", "new", "mine", "--from", os.path.relpath(base)]) == 0
    assert load_profile("mine").render.contrast == 1.1
    odd = tmp_path / "two\nlines.toml"
    odd.write_text("")
    assert run(["profile", "new", "odd", "--from", str(odd)]) == 2
    capsys.readouterr()


def test_a_shipped_profile_is_edited_as_a_file_of_ones_own(editor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Which extends it; the shipped file stays as it is.
    """
    shipped = load_profile("natural")
    editor.write_text("\n[[rule]]\nwhen = 'iso > 6400'\nuse = 'neutral'\n")

    assert run(["profile", "edit", "Natural"]) == 0

    assert "natural.toml; `flexispd profile set natural` gives it" in capsys.readouterr().out
    mine = load_profile("natural")
    assert [rule.use for rule in mine.rules] == ["neutral"]
    assert mine.render == shipped.render
    assert [path.name for path in user_profiles().iterdir()] == ["natural.toml"]


def test_an_edit_that_is_not_right_stays_a_draft(editor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The profile stays as it was, and the next edit goes on with the draft.
    """
    path = own("mine.toml", "[render]\n")
    editor.write_text("contrast = 9\n")

    assert run(["profile", "edit", "mine"]) == 78

    draft = user_profiles() / ".mine.draft.toml"
    error = capsys.readouterr().err
    assert "line 2, column 12: [render] contrast must lie in" in error
    assert str(draft) in error
    assert path.read_text() == "[render]\n"
    assert draft.read_text() == "[render]\ncontrast = 9\n"
    assert load_profile("mine").render.contrast == 1

    editor.write_text("saturation = 1.1\n")
    draft.write_text("[render]\ncontrast = 1.9\n")
    assert run(["profile", "edit", "mine"]) == 0
    assert "going on with the draft" in capsys.readouterr().err
    assert (load_profile("mine").render.contrast, load_profile("mine").render.saturation) == (1.9, 1.1)
    assert not draft.exists()


def test_an_edit_without_a_change_leaves_everything(editor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Not even a file of one's own is made of a shipped profile.
    """
    assert editor.read_text() == ""

    assert run(["profile", "edit", "natural"]) == 0

    assert "nothing was changed" in capsys.readouterr().out
    assert list(user_profiles().iterdir()) == []


def test_an_edit_keeps_a_link_a_link(editor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The file that it leads to is replaced.
    """
    real = tmp_path / "dotfiles.toml"
    real.write_text("extends = 'base.toml'\n[render]\n")
    own("base.toml", "")  # beside the link, from where the profile is read
    (user_profiles() / "mine.toml").symlink_to(real)
    editor.write_text("contrast = 1.5\n")

    assert run(["profile", "edit", "mine"]) == 0

    assert (user_profiles() / "mine.toml").is_symlink()
    assert real.read_text() == "extends = 'base.toml'\n[render]\ncontrast = 1.5\n"
    assert load_profile("mine").render.contrast == 1.5
    capsys.readouterr()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [("/no/such/editor", "cannot be started"), ("false", "ended with exit code 1"), ("'open", "cannot be started")],
)
def test_an_editor_that_fails_changes_nothing(
    chosen: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The remedy names the variables.
    """
    path = own("mine.toml", "[render]\n")
    monkeypatch.setenv("VISUAL", chosen)

    assert run(["profile", "edit", "mine"]) == 1

    error = capsys.readouterr().err
    assert said in error
    assert "EDITOR" in error
    assert path.read_text() == "[render]\n"


def test_a_profile_that_is_not_there_is_not_edited(editor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The nearest name is offered.
    """
    assert editor.exists()
    assert run(["profile", "edit", "naturel"]) == 78
    assert "Did you mean natural?" in capsys.readouterr().err
    assert run(["profile", "edit", "/no/such.toml"]) == 78
    assert "does not exist" in capsys.readouterr().err
