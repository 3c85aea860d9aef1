"""The picture that a camera leaves in its raw."""

from dataclasses import replace
from pathlib import Path

import pytest
from decode_making import METADATA, SHOT, frame, png_capture
from preview_making import jpeg, with_preview

from flexispd.decode import read_preview
from flexispd.errors import CaptureError, FlexispError, VanishedError
from flexispd.export.preview import checked_jpeg
from flexispd.training.dng import write_dng


def raw_of(folder: Path, preview: bytes | None, orientation: int = 1) -> Path:
    dng = write_dng(replace(frame(), shot=replace(SHOT, orientation=orientation)))
    path = folder / "DSC1.dng"
    path.write_bytes(dng if preview is None else with_preview(dng, preview))
    return path


@pytest.mark.parametrize("own", [None, 1, 6])
def test_the_jpeg_in_a_raw_comes_out_byte_for_byte(tmp_path, own):
    """
    LibRaw puts an EXIF block of its own in front of some, which is taken away again.
    """
    found = read_preview(raw_of(tmp_path, jpeg(orientation=own), orientation=8))

    assert found is not None
    assert (found.content, found.orientation, found.wide) == (jpeg(orientation=own), 8, True)


def test_a_real_raw_has_a_preview(shared_data):
    """
    A Canon from 2000 carries a JPEG of 1440 x 960 pixels.
    """
    found = read_preview(shared_data / "raw" / "canon_eos_d30_5s_tree.crw")

    assert found is not None
    assert isinstance(found.content, bytes)
    assert len(checked_jpeg(found.content)) > 200_000


def test_a_real_raw_has_a_bitmap(shared_data):
    """
    A Kodak from 1996 carries a few pixels.
    """
    found = read_preview(shared_data / "raw" / "kodak_dc50.kdc")

    assert found is not None
    assert not isinstance(found.content, bytes)
    assert found.content.shape == (64, 96, 3)
    assert found.content.dtype.name == "uint8"


@pytest.mark.parametrize(
    "name", ["gopro_hero8_dusk.dng", "blackmagic_pocket4k_dusk.dng", "quicktake150_night_street.qtk"]
)
def test_a_raw_without_preview_has_none(shared_data, name):
    """
    No error: many have none.
    """
    assert read_preview(shared_data / "raw" / name) is None


def test_a_mosaic_has_none(tmp_path):
    """
    A PNG is not opened for it.
    """
    assert read_preview(png_capture(tmp_path, frame().values, METADATA).raw) is None


def test_what_is_no_raw_or_not_there_is_an_error_of_ours(tmp_path):
    """
    As when it is decoded.
    """
    (tmp_path / "a.nef").write_bytes(b"no raw at all, but long enough for a header")
    with pytest.raises(CaptureError):
        read_preview(tmp_path / "a.nef")
    with pytest.raises(VanishedError):
        read_preview(tmp_path / "b.nef")


@pytest.mark.parametrize("kept", [0.5, 0.95, 0.999])
def test_a_raw_that_is_cut_short_gives_nothing_that_passes_for_a_picture(tmp_path, kept):
    """
    An error, none, or bytes that do not decode.
    """
    path = raw_of(tmp_path, jpeg(size=(400, 300)))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    try:
        found = read_preview(path)
    except FlexispError:
        return
    if found is not None:
        assert isinstance(found.content, bytes)
        with pytest.raises((ValueError, OSError, SyntaxError)):
            checked_jpeg(found.content)
