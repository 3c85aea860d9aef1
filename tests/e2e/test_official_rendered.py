"""The imported official networks render a capture from file to file, beside a profile of ours."""

import json
import runpy
from dataclasses import replace

import numpy as np
import pytest
import torch

from flexispd.develop.models import load_models
from flexispd.develop.networks.import_official import import_checkout
from flexispd.develop.official import develop_official
from flexispd.pipeline import Order, develop, process
from flexispd.profile import load_profile
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Capture, ColorMatrix, Mosaic, ShotInfo


@pytest.fixture(scope="module")
def models(shared_data, tmp_path_factory):
    """The models of both profiles, the official ones imported from a checkout filled from a seed."""
    seeded = runpy.run_path(str(shared_data / "official/seeded_weights.py"))
    checkout, store = tmp_path_factory.mktemp("checkout") / "repository", tmp_path_factory.mktemp("weights")
    seeded["write_checkout"](checkout)
    import_checkout(checkout, store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXISPD_WEIGHTS", str(store))
        yield load_models(profiles(), "cpu")


def profiles():
    return [load_profile("deep-flexisp-2022"), load_profile("natural")]


def frame(orientation=1):
    """A dim mosaic of 96x128 in the phase of the challenge's camera."""
    generator = torch.Generator().manual_seed(3)
    values = (600 + 4000 * torch.rand(96, 130, generator=generator)).numpy().astype("uint16")
    camera = ColorMatrix(np.array([[0.7, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]]), 6504.0)
    shot = ShotInfo("Canon", "7D", orientation=orientation, color_matrices=(camera,))
    return Mosaic(values, CFA.GBRG, (512.0,) * 4, (15000.0,) * 4, shot)


def test_both_model_sets_render_one_capture(models, tmp_path):
    """
    The official picture has a quarter of the sensor's width and height, upright, and its receipt names its own weights.
    """
    raw = tmp_path / "in" / "IMG_1.dng"
    raw.parent.mkdir()
    raw.write_bytes(write_dng(frame(orientation=6)))

    orders = [Order(profile, tmp_path / "out" / f"IMG_1.{profile.name}") for profile in profiles()]
    official, ours = process(Capture(raw), orders, models)

    receipt = json.loads((tmp_path / "out" / "IMG_1.deep-flexisp-2022.json").read_bytes())
    assert official.error is None
    assert ours.error is None
    assert (receipt["outputs"][0]["width"], receipt["outputs"][0]["height"]) == (24, 32)
    assert {"stage1", "stage2-fold0", "stage2-fold2", "stage3"} <= receipt["weights"].keys()
    assert receipt["development"]["illuminant"]["source"]


def test_memory_that_runs_out_on_the_gpu_sends_the_frame_to_the_cpu(models, monkeypatch):
    """
    The official networks cannot be tiled, so they go to the CPU at once, and the report says so.
    """
    tried = []

    def full_gpu(mosaic, networks, device):
        tried.append(device.type)
        if device.type == "cuda":
            raise torch.OutOfMemoryError
        return develop_official(mosaic, networks, device)

    monkeypatch.setattr("flexispd.pipeline.develop_official", full_gpu)
    on_gpu = replace(models, device=torch.device("cuda"), _elsewhere={})

    (picture,) = develop(frame(), profiles()[:1], on_gpu)

    assert tried == ["cuda", "cpu"]
    assert picture.report["device"] == "cpu"
    assert "Out of memory" in picture.report["warnings"][0]


def test_our_networks_follow_a_frame_that_runs_out_of_memory(models, monkeypatch):
    """
    Smaller tiles first, then the CPU, each step in the report, and the picture is the CPU's own.
    """
    from flexispd import pipeline

    whole = pipeline._develop

    def full_gpu(mosaic, chosen, loaded, timed, tiling):
        if tiling.device.type == "cuda":
            raise torch.OutOfMemoryError
        return whole(mosaic, chosen, loaded, timed, tiling)

    (expected,) = develop(frame(), profiles()[1:], models)
    monkeypatch.setattr(pipeline, "_develop", full_gpu)
    (picture,) = develop(frame(), profiles()[1:], replace(models, device=torch.device("cuda"), _elsewhere={}))

    assert (picture.values == expected.values).all()
    assert [("tiles of" in note, "on the CPU" in note) for note in picture.report["warnings"][:2]] == [
        (True, False),
        (False, True),
    ]
