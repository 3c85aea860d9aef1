"""A preview from a camera is believed only when it decodes, and is upright when it is shown."""

import io

import numpy as np
import pytest
from PIL import Image
from preview_making import jpeg, red_corner

from flexispd.export import preview
from flexispd.export.preview import checked_jpeg, jpeg_of, upright_jpeg

TURNED = {2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}
"""Where the corner at the top left comes to lie."""


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"size": (3, 2)}])
def test_a_whole_jpeg_stays_as_it_is(options):
    """
    Byte for byte: what the camera made is not made worse.
    """
    data = jpeg(**options)

    assert checked_jpeg(data) is data
    assert upright_jpeg(data, 1, wide=True) is data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8 a camera's preview",
        jpeg(size=(400, 300))[:9000],
        jpeg(size=(400, 300))[:9000] + bytes(40_000),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        jpeg().replace(b"\xff\xc0\x00\x11\x08\x00\x40\x00\x60", b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff"),
    ],
    ids=["empty", "no picture", "cut", "reserved and half written", "a PNG", "of 65535 x 65535 pixels"],
)
def test_what_does_not_decode_is_refused(data):
    """
    By an exception of whatever kind, before anybody sees it.
    """
    with pytest.raises((ValueError, OSError, SyntaxError)):
        checked_jpeg(data)
    with pytest.raises((ValueError, OSError, SyntaxError)):
        upright_jpeg(data, 6, wide=True)


def test_a_preview_has_a_size_that_a_camera_makes(monkeypatch):
    """
    Neither gigabytes nor a picture that would not fit into the memory.
    """
    monkeypatch.setattr(preview, "BYTES_MAX", 1000)
    with pytest.raises(ValueError, match="MB"):
        checked_jpeg(jpeg())

    monkeypatch.setattr(preview, "BYTES_MAX", 100_000)
    monkeypatch.setattr(preview, "PIXELS_MAX", 96 * 64 - 1)
    with pytest.raises(ValueError, match="96x64 pixels"):
        checked_jpeg(jpeg())


@pytest.mark.parametrize("orientation", TURNED)
def test_an_embedded_preview_without_orientation_is_turned_as_its_raw_says(orientation):
    """
    Viewers see no raw; the pixels themselves have to lie right.
    """
    turned = upright_jpeg(jpeg(), orientation, wide=True)

    assert red_corner(turned) == TURNED[orientation]
    assert Image.open(io.BytesIO(turned)).size == ((64, 96) if orientation >= 5 else (96, 64))


def test_an_orientation_of_its_own_counts():
    """
    The viewer turns it; turning it twice would be wrong.
    """
    data = jpeg(orientation=8)

    assert upright_jpeg(data, 8, wide=True) is data


def test_a_preview_that_is_upright_already_is_not_turned():
    """
    An upright preview in a frame that lies on its side: the camera has turned it.
    """
    data = jpeg(size=(64, 96))

    assert upright_jpeg(data, 6, wide=True) is data


def test_a_large_preview_is_turned_at_a_smaller_scale():
    """
    Somebody waits for it, and no screen has more pixels.
    """
    turned = Image.open(io.BytesIO(upright_jpeg(jpeg(size=(8000, 1000)), 6, wide=True)))

    assert turned.height == 4000
    assert red_corner(upright_jpeg(jpeg(size=(8000, 1000)), 6, wide=True)) == TURNED[6]


def test_a_preview_of_pixels_becomes_a_jpeg():
    """
    Old cameras left small bitmaps.
    """
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:20, :30] = (200, 30, 20)

    assert red_corner(jpeg_of(pixels, 1)) == (0, 0)
    assert red_corner(jpeg_of(pixels, 6)) == TURNED[6]
