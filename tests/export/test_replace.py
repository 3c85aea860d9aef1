"""Nothing of a photographer's own is ever replaced, and nothing is developed twice for the same result."""

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flexispd.errors import BlockedError, CaptureError, NameTakenError, TransientError
from flexispd.export.receipt import Ingredients, InputFile, OutputFile, build_receipt, read_receipt
from flexispd.export.replace import Clearance, Replacing, may_replace, publish_with_receipt
from flexispd.profile import ExportParams, Profile
from flexispd.types import Picture, ShotInfo

JPEG, TIFF = ExportParams(), ExportParams(format="tiff16")
NATURAL = Ingredients(
    InputFile(Path("/in/DSC1.NEF"), 10, "a" * 64), (), Profile(name="natural", sha256="c" * 64), {"denoise": "d" * 64}
)
RETRAINED = replace(NATURAL, weights={"denoise": "0" * 64})
RECOLOURED = replace(NATURAL, profile=replace(NATURAL.profile, sha256="0" * 64))
ANOTHER_PHOTOGRAPH = replace(NATURAL, raw=InputFile(Path("/in/2/DSC1.NEF"), 10, "9" * 64))

MODES: list[Replacing] = ["never", "stale", "always"]


class Outbox:
    """One capture's outputs in a folder, as `flexispd render` makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jpeg, self.tiff = folder / "DSC1.natural.jpg", folder / "DSC1.natural.tif"
        self.receipt = folder / "DSC1.natural.json"

    def ask(self, ingredients: Ingredients, *formats: ExportParams, mode: Replacing = "never") -> Clearance:
        return may_replace(self.targets(*formats), self.receipt, ingredients, mode)

    def render(self, ingredients: Ingredients, *formats: ExportParams, mode: Replacing = "never") -> None:
        clearance = self.ask(ingredients, *formats, mode=mode)
        content = repr(ingredients).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        targets = self.targets(*formats)
        outputs = [OutputFile(target.name, sha256, 3, 2, params) for target, params in targets.items()]
        picture = Picture(np.zeros((2, 3, 3), np.uint8), 1, {})
        receipt = build_receipt(ingredients, ShotInfo(), picture, outputs, clearance.previous)
        publish_with_receipt(receipt, self.receipt, dict.fromkeys(targets, content), clearance)

    def targets(self, *formats: ExportParams) -> dict[Path, ExportParams]:
        return {self.tiff if params.format == "tiff16" else self.jpeg: params for params in formats}


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


def test_a_free_name_is_written(outbox: Outbox) -> None:
    """
    Also in an outbox that does not exist yet.
    """
    for folder in (outbox.folder, outbox.folder / "new"):
        clearance = Outbox(folder).ask(NATURAL, JPEG)

        assert not clearance.up_to_date
        assert clearance.replacing == ()


def test_what_is_there_already_is_up_to_date(outbox: Outbox) -> None:
    """
    The same raw, profile and weights: a second run over a folder has nothing to do.
    """
    outbox.render(NATURAL, JPEG, TIFF)

    assert outbox.ask(NATURAL, JPEG, TIFF).up_to_date
    assert outbox.ask(NATURAL, JPEG).up_to_date


def test_a_raw_that_was_moved_is_the_same(outbox: Outbox) -> None:
    """
    Content counts, not place.
    """
    outbox.render(NATURAL, JPEG)

    assert outbox.ask(replace(NATURAL, raw=replace(NATURAL.raw, path=Path("/archive/x.NEF"))), JPEG).up_to_date


@pytest.mark.parametrize(
    "other",
    [
        RETRAINED,
        RECOLOURED,
        replace(NATURAL, sidecars=(InputFile(Path("/in/DSC1.json"), 3, "b" * 64),)),
        replace(NATURAL, raw=replace(NATURAL.raw, sha256="9" * 64)),
    ],
    ids=["weights", "profile", "sidecar", "raw copied again"],
)
def test_a_new_version_needs_overwrite(outbox: Outbox, other: Ingredients) -> None:
    """
    A picture that may have been delivered does not change by accident; with --overwrite it does, and is ours again.
    """
    outbox.render(NATURAL, JPEG)
    before = outbox.jpeg.read_bytes()

    with pytest.raises(CaptureError) as caught:
        outbox.ask(other, JPEG)
    outbox.render(other, JPEG, mode="always")

    assert "--overwrite" in caught.value.remedy
    assert outbox.jpeg.read_bytes() != before
    assert outbox.ask(other, JPEG).up_to_date


@pytest.mark.parametrize(
    "other",
    [RETRAINED, replace(NATURAL, profile=replace(NATURAL.profile, sha256="0" * 64))],
    ids=["weights", "profile"],
)
def test_the_service_makes_anew_what_is_stale_and_leaves_the_rest(outbox: Outbox, other: Ingredients) -> None:
    """
    After a crash between publishing and the ledger, the next run adopts what is up to date, and replaces what is not.
    """
    outbox.render(NATURAL, JPEG)

    assert outbox.ask(NATURAL, JPEG, mode="stale").up_to_date
    outbox.render(other, JPEG, mode="stale")
    assert outbox.ask(other, JPEG, mode="stale").up_to_date


@pytest.mark.parametrize("missing", ["jpeg", "tiff"])
def test_the_service_completes_what_is_half_there(outbox: Outbox, missing: str) -> None:
    """
    The receipt and one of two pictures had appeared when the power went.
    """
    outbox.render(NATURAL, JPEG, TIFF)
    getattr(outbox, missing).unlink()

    outbox.render(NATURAL, JPEG, TIFF, mode="stale")

    assert outbox.ask(NATURAL, JPEG, TIFF, mode="stale").up_to_date


def test_the_service_keeps_the_picture_of_a_raw_that_was_written_anew(outbox: Outbox) -> None:
    """
    A camera whose counter was reset writes DSC1 again, to the same place: the first picture may be the only one left.
    """
    outbox.render(NATURAL, JPEG)

    with pytest.raises(NameTakenError, match="another photograph"):
        outbox.ask(replace(NATURAL, raw=replace(NATURAL.raw, sha256="9" * 64)), JPEG, mode="stale")


def test_a_file_that_nobody_may_read_is_not_ours(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing proves that it is; but a share that does not answer proves nothing either, and is waited for.
    """
    outbox.render(NATURAL, JPEG)

    def refuse(number: int) -> None:
        def fail(_: Path) -> str:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("flexispd.export.replace.sha256_of", fail)

    refuse(errno.EACCES)
    with pytest.raises(NameTakenError):
        outbox.ask(NATURAL, JPEG, mode="stale")
    refuse(errno.ESTALE)
    with pytest.raises(BlockedError):
        outbox.ask(NATURAL, JPEG, mode="stale")


@pytest.mark.parametrize("params", [replace(JPEG, quality=80), replace(JPEG, chroma="4:2:0"), replace(JPEG, gps=False)])
def test_other_export_settings_need_overwrite_too(outbox: Outbox, params: ExportParams) -> None:
    """
    Who asks for a picture without position must not be told that the one with it is up to date.
    """
    outbox.render(NATURAL, JPEG)

    with pytest.raises(CaptureError, match="settings"):
        outbox.ask(NATURAL, params)
    assert not outbox.ask(NATURAL, params, mode="always").up_to_date


def test_overwrite_develops_again_even_when_up_to_date(outbox: Outbox) -> None:
    """
    The user said so.
    """
    outbox.render(NATURAL, JPEG)

    clearance = outbox.ask(NATURAL, JPEG, mode="always")

    assert not clearance.up_to_date
    assert set(clearance.replacing) == {outbox.jpeg, outbox.receipt}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["jpeg", "receipt"])
def test_a_file_that_is_not_ours_is_never_replaced(outbox: Outbox, name: str, mode: Replacing) -> None:
    """
    The camera's own JPEG, another program's, somebody's JSON: even --overwrite does not touch them.
    """
    path: Path = getattr(outbox, name)
    path.write_bytes(b"{}")

    with pytest.raises(NameTakenError, match="not ours"):
        outbox.ask(NATURAL, JPEG, mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_retouched_picture_is_no_longer_ours(outbox: Outbox, mode: Replacing) -> None:
    """
    Hours of somebody's work may be in it.
    """
    outbox.render(NATURAL, JPEG)
    outbox.jpeg.write_bytes(b"retouched")

    with pytest.raises(NameTakenError, match="changed"):
        outbox.ask(NATURAL, JPEG, mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_another_photograph_of_the_same_number_is_kept(outbox: Outbox, mode: Replacing) -> None:
    """
    Cameras count from 9999 to 0001: the picture of another raw stays, in any format.
    """
    outbox.render(NATURAL, JPEG)

    for params in (JPEG, TIFF):
        with pytest.raises(NameTakenError, match="another photograph"):
            outbox.ask(ANOTHER_PHOTOGRAPH, params, mode=mode)


def test_the_name_of_a_deleted_picture_is_free(outbox: Outbox) -> None:
    """
    A receipt without any of its pictures holds nothing back.
    """
    outbox.render(NATURAL, JPEG)
    outbox.jpeg.unlink()

    outbox.render(ANOTHER_PHOTOGRAPH, JPEG)

    assert outbox.ask(ANOTHER_PHOTOGRAPH, JPEG).up_to_date


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, lambda path: path.symlink_to("elsewhere"), lambda path: path.symlink_to(__file__)],
    ids=["folder", "broken link", "link"],
)
@pytest.mark.parametrize("name", ["jpeg", "receipt"])
def test_anything_but_a_regular_file_is_refused(outbox: Outbox, name: str, make: Callable[[Path], None]) -> None:
    """
    A folder or a link is never written over or through.
    """
    make(getattr(outbox, name))

    with pytest.raises(NameTakenError, match="where an output should go"):
        outbox.ask(NATURAL, JPEG, mode="always")


def test_a_name_that_is_too_long_is_refused_before_any_work(outbox: Outbox) -> None:
    """
    Some file systems take fewer than 255 bytes, and a minute of developing would be lost.
    """
    with pytest.raises(CaptureError, match="name"):
        may_replace({outbox.folder / ("n" * 256): JPEG}, outbox.receipt, NATURAL, "never")


def test_a_missing_format_is_added(outbox: Outbox) -> None:
    """
    An interrupted run is completed, and a second format joins the first, without --overwrite.
    """
    outbox.render(NATURAL, JPEG)
    outbox.render(NATURAL, TIFF)

    assert outbox.ask(NATURAL, JPEG, TIFF).up_to_date
    outbox.tiff.unlink()
    assert not outbox.ask(NATURAL, JPEG, TIFF).up_to_date


def test_a_receipt_is_not_replaced_while_it_describes_another_version(outbox: Outbox) -> None:
    """
    Else the JPEG of the old weights would lie beside a receipt that knows nothing of them.
    """
    outbox.render(NATURAL, JPEG)

    with pytest.raises(CaptureError, match=r"natural\.jpg"):
        outbox.ask(RETRAINED, TIFF)


def test_a_file_of_an_earlier_version_stays_ours(outbox: Outbox) -> None:
    """
    The TIFF of the old weights is remembered when only the JPEG was made anew, and can be replaced later.
    """
    outbox.render(NATURAL, JPEG, TIFF)
    outbox.render(RETRAINED, JPEG, mode="always")

    assert outbox.ask(RETRAINED, JPEG).up_to_date
    with pytest.raises(CaptureError, match="--overwrite"):
        outbox.ask(RETRAINED, TIFF)
    outbox.render(RETRAINED, TIFF, mode="always")
    assert outbox.ask(RETRAINED, JPEG, TIFF).up_to_date


def test_receipts_do_not_grow_with_every_version(outbox: Outbox) -> None:
    """
    Only files that were there are remembered.
    """
    for weights in "0123456789":
        outbox.render(replace(NATURAL, weights={"denoise": weights}), JPEG, mode="always")

    receipt = read_receipt(outbox.receipt)

    assert receipt is not None
    assert len(receipt.earlier_outputs) == 1


@pytest.mark.parametrize("survivors", ["receipt only", "old picture", "new picture"])
def test_a_run_that_was_cut_short_can_be_repeated(outbox: Outbox, survivors: str) -> None:
    """
    The receipt appears first, so whatever a power cut leaves of an overwriting run, all of it is still ours.
    """
    outbox.render(NATURAL, JPEG)
    old = outbox.jpeg.read_bytes()
    outbox.render(RETRAINED, JPEG, mode="always")
    if survivors == "old picture":
        outbox.jpeg.write_bytes(old)
    elif survivors == "receipt only":
        outbox.jpeg.unlink()

    outbox.render(RETRAINED, JPEG, mode="always")

    assert outbox.ask(RETRAINED, JPEG).up_to_date


def test_a_file_that_appears_meanwhile_is_not_replaced(outbox: Outbox) -> None:
    """
    Two runs at once, or a camera that writes into the outbox: what was free when we asked may be taken when we write.
    """
    clearance = outbox.ask(NATURAL, JPEG)
    outbox.jpeg.write_bytes(b"somebody else's")
    output = OutputFile(outbox.jpeg.name, "0" * 64, 3, 2, JPEG)
    receipt = build_receipt(NATURAL, ShotInfo(), Picture(np.zeros((2, 3, 3), np.uint8), 1, {}), [output])

    with pytest.raises(NameTakenError, match="already exists"):
        publish_with_receipt(receipt, outbox.receipt, {outbox.jpeg: b"ours"}, clearance)

    assert outbox.jpeg.read_bytes() == b"somebody else's"
    assert not outbox.receipt.exists()


def test_the_slower_of_two_runs_is_told_to_run_again(outbox: Outbox) -> None:
    """
    Both found the place free; what is there now is ours, so nothing has to be moved away.
    """

    class Late(Outbox):
        def ask(self, *_: object, **__: object) -> Clearance:
            return Clearance(up_to_date=False, replacing=(), previous=None)

    outbox.render(NATURAL, JPEG)
    before = outbox.jpeg.read_bytes()

    with pytest.raises(TransientError, match=r"Another run of flexispd wrote .*Run this again\."):
        Late(outbox.folder).render(NATURAL, JPEG)

    assert outbox.jpeg.read_bytes() == before
    assert read_receipt(outbox.receipt) is not None


def test_a_picture_in_a_folder_is_ours_by_its_path(outbox: Outbox) -> None:
    """
    The same name beside the receipt belongs to another export, or to a stranger.
    """
    web = replace(JPEG, folder="web", edge_px=100)
    small = outbox.folder / "web" / outbox.jpeg.name
    targets = {outbox.jpeg: JPEG, small: web}
    clearance = may_replace(targets, outbox.receipt, NATURAL, "never")
    outputs = [
        OutputFile(name, hashlib.sha256(name.encode()).hexdigest(), 3, 2, params)
        for name, params in ((outbox.jpeg.name, JPEG), (f"web/{small.name}", web))
    ]
    receipt = build_receipt(NATURAL, ShotInfo(), Picture(np.zeros((2, 3, 3), np.uint8), 1, {}), outputs)
    pictures = {outbox.jpeg: outputs[0].name.encode(), small: outputs[1].name.encode()}
    publish_with_receipt(receipt, outbox.receipt, pictures, clearance)

    assert may_replace(targets, outbox.receipt, NATURAL, "stale").up_to_date
    small.unlink()
    assert not may_replace(targets, outbox.receipt, NATURAL, "stale").up_to_date
    assert may_replace({outbox.jpeg: JPEG}, outbox.receipt, NATURAL, "stale").up_to_date
    small.write_bytes(b"a stranger's")
    for mode in MODES:
        with pytest.raises(NameTakenError, match="not ours"):
            may_replace(targets, outbox.receipt, NATURAL, mode)


@pytest.mark.parametrize(
    "settings",
    [{"edge_px": 100}, {"color_space": "adobe-rgb"}, {"sharpening": 0.1}, {"watermark": "x"}, {"gps": False}],
)
def test_other_settings_of_a_tiff_are_another_picture_too(outbox: Outbox, settings: dict[str, Any]) -> None:
    """
    Only quality and chroma mean nothing to it.
    """
    outbox.render(NATURAL, TIFF)

    assert outbox.ask(NATURAL, replace(TIFF, quality=50, chroma="4:2:0")).up_to_date
    with pytest.raises(CaptureError, match="settings"):
        outbox.ask(NATURAL, replace(TIFF, **settings))
