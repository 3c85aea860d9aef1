"""Demosaicking is measured as it says, at any size of picture."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from bench_making import picture, save
from torch import nn

from flexispd.bench import demosaic, guests
from flexispd.bench.pictures import continued, model_sets, mosaic_of, planes_of, read_pictures
from flexispd.errors import SetupError
from flexispd.weights import MANIFEST, SHIPPED, STAGES, model_set, write_manifest


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of 96 x 112."""
    for number in range(2):
        save(tmp_path / f"{number}.png", picture(number=number))
    return tmp_path


def test_methods_are_compared_in_the_same_run(pictures):
    """
    One row a method with its figures; only what torch runs has a count of multiplications.
    """
    result = demosaic.run(pictures)
    rows = {row["method"]: row for row in result.rows}

    assert list(rows)[:5] == ["bilinear", "Malvar", "LibRaw AHD", "LibRaw AAHD", "LibRaw DCB"]
    assert rows["S"]["cpsnr_db"] > rows["bilinear"]["cpsnr_db"] + 3
    assert all(row["worst_db"] <= row["cpsnr_db"] and 0 < row["ssim"] <= 1 for row in rows.values())
    assert 14 < rows["S"]["gmac_per_mp"] < 16
    assert rows["LibRaw AHD"]["gmac_per_mp"] is None
    assert any(note.startswith("S is above LibRaw AHD on ") and "of 2" in note for note in result.notes)


@pytest.mark.parametrize(("height", "width"), [(450, 600), (66, 70), (65, 131), (64, 64)])
def test_a_picture_may_have_any_size(tmp_path, height, width):
    """
    Sides need not be multiples of anything; 450 x 600 is half of a usual screen.
    """
    save(tmp_path / "a.png", picture(height, width))

    (read,) = read_pictures(tmp_path)
    made = demosaic.through(model_sets()["S"].demosaic, 2)(mosaic_of(read))()

    assert made.shape == read.shape == (height & ~1, width & ~1, 3)
    assert np.abs(made[8:-8, 8:-8].astype(int) - read[8:-8, 8:-8]).mean() < 4


def test_a_frame_is_continued_on_the_phase_of_its_mosaic():
    """
    In the mosaic, what is added is a reflection about the last site, so every site keeps its colour and its place.
    """
    mosaic = torch.arange(6 * 10, dtype=torch.float32).reshape(6, 10)

    wider = torch.pixel_shuffle(continued(planes_of(mosaic), 4)[None], 2)[0, 0]

    assert wider.shape == (8, 16)
    assert torch.equal(wider[:6, :10], mosaic)
    assert torch.equal(wider[6], wider[4])
    assert torch.equal(wider[:, 10:14], wider[:, [8, 7, 6, 5]])


def test_a_model_set_of_large_networks_has_its_rows_by_itself(tmp_path, monkeypatch):
    """
    What is imported takes part as soon as it is complete: large networks as L, others under their own names.
    """
    monkeypatch.setenv("FLEXISPD_WEIGHTS", str(tmp_path))
    for name, stages in (("flexispd-l", STAGES), ("mine", STAGES), ("half", STAGES[:1])):
        (tmp_path / name).mkdir()
        entries = [model_set(SHIPPED).entry(stage) for stage in stages]
        for entry in entries:
            shutil.copy(entry.path, tmp_path / name)
        write_manifest(tmp_path / name / MANIFEST, [replace(entry, model=name) for entry in entries])

    assert list(model_sets()) == ["S", "L", "mine"]


def test_multiplications_are_counted_per_megapixel():
    """
    One 1x1 convolution of four planes to twelve is 12 multiplications a pixel of the mosaic, or 0.012 GMAC.
    """
    layer = nn.Conv2d(4, 12, 1)

    assert demosaic.gmac_per_mp(lambda planes: torch.pixel_shuffle(layer(planes), 2)) == pytest.approx(0.012)


def test_packages_that_are_not_installed_are_named(monkeypatch):
    """
    A method of theirs is a sentence then, and the table goes without it.
    """
    monkeypatch.setitem(sys.modules, "colour_demosaicing", None)
    monkeypatch.setitem(sys.modules, "demosaicnet", None)
    monkeypatch.setitem(sys.modules, "bm3d", None)

    assert guests.menon2007() == "Menon 2007 is left out: the package colour-demosaicing is not installed."
    assert guests.demosaicnet() == "demosaicnet is left out: the package demosaicnet is not installed."
    assert guests.bm3d() == "BM3D is left out: the package bm3d is not installed."


def test_pictures_that_cannot_be_measured_are_an_error(tmp_path):
    """
    Said in a sentence, with what to do.
    """
    with pytest.raises(SetupError, match="holds no PNG pictures"):
        demosaic.run(tmp_path)

    save(tmp_path / "small.png", picture(63, 90))
    with pytest.raises(SetupError, match="under 64 pixels"):
        demosaic.run(tmp_path)
