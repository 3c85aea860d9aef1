"""Training goes on where it was stopped, and ends in weights that the program loads."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.develop.networks.loader import load_into
from flexispd.errors import SetupError
from flexispd.resources import data_folder
from flexispd.training import demosaic, denoise, white_balance
from flexispd.training.loop import Recipe, schedule, train
from flexispd.training.photos import PatchSampler, load_photos, split
from flexispd.training.run import run
from flexispd.weights import read_manifest

KEPT = data_folder("weights") / "recipes" / "kept.txt"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of twenty small photographs: smooth noise in three colours."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(20):
        coarse = random.integers(0, 255, (20, 24, 3)).astype(np.uint8)
        picture = cv2.resize(coarse, (168, 140), interpolation=cv2.INTER_CUBIC)
        (folder / f"{number:02}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return folder


@pytest.mark.parametrize("stage", [demosaic, denoise])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(stage, photos, tmp_path):
    """
    Step by step the same patches, the same noise, the same weights.
    """
    shown, kept = load_photos(photos)

    def after(steps_of_runs, name):
        for steps in steps_of_runs:
            torch.manual_seed(1)
            # The schedule looks at the end of the run, so both runs aim at the same end and one is cut off.
            recipe = Recipe(steps=6, report_steps=2, seed=1)
            task = stage.task(shown, kept, 1)
            network = stage.network()
            try:
                return train(network, _stopping(task, steps), recipe, tmp_path / name)
            except KeyboardInterrupt:
                continue
        raise AssertionError("the last run has to reach the end")

    whole, resumed = after([99], "whole.ckpt"), after([4, 99], "resumed.ckpt")

    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def _stopping(task, at):
    """The task, interrupted when it is asked for step `at`."""
    from dataclasses import replace

    def loss(module, step):
        if step == at:
            raise KeyboardInterrupt
        return task.loss(module, step)

    return replace(task, loss=loss)


def test_training_writes_weights_and_their_entry(photos, tmp_path, monkeypatch):
    """
    `flexispd train demosaic` leaves a file that loads and a manifest that says how it came about.
    """
    monkeypatch.chdir(tmp_path)
    entry = run("demosaic", photos, tmp_path, steps=3)

    network = DemosaicUNet()
    load_into(network, entry)
    (recorded,) = read_manifest(tmp_path / "manifest.toml")
    assert recorded == entry
    assert "3 steps" in entry.trained
    assert float(entry.figures["validation_cpsnr_db"]) > 10


def test_a_checkpoint_of_another_run_is_refused(photos, tmp_path):
    """
    A checkpoint that has gone further than the recipe, or began from another seed, is not silently continued.
    """
    shown, kept = load_photos(photos)
    task = demosaic.task(shown, kept, 1)
    train(demosaic.network(), task, Recipe(steps=2, seed=1), tmp_path / "a.ckpt")

    for recipe in (Recipe(steps=1, seed=1), Recipe(steps=4, seed=2)):
        with pytest.raises(SetupError, match=r"a\.ckpt"):
            train(demosaic.network(), task, recipe, tmp_path / "a.ckpt")


def test_validation_photographs_are_never_trained_on(photos):
    """
    One in sixteen by name is kept, always the same; where photographs of the list are, those and no others.
    """
    shown, kept = load_photos(photos)

    assert (len(shown), len(kept)) == (18, 2)
    assert not any(np.array_equal(one, other) for one in shown for other in kept)


def test_photographs_of_the_list_are_kept_wherever_they_lie(photos, tmp_path):
    """
    The figures that are quoted are measured on them.
    """
    listed = [line.split()[0] for line in KEPT.read_text().splitlines() if not line.startswith("#")]
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "05.png").rename(tmp_path / "photos" / listed[0])

    shown, kept = split(tmp_path / "photos")

    assert [path.name for path in kept] == listed[:1]
    assert len(shown) == 19


def test_the_list_names_enough_photographs_of_both_kinds(shared_data):
    """
    At least twelve by day and eight by night, which are all there.
    """
    shown, kept = split(shared_data / "photos")

    kinds = [path.parent.name for path in kept]
    assert kinds.count("day") >= 12
    assert kinds.count("night") >= 8
    assert not set(shown) & set(kept)


def test_photographs_that_are_too_few_or_too_small_are_an_error(tmp_path, photos):
    """
    Said in a sentence with what to do.
    """
    with pytest.raises(SetupError, match="too few"):
        load_photos(tmp_path)
    with pytest.raises(SetupError, match="pixels wide"):
        PatchSampler(load_photos(photos)[0], 4096)


def test_the_schedule_warms_up_and_ends_at_nothing():
    """
    A straight line up, then half a cosine down.
    """
    recipe = Recipe(steps=1000, warmup_steps=100)

    values = [schedule(step, recipe) for step in range(1000)]

    assert values[0] == pytest.approx(0.01)
    assert max(values) == pytest.approx(1.0)
    assert values.index(max(values)) in (99, 100)
    assert values[-1] < 1e-4


def test_the_white_balance_network_learns(shared_data, photos, monkeypatch):
    """
    A few steps on a few made scenes change the network.
    """
    monkeypatch.setattr(white_balance, "VALIDATION_SCENES", 4)
    monkeypatch.setattr(white_balance, "BATCH", 4)
    shown, kept = load_photos(photos)
    task = white_balance.task(shown, kept, shared_data / "camera/spectra.npz", 1, scenes=8)
    network = white_balance.network()
    before = [parameter.clone() for parameter in network.parameters()]
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(2):
        task.loss(network, step).backward()
        optimizer.step()

    assert any(not torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))
    assert task.validate(network) < 0
