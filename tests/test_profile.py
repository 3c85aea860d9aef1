"""A profile is read exactly or not at all, and is found however its name is written."""

import hashlib
import math
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flexispd.errors import ConfigError
from flexispd.profile import (
    DenoiseParams,
    ExportParams,
    Knob,
    Profile,
    RenderParams,
    as_toml,
    knobs,
    list_profiles,
    load_profile,
    parse_profile,
    profile_files,
    profile_name,
    reference,
    user_profiles,
)
from flexispd.strict_toml import FILE_SIZE_MAX, Number

DOCS = Path(__file__).resolve().parent.parent / "docs"


def refused(text: str) -> ConfigError:
    """The error that this profile gives."""
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, "mine")
    assert caught.value.remedy
    return caught.value


def mine(text: str | bytes, name: str = "mine.toml") -> Path:
    """A profile in the user's own folder."""
    folder = user_profiles()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_an_empty_profile_is_all_defaults() -> None:
    """
    Whatever a file leaves out has its default.
    """
    profile = parse_profile("", "Mine")

    assert profile == Profile("mine", sha256=profile.sha256)
    assert profile.export == (ExportParams("jpeg", 95, "4:4:4", gps=True),)


def test_every_value_arrives_where_it_belongs() -> None:
    """
    Sections, types and order of the exports are kept; whole numbers are fine where fractions are allowed.
    """
    profile = parse_profile(
        """
        description = "  mine  "
        model = "other"
        [denoise]
        luminance = 1
        [white_balance]
        source = "kelvin"
        kelvin = 3200
        [render]
        exposure_ev = -0.5
        [[export]]
        format = "tiff16"
        gps = false
        [[export]]
        quality = 80
        chroma = "4:2:0"
        """,
        "mine",
    )

    assert (profile.description, profile.model) == ("mine", "other")
    assert profile.denoise == DenoiseParams(luminance=1.0)
    assert (profile.white_balance.source, profile.white_balance.kelvin) == ("kelvin", 3200.0)
    assert profile.render == RenderParams(exposure_ev=-0.5)
    assert profile.export == (ExportParams("tiff16", gps=False), ExportParams("jpeg", 80, "4:2:0"))


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("\n[denoise]\nluminanse = 1\n", 3, "luminance"),
        ("descriptoin = 'x'", 1, "description"),
        ("\n\n[rendr]\ncontrast = 1", 3, "render"),
        ("[render]\nContrast = 1", 2, "contrast"),
        ("# [render]\n[[export]]\nformat = 'png'\n[[export]]\nqualty = 9", 5, "quality"),
        ("render.contrasd = 1", 1, "contrast"),
        ("render = {contrast = 1, vibrant = 0}", 1, "vibrance"),
        ('description = """\n[denoise]\n"""\n[denoise]\nchroma = 1', 5, "chrominance"),
        ('[white_balance]\n"kelwin" = 3000', 2, "kelvin"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_key(text: str, line: int, expected: str) -> None:
    """
    A key that nobody reads is a wish that nobody grants.
    """
    error = refused(text)

    assert f"line {line}, column" in error.problem
    assert f"Did you mean {expected}?" in error.remedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[render]\ncontrast = 'high'", 'line 2, column 12: [render] contrast must be a number, not "high"'),
        ("[render]\ncontrast = true", "must be a number, not true"),
        ("[render]\ncontrast = nan", "must be a finite number"),
        ("[render]\ncontrast = inf", "must be a finite number"),
        ("[render]\ncontrast = 1e999", "must be a finite number"),
        ("[render]\ncontrast = 3", "must lie in 0.5 .. 2, and is 3"),
        ("[render]\ncontrast = [1]", "must be a number, not [1]"),
        ("[render]\ncontrast = 1979-05-27", "must be a number"),
        (f"[render]\ncontrast = {'9' * 400}", "a number of more than 64 bits"),
        (f"[render]\ncontrast = {'9' * 5000}", "too many digits"),
        ("[[export]]\nquality = 95.0", "must be a whole number, not 95.0"),
        ("[[export]]\nquality = true", "must be a whole number, not true"),
        ("[[export]]\nquality = 0", "must lie in 1 .. 100"),
        ("[[export]]\ngps = 1", "must be true or false, not 1"),
        ("[[export]]\nformat = 'jpg'", 'must be one of "jpeg", "png", "png16", "tiff16", not "jpg"'),
        ("[export]\nformat = 'jpeg'", "must be one or more sections, [[export]]"),
        ("export = []", "must be one or more sections, [[export]]"),
        ("export = ['jpeg']", "must be a section, [[export]], not"),
        (
            "[[export]]\nformat='png'\n[[export]]\nformat='png16'",
            "line 4, column 8: [export] format would write",
        ),
        (
            "[monochrome]\nblue = -1\nred = 0.3",
            "line 3, column 7: [monochrome] red and green and blue must come to 0.25 or more",
        ),
        ("render = 3", "must be a section, [render], not 3"),
        ("model = 3", "must be a text in quotes"),
        ('description = "two\\nlines"', "must be one line of text"),
        (f"description = '{'x' * 201}'", "at most 200 characters"),
        ("[render]\ncontrast = 1\ncontrast = 2", "the same key is given twice"),
        ("[render]\n[render]", "the same section is given twice"),
        ("contrast 1", "not valid TOML"),
        ("x = " + "[" * 20_000, "nested too deeply"),
        ("description = '\0'", "not valid TOML"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(text: str, expected: str) -> None:
    """
    Types are exact, numbers finite and in range, and nothing is given twice.
    """
    assert expected in refused(text).problem


@given(st.text(max_size=200))
def test_any_text_is_a_profile_or_a_configuration_error(text: str) -> None:
    """
    No text gets past the parser as any other exception.
    """
    with suppress(ConfigError):
        assert parse_profile(text, "mine").name == "mine"


@given(st.sampled_from([k for k in knobs() if isinstance(k.allowed, Number)]), st.floats() | st.integers())
def test_a_number_is_taken_exactly_when_it_is_in_range(knob: Knob, value: float) -> None:
    """
    The declared range is the range that is checked.
    """
    assume(knob.section != "export")  # of which there are several
    key, allowed = knob.key, knob.allowed
    assert isinstance(allowed, Number)
    text = {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan" if value != value else repr(value))
    if allowed.low <= value <= allowed.high:
        assert getattr(getattr(parse_profile(f"[{knob.section}]\n{key} = {text}", "mine"), knob.section), key) == value
    else:
        refused(f"[{knob.section}]\n{key} = {text}")


@pytest.mark.parametrize("written", ["vivid-night", "vivid night", "Vivid_Night", " VIVID  NIGHT ", "vivid--night"])
def test_a_name_is_blind_to_case_and_spaces(written: str) -> None:
    """
    Nobody has to remember how a name is spelt.
    """
    assert load_profile(written).name == "vivid-night"


@pytest.mark.parametrize("written", ["", "  ", "-", "a/b", "x" * 65, "a\nb\0", ".hidden"])
def test_a_name_that_no_file_could_have_is_refused(written: str) -> None:
    """
    The name becomes a part of file names.
    """
    with pytest.raises(ConfigError):
        profile_name(written)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """
    The remedy names the profile that was probably meant, and all there are.
    """
    with pytest.raises(ConfigError) as caught:
        load_profile("naturel")

    assert "Did you mean natural?" in caught.value.remedy
    assert "neutral" in caught.value.remedy


def test_the_users_profile_goes_before_the_shipped_one() -> None:
    """
    A file of the same name in the user's folder replaces the shipped profile.
    """
    mine("description = 'my own'", "Natural.toml")

    assert load_profile("natural").description == "my own"
    assert [p.description for p in list_profiles() if p.name == "natural"] == ["my own"]


def test_a_relative_configuration_folder_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    As the XDG specification says; the home folder is used instead.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert user_profiles() == tmp_path / ".config/flexispd/profiles"


def test_a_file_of_the_user_that_no_name_can_reach_is_passed_over() -> None:
    """
    One oddly named file does not take the others away.
    """
    mine("", "-.toml")

    assert "-" not in profile_files()
    assert "natural" in profile_files()


def test_a_path_works_too_and_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    """
    A profile's SHA-256 is what `sha256sum` prints, whatever the editor put in front of the text.
    """
    path = tmp_path / "Mine Own.toml"
    path.write_bytes(b"\xef\xbb\xbf[render]\r\ncontrast = 1.5\r\n")

    profile = load_profile(str(path))

    assert (profile.name, profile.render.contrast) == ("mine-own", 1.5)
    assert profile.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_profile(path) == profile


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[render]\ncontrast = 1 # \xe9", "line 2: this is not UTF-8 text"),
        ("[render]".encode("utf-16"), "not UTF-8"),
        (b"#" * (FILE_SIZE_MAX + 1), "larger than 64 KiB"),
    ],
)
def test_a_file_that_is_no_profile_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    """
    Wrong encodings and huge files end in one clear error.
    """
    path = tmp_path / "mine.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_profile(path)

    assert expected in caught.value.problem
    assert "mine.toml" in caught.value.problem


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    """
    A missing file, a folder and a pipe give an error at once.
    """
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    for path, expected in ((pipe, "not a plain file"), (tmp_path, "not a plain file"), (tmp_path / "no.toml", "exist")):
        with pytest.raises(ConfigError, match=expected):
            load_profile(path)


def test_the_shipped_profiles_are_right_and_look_different() -> None:
    """
    Every shipped file is valid, says what it is for, and differs from the others in its values.
    """
    profiles = {profile.name: profile for profile in list_profiles()}

    assert {"neutral", "natural", "vivid-night", "deep-flexisp-2022"} <= set(profiles)
    assert all(profile.description for profile in profiles.values())
    looks = {(p.model, p.denoise, p.white_balance, p.render) for p in profiles.values()}
    assert len(looks) == len(profiles)
    assert profiles["neutral"].render == RenderParams()


def test_every_knob_is_explained_and_has_a_default_that_is_allowed() -> None:
    """
    What a profile can set is declared once, completely.
    """
    for knob in knobs():
        assert knob.doc.endswith("."), knob
        if knob.key != "description":
            assert knob.allowed.parse(knob.default) == knob.default


@given(st.text(max_size=40))
def test_text_is_written_as_toml_reads_it(text: str) -> None:
    """
    What `profile show` prints can be read again.
    """
    if text.strip() == text and text and text.isprintable():
        assert parse_profile(f"description = {as_toml(text)}", "mine").description == text


def test_the_documentation_lists_what_the_code_declares() -> None:
    """
    The tables of docs/profiles.md are the output of `flexispd.profile.reference()`.
    """
    text = (DOCS / "profiles.md").read_text()

    assert reference() in text, "put the output of flexispd.profile.reference() into docs/profiles.md"


def test_a_profile_is_plain_data() -> None:
    """
    Receipts store every value of a profile.
    """
    assert asdict(load_profile("natural"))["render"]["learned"] == 1
