"""The shipped weights reach the figures they are shipped for, measured by the benchmarks themselves."""

import pytest

from flexispd.bench import demosaic, denoise

DEMOSAIC_DB = 40.5
PMRID_DB = (51.45, 48.43, 45.00, 40.44)
"""PMRID's published weights on the same pictures and noise, at the four levels."""


def test_demosaicking_reaches_its_figure_and_beats_libraw(shared_data):
    """
    Mean cPSNR over Kodak's 24 pictures, beside LibRaw's AHD through a DNG in the same run.
    """
    rows = {row["method"]: row for row in demosaic.run(shared_data / "bench/kodak24").rows}

    assert rows["S"]["cpsnr_db"] >= DEMOSAIC_DB
    assert rows["LibRaw AHD"]["cpsnr_db"] == pytest.approx(37.05, abs=0.1)
    assert rows["bilinear"]["cpsnr_db"] == pytest.approx(30.24, abs=0.1)


def test_denoising_reaches_pmrid_at_every_level(shared_data):
    """
    Mean PSNR of the packed, linear mosaics; a profile found in the frame itself costs little.
    """
    rows = denoise.run(shared_data / "bench/kodak24").rows
    given = [row["psnr_db"] for row in rows if row["method"] == "S"]
    found = [row["psnr_db"] for row in rows if row["method"] == "S, estimated profile"]

    assert len(given) == len(PMRID_DB)
    assert all(ours >= theirs for ours, theirs in zip(given, PMRID_DB, strict=True))
    assert all(one >= other - 0.5 for one, other in zip(found, given, strict=True))
