"""Paths on the command line become captures, and whatever cannot be done is said."""

import os
from pathlib import Path, PurePath

import numpy as np
import pytest

from flexispd.capture.pair import Reason
from flexispd.capture.scan import Findings, find_captures
from flexispd.errors import CaptureError
from flexispd.export.receipt import Ingredients, InputFile, build_receipt, receipt_bytes
from flexispd.profile import Profile
from flexispd.types import Capture, Picture, ShotInfo


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def raws(findings: Findings, root: Path) -> list[str]:
    return [str(found.capture.raw.relative_to(root)) for found in findings.captures]


def problems(findings: Findings) -> list[str]:
    return [problem.problem for problem in findings.problems]


def test_a_folder_is_searched_to_its_depth_and_mirrored(tmp_path: Path) -> None:
    """
    Sorted, with the sub-folder that each capture's outputs go to.
    """
    fill(tmp_path, "b/DSC2.NEF", "DSC9.NEF", "a/x/DSC1.NEF", "a/x/DSC1.json")

    findings = find_captures([tmp_path])

    assert raws(findings, tmp_path) == ["DSC9.NEF", "a/x/DSC1.NEF", "b/DSC2.NEF"]
    assert [found.folder for found in findings.captures] == [PurePath(), PurePath("a/x"), PurePath("b")]
    assert findings.captures[1].capture.json == tmp_path / "a/x/DSC1.json"
    assert findings.problems == []


@pytest.mark.parametrize(
    "name",
    [
        ".in.DSC1.NEF.", ".hidden.NEF", "DSC1.NEF.part", "DSC1.NEF.filepart", "DSC1.NEF.tmp", "~DSC1.NEF", "DSC1.NEF~",
        ".syncthing.DSC1.NEF.tmp", "._DSC1.NEF", "DSC1.NEF.crdownload", ".trash/DSC1.NEF", "@eaDir/DSC1.NEF",
        "$RECYCLE.BIN/DSC1.NEF", "#recycle/DSC1.NEF",
    ],
)  # fmt: skip
def test_unfinished_and_deleted_files_are_passed_over(name: str, tmp_path: Path) -> None:
    """
    What an upload, a synchronisation or a network storage keeps for itself is no capture and no leftover.
    """
    assert find_captures([fill(tmp_path, name)]) == Findings(folders=[tmp_path])


def test_a_hidden_file_that_is_named_is_taken(tmp_path: Path) -> None:
    """
    Who names a file means it.
    """
    fill(tmp_path, ".hidden.NEF")

    assert raws(find_captures([tmp_path / ".hidden.NEF"]), tmp_path) == [".hidden.NEF"]


def test_a_named_raw_brings_its_sidecars(tmp_path: Path) -> None:
    """
    They need not be named; other raws of the folder stay out.
    """
    fill(tmp_path, "DSC1.NEF", "DSC1.xmp", "DSC2.NEF")

    (found,) = find_captures([tmp_path / "DSC1.NEF"]).captures

    assert found.capture == Capture(tmp_path / "DSC1.NEF", xmp=tmp_path / "DSC1.xmp")
    assert found.folder == PurePath()


def test_all_files_of_a_folder_may_be_named(tmp_path: Path) -> None:
    """
    `flexispd render *`: sidecars and companions name the capture that they belong to, which is taken once.
    """
    fill(tmp_path, "DSC1.NEF", "DSC1.xmp", "DSC1.JPG", "DSC2.NEF", "DSC2.json")

    findings = find_captures(sorted(tmp_path.iterdir()))

    assert raws(findings, tmp_path) == ["DSC1.NEF", "DSC2.NEF"]
    assert findings.problems == []


def test_a_capture_that_is_reached_twice_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    By its folder, by its name, by a relative path.
    """
    monkeypatch.chdir(fill(tmp_path, "DSC1.NEF"))

    assert len(find_captures([Path("DSC1.NEF"), tmp_path, Path(), tmp_path / "DSC1.NEF"]).captures) == 1


def test_a_png_in_a_folder_waits_for_its_json(tmp_path: Path) -> None:
    """
    The problem names the file that is missing.
    """
    findings = find_captures([fill(tmp_path, "night.png")])

    assert findings.captures == []
    assert problems(findings) == [f"{tmp_path}/night.png is waiting for night.json."]


def test_a_png_that_is_named_is_left_to_decoding(tmp_path: Path) -> None:
    """
    It was asked for, so its own error comes from where it is read.
    """
    fill(tmp_path, "night.png")

    assert find_captures([tmp_path / "night.png"]).captures[0].capture == Capture(tmp_path / "night.png")


def test_a_mosaic_beside_a_raw_is_rendered_when_it_is_named(tmp_path: Path) -> None:
    """
    In a folder the raw takes the JSON of its stem, and the PNG says what to do; named, it is paired as if alone.
    """
    for name in ("DSC1.dng", "DSC1.png", "DSC1.json"):
        (tmp_path / name).write_text("{}")

    found = find_captures([tmp_path])
    assert [left.reason for left in found.leftovers] == [Reason.BESIDE_RAW]

    named = find_captures([tmp_path / "DSC1.png"])
    assert [place.capture for place in named.captures] == [Capture(tmp_path / "DSC1.png", tmp_path / "DSC1.json")]


def test_a_json_without_picture_is_listed_and_no_error(tmp_path: Path) -> None:
    """
    Its picture may still be on the way.
    """
    findings = find_captures([fill(tmp_path, "night.json")])

    assert findings.problems == []
    assert [leftover.reason for leftover in findings.leftovers] == [Reason.NO_PICTURE]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DSC1.JPG", "finished picture"),
        ("DSC1.json", "metadata"),
        ("frame.raw", "no header"),
        ("frame.bin", "no header"),
        ("notes.txt", "not a raw format"),
    ],
)
def test_a_named_file_that_is_no_capture_is_a_problem(name: str, words: str, tmp_path: Path) -> None:
    """
    Each says what it is and what to give instead.
    """
    findings = find_captures([fill(tmp_path, name) / name])

    (problem,) = findings.problems
    assert words in problem.problem
    assert isinstance(problem, CaptureError)
    assert problem.remedy


def test_a_path_that_does_not_exist_is_a_problem_and_the_others_are_found(tmp_path: Path) -> None:
    """
    One wrong path does not stop the rest.
    """
    fill(tmp_path, "DSC1.NEF")

    findings = find_captures([tmp_path / "missing.NEF", tmp_path / "DSC1.NEF" / "x", tmp_path / "DSC1.NEF"])

    assert [problem.endswith("does not exist.") for problem in problems(findings)] == [True, True]
    assert raws(findings, tmp_path) == ["DSC1.NEF"]


def test_a_pipe_with_the_name_of_a_raw_is_not_opened(tmp_path: Path) -> None:
    """
    It would block for ever.
    """
    os.mkfifo(tmp_path / "DSC1.NEF")
    os.mkfifo(tmp_path / "DSC1.json")

    assert find_captures([tmp_path]) == Findings(folders=[tmp_path])
    assert problems(find_captures([tmp_path / "DSC1.NEF"])) == [f"{tmp_path}/DSC1.NEF is not a file or folder."]


@pytest.mark.parametrize(
    "name", [b"caf\xe9.NEF", b"two\nlines.NEF", b"-rf.NEF", "🌃.NEF".encode(), b"n" * 251 + b".NEF"]
)
def test_any_name_is_found(name: bytes, tmp_path: Path) -> None:
    """
    File names are bytes.
    """
    (tmp_path / os.fsdecode(name)).write_bytes(b"")

    for path in (tmp_path, tmp_path / os.fsdecode(name)):
        assert [os.fsencode(found.capture.raw.name) for found in find_captures([path]).captures] == [name]


def test_our_own_outputs_are_not_captures(tmp_path: Path) -> None:
    """
    A PNG whose JSON is a receipt of ours is an output; so it is when it is named.
    """
    fill(tmp_path, "DSC1.NEF", "DSC1.natural.png")
    ingredients = Ingredients(InputFile(tmp_path / "DSC1.NEF", 0, "a" * 64), (), Profile(name="natural"), {})
    picture = Picture(np.zeros((2, 2, 3), np.uint8), 1, {})
    receipt = receipt_bytes(build_receipt(ingredients, ShotInfo(), picture, []))
    (tmp_path / "DSC1.natural.json").write_bytes(receipt)

    for paths in ([tmp_path], sorted(tmp_path.iterdir())):
        findings = find_captures(paths)

        assert raws(findings, tmp_path) == ["DSC1.NEF"]
        assert findings.problems == []
        assert {leftover.reason for leftover in findings.leftovers} == {Reason.OUTPUT}


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    """
    Links to folders are not followed inside a folder.
    """
    fill(tmp_path, "a/DSC1.NEF")
    (tmp_path / "a" / "again").symlink_to(tmp_path)

    assert raws(find_captures([tmp_path]), tmp_path) == ["a/DSC1.NEF"]


def test_the_pairs_of_the_night_challenge_are_captures(shared_data: Path) -> None:
    """
    Every PNG with its JSON, and every camera raw, but no headerless dump.
    """
    pairs = find_captures([shared_data / "ntire_pairs"])
    cameras = find_captures([shared_data / "raw"])

    assert pairs.problems == cameras.problems == []
    assert all(found.capture.json is not None for found in pairs.captures)
    assert len(pairs.captures) == len(list((shared_data / "ntire_pairs").glob("*.png")))
    assert {found.capture.raw.suffix for found in cameras.captures} == {".crw", ".dng", ".kdc", ".qtk"}
