"""Looks of other programs become profiles, and what cannot is said."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.errors import ConfigError
from flexispd.foreign import name_of, read_look, reference
from flexispd.foreign.draft import curve_points
from flexispd.foreign.hues import oklab_hue
from flexispd.profile import parse_profile

HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
BEGIN = f'{HEAD}<rdf:Description xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" '
END = "</rdf:Description></rdf:RDF></x:xmpmeta>"


def xmp(attributes, inside=""):
    """A preset with these properties."""
    return f"{BEGIN}{attributes}>{inside}{END}"


def curve(name, *points):
    """A tone curve as Lightroom writes it."""
    items = "".join(f"<rdf:li>{x}, {y}</rdf:li>" for x, y in points)
    return f"<crs:{name}><rdf:Seq>{items}</rdf:Seq></crs:{name}>"


@pytest.fixture
def look(tmp_path):
    """Reads a look from a file with that content; gives the profile and the draft."""

    def read(suffix, content):
        path = tmp_path / f"look{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        text, draft, _ = read_look(path, "look")
        return parse_profile(text, "look"), draft

    return read


def sources(lines):
    return {line.source for line in lines}


def test_basic_settings_of_lightroom_become_knobs(look):
    """
    As attributes or as elements, each with its formula.
    """
    text = xmp(
        'crs:Exposure2012="+0.35" crs:Contrast2012="+100" crs:Highlights2012="-60" crs:Saturation="-10" '
        'crs:HueAdjustmentRed="+20" crs:SaturationAdjustmentBlue="-30" crs:LuminanceAdjustmentAqua="5" '
        'crs:PostCropVignetteAmount="-15" crs:Vibrance="0"',
        "<crs:Shadows2012>+40</crs:Shadows2012>",
    )

    profile, draft = look(".xmp", text)

    render = profile.render
    assert (render.exposure_ev, render.contrast, render.highlights, render.shadows) == (0.35, 1.5, -0.6, 0.4)
    assert (render.saturation, render.vignette) == (0.9, -0.15)
    assert (profile.hue_shift.red, profile.hue_saturation.blue, profile.hue_lightness.aqua) == (6.0, 0.7, 0.05)
    assert "Vibrance" not in sources([*draft.taken, *draft.nearest, *draft.left])


@pytest.mark.parametrize(
    ("attributes", "source", "kelvin"),
    [
        ('crs:WhiteBalance="As Shot" crs:Temperature="5100" crs:Tint="4"', "as-shot", 5500.0),
        ('crs:WhiteBalance="Tungsten" crs:Temperature="2850"', "tungsten", 5500.0),
        ('crs:WhiteBalance="Custom" crs:Temperature="4200" crs:Tint="+12"', "kelvin", 4200.0),
        ('crs:Temperature="4200"', "kelvin", 4200.0),
        ('crs:Exposure2012="1"', "auto", 5500.0),
    ],
)
def test_the_white_balance_of_lightroom_keeps_its_meaning(look, attributes, source, kelvin):
    """
    A named light stays a named light; only a custom one is a temperature.
    """
    profile, _ = look(".xmp", xmp(attributes))

    assert (profile.white_balance.source, profile.white_balance.kelvin) == (source, kelvin)


def test_values_beyond_a_range_are_nearest_and_said_to_be(look):
    """
    Nothing is cut in silence.
    """
    profile, draft = look(".xmp", xmp('crs:Sharpness="300" crs:SharpenRadius="0.1" crs:Exposure2012="1"'))

    assert profile.sharpening.amount == 2.0
    assert profile.sharpening.radius_px == 0.3
    assert sources(draft.nearest) == {"Sharpness", "SharpenRadius"}


def test_what_has_no_knob_is_listed_with_its_value(look):
    """
    Settings at rest and what is about the file are not.
    """
    text = xmp(
        'crs:Exposure2012="1" crs:Dehaze="+12" crs:Texture="0" crs:Version="15.4" crs:GrainFrequency="50" '
        'crs:HasCrop="True" crs:CropLeft="0.1" crs:CropTop="0" crs:CropRight="1" crs:CropBottom="1"',
        '<crs:Look><rdf:Description crs:Name="Film"><crs:Parameters><rdf:Description crs:Exposure2012="5"/>'
        "</crs:Parameters></rdf:Description></crs:Look>" + curve("ToneCurvePV2012Red", (0, 0), (99, 40), (255, 255)),
    )

    profile, draft = look(".xmp", text)

    assert profile.render.exposure_ev == 1.0
    assert {(line.source, line.value) for line in draft.left if line.source in {"Dehaze", "Look"}} == {
        ("Dehaze", "+12"),
        ("Look", "Film"),
    }
    assert sources(draft.left) == {"Dehaze", "Look", "Crop", "ToneCurvePV2012Red"}


def test_toning_curve_and_black_and_white_are_taken(look):
    """
    Hues go from the colour wheel to OKLab.
    """
    text = xmp(
        'crs:SplitToningShadowHue="240" crs:SplitToningShadowSaturation="20" crs:SplitToningBalance="-10" '
        'crs:SplitToningHighlightHue="40" crs:SplitToningHighlightSaturation="0" crs:ConvertToGrayscale="True"',
        curve("ToneCurvePV2012", (0, 0), (64, 51), (255, 255)),
    )

    profile, _ = look(".xmp", text)

    assert profile.split_toning.shadows_hue == pytest.approx(264, abs=1)
    assert (profile.split_toning.shadows_strength, profile.split_toning.highlights_strength) == (0.2, 0.0)
    assert profile.split_toning.balance == -0.1
    assert profile.monochrome.strength == 1.0
    assert profile.render.curve == ((0.0, 0.0), (0.251, 0.2), (1.0, 1.0))


PP3 = """\
[Version]
AppVersion=5.10

[Exposure]
Compensation=0.6
Brightness=5
Contrast=0
Saturation=10
Black=300
Curve=1;0;0;0.25;0.2;1;1;

[White Balance]
Setting=Custom
Temperature=4800
Green=0.95

[Vibrance]
Enabled=false
Pastels=80

[Sharpening]
Enabled=true
Method=usm
Radius=0.9
Amount=200

[Crop]
Enabled=true
FixRatio=true
Ratio=3:2

[Resize]
Enabled=true
Width=1365
Height=2048

[Film Simulation]
Enabled=true
ClutFilename=Velvia.png

[Black & White]
Enabled=true
Method=ChannelMixer
MixerRed=50
MixerGreen=40
MixerBlue=10

[Dehaze]
Enabled=true
"""


def test_settings_of_rawtherapee_become_knobs(look):
    """
    Sections that are switched off count for nothing, and what is on without a knob is listed.
    """
    profile, draft = look(".pp3", PP3)

    assert (profile.render.exposure_ev, profile.render.saturation, profile.render.blacks) == (0.6, 1.1, -0.15)
    assert profile.render.vibrance == 0.0
    assert profile.render.curve == ((0.0, 0.0), (0.25, 0.2), (1.0, 1.0))
    assert (profile.white_balance.source, profile.white_balance.kelvin) == ("kelvin", 4800.0)
    assert profile.white_balance.tint > 0  # less green is more magenta
    assert (profile.sharpening.amount, profile.sharpening.radius_px) == (0.5, 0.9)
    assert (profile.monochrome.strength, profile.monochrome.red) == (1.0, 0.5)
    assert (profile.crop.aspect, profile.export[0].edge_px) == ("3:2", 2048)
    assert sources(draft.left) == {"Exposure/Brightness", "Film Simulation/ClutFilename", "Dehaze"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[Exposure]\nCompensation=1\nCurve=2;0.25;0.5;0.75;1;2;3;4;\n", "Exposure/Curve"),
        ("[Exposure]\nCompensation=1\n[Sharpening]\nEnabled=true\nMethod=rld\nAmount=200\n", "Sharpening/Method"),
        ("[Exposure]\nCompensation=1\n[Crop]\nEnabled=true\nX=1\nFixRatio=true\nRatio=As Image\n", "Crop"),
        ("[Exposure]\nCompensation=1\nContrast=much\n", "Exposure/Contrast"),
        ("[Exposure]\nCompensation=1\nContrast=nan\n", "Exposure/Contrast"),
    ],
)
def test_what_rawtherapee_means_otherwise_is_left_out(look, text, left):
    """
    Rather nothing than something else.
    """
    _, draft = look(".pp3", text)

    assert sources(draft.left) == {left}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>' + xmp('crs:Exposure2012="1"')


@pytest.mark.parametrize(
    ("suffix", "content", "said"),
    [
        (".xmp", BOMB, "document type"),
        (".xmp", BOMB.encode("utf-16"), "document type"),
        (".xmp", b"\x89PNG\r\n\x1a\n\0\0\0", "not well-formed"),
        (".xmp", b"", "not well-formed"),
        (".xmp", b" " * (2**20 + 1), "larger than 1024 KiB"),
        (".xmp", xmp('crs:Exposure2012="1"')[:-9], "not well-formed"),
        (".xmp", "<a/>", "sets nothing"),
        (".xmp", xmp('crs:Version="15.4"'), "sets nothing"),
        (".pp3", b"[Exposure]\nCompensation=1\nComment=caf\xe9\n", "not UTF-8"),
        (".pp3", b"[Exposure]\0\nCompensation=1\n", "no text"),
        (".pp3", "Compensation=1\n", "not a RawTherapee profile"),
        (".pp3", "[Exposure]\nwhat is this\n", "line 2"),
        (".pp3", "[Other]\na=1\n", "sets nothing"),
        (".pp3", "", "sets nothing"),
        (".pp3", b"\xff" * 100, "not UTF-8"),
        (".toml", "x = 1", "ends in .cube, .pp3, .xmp"),
    ],
)
def test_files_that_cannot_be_used_give_one_clear_error(look, suffix, content, said):
    """
    A problem and a remedy, whatever the file is.
    """
    with pytest.raises(ConfigError) as caught:
        look(suffix, content)

    assert said in str(caught.value)
    assert caught.value.remedy


NAMES = [
    "Exposure2012",
    "Contrast2012",
    "Temperature",
    "Sharpness",
    "SharpenRadius",
    "GrainAmount",
    "Unknown",
    "Dehaze",
]
numbers = st.one_of(
    st.floats().map(str), st.integers(-(10**12), 10**12).map(str), st.text("0123456789+-.eEnaif ", max_size=12)
)


@given(st.dictionaries(st.sampled_from(NAMES), numbers))
def test_whatever_a_preset_says_the_profile_is_valid_or_there_is_an_error(tmp_path_factory, settings):
    """
    Any numbers, and what is no number.
    """
    path = tmp_path_factory.mktemp("any") / "look.xmp"
    path.write_text(xmp(" ".join(f'crs:{name}="{value}"' for name, value in settings.items())))

    try:
        text, _, _ = read_look(path, "look")
    except ConfigError:
        return

    parse_profile(text, "look")


@given(st.binary(max_size=300), st.sampled_from([".xmp", ".pp3"]))
def test_any_bytes_give_a_profile_or_an_error_of_ours(tmp_path_factory, data, suffix):
    """
    Nothing else ever rises.
    """
    path = tmp_path_factory.mktemp("bytes") / f"look{suffix}"
    path.write_bytes(data)

    with pytest.raises(ConfigError):
        read_look(path, "look")


def test_texts_of_a_stranger_stay_on_their_line(look):
    """
    A value with a line break cannot write into the profile, and a long list of settings is cut.
    """
    many = " ".join(f'crs:Odd{i}="{i + 1}"' for i in range(3000))

    profile, draft = look(".xmp", xmp(f'crs:Exposure2012="1" crs:Evil="&#10;[render]&#10;contrast = 2" {many}'))

    assert profile.render.contrast == 1.0
    assert len(draft.left) == 3001


def test_curves_have_points_from_left_to_right():
    """
    Points beyond the range are dropped, a straight line is none, and too many are thinned out evenly.
    """
    assert curve_points([(0, 0), (1, 1)], 16) is None
    assert curve_points([(0.5, 0.4), (0, 0), (0.5, 0.9), (2, 1), (1, 1)], 16) == ((0, 0), (0.5, 0.4), (1, 1))
    thinned = curve_points([(i / 99, (i / 99) ** 2) for i in range(100)], 16)
    assert thinned is not None
    assert (len(thinned), thinned[0], thinned[-1]) == (16, (0.0, 0.0), (1.0, 1.0))


@pytest.mark.parametrize(("wheel", "oklab"), [(0, 29.2), (60, 109.8), (120, 142.5), (240, 264.1), (360, 29.2)])
def test_hues_of_the_wheel_are_those_of_their_pure_colours(wheel, oklab):
    """
    As published for the primaries of sRGB.
    """
    assert oklab_hue(wheel) == pytest.approx(oklab, abs=0.1)


@pytest.mark.parametrize(
    ("file", "name"), [("My Look (2).xmp", "my-look-2"), ("Kodak_Portra 400.cube", "kodak-portra-400"), ("é.pp3", "é")]
)
def test_a_profile_is_called_like_its_file(file, name):
    """
    As far as that can be a name.
    """
    assert name_of(Path(file)) == name


def test_the_documentation_has_every_formula():
    """
    docs/import.md holds the tables that the code makes.
    """
    page = (Path(__file__).resolve().parents[2] / "docs" / "import.md").read_text()

    assert reference() in page
    assert not re.findall(r"lambda", page)
