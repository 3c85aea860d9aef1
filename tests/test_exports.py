"""A profile may write several files of a capture: in several sizes, colour spaces and folders, as its text says."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from test_pipeline import mosaic_of

from flexispd.cli.main import run
from flexispd.color_spaces import SPACES
from flexispd.develop.models import load_models
from flexispd.errors import ConfigError
from flexispd.pipeline import Order, develop, process
from flexispd.profile import CropParams, ExportParams, load_profile, parse_profile
from flexispd.training.dng import write_dng
from flexispd.types import Capture

TWO_JPEGS = "[[export]]\nquality = 98\n[[export]]\nfolder = 'web'\nedge_px = 64\nwatermark = '(c) A. B.'\n"


@pytest.fixture(scope="module")
def neutral():
    return load_profile("neutral")


@pytest.fixture(scope="module")
def cpu(neutral):
    return load_models([neutral], "cpu")


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def raw_in(folder: Path, **made) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "DSC1.dng"
    raw.write_bytes(write_dng(mosaic_of(**made)))
    return raw


def test_two_files_of_one_format_need_two_folders():
    """
    Then one does not overwrite the other.
    """
    first, second = parse_profile(TWO_JPEGS, "two").export

    assert (first.folder, first.quality, first.edge_px) == ("", 98, 0)
    assert (second.folder, second.edge_px, second.watermark) == ("web", 64, "(c) A. B.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[export]]\n[[export]]\nquality = 80", "would write a second .jpg file over the first"),
        (
            "[[export]]\nfolder='Web'\n[[export]]\nfolder='web'",
            "line 4, column 8: [export] folder would write a second .jpg",
        ),
        ("[[export]]\nfolder='straße'\n[[export]]\nfolder='STRASSE'", "would write a second .jpg"),
        ("[[export]]\nfolder='a'\nformat='png'\n[[export]]\nformat='png16'\nfolder='a'", "would write a second .png"),
        ("[[export]]\nfolder = '..'", "must be the name of one folder"),
        ("[[export]]\nfolder = '.hidden'", "must be the name of one folder"),
        ("[[export]]\nfolder = 'a/b'", "must be the name of one folder"),
        (f"[[export]]\nfolder = '{'𝔘' * 64}'", "must be the name of one folder"),
        ("[[export]]\nfolder = '/'", "must be the name of one folder"),
        ('[[export]]\nfolder = "a\\u0000"', "must be the name of one folder"),
        (
            "[[export]]\nwatermark = '© 🌙'",
            "line 2, column 13: [export] watermark has characters that cannot be drawn: 🌙",
        ),
        ("[[export]]\ncolor_space = 'p3'", "must be one of"),
        ("[[export]]\nedge_px = 3", "edge_px must"),
    ],
)
def test_what_cannot_be_written_is_refused_when_the_profile_is_read(text, expected):
    """
    Not after a night of rendering.
    """
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, "x")

    assert expected in caught.value.problem
    assert caught.value.remedy


def test_a_profile_names_the_folders_that_it_writes_to():
    """
    The receipt's first, each once.
    """
    profile = parse_profile("[[export]]\nfolder='web'\n[[export]]\nformat='png'\nfolder='web'", "x")

    assert profile.folders(Path("/out/2026")) == (Path("/out/2026"), Path("/out/2026/web"))


def test_a_profile_with_a_watermark_is_read_without_what_touches_pixels():
    """
    The daemon's supervisor reads profiles, and has no need of numpy.
    """
    code = (
        "import sys; from flexispd.profile import parse_profile;"
        "parse_profile('[[export]]\\nwatermark = \"Night\"', 'x');"
        "sys.exit(bool({'numpy', 'cv2', 'torch'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("orientation", [1, 6])
def test_every_export_is_written_and_the_receipt_tells_of_it(neutral, cpu, tmp_path, orientation):
    """
    Size, settings and content of each, by its path from the receipt on.
    """
    master = ExportParams("tiff16", color_space="rec2020", folder="master")
    profile = replace(neutral, crop=CropParams("1:1"), export=(*parse_profile(TWO_JPEGS, "two").export, master))
    capture = Capture(raw_in(tmp_path / "in", orientation=orientation))

    (result,) = process(capture, [Order(profile, tmp_path / "out" / "DSC1.neutral")], cpu)

    assert result.error is None
    assert files_of(tmp_path / "out") == [
        "DSC1.neutral.jpg",
        "DSC1.neutral.json",
        "master/DSC1.neutral.tif",
        "web/DSC1.neutral.jpg",
    ]
    outputs = json.loads(result.receipt_path.read_bytes())["outputs"]
    told = {o["path"]: (o["width"], o["height"], o["color_space"], o["edge_px"], o["folder"]) for o in outputs}
    assert told == {
        "DSC1.neutral.jpg": (96, 96, "srgb", 0, ""),
        "web/DSC1.neutral.jpg": (64, 64, "srgb", 64, "web"),
        "master/DSC1.neutral.tif": (96, 96, "rec2020", 0, "master"),
    }
    for output in outputs:
        with Image.open(result.receipt_path.parent / output["path"]) as image:
            assert image.size == (output["width"], output["height"])
    (again,) = process(capture, [Order(profile, tmp_path / "out" / "DSC1.neutral")], cpu)
    assert again.up_to_date


def test_a_watermark_without_room_is_a_warning_in_the_receipt(neutral, cpu, tmp_path):
    """
    The picture is written all the same.
    """
    profile = replace(neutral, export=(ExportParams(edge_px=16, watermark="By the sea, at night"),))

    (result,) = process(Capture(raw_in(tmp_path / "in")), [Order(profile, tmp_path / "out" / "a.neutral")], cpu)

    assert result.receipt is not None
    assert [w for w in result.receipt.warnings if "watermark" in w] == [
        "A picture of 16x13 pixels has no room for its watermark."
    ]


def test_company_in_other_spaces_changes_no_bit(neutral, cpu):
    """
    The sRGB picture is the same, whatever else a profile exports, and each space has the depth that it needs.
    """
    wide = (ExportParams(), ExportParams("png16", color_space="adobe-rgb"), ExportParams("png", color_space="rec2020"))

    (alone,) = develop(mosaic_of(), [neutral], cpu)
    (together,) = develop(mosaic_of(), [replace(neutral, export=wide)], cpu)

    assert np.array_equal(alone.values, together.values)
    assert together.space == "srgb"
    depths = {space: values.dtype for space, values in together.elsewhere.items()}
    assert depths == {"adobe-rgb": np.uint16, "rec2020": np.uint8}
    assert together.nbytes == 96 * 120 * 3 * (1 + 2 + 1)


@pytest.mark.parametrize("space", ["display-p3", "adobe-rgb", "rec2020"])
def test_a_real_picture_has_the_same_colours_in_every_space(neutral, cpu, space):
    """
    Where sRGB holds them; lamps beyond it keep more of their colour, and none has less.
    """
    exports = (ExportParams("png16"), ExportParams("png16", color_space=space))
    (picture,) = develop(mosaic_of(), [replace(neutral, export=exports)], cpu)

    narrow = SPACES["srgb"].curve.to_linear(picture.values / 65535)
    wide = SPACES[space].curve.to_linear(picture.elsewhere[space] / 65535)
    there = wide @ (np.linalg.inv(SPACES["srgb"].to_xyz) @ SPACES[space].to_xyz).T
    inside = (narrow.min(axis=2) > 0) & (narrow.max(axis=2) < 1)
    assert inside.mean() > 0.5
    assert np.abs(there - narrow)[inside].max() < 2e-4


def test_the_command_line_takes_such_a_profile(tmp_path, capsys):
    """
    `--format` keeps all files of that kind, and makes a plain one where there is none.
    """
    profile = tmp_path / "two.toml"
    profile.write_text("[render]\nlearned = 0\n" + TWO_JPEGS)
    raw = raw_in(tmp_path / "in")
    both = ["DSC1.two.jpg", "DSC1.two.json", "web/DSC1.two.jpg"]
    for name, options, expected in (
        ("a", [], both),
        ("b", ["--format", "jpeg"], both),
        ("c", ["--format", "png"], ["DSC1.two.json", "DSC1.two.png"]),
    ):
        outbox = tmp_path / name
        assert run(["render", str(raw), "--outbox", str(outbox), "--profile", str(profile), *options]) == 0
        assert files_of(outbox) == expected
    assert capsys.readouterr().out.count("1 picture of 1 capture") == 3


def test_a_folder_of_an_export_must_not_be_one_that_is_read(tmp_path, capsys):
    """
    The pictures would be captures the next time.
    """
    profile = tmp_path / "web.toml"
    profile.write_text("[[export]]\nfolder = 'web'\n")
    outbox = tmp_path / "out"
    raw_in(outbox / "web")

    assert run(["render", str(outbox / "web"), "--outbox", str(outbox), "--profile", str(profile)]) == 2
    assert "pictures would be written into" in capsys.readouterr().err
    assert files_of(outbox) == ["web/DSC1.dng"]


def test_pictures_of_both_depths_come_from_one_rendering(neutral, cpu, tmp_path):
    """
    The smaller JPEG is made from the 16 bits that the TIFF needs.
    """
    exports = (ExportParams("tiff16"), ExportParams("png", folder="small", edge_px=60))
    profile = replace(neutral, export=exports)

    (result,) = process(Capture(raw_in(tmp_path / "in")), [Order(profile, tmp_path / "out" / "a.neutral")], cpu)

    read = [cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) for path in result.outputs]
    deep, small = (np.asarray(picture) for picture in read)
    assert (deep.shape, small.shape) == ((96, 120, 3), (48, 60, 3))
    assert (deep.itemsize, small.itemsize) == (2, 1)
    assert Image.open(io.BytesIO(result.outputs[1].read_bytes())).size == (60, 48)
