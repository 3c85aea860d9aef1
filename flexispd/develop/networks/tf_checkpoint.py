"""
Reads the variables of a TensorFlow 1 checkpoint, without TensorFlow.

A checkpoint is two files. `PREFIX.index` is a LevelDB table that maps a variable's name to its entry: type, shape,
place in the data file and checksum. `PREFIX.data-00000-of-00001` holds the numbers one after the other. Formats:
leveldb/doc/table_format.md, tensorflow/core/protobuf/tensor_bundle.proto, and RFC 3720 appendix B.4 for CRC-32C.

Only what checkpoints of small networks need is read: one shard, little-endian float32, tables without compression.
Everything read is checked against its checksum; whatever does not fit raises WeightsError naming the file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flexispd.errors import WeightsError, displayable
from flexispd.types import Float32
from flexispd.weights import read_regular

_REMEDY = "Fetch the checkpoint again: PREFIX.index and PREFIX.data-00000-of-00001 belong together."
_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_FLOAT32 = 1  # DT_FLOAT of tensorflow/core/framework/types.proto
_BLOCK_TYPES = {1: "Snappy", 2: "Zstandard"}


class _FormatError(Exception):
    """What is wrong with the bytes at hand, as half a sentence."""


@dataclass(frozen=True, slots=True)
class _Variable:
    """A variable's entry in the index: its type, its shape, and its place and masked CRC-32C in the data file."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


def read_variables(index: Path, names: Iterable[str]) -> dict[str, Float32]:
    """
    The variables `names` of the checkpoint with the index file `index`, each in its own shape.

    Raises WeightsError naming the file when one is missing, damaged, foreign, or lacks a variable.
    """
    variables = read_index(index)
    path = index.with_name(index.name.removesuffix(".index") + ".data-00000-of-00001")
    data = read_regular(path, remedy=_REMEDY)
    arrays = {}
    for name in names:
        if name not in variables:
            raise WeightsError(f"{displayable(index)} has no variable {name}.", remedy=_REMEDY)
        try:
            arrays[name] = _array(variables[name], data)
        except _FormatError as error:
            raise WeightsError(f"{displayable(path)}: variable {name}: {error}.", remedy=_REMEDY) from error
    return arrays


def read_index(index: Path) -> dict[str, _Variable]:
    """Every variable that the index file names. Raises WeightsError naming the file when it is missing or damaged."""
    content = read_regular(index, remedy=_REMEDY)
    try:
        table = dict(_table(content))
        _check_header(table.pop(b"", None))
        return {name.decode("utf-8", "backslashreplace"): _variable(value) for name, value in table.items()}
    except _FormatError as error:
        raise WeightsError(f"{displayable(index)}: {error}.", remedy=_REMEDY) from error


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum of RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _crc_table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()


def masked(crc: int) -> int:
    """A checksum as LevelDB stores it, so that a checksum of data with checksums in it stays a good one."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _array(variable: _Variable, data: bytes) -> Float32:
    if variable.dtype != _FLOAT32:
        raise _FormatError(f"has the type number {variable.dtype} instead of float32")
    if variable.size != 4 * math.prod(variable.shape):
        raise _FormatError(f"{variable.size} bytes are not the shape {variable.shape}")
    content = data[variable.offset : variable.offset + variable.size]
    if len(content) != variable.size:
        raise _FormatError("the file ends before it")
    if masked(crc32c(content)) != variable.checksum:
        raise _FormatError("is damaged; its checksum does not fit")
    return np.frombuffer(content, "<f4").astype(np.float32).reshape(variable.shape)


# --- LevelDB table -----------------------------------------------------------------------------------------------


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a whole table file."""
    if len(content) < _FOOTER_BYTES or struct.unpack("<Q", content[-8:]) != (_MAGIC,):
        raise _FormatError("is not the index of a TensorFlow checkpoint, or only its beginning")
    footer = content[-_FOOTER_BYTES:]
    _, position = _handle(footer, 0)  # of the metaindex, which checkpoints leave empty
    place, _ = _handle(footer, position)
    for _, value in _entries(_block(content, place)):
        yield from _entries(_block(content, _handle(value, 0)[0]))


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """A block's (offset, size), and where reading goes on."""
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _block(content: bytes, place: tuple[int, int]) -> bytes:
    """A block's content: checked, and without the five bytes of type and checksum that follow it."""
    offset, size = place
    block, trailer = content[offset : offset + size], content[offset + size : offset + size + 5]
    if len(block) != size or len(trailer) != 5:
        raise _FormatError("ends inside a block")
    kind, checksum = struct.unpack("<BI", trailer)
    if masked(crc32c(block + trailer[:1])) != checksum:
        raise _FormatError("is damaged; a block's checksum does not fit")
    if kind != 0:
        raise _FormatError(f"is compressed with {_BLOCK_TYPES.get(kind, f'method {kind}')}, which is not supported")
    return block


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key repeats as many bytes of the one before as its entry says."""
    restarts = int.from_bytes(_slice(block, max(0, len(block) - 4), 4), "little")
    end = len(block) - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key):
            raise _FormatError("has a key that repeats more than there is")
        key = key[:shared] + _slice(block, position, unshared)
        position += unshared
        yield key, _slice(block, position, length)
        position += length


# --- Protocol buffers --------------------------------------------------------------------------------------------


def _check_header(value: bytes | None) -> None:
    """BundleHeaderProto: 1 num_shards, 2 endianness (0 is little), 3 version."""
    if value is None:
        raise _FormatError("is a LevelDB table, but not of a TensorFlow checkpoint")
    header = _message(value)
    if header.get(1, [0]) != [1] or header.get(2, [0]) != [0]:
        raise _FormatError("belongs to a checkpoint of several shards or of a big-endian machine")


def _variable(value: bytes) -> _Variable:
    """BundleEntryProto: 1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size, 6 crc32c, 7 slices."""
    entry = _message(value)
    if 7 in entry or entry.get(3, [0]) != [0]:
        raise _FormatError("has a variable that is kept in parts")
    # TensorShapeProto: 2 dim; its Dim: 1 size, left out when 0.
    shape = tuple(
        _number(_message(dimension), 1)
        for message in entry.get(2, [])
        for dimension in _bytes(_message(_only_bytes(message)).get(2, []))
    )
    return _Variable(_number(entry, 1), shape, _number(entry, 4), _number(entry, 5), _number(entry, 6))


def _message(data: bytes) -> Mapping[int, list[int | bytes]]:
    """Field number -> values, in their order, of one encoded message."""
    fields: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        value: int | bytes
        if tag & 7 == 0:
            value, position = _varint(data, position)
        elif tag & 7 == 2:
            size, position = _varint(data, position)
            value, position = _slice(data, position, size), position + size
        elif tag & 7 == 5:
            value, position = int.from_bytes(_slice(data, position, 4), "little"), position + 4
        else:
            raise _FormatError("has an entry that is not a variable's")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: Mapping[int, list[int | bytes]], field: int) -> int:
    """The last value of a number field, which is 0 when it was left out."""
    value = fields.get(field, [0])[-1]
    if not isinstance(value, int):
        raise _FormatError("has an entry that is not a variable's")
    return value


def _bytes(values: Iterable[int | bytes]) -> Iterator[bytes]:
    return map(_only_bytes, values)


def _only_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise _FormatError("has an entry that is not a variable's")
    return value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A base-128 number of 64 bits, and where reading goes on."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise _FormatError("has a number that does not end")


def _slice(data: bytes, position: int, size: int) -> bytes:
    """Exactly `size` bytes."""
    part = data[position : position + size]
    if len(part) != size:
        raise _FormatError("ends inside an entry")
    return part
