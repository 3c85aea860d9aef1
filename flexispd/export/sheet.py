"""
Pictures with their labels, to be looked at: a contact sheet, and two looks of one frame side by side.

Sheets are PNG files in sRGB. Pictures are upright R, G, B of 8 bits, shape (H, W, 3).
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from flexispd.color_spaces import SRGB
from flexispd.export.icc import display_profile
from flexispd.export.lettering import ABOVE, text_ink, text_width
from flexispd.types import UInt8

Color = tuple[int, int, int]

EDGE_PX = 480
"""Longer edge of a picture on a sheet."""

GAP_PX, MARGIN_PX = 16, 24
TITLE_PX, NOTE_PX, HEAD_PX = 19, 15, 26
NOTE_LINES_MAX = 2
GROUND, INK, FAINT = (22, 22, 22), (235, 235, 235), (165, 165, 165)
"""Dark, as the room in which a picture is judged; neutral, so that it does not colour the eye."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A picture with what stands below it: a title, and a note of one or two lines."""

    picture: UInt8
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Tiles from the left, None where one is missing, and what stands above them, or ""."""

    label: str
    tiles: Sequence[Tile | None]


def shrunk(picture: UInt8, edge_px: int = EDGE_PX) -> UInt8:
    """The picture with `edge_px` as its longer edge; a smaller one stays as it is."""
    height, width = picture.shape[:2]
    scale = edge_px / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def arranged(tiles: Sequence[Tile]) -> list[Row]:
    """Tiles in as many columns as give a sheet of about 3:2."""
    height, width = tiles[0].picture.shape[:2]
    shape = (height + 80) / width  # of a tile with its labels
    columns = max(1, min(len(tiles), round(math.sqrt(1.5 * len(tiles) * shape))))
    return [Row("", tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


def contact_sheet(heading: str, rows: Sequence[Row]) -> bytes:
    """The sheet as a PNG file. Every tile gets as much room as the largest picture and the longest note need."""
    tiles = [tile for row in rows for tile in row.tiles if tile is not None]
    width = max(max(tile.picture.shape[1] for tile in tiles), EDGE_PX // 2)
    height = max(tile.picture.shape[0] for tile in tiles)
    notes = {id(tile): _lines(tile.note, NOTE_PX, width) for tile in tiles}
    below = 10 + TITLE_PX + 6 + (NOTE_PX + 4) * max(len(lines) for lines in notes.values()) + GAP_PX
    columns = max(len(row.tiles) for row in rows)
    bands = [HEAD_PX + 8 if row.label else 0 for row in rows]
    head = MARGIN_PX + HEAD_PX + GAP_PX
    sheet_height = head + sum(bands) + len(rows) * (height + below) + MARGIN_PX - GAP_PX
    sheet = Image.new("RGB", (2 * MARGIN_PX + columns * (width + GAP_PX) - GAP_PX, sheet_height), GROUND)
    _write(sheet, (MARGIN_PX, MARGIN_PX), heading, HEAD_PX, INK, sheet.width - 2 * MARGIN_PX)
    top = head
    for row, band in zip(rows, bands, strict=True):
        _write(sheet, (MARGIN_PX, top), row.label, TITLE_PX, FAINT, sheet.width - 2 * MARGIN_PX)
        top += band
        for column, tile in enumerate(row.tiles):
            if tile is not None:
                _place(sheet, tile, (MARGIN_PX + column * (width + GAP_PX), top), (width, height))
                for i, line in enumerate(notes[id(tile)]):
                    place = (MARGIN_PX + column * (width + GAP_PX), top + height + 16 + TITLE_PX + i * (NOTE_PX + 4))
                    _write(sheet, place, line, NOTE_PX, FAINT, width)
        top += height + below
    return _png(sheet)


def split_picture(before: Tile, after: Tile, at: float) -> bytes:
    """
    One frame under two looks, as a PNG file: left of a line the first, right of it the second, labels below.

    Args:
        before, after: Pictures of one shape.
        at: Where the line stands, 0 the left edge and 1 the right one.
    """
    height, width = before.picture.shape[:2]
    line = round(at * width)
    joined = np.concatenate([before.picture[:, :line], after.picture[:, line:]], axis=1)
    size = max(TITLE_PX, round(width / 60))
    room = max(width // 2 - 2 * MARGIN_PX, 1)
    sheet = Image.new("RGB", (width, height + 3 * size + MARGIN_PX), GROUND)
    sheet.paste(Image.fromarray(joined), (0, 0))
    draw = ImageDraw.Draw(sheet)
    half = max(1, round(width / 1000))
    if 0 < line < width:  # bright within dark, to be seen on any picture
        draw.rectangle((line - 2 * half, 0, line + 2 * half - 1, height - 1), fill=GROUND)
        draw.rectangle((line - half, 0, line + half - 1, height - 1), fill=INK)
    for tile, left in ((before, True), (after, False)):
        for text, px, ink, top in (
            (tile.title, size, INK, height + MARGIN_PX // 2),
            (tile.note, round(0.75 * size), FAINT, height + MARGIN_PX // 2 + round(1.4 * size)),
        ):
            shown = _cut(text, px, room)
            x = MARGIN_PX if left else width - MARGIN_PX - text_width(shown, px)
            _draw(sheet, (x, top), shown, px, ink)
    return _png(sheet)


def _place(sheet: Image.Image, tile: Tile, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """A picture in the middle of its room, its title below."""
    (left, top), (width, height) = corner, size
    high, wide = tile.picture.shape[:2]
    sheet.paste(Image.fromarray(tile.picture), (left + (width - wide) // 2, top + (height - high) // 2))
    _write(sheet, (left, top + height + 8), tile.title, TITLE_PX, INK, width)


def _write(sheet: Image.Image, place: tuple[int, int], text: str, size_px: int, ink: Color, width: int) -> None:
    """As much of a text as there is room for; `place` is its left upper corner."""
    _draw(sheet, place, _cut(text, size_px, width), size_px, ink)


def _draw(sheet: Image.Image, place: tuple[int, int], text: str, size_px: int, ink: Color) -> None:
    left, top = place
    above = round(ABOVE * size_px) - size_px
    sheet.paste(ink, (left, top - above), Image.fromarray(text_ink(text, size_px)))


def _lines(text: str, size_px: int, width: int) -> list[str]:
    """The text broken between words; what does not fit into the last line is cut."""
    lines: list[str] = []
    words = text.split()
    while words:
        count = len(words)
        if len(lines) < NOTE_LINES_MAX - 1:
            while count > 1 and text_width(" ".join(words[:count]), size_px) > width:
                count -= 1
        lines.append(" ".join(words[:count]))
        words = words[count:]
    return lines


def _cut(text: str, size_px: int, width: int) -> str:
    """The text, or as much of its beginning as there is room for."""
    if text_width(text, size_px) <= width:
        return text
    while text and text_width(text + "…", size_px) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _png(sheet: Image.Image) -> bytes:
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=6, icc_profile=display_profile(SRGB))
    return file.getvalue()
