"""Look-up tables are read exactly or not at all."""

import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.cube import BYTES_MAX, Cube, cube_text, parse_cube, read_cube, write_cube
from flexispd.errors import ConfigError

RAMP = "0 0 0\n0.5 0.25 0.125\n1 1 1\n"


def entries(size: int) -> str:
    """A 3D table whose entries are their own inputs, red fastest."""
    steps = [n / (size - 1) for n in range(size)]
    return "".join(f"{r} {g} {b}\n" for b in steps for g in steps for r in steps)


def refused(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_cube(text if isinstance(text, bytes) else text.encode(), "a.cube")
    assert caught.value.remedy
    return caught.value


def test_red_is_the_fastest_in_the_file_and_the_first_in_the_table() -> None:
    """
    The table is indexed [red, green, blue].
    """
    table = parse_cube(f"LUT_3D_SIZE 3\n{entries(3)}".encode(), "a.cube").table

    assert table.shape == (3, 3, 3, 3)
    assert table.dtype == np.float32
    assert table.flags.c_contiguous
    assert table[2, 1, 0].tolist() == [1, 0.5, 0]


def test_a_1d_table_is_one_curve_for_each_channel() -> None:
    """
    Line by line.
    """
    cube = parse_cube(f"LUT_1D_SIZE 3\n{RAMP}".encode(), "a.cube")

    assert cube.table.tolist() == [[0, 0, 0], [0.5, 0.25, 0.125], [1, 1, 1]]
    assert (cube.domain_min, cube.domain_max) == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        b'TITLE "Caf\xe9 # 1"\nLUT_1D_SIZE 3\nDOMAIN_MIN -1 0 0\nDOMAIN_MAX 2 4 1\n' + RAMP.encode(),
        b"# made by hand\r\n\r\nDOMAIN_MAX 2 4 1\r\n  DOMAIN_MIN -1 0 0\r\nLUT_1D_SIZE 3\r\n"
        + RAMP.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbfDOMAIN_MAX 2 4 1\rDOMAIN_MIN -1 0 0\rLUT_1D_SIZE 3\r" + RAMP.replace("\n", "\r").encode(),
        b"LUT_1D_SIZE\t3\nDOMAIN_MIN -1e0 0 .0\nDOMAIN_MAX 2 4 1\n\n+0 0 0\n# between\n5e-1 .25\t0.125\n\n1 1. 1",
    ],
)
def test_files_of_all_kinds_of_programs_are_read(text: bytes) -> None:
    """
    Comments, blank lines, tabs, any line ends, titles in any encoding.
    """
    cube = parse_cube(text, "a.cube")

    assert cube.table[1].tolist() == [0.5, 0.25, 0.125]
    assert (cube.domain_min, cube.domain_max) == ((-1, 0, 0), (2, 4, 1))


def test_an_input_range_is_a_domain_for_all_channels() -> None:
    """
    As DaVinci Resolve writes it.
    """
    cube = parse_cube(f"LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE -0.5 2\n{entries(2)}".encode(), "a.cube")

    assert (cube.domain_min, cube.domain_max) == ((-0.5,) * 3, (2,) * 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "declares neither LUT_1D_SIZE nor LUT_3D_SIZE"),
        (RAMP, "declares neither"),
        (f"LUT_1D_SIZE 3\nLUT_3D_SIZE 3\n{RAMP}", "line 2: the file declares both"),
        ("LUT_3D_SIZE 1\n0 0 0", "line 1: LUT_3D_SIZE must be a whole number in 2 .. 129"),
        ("LUT_3D_SIZE 1000", "line 1: LUT_3D_SIZE must be"),
        ("LUT_1D_SIZE 1000000000", "line 1: LUT_1D_SIZE must be"),
        ("LUT_3D_SIZE 99999999999999999999", "line 1"),
        ("LUT_3D_SIZE 3.0", "line 1"),
        ("LUT_3D_SIZE", "line 1"),
        ("LUT_1D_SIZE 3\nLUT_1D_SIZE 3", "line 2: LUT_1D_SIZE is given twice"),
        (f"LUT_1D_SIZE 4\n{RAMP}", "the table has 3 entries and should have 4"),
        (f"LUT_1D_SIZE 2\n{RAMP}", "the table has 3 entries and should have 2"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 nan", "line 3: nan is no finite number"),
        ("LUT_1D_SIZE 2\nnan 0 0\n1 1 1", "line 2: nan is no finite number"),
        ("LUT_1D_SIZE 2\n0 0 0\ninf 1 1", "line 3: inf is no finite number"),
        ("LUT_1D_SIZE 2\n\n0 0 0\n1 1e99 1", "line 4: a number is too large"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1_0 1", "line 3: 1_0 is no finite number"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1-1 1", "line 3: 1-1 is no finite number"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 1 1", "line 3: there are 4 numbers where there should be 3"),
        ("LUT_1D_SIZE 2\n0 0\n0 1 1 1", "line 2: there are 2 numbers where there should be 3"),
        ("LUT_1D_SIZE 2\n0 0 0 # black\n1 1 1", "line 2: # is no finite number"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 1\nTITLE 'late'", "line 4: TITLE is no finite number"),
        ("LUT_2D_SIZE 2", "line 1: LUT_2D_SIZE is no keyword"),
        ("\n<html>", "line 2: <html> is no keyword"),
        ("LUT_1D_SIZE 3\nDOMAIN_MIN 0 0\n", "line 2: DOMAIN_MIN needs 3 numbers"),
        ("LUT_1D_SIZE 3\nDOMAIN_MIN 0 0 x\n", "line 2: DOMAIN_MIN needs 3 numbers"),
        (f"DOMAIN_MIN 0 1 0\nLUT_1D_SIZE 3\n{RAMP}", "the domain goes from 1 to 1"),
        (b"\0" * 1000, "is no keyword"),
        (b"LUT_1D_SIZE 2\n0 0 0\n1\x0b1\x0c1", "line 3: "),
    ],
)
def test_what_is_no_table_is_refused_with_the_line(text: str | bytes, expected: str) -> None:
    """
    Nothing is guessed, and nothing filled up.
    """
    assert expected in str(refused(text))


@given(st.binary(max_size=100) | st.text(alphabet="0123.-+eE \n\t#naif", max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_a_configuration_error(data: bytes) -> None:
    """
    Nothing gets past the reader as any other exception.
    """
    for header in (b"", b"LUT_1D_SIZE 2\n"):
        with suppress(ConfigError):
            assert np.isfinite(parse_cube(header + data, "a.cube").table).all()


def test_what_is_written_reads_back_to_the_same_numbers(tmp_path: Path) -> None:
    """
    To the last bit, domain included, for 1D and 3D.
    """
    numbers = np.random.default_rng(1)
    for shape in ((7, 3), (5, 5, 5, 3)):
        table = numbers.normal(0, 1, shape).astype(np.float32)
        write_cube(Cube(table, (0.0, -0.1, 1 / 3), (1.0, 2.0, 3.0)), tmp_path / "a.cube", "Mine")

        again = read_cube(tmp_path / "a.cube")

        assert np.array_equal(again.table, table)
        assert (again.domain_min, again.domain_max) == ((0.0, -0.1, 1 / 3), (1.0, 2.0, 3.0))


def test_a_large_table_is_read_at_once(tmp_path: Path) -> None:
    """
    65 entries a side: 275,000 lines.
    """
    table = np.random.default_rng(1).random((65, 65, 65, 3), np.float32)
    write_cube(Cube(table), tmp_path / "a.cube")

    started = time.process_time()
    again = read_cube(tmp_path / "a.cube")

    assert time.process_time() - started < 3  # 0.6 s on an idle machine
    assert np.array_equal(again.table, table)


def test_an_endless_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    """
    By its size on the disk.
    """
    path = tmp_path / "a.cube"
    with path.open("wb") as file:
        file.write(b"LUT_3D_SIZE 33\n")
        file.truncate(6_000_000_000)

    started = time.process_time()
    with pytest.raises(ConfigError, match=f"larger than {BYTES_MAX >> 20} MiB"):
        read_cube(path)
    assert time.process_time() - started < 0.5


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    """
    A missing file, a folder and a pipe give an error at once.
    """
    os.mkfifo(tmp_path / "pipe")
    for name, expected in (("pipe", "not a plain file"), (".", "not a plain file"), ("no.cube", "does not exist")):
        with pytest.raises(ConfigError, match=expected):
            read_cube(tmp_path / name)


def test_another_file_than_the_one_that_was_meant_is_refused(tmp_path: Path) -> None:
    """
    A capture that is rendered later never gets another look without a word.
    """
    path = tmp_path / "a.cube"
    path.write_text(cube_text(Cube(np.eye(3, dtype=np.float32))))
    sha256 = read_cube(path).sha256
    assert read_cube(path, sha256).sha256 == sha256

    path.write_text(cube_text(Cube(np.ones((3, 3), np.float32))))

    with pytest.raises(ConfigError, match="Put the earlier file back"):
        read_cube(path, sha256)
