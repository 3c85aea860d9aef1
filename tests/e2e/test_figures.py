"""The shipped weights reach the figures they are shipped for, measured by the benchmarks themselves."""

import pytest

from flexispd.bench import demosaic, denoise
from flexispd.bench.noisy import LEVELS, sensor_light
from flexispd.bench.pictures import model_sets, read_pictures

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
    clean = [sensor_light(picture) for picture in read_pictures(shared_data / "bench/kodak24")]
    methods, _ = denoise.all_methods(model_sets())
    chosen = {name: methods[name] for name in ("S", "S, profile estimated")}

    rows = denoise.measured(chosen, clean, {iso: [noise] * len(clean) for iso, noise in LEVELS.items()})
    given, found = ([row[f"iso_{iso}_db"] for iso in LEVELS] for row in rows)

    assert len(given) == len(PMRID_DB)
    assert all(ours >= theirs for ours, theirs in zip(given, PMRID_DB, strict=True))
    assert all(one >= other - 0.5 for one, other in zip(found, given, strict=True))
