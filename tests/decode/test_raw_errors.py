"""Files that cannot be developed end in the error that says why, quickly, and without much memory."""

import errno
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from decode_making import METADATA, frame, png_capture, raw_capture, with_tag

from flexispd.decode import read_mosaic
from flexispd.errors import CaptureError, CorruptRawError, TransientError, UnsupportedRawError, VanishedError
from flexispd.training.dng import write_dng
from flexispd.types import Capture

UNSUPPORTED = {
    "linear_dng_nikon_d500.dng": "all colours at every site",
    "scanner_stack_no_cfa.nef": "all colours at every site",
    "ea0472_t__images__KyoceraRaw.raw": "extension",
    "32d1cb_t__images__Sigma.x3f": "Foveon",
    "c51ef1_t__images__FujiFilm.raf": "SuperCCD",
    "nef__Issue_247-1.nef": "JPEG",
}
ALL_ZEROS = ["5c1875_test__data__IMG_1361.dng", "c5e7ee_t__images__DNG.dng", "54dea7_t__images__Panasonic.rw2"]

READ_ONE = """
import json, os, sys, time
from pathlib import Path
from flexispd.decode import read_mosaic
from flexispd.errors import CaptureError
from flexispd.training.dng import write_dng
from flexispd.types import Capture

for line in sys.stdin:
    path, started = Path(json.loads(line)), time.perf_counter()
    try:
        read_mosaic(Capture(path))
        kind, problem, remedy = "picture", "", ""
    except CaptureError as error:
        kind, problem, remedy = type(error).__name__, error.problem, error.remedy
    # Not getrusage, which also counts what the process that started this one had in memory.
    peak_mb = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    print(json.dumps([path.name, kind, problem, remedy, time.perf_counter() - started, peak_mb]), flush=True)
"""


def test_every_nasty_file_ends_in_its_error_within_10_s_and_1_gb(shared_data: Path) -> None:
    """
    Broken, hostile, mislabelled and mosaic-less files: a CaptureError with both sentences, never a picture, a crash,
    a long wait or a flood of memory. All are read by one process, which has to survive them.
    """
    files = sorted(path for path in (shared_data / "nasty").rglob("*") if path.is_file())
    result = subprocess.run(
        [sys.executable, "-c", READ_ONE],
        input="".join(f"{json.dumps(str(path))}\n" for path in files),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rows = {row[0]: row for row in map(json.loads, result.stdout.splitlines())}

    assert len(files) >= 65
    assert set(rows) == {path.name for path in files}
    for name, kind, problem, remedy, took_s, peak_mb in rows.values():
        assert kind in ("UnsupportedRawError", "CorruptRawError"), name
        assert name in problem, name
        assert problem.endswith("."), name
        assert remedy.endswith("."), name
        assert took_s < 10, name
        assert peak_mb < 1000, name
    for name, words in UNSUPPORTED.items():
        assert rows[name][1] == "UnsupportedRawError", name
        assert words in rows[name][2], name
    assert [rows[name][1] for name in ALL_ZEROS] == ["CorruptRawError"] * 3


X_TRANS = bytes(int(c) for c in "110112112110201021112110110112021201")
DNG = write_dng(frame())
WIDE = struct.pack("<I", 60_000)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (with_tag(DNG, 262, 3, 1, struct.pack("<H", 34892)), UnsupportedRawError, "monochrome"),
        (
            with_tag(with_tag(DNG, 33421, 3, 2, b"\6\0\6\0"), 33422, 1, 36, X_TRANS),
            UnsupportedRawError,
            "X-Trans",
        ),
        (with_tag(DNG, 33422, 1, 4, b"\0\1\2\1"), UnsupportedRawError, "no Bayer pattern"),
        (with_tag(DNG, 33422, 1, 4, b"\0\1\3\2"), UnsupportedRawError, "no Bayer pattern"),
        (with_tag(DNG, 50717, 4, 1, struct.pack("<I", 100)), CorruptRawError, "white level"),
        (with_tag(with_tag(DNG, 256, 4, 1, WIDE), 257, 4, 1, WIDE), UnsupportedRawError, "3600 megapixels"),
        (with_tag(DNG, 257, 4, 1, WIDE), CorruptRawError, "too few for the 96x60000 pixels"),
        (with_tag(DNG, 257, 4, 1, struct.pack("<I", 80)), CorruptRawError, "ends before"),
    ],
    ids=["monochrome", "X-Trans", "no diagonal", "four colours", "levels", "absurd", "impossible", "too tall"],
)
def test_a_whole_file_that_is_no_bayer_mosaic_is_told_what_it_is(
    tmp_path: Path, data: bytes, error: type[Exception], words: str
) -> None:
    """
    Refused by what the sensor is, or by what the file claims, before memory is taken for it.
    """
    (tmp_path / "a.dng").write_bytes(data)

    with pytest.raises(error, match=words):
        read_mosaic(Capture(tmp_path / "a.dng"))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_a_truncated_raw_is_corrupt(tmp_path: Path, share: float) -> None:
    """
    Wherever a copy stopped, it is an error, never the upper part of a picture.
    """
    capture = raw_capture(tmp_path, frame())
    data = capture.raw.read_bytes()
    capture.raw.write_bytes(data[: int(share * len(data))])

    with pytest.raises((CorruptRawError, UnsupportedRawError)):
        read_mosaic(capture)


@pytest.mark.parametrize(
    ("name", "data", "error", "words"),
    [
        ("a.nef", b"", CorruptRawError, "empty"),
        ("a.nef", b"\xff\xd8\xff\xe0" + bytes(5000), UnsupportedRawError, "JPEG"),
        ("a.cr2", b"PK\x03\x04" + bytes(5000), UnsupportedRawError, "ZIP"),
        ("a.dng", b"\x89PNG\r\n\x1a\n" + bytes(5000), UnsupportedRawError, "PNG"),
        ("a.dng", bytes(5_298_000), CorruptRawError, "begin"),
        ("a.arw", b"no raw at all " * 300, CorruptRawError, "begin"),
        ("a.raw", b"II*\0" + bytes(5000), UnsupportedRawError, "extension"),
        ("a.bin", bytes(9_980_928), UnsupportedRawError, "extension"),
        ("a", b"II*\0" + bytes(5000), UnsupportedRawError, "extension"),
        ("a.nef", b"II*\0" + bytes(5000), CaptureError, "LibRaw"),
    ],
)
def test_a_file_that_is_no_raw_is_told_by_name_or_first_bytes(
    tmp_path: Path, name: str, data: bytes, error: type[Exception], words: str
) -> None:
    """
    LibRaw guesses a camera from the length of a file that it does not know; nothing of that kind may reach it.
    """
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(error, match=words):
        read_mosaic(Capture(path))


def test_a_file_that_is_away_can_be_tried_again(tmp_path: Path) -> None:
    """
    A vanished or unreadable file is a matter of the surroundings, and each is told from the other.
    """
    with pytest.raises(VanishedError, match="does not exist"):
        read_mosaic(Capture(tmp_path / "gone.dng"))
    (tmp_path / "folder.dng").mkdir()
    with pytest.raises(TransientError, match=os.strerror(errno.EISDIR)):
        read_mosaic(Capture(tmp_path / "folder.dng"))


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.dng",
        b"two\nlines.dng",
        b"-rf.dng",
        "\N{NIGHT WITH STARS}.dng".encode(),
        b" .dng",
        b"a" * 251 + b".dng",
        b"SHOUTING.DNG",
        b"\xff\xfe\x1b[31m.dng",
    ],
    ids=["Latin-1", "newline", "dash", "emoji", "space", "255 bytes", "capitals", "escape"],
)
def test_a_name_may_be_any_bytes(tmp_path: Path, name: bytes) -> None:
    """
    Such files decode, and an error about one stays on one printable line.
    """
    capture = raw_capture(tmp_path, frame(), name)
    assert read_mosaic(capture).values.shape == (64, 96)
    capture.raw.write_bytes(b"")

    with pytest.raises(CorruptRawError) as caught:
        read_mosaic(capture)

    assert caught.value.problem.isprintable()
    caught.value.problem.encode("utf-8")


def test_a_pair_with_a_hostile_name_is_read(tmp_path: Path) -> None:
    """
    The same for a PNG with its JSON file.
    """
    plain = png_capture(tmp_path, frame().values, METADATA)
    assert plain.json is not None
    raw = plain.raw.rename(tmp_path / os.fsdecode(b"n\xe4cht\n.png"))
    metadata = plain.json.rename(tmp_path / os.fsdecode(b"n\xe4cht\n.json"))

    assert read_mosaic(Capture(raw, json=metadata)).values.shape == (64, 96)
