"""`flexispd train` ends in weights that the program loads."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_making import plain_cameras, recipe, scheduled, write_photos

from flexispd.develop.anscombe import Anscombe
from flexispd.develop.networks.architectures import build
from flexispd.develop.networks.blocks import ResidualBlock
from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.develop.networks.loader import begin_with, load_into, load_state, store_state
from flexispd.errors import SetupError, WeightsError
from flexispd.training import demosaic, denoise, look, white_balance
from flexispd.training.loop import train
from flexispd.training.photos import load_photos
from flexispd.training.run import Sources, run
from flexispd.training.sensor import noise_levels
from flexispd.weights import read_manifest


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


def finished(made, sources):
    entry = run(made, sources, device="cpu")
    assert entry is not None
    return entry


def test_training_writes_weights_and_their_entry(photos, tmp_path, monkeypatch):
    """
    `flexispd train demosaic` leaves a file that loads and a manifest that says how it came about.
    """
    monkeypatch.chdir(tmp_path)
    made = recipe("demosaic", steps=3)
    entry = finished(made, Sources(photos, tmp_path))

    load_into(build(made.architecture), entry)
    (recorded,) = read_manifest(tmp_path / "manifest.toml")
    assert recorded == entry
    assert "3 steps" in entry.trained
    assert float(entry.figures["validation_cpsnr_db"]) > 10


def test_a_network_learns_on_from_what_is_there(photos, tmp_path, monkeypatch):
    """
    With a rate of nearly nothing it ends where it began, and not at random.
    """
    monkeypatch.chdir(tmp_path)
    first = finished(recipe("demosaic", steps=3), Sources(photos, tmp_path))
    before = build(first.architecture)
    load_into(before, first)
    (tmp_path / "demosaic-s.ckpt").unlink()

    again = scheduled(replace(recipe("demosaic", steps=1), learn_on=True), learning_rate=1e-7, seed=9)
    after = build(first.architecture)
    load_into(after, finished(again, Sources(photos, tmp_path)))

    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_network_grows_without_forgetting(photos, tmp_path, monkeypatch):
    """
    A deeper network begins as the shallow one whose weights there are, and all of it learns.
    """
    monkeypatch.chdir(tmp_path)
    entry = finished(recipe("demosaic", steps=3), Sources(photos, tmp_path))
    shallow, deep, another = build(entry.architecture), DemosaicUNet(), ResidualBlock(32)
    load_into(shallow, entry)
    deep.bottom.append(another)

    begin_with(deep, entry)

    planes = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(deep(planes), shallow(planes))
    deep(planes).square().mean().backward()
    assert another.second.weight.grad is not None
    assert another.second.weight.grad.abs().max() > 0


def test_only_whole_blocks_may_be_missing(photos, tmp_path, monkeypatch):
    """
    Half a block in a file is a damaged file.
    """
    monkeypatch.chdir(tmp_path)
    entry = finished(recipe("demosaic", steps=3), Sources(photos, tmp_path))
    state = load_state(entry)
    del state["bottom.1.second.weight"]

    with pytest.raises(WeightsError, match=r"bottom\.1\.second\.weight is missing"):
        begin_with(build(entry.architecture), store_state(state, entry))


def test_demosaicking_learns_from_what_stage_1_leaves(photos):
    """
    Of the patches of a chain, the mosaic has been through stage 1, and what is wanted is what the light was.
    """
    made = recipe("demosaic", chain_share=0.5, batch=4, torn_share=0.0)
    asked = []

    def quieten(noisy, _stable):
        asked.append(noisy.shape)
        return noisy

    task = demosaic.task(*load_photos(photos), plain_cameras(), quieten, made)
    network = build(made.architecture)
    value = task.loss(network, task.sample(0))

    assert asked == [(2, 4, 16, 16)]
    assert value.isfinite()


def test_stage_1_may_be_told_wrong_profiles_of_the_noise():
    """
    Half of them by a factor of up to two, as those of files are; none without doubt.
    """
    true = noise_levels(400, np.random.default_rng(0))

    told = denoise._told(true, 1.0, np.random.default_rng(1))
    factor = (told.shot / true.shot)[:, 0, 0, 0]
    assert torch.allclose(told.read / true.read, (told.shot / true.shot)[:, :1].expand(-1, 4, -1, -1), rtol=1e-4)
    assert 0.4 < float((factor == 1).float().mean()) < 0.6
    assert 0.5 <= factor.min() < 0.6
    assert 1.8 < factor.max() <= 2
    assert torch.equal(denoise._told(true, 0.0, np.random.default_rng(1)).shot, true.shot)


def test_denoising_weighs_errors_between_the_eye_and_linear_light():
    """
    An error in the dark of a patch counts about half as much as one in its light; twice the error counts twice.
    """
    clean = torch.cat([torch.full((1, 4, 8, 4), 0.01), torch.full((1, 4, 8, 4), 0.6)], dim=3)
    for shot in (2e-4, 1.28e-2):
        told = Anscombe.of(torch.full((1, 4, 1, 1), shot), torch.full((1, 4, 1, 1), 1e-6))
        dark, bright = torch.zeros_like(clean), torch.zeros_like(clean)
        dark[..., :4] = bright[..., 4:] = 0.01

        in_dark, in_bright, twice = (denoise._deviation(e, clean, told) for e in (dark, bright, 2 * bright))

        assert 0.35 * in_bright < in_dark < 0.65 * in_bright
        assert twice == pytest.approx(2 * in_bright, rel=1e-3)


def test_the_look_network_learns_to_expose(photos, tmp_path):
    """
    A few steps on a few photographs bring pictures nearer to them than the automatic exposure alone does.
    """
    made = scheduled(recipe("look", steps=40, batch=12), warmup_steps=5, report_steps=40)
    shown, kept = load_photos(photos)
    torch.manual_seed(1)
    task, network = look.task(shown, kept, made), build(made.architecture)
    untrained = task.validate(network.eval())

    trained = train(network, task, made.schedule, tmp_path / "look.ckpt")

    assert trained is not None
    assert task.validate(trained) > untrained + 1


def test_a_stage_that_needs_spectra_says_so(photos, tmp_path):
    """
    In a sentence with what to do.
    """
    for made in (recipe("denoise"), recipe("white-balance")):
        with pytest.raises(SetupError, match="spectral") as caught:
            run(made, Sources(photos, tmp_path), device="cpu")
        assert "--spectra" in caught.value.remedy


def test_white_balance_is_measured_on_kept_photographs_that_show_no_light(photos, tmp_path, monkeypatch):
    """
    It learns from all that are not kept.
    """

    class AskedError(Exception):
        pass

    def task(learnt, measured, *_):
        raise AskedError(len(learnt), len(measured))

    folder = shutil.copytree(photos, tmp_path / "photos")
    for plain, listed in (("03.png", "015d5a70b3.jpg"), ("05.png", "1684f03db3.jpg")):  # a flower, a town by night
        (folder / plain).rename(folder / listed)
    monkeypatch.setattr(white_balance, "task", task)

    with pytest.raises(AskedError) as caught:
        run(recipe("white-balance"), Sources(folder, tmp_path, tmp_path / "spectra.npz"), device="cpu")
    assert caught.value.args == (18, 1)


def test_the_white_balance_network_learns(shared_data, photos, monkeypatch):
    """
    A few steps on a few made scenes change the network.
    """
    monkeypatch.setattr(white_balance, "VALIDATION_SCENES", 4)
    shown, kept = load_photos(photos)
    made = recipe("white-balance", batch=4)
    task = white_balance.task(shown, kept, shared_data / "camera/spectra.npz", made, scenes=8)
    network = build(made.architecture)
    before = [parameter.clone() for parameter in network.parameters()]
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(2):
        task.loss(network, step).backward()
        optimizer.step()

    assert any(not torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))
    assert task.validate(network) < 0
