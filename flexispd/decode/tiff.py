"""
The directory of a DNG that describes its mosaic, wherever it hangs.

exifread stays in the first directory, which in converted DNGs describes a preview. This walks into the SubIFDs, reads
small whole-number and fraction tags, and gives up at anything strange.
"""

from __future__ import annotations

import struct

_KINDS = {1: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii"}  # BYTE, SHORT, LONG, RATIONAL, SLONG, SRATIONAL
_DIRECTORIES_MAX, _ENTRIES_MAX, _VALUES_MAX = 16, 512, 64
_CFA = 32803
_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS = 254, 262, 330
_BLACK_REPEAT, _BLACK, _ACTIVE_AREA = 50713, 50714, 50829

Directory = dict[int, list[float]]


def shifted_black_cell(data: bytes) -> tuple[float, float, float, float] | None:
    """
    Black levels of the 2x2 cell at the corner that LibRaw calls visible, where LibRaw gets them wrong; else None.

    BlackLevel repeats from the corner of ActiveArea (DNG 1.4, chapter 4). Where that lies at an odd row or column,
    LibRaw begins one line later with the pixels, but not with the black levels.
    """
    try:
        directory = _mosaic_directory(data)
    except (struct.error, ValueError):
        return None
    black, area = directory.get(_BLACK, []), directory.get(_ACTIVE_AREA, [])
    if directory.get(_BLACK_REPEAT) != [2, 2] or len(black) != 4 or len(area) != 4:
        return None
    down, right = int(area[0]) % 2, int(area[1]) % 2
    if not down and not right:
        return None
    first, second, third, fourth = (black[2 * ((row + down) % 2) + (column + right) % 2] for row, column in _SITES)
    return first, second, third, fourth


_SITES = ((0, 0), (0, 1), (1, 0), (1, 1))


def _mosaic_directory(data: bytes) -> Directory:
    """The first directory that is a full-size mosaic; empty if there is none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return {}
    pending = [struct.unpack_from(f"{order}I", data, 4)[0]]
    for _ in range(_DIRECTORIES_MAX):
        if not pending:
            break
        directory = _read(data, pending.pop(0), order)
        if directory.get(_PHOTOMETRIC) == [_CFA] and directory.get(_SUBFILE_TYPE, [0]) == [0]:
            return directory
        pending += [int(offset) for offset in directory.get(_SUB_IFDS, [])]
    return {}


def _read(data: bytes, offset: int, order: str) -> Directory:
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    directory: Directory = {}
    for index in range(min(count, _ENTRIES_MAX)):
        entry = offset + 2 + 12 * index
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
        if kind not in _KINDS or not 0 < number <= _VALUES_MAX:
            continue
        form = f"{order}{number * len(_KINDS[kind])}{_KINDS[kind][0]}"
        at = entry + 8
        if struct.calcsize(form) > 4:
            (at,) = struct.unpack_from(f"{order}I", data, at)
        values = struct.unpack_from(form, data, at)
        if len(_KINDS[kind]) == 2:
            values = tuple(
                top / bottom if bottom else 0.0 for top, bottom in zip(values[::2], values[1::2], strict=True)
            )
        directory[tag] = list(values)
    return directory
