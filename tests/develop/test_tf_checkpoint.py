"""A TensorFlow 1 checkpoint is read without TensorFlow, and checked on the way."""

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexispd.develop.networks.tf_checkpoint import crc32c, masked, read_index, read_variables
from flexispd.errors import WeightsError

MAGIC = 0xDB4775248B80FB57
VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def length_delimited(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def variable(values: np.ndarray[Any, Any], *, dtype: int = 1, shard: int = 0, checksum: int | None = None) -> bytes:
    """BundleEntryProto of an array at the beginning of the data file."""
    shape = b"".join(length_delimited(2, b"\x08" + varint(edge)) for edge in values.shape)
    crc = masked(crc32c(values.tobytes())) if checksum is None else checksum
    return (
        b"\x08" + varint(dtype) + length_delimited(2, shape) + (b"\x18" + varint(shard) if shard else b"")
        + b"\x28" + varint(values.nbytes) + b"\x35" + struct.pack("<I", crc)
    )  # fmt: skip


def block(entries: dict[bytes, bytes], *, kind: int = 0) -> bytes:
    """One LevelDB block, with its type and checksum."""
    content = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in entries.items())
    content += struct.pack("<II", 0, 1)
    return content + bytes([kind]) + struct.pack("<I", masked(crc32c(content + bytes([kind]))))


def table(entries: dict[bytes, bytes], *, kind: int = 0) -> bytes:
    """A LevelDB table of one data block."""
    data, metaindex = block(entries, kind=kind), block({})
    handle = varint(0) + varint(len(data) - 5)
    index = block({b"\xff": handle})
    meta_at, index_at = len(data), len(data) + len(metaindex)
    footer = varint(meta_at) + varint(len(metaindex) - 5) + varint(index_at) + varint(len(index) - 5)
    return data + metaindex + index + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def checkpoint(folder: Path, index: bytes, data: bytes = VALUES.tobytes()) -> Path:
    (folder / "model.index").write_bytes(index)
    (folder / "model.data-00000-of-00001").write_bytes(data)
    return folder / "model.index"


HEADER = {b"": b"\x08\x01"}


def test_crc32c_is_the_published_one() -> None:
    """
    The examples of RFC 3720, appendix B.4.
    """
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_variables_written_by_tensorflow_are_read(shared_data: Path) -> None:
    """
    Names, shapes and numbers of a checkpoint that TensorFlow itself wrote; its optimizer's slots lie between them.
    """
    index = shared_data / "official/tf_stage1_seed2022/model.ckpt-8600.index"

    variables = read_index(index)
    assert len(variables) == 3 * 17 + 2
    assert variables["res_conv5_2/weights"].shape == (3, 3, 64, 64)
    assert variables["res_conv5_2/weights"].offset == 5756936

    names = ["Variable", "conv1_1/weights", "conv7_1/weights", "beta1_power"]
    arrays = read_variables(index, names)
    assert [arrays[name].shape for name in names] == [(2, 2, 64, 64), (3, 3, 4, 64), (3, 3, 64, 4), ()]
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values())


def test_a_small_checkpoint_is_read(tmp_path: Path) -> None:
    """
    The same for one that is made here, so that no fixture is needed.
    """
    index = checkpoint(tmp_path, table({**HEADER, b"v": variable(VALUES)}))

    assert np.array_equal(read_variables(index, ["v"])["v"], VALUES)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (table({b"v": variable(VALUES)}), "not of a TensorFlow checkpoint"),
        (table({b"": b"\x08\x02", b"v": variable(VALUES)}), "several shards"),
        (table({b"": b"\x08\x01\x10\x01", b"v": variable(VALUES)}), "big-endian"),
        (table({**HEADER, b"v": variable(VALUES)}, kind=1), "compressed with Snappy"),
        (table({**HEADER, b"v": variable(VALUES)}, kind=9), "compressed with method 9"),
        (table({**HEADER, b"w": variable(VALUES)}), "has no variable v"),
        (table({**HEADER, b"v": variable(VALUES, shard=1)}), "kept in parts"),
        (table({**HEADER, b"v": variable(VALUES, dtype=2)}), "type number 2"),
        (table({**HEADER, b"v": variable(VALUES, checksum=1)}), "checksum does not fit"),
        (table({**HEADER, b"v": variable(np.zeros(7, "<f4"))}), "file ends before it"),
        (table({**HEADER, b"v": b"\x08"}), "number that does not end"),
        (table({**HEADER, b"v": b"\x08" + b"\xff" * 20}), "number that does not end"),
        (table({**HEADER, b"v": b"\x0b"}), "not a variable's"),
        (table({**HEADER, b"v": b"\x12\x7f"}), "ends inside an entry"),
        (table({**HEADER, b"v": b"\x10\x01"}), "not a variable's"),
        (table({**HEADER, b"v": b"\x0a\x01x"}), "not a variable's"),
        (table({**HEADER, b"v": variable(VALUES)})[20:], "block"),
        (b"\xff\xd8\xff\xe0" * 50, "not the index of a TensorFlow checkpoint"),
        (b"x", "not the index of a TensorFlow checkpoint"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, index: bytes, message: str) -> None:
    """
    Every way in which a checkpoint can be foreign, damaged or beyond us has its own sentence with the file's name.
    """
    path = checkpoint(tmp_path, index)

    with pytest.raises(WeightsError, match=message) as caught:
        read_variables(path, ["v"])
    assert str(tmp_path / "model.") in caught.value.problem


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_is_taken_for_numbers(tmp_path: Path, shared_data: Path, data: st.DataObject) -> None:
    """
    An index with a byte changed or its end cut off either still gives the right entries or a WeightsError.
    """
    source = shared_data / "official/tf_stage1_seed2022/model.ckpt-8600.index"
    whole = source.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        content = whole[:position]
    else:
        content = whole[:position] + bytes([data.draw(st.integers(0, 255))]) + whole[position + 1 :]
    index = tmp_path / "model.index"
    index.write_bytes(content)

    try:
        found = read_index(index)
    except WeightsError:
        return
    assert found == read_index(source)


def test_a_checkpoint_in_a_folder_with_an_odd_name_is_read(tmp_path: Path) -> None:
    """
    Names are bytes: a newline in the path is no obstacle.
    """
    folder = tmp_path / "a\nb"
    folder.mkdir()
    index = checkpoint(folder, table({**HEADER, b"v": variable(VALUES)}))

    assert read_variables(index, ["v"])["v"].shape == (2, 3)
    shutil.rmtree(folder)
    with pytest.raises(WeightsError, match=r"a\\nb/model\.index is missing"):
        read_variables(index, ["v"])
