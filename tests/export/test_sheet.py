"""Sheets lay pictures side by side, whole and unaltered, with their labels."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from flexispd.export.sheet import EDGE_PX, Row, Tile, arranged, contact_sheet, shrunk, split_picture


def flat(height, width, value):
    """A picture of one grey."""
    return np.full((height, width, 3), value, np.uint8)


def opened(png):
    """The pixels of a PNG file."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("shape", [(320, 480), (480, 320)])
def test_every_picture_is_on_the_sheet_pixel_for_pixel(shape):
    """
    Landscape and portrait; a missing one leaves its room empty.
    """
    colors = [(101, 0, 0), (0, 102, 0), (0, 0, 103)]
    tiles = [Tile(np.full((*shape, 3), color, np.uint8), "title", "a note") for color in colors]

    sheet = opened(contact_sheet("heading", [Row("one", tiles[:2]), Row("two", [None, tiles[2]])]))

    for color in colors:
        places = np.argwhere((sheet == color).all(axis=2))
        top, left = places.min(axis=0)
        assert (sheet[top : top + shape[0], left : left + shape[1]] == color).all()


def test_the_sheet_says_that_it_is_srgb():
    """
    A viewer on a wide display shows the colours that were meant.
    """
    png = contact_sheet("heading", [Row("", [Tile(flat(20, 30, 90), "a")])])

    profile = ImageCms.ImageCmsProfile(io.BytesIO(Image.open(io.BytesIO(png)).info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_labels_are_written_and_never_into_a_neighbour():
    """
    A label that is too long is cut; the columns between the tiles stay dark.
    """
    tile = Tile(flat(200, 300, 60), "W" * 200, "word " * 200)

    sheet = opened(contact_sheet("H" * 500, [Row("", [tile, tile])]))

    gap = sheet[80:, 24 + 300 : 24 + 300 + 16]
    assert (gap == 22).all()
    assert (sheet[80 + 200 :, :324] > 150).any()


@pytest.mark.parametrize(("shape", "columns"), [((320, 480), 4), ((480, 320), 5)])
def test_ten_pictures_are_laid_out_about_as_wide_as_a_screen(shape, columns):
    """
    Fewer columns of wide pictures than of high ones.
    """
    rows = arranged([Tile(flat(shape[0], shape[1], 9), "a")] * 10)

    assert [len(rows[0].tiles), sum(len(row.tiles) for row in rows)] == [columns, 10]


def test_a_picture_is_shrunk_and_never_enlarged():
    """
    The longer edge decides.
    """
    assert shrunk(flat(3000, 2000, 5)).shape == (EDGE_PX, EDGE_PX * 2 // 3, 3)
    assert shrunk(flat(30, 20, 5)).shape == (30, 20, 3)


@pytest.mark.parametrize("at", [0.0, 0.25, 1.0])
def test_a_split_picture_shows_one_look_on_each_side_of_the_line(at):
    """
    At its ends only one of the two is seen, and no line.
    """
    before, after = Tile(flat(100, 400, 70), "before"), Tile(flat(100, 400, 140), "after", "brighter")

    picture = opened(split_picture(before, after, at))[:100]

    line = round(400 * at)
    assert (picture[:, : max(line - 2, 0)] == 70).all()
    assert (picture[:, line + 2 :] == 140).all()
    assert (picture == 235).any() == (at == 0.25)
