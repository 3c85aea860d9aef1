"""The profile that every output carries means sRGB, to a colour management library that we did not write."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from flexispd.color_spaces import SRGB
from flexispd.export.icc import adapted_colorants, display_profile


def test_a_colour_managed_viewer_shows_the_pixels_as_srgb() -> None:
    """
    From our profile to lcms's own sRGB, no value moves by more than one of 255.
    """
    ours = ImageCms.ImageCmsProfile(io.BytesIO(display_profile(SRGB)))
    steps = np.linspace(0, 255, 18).astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(18, -1, 3)

    shown = ImageCms.profileToProfile(Image.fromarray(colors), ours, ImageCms.createProfile("sRGB"))

    assert shown is not None
    assert np.abs(np.asarray(shown).astype(int) - colors).max() <= 1


def test_the_description_names_the_space() -> None:
    """
    Viewers show the description, so it must be readable and name sRGB.
    """
    profile = ImageCms.ImageCmsProfile(io.BytesIO(display_profile(SRGB)))

    assert ImageCms.getProfileDescription(profile).strip() == "sRGB IEC61966-2.1"
    assert profile.profile.xcolor_space == "RGB "
    assert profile.profile.device_class == "mntr"


def test_the_colorants_are_those_of_the_published_srgb_profile() -> None:
    """
    D50-adapted primaries of sRGB as the ICC's own sRGB profiles have them, as far as they agree with
    each other; together they make exactly the white of the connection space, so that grey stays grey."""
    published = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]

    assert adapted_colorants(SRGB) == pytest.approx(np.array(published), abs=3e-4)
    assert adapted_colorants(SRGB).sum(axis=1) == pytest.approx([0.9642, 1.0, 0.8249], abs=1e-9)


def test_the_bytes_never_change() -> None:
    """
    A picture developed twice is the same file, so its profile must not carry a date or an order of its own.
    """
    display_profile.cache_clear()
    first = display_profile(SRGB)
    display_profile.cache_clear()

    assert display_profile(SRGB) == first
    assert len(first) == int.from_bytes(first[:4]) < 4096
    assert hashlib.sha256(first).hexdigest() == ("6c704904b74d4f31295b6ae8bfd1b3cb247136632b7c8386764f39128387adc5")
