"""The receipt says how a picture was made, to people and to programs, whatever the files are called."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.errors import CorruptRawError, VanishedError
from flexispd.export.receipt import (
    SCHEMA,
    Ingredients,
    InputFile,
    OutputFile,
    Receipt,
    build_receipt,
    hash_inputs,
    read_receipt,
    receipt_bytes,
)
from flexispd.profile import ExportParams, Profile
from flexispd.types import CFA, Capture, ColorMatrix, NoiseProfile, Picture, ShotInfo

SHOT = ShotInfo(
    model="NIKON D500",
    iso=800.0,
    gps={"latitude": 1.0, "longitude": 2.0},
    color_matrices=(ColorMatrix(np.eye(3), 6504.0),),
    noise_profile=NoiseProfile((1e-4,) * 4, (1e-6,) * 4, "json"),
    sources={"model": "exif", "iso": "json", "gps": "exif", "noise_profile": "json"},
    warnings=("The ISO of JSON and EXIF differ.",),
)
PICTURE = Picture(
    np.zeros((2, 3, 3), np.uint8),
    1,
    {"device": "cpu", "tiles": 1, "duration_ms": {"denoise": np.float32(12.5)}, "warnings": ["dark"]},
)
INGREDIENTS = Ingredients(
    InputFile(Path("/in/DSC1.NEF"), 10, "a" * 64),
    (InputFile(Path("/in/DSC1.json"), 3, "b" * 64),),
    Profile(name="natural", sha256="c" * 64),
    {"denoise": "d" * 64},
)
JPEG = OutputFile("DSC1.natural.jpg", "e" * 64, 3, 2, ExportParams())
TIFF = OutputFile("DSC1.natural.tif", "f" * 64, 3, 2, ExportParams(format="tiff16"))


def receipt_of(*outputs: OutputFile, previous: Receipt | None = None) -> Receipt:
    return build_receipt(INGREDIENTS, SHOT, PICTURE, outputs, previous)


def document_of(receipt: Receipt) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(receipt_bytes(receipt), parse_constant=refuse)


def stored(receipt: Receipt, folder: Path) -> Receipt:
    path = folder / "receipt.json"
    path.write_bytes(receipt_bytes(receipt))
    read = read_receipt(path)
    assert read is not None
    return read


def test_a_receipt_names_everything_that_went_in_and_came_out() -> None:
    """
    Inputs by content, metadata by source, profile by value, weights by stage, what the stages did, what they warned of.
    """
    document = document_of(receipt_of(JPEG))

    assert document["schema"] == SCHEMA
    assert document["input"] == {"path": "/in/DSC1.NEF", "size_bytes": 10, "sha256": "a" * 64}
    assert document["sidecars"][0]["path"] == "/in/DSC1.json"
    assert document["profile"]["name"] == "natural"
    assert document["profile"]["values"]["denoise"] == {"luminance": 1.0, "chrominance": 1.0, "keep_grain": 0.0}
    assert document["weights"] == {"denoise": "d" * 64}
    assert document["metadata"]["model"] == {"value": "NIKON D500", "source": "exif"}
    assert document["metadata"]["noise_profile"]["value"]["shot"] == [1e-4] * 4
    assert document["metadata"]["color_matrices"]["value"][0]["xyz_to_camera"][1] == [0.0, 1.0, 0.0]
    assert "lens" not in document["metadata"]
    assert document["development"] == {"device": "cpu", "tiles": 1, "duration_ms": {"denoise": 12.5}}
    assert document["warnings"] == ["The ISO of JSON and EXIF differ.", "dark"]
    assert document["outputs"][0]["path"] == "DSC1.natural.jpg"
    assert document["outputs"][0]["sha256"] == "e" * 64
    assert (document["outputs"][0]["width"], document["outputs"][0]["height"]) == (3, 2)


def test_the_documentation_describes_every_field() -> None:
    """
    docs/receipt.md and the receipt have the same fields.
    """
    page = (Path(__file__).parents[2] / "docs" / "receipt.md").read_text()

    document = document_of(receipt_of(JPEG))

    for field in (*document, *document["input"], *document["outputs"][0], "path_base64"):
        assert f"`{field}`" in page


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """
    What decides about ownership survives the way through the file.
    """
    receipt = receipt_of(JPEG, TIFF)

    read = stored(receipt, tmp_path)

    assert (read.raw, read.sidecars, read.outputs) == (receipt.raw, receipt.sidecars, receipt.outputs)
    assert read.made_of(INGREDIENTS)


@given(st.binary(min_size=1, max_size=60).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0")))
def test_any_file_name_survives(tmp_path_factory: pytest.TempPathFactory, name: bytes) -> None:
    """
    Names are bytes: the readable form is always text, the exact form stands beside it when the two differ.
    """
    path = Path("/in") / os.fsdecode(name)
    output = replace(JPEG, name=f"{os.fsdecode(name)}.jpg")
    ingredients = replace(INGREDIENTS, raw=replace(INGREDIENTS.raw, path=path))
    receipt = build_receipt(ingredients, SHOT, PICTURE, [output])

    read = stored(receipt, tmp_path_factory.mktemp("receipts"))

    assert os.fsencode(read.raw.path) == os.fsencode(path)
    assert read.outputs == (output,)


def test_an_ordinary_name_is_written_once() -> None:
    """
    The exact bytes would only be noise.
    """
    assert "path_base64" not in document_of(receipt_of(JPEG))["input"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float64("nan"), np.float32("-inf")])
def test_a_number_that_is_not_finite_becomes_null(number: float) -> None:
    """
    JSON has no NaN, and strict readers refuse a file with one.
    """
    picture = replace(PICTURE, report={"psnr_db": number})

    assert document_of(build_receipt(INGREDIENTS, SHOT, picture, [JPEG]))["development"] == {"psnr_db": None}


def test_everything_that_a_stage_may_report_has_a_form_in_json() -> None:
    """
    Arrays, enumerations, paths, records and text that is not Unicode; what has none is a bug that shows.
    """
    report: dict[Any, Any] = {
        "cfa": CFA.RGGB,
        "file": Path("a\nb"),
        "text": "\udce9",
        "noise": np.eye(2),
        1: None,
        "done": np.bool_(True),
    }
    plain = {"cfa": "RGGB", "file": "a\\nb", "text": "\\udce9", "noise": [[1, 0], [0, 1]], "1": None, "done": True}

    assert (
        document_of(build_receipt(INGREDIENTS, SHOT, replace(PICTURE, report=report), [JPEG]))["development"] == plain
    )
    with pytest.raises(TypeError):
        document_of(build_receipt(INGREDIENTS, SHOT, replace(PICTURE, report={"network": object()}), [JPEG]))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"schema": "flexispd-receipt/1"}', b"[" * 100_000,
        json.dumps({"camera_name": "Canon", "schema": 1}).encode(),
    ],
)  # fmt: skip
def test_foreign_json_is_no_receipt(content: bytes, tmp_path: Path) -> None:
    """
    A camera's metadata, an empty file, something broken: not ours, and no error.
    """
    path = tmp_path / "DSC1.natural.json"
    path.write_bytes(content)

    assert read_receipt(path) is None


def test_a_missing_receipt_is_no_receipt(tmp_path: Path) -> None:
    """
    Neither is a folder of that name.
    """
    assert read_receipt(tmp_path / "missing.json") is None
    assert read_receipt(tmp_path) is None


@pytest.mark.parametrize("name", ["../DSC1.jpg", "/etc/passwd", "", "..", "a\0b"])
def test_a_receipt_that_points_elsewhere_is_no_receipt(name: str, tmp_path: Path) -> None:
    """
    Outputs lie beside their receipt; a forged one must not lead anywhere else.
    """
    path = tmp_path / "receipt.json"
    document = document_of(receipt_of(JPEG))
    document["outputs"][0]["path"] = name
    path.write_text(json.dumps(document))

    assert read_receipt(path) is None


def test_the_position_is_left_out_with_that_of_the_outputs() -> None:
    """
    Who switches GPS off wants to hand the folder on; one output that has it keeps it in the receipt.
    """
    without = replace(JPEG, export=ExportParams(gps=False))

    assert "gps" not in document_of(receipt_of(without))["metadata"]
    assert "gps" in document_of(receipt_of(without, TIFF))["metadata"]


def test_a_second_format_does_not_forget_the_first(tmp_path: Path) -> None:
    """
    A TIFF asked for later, from the same ingredients, joins the JPEG.
    """
    previous = stored(receipt_of(JPEG), tmp_path)

    assert receipt_of(TIFF, previous=previous).outputs == (TIFF, JPEG)


def test_a_new_look_remembers_the_files_of_the_old_one() -> None:
    """
    They stay ours, but are not listed as made by these weights.
    """
    other = replace(INGREDIENTS, weights={"denoise": "0" * 64})
    previous = build_receipt(other, SHOT, PICTURE, [JPEG, TIFF])

    receipt = receipt_of(replace(JPEG, sha256="1" * 64), previous=previous)

    assert [output.sha256 for output in receipt.outputs] == ["1" * 64]
    assert receipt.earlier_outputs == (JPEG, TIFF)


@pytest.mark.parametrize(
    "change",
    [
        {"raw": replace(INGREDIENTS.raw, sha256="0" * 64)},
        {"sidecars": ()},
        {"profile": replace(INGREDIENTS.profile, sha256="0" * 64)},
        {"weights": {}},
    ],
    ids=["raw", "sidecars", "profile", "weights"],
)
def test_any_other_ingredient_makes_another_picture(change: dict[str, Any]) -> None:
    """
    Raw, sidecars, profile and weights count by content; where the raw lies does not.
    """
    receipt = receipt_of(JPEG)

    assert receipt.made_of(replace(INGREDIENTS, raw=replace(INGREDIENTS.raw, path=Path("/moved/DSC1.NEF"))))
    assert not receipt.made_of(replace(INGREDIENTS, **change))


def test_inputs_are_known_by_their_content(tmp_path: Path) -> None:
    """
    The raw and its sidecars, each with size and SHA-256; the companion JPEG is not looked at.
    """
    raw, xmp = tmp_path / "DSC1.NEF", tmp_path / "DSC1.xmp"
    raw.write_bytes(b"raw")
    xmp.write_bytes(b"xmp")

    inputs = hash_inputs(Capture(raw, xmp=xmp, companion=tmp_path / "DSC1.JPG"))

    assert inputs.raw == InputFile(raw, 3, hashlib.sha256(b"raw").hexdigest())
    assert inputs.sidecars == (InputFile(xmp, 3, hashlib.sha256(b"xmp").hexdigest()),)
    inputs.check_unchanged()


def test_content_is_what_the_files_say_and_which_is_which(tmp_path: Path) -> None:
    """
    The same bytes under other names are the same content; an XMP file that says what a JSON file said is not.
    """
    paths = [tmp_path / name for name in ("DSC1.NEF", "copy.NEF", "DSC1.json", "copy.xmp")]
    for path in paths:
        path.write_bytes(b"raw" if path.suffix == ".NEF" else b"{}")
    raw, copy, json_path, xmp = paths

    assert hash_inputs(Capture(raw)).content_sha256 == hash_inputs(Capture(copy)).content_sha256
    contents = {hash_inputs(c).content_sha256 for c in (Capture(raw), Capture(raw, json_path), Capture(raw, xmp=xmp))}
    assert len(contents) == 3


@pytest.mark.parametrize("name", ["DSC1.NEF", "DSC1.xmp"])
def test_a_file_that_changes_after_hashing_is_noticed(name: str, tmp_path: Path) -> None:
    """
    The receipt must not name other bytes than those that were developed; such a file is not complete yet.
    """
    raw, xmp = tmp_path / "DSC1.NEF", tmp_path / "DSC1.xmp"
    raw.write_bytes(b"raw")
    xmp.write_bytes(b"xmp")
    inputs = hash_inputs(Capture(raw, xmp=xmp))

    with (tmp_path / name).open("ab") as file:
        file.write(b"more")

    with pytest.raises(CorruptRawError, match="written to while it was read"):
        inputs.check_unchanged()
    (tmp_path / name).unlink()
    with pytest.raises(VanishedError):
        inputs.check_unchanged()


def test_an_input_that_has_vanished_is_named(tmp_path: Path) -> None:
    """
    Between listing and hashing, a card may be pulled.
    """
    with pytest.raises(VanishedError, match=r"DSC1\.NEF"):
        hash_inputs(Capture(tmp_path / "DSC1.NEF"))


def test_names_survive_a_system_that_knows_ascii_only() -> None:
    """
    A name of UTF-8 is read there as bytes, written readably, and read back as the same bytes.
    """
    script = (
        "import os, sys; from flexispd.export.receipt import _path_json, _path_of\n"
        "document = _path_json(sys.argv[1]); print(ascii(document), sys.getfilesystemencoding())\n"
        "assert os.fsencode(_path_of(document)) == os.fsencode(sys.argv[1])"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", script, "caf\xe9.dng"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'path': 'caf\\xe9.dng'} ascii\n"


def test_an_output_may_lie_in_a_folder_beside_the_receipt(tmp_path: Path) -> None:
    """
    One folder, below the receipt's own; its settings come back with it.
    """
    export = ExportParams(folder="web", color_space="display-p3", edge_px=2048, sharpening=0.4, watermark="(c) A. B.")
    output = OutputFile("web/DSC1.natural.jpg", "e" * 64, 3, 2, export)

    assert stored(receipt_of(output), tmp_path).outputs == (output,)


@pytest.mark.parametrize(
    "name",
    [
        "../a.jpg",
        "web/../../a.jpg",
        "web/..",
        "/etc/passwd",
        "//a.jpg",
        "./a.jpg",
        "a/b/c.jpg",
        "web/",
        "..",
        "a\0.jpg",
        "",
    ],
)
def test_a_receipt_that_points_elsewhere_is_none(name: str, tmp_path: Path) -> None:
    """
    Whoever can write a receipt must not make us look at, or replace, what lies outside of its folder.
    """
    path = tmp_path / "receipt.json"
    document = document_of(receipt_of(JPEG))
    document["outputs"][0]["path"] = name
    path.write_text(json.dumps(document))

    assert read_receipt(path) is None


def test_a_receipt_from_before_there_were_folders_is_read(tmp_path: Path) -> None:
    """
    It names fewer settings, and those that it does not name had their defaults.
    """
    path = tmp_path / "receipt.json"
    document = document_of(receipt_of(JPEG))
    for setting in ("color_space", "edge_px", "sharpening", "watermark", "folder"):
        del document["outputs"][0][setting]
    path.write_text(json.dumps(document))

    receipt = read_receipt(path)

    assert receipt is not None
    assert receipt.outputs == (JPEG,)
    assert receipt.made_of(INGREDIENTS)
