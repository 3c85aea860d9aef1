"""Training goes on where it was stopped, as if it had not been, and says how far it is."""

import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from training_making import plain_cameras, recipe, scheduled, write_photos

from flexispd.develop.networks.architectures import build
from flexispd.errors import SetupError
from flexispd.training import demosaic, denoise, look
from flexispd.training.loop import Schedule, Task, prefetched, rate, train
from flexispd.training.photos import load_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return load_photos(write_photos(tmp_path_factory.mktemp("photos")))


def task_of(stage, photos, made):
    if stage == "denoise":
        return denoise.task(photos[0], photos[1], plain_cameras(), made)
    if stage == "look":
        return look.task(photos[0], photos[1], made)
    return demosaic.task(photos[0], photos[1], None, None, made)


@pytest.mark.parametrize("stage", ["demosaic", "denoise", "look"])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(stage, photos, tmp_path):
    """
    Step by step the same patches, the same noise, the same hard places, the same weights.
    """
    made = scheduled(recipe(stage), mine_at=0.5)

    def after(steps_of_runs, name):
        for steps in steps_of_runs:
            torch.manual_seed(1)
            # The schedule looks at the end of the run, so both runs aim at the same end and one is cut off.
            task = _stopping(task_of(stage, photos, made), steps)
            try:
                return train(build(made.architecture), task, made.schedule, tmp_path / name)
            except KeyboardInterrupt:
                continue
        raise AssertionError("the last run has to reach the end")

    whole, resumed = after([99], "whole.ckpt"), after([2, 5, 99], "resumed.ckpt")

    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("stage", ["demosaic", "denoise"])
def test_less_precise_activations_are_learnt_from_too_and_leave_precise_weights(stage, photos, tmp_path):
    """
    The steps differ by roundings, and what is published has all digits.
    """
    ends = []
    for precision in ("float32", "bfloat16"):
        made = scheduled(recipe(stage), precision=precision)
        torch.manual_seed(1)
        task = task_of(stage, photos, made)
        end = train(build(made.architecture), task, made.schedule, tmp_path / f"{precision}.ckpt")
        assert end is not None
        ends.append(list(end.parameters()))

    for one, other in zip(*ends, strict=True):
        assert other.dtype == torch.float32
        assert torch.allclose(one, other, atol=2e-3)
    assert not all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def _stopping(task, at):
    """The task, interrupted when it learns from step `at`."""

    def loss(module, drawn):
        if drawn[0] == at:
            raise KeyboardInterrupt
        return task.loss(module, drawn)

    return replace(task, loss=loss)


def test_a_run_ends_early_when_its_time_is_up_and_goes_on_later(photos, tmp_path):
    """
    On a borrowed machine a run has so many minutes; nothing of them is lost.
    """
    made = recipe("demosaic", steps=3)
    runs = [
        train(
            build(made.architecture), task_of("demosaic", photos, made), made.schedule, tmp_path / "a.ckpt", minutes=m
        )
        for m in (0, 0, 0)
    ]

    assert [run is None for run in runs] == [True, True, False]


def test_the_curve_is_a_picture_beside_the_checkpoint(photos, tmp_path):
    """
    Both curves are drawn, and a resumed run draws them from the beginning.
    """
    made = recipe("demosaic", steps=6)
    train(build(made.architecture), task_of("demosaic", photos, made), made.schedule, tmp_path / "a.ckpt")

    history = torch.load(tmp_path / "a.ckpt", weights_only=True)["history"]
    curve = cv2.imdecode(np.fromfile(tmp_path / "a.png", np.uint8), cv2.IMREAD_COLOR)
    assert curve is not None
    assert [step for step, _, _ in history] == [2, 4, 6]
    assert np.any(curve < 100, axis=2).sum() > 200


def test_a_checkpoint_of_another_run_is_refused(photos, tmp_path):
    """
    A checkpoint that has gone further than the recipe, or began from another seed or with another optimiser, is not
    silently continued.
    """
    made = recipe("demosaic", steps=2)
    task = task_of("demosaic", photos, made)
    train(build(made.architecture), task, made.schedule, tmp_path / "a.ckpt")

    for other in (
        Schedule(steps=1, seed=1),
        Schedule(steps=4, seed=2),
        Schedule(steps=4, seed=1, optimizer="adam"),
    ):
        with pytest.raises(SetupError, match=r"a\.ckpt"):
            train(build(made.architecture), task, other, tmp_path / "a.ckpt")
    earlier = torch.load(tmp_path / "a.ckpt", weights_only=True)
    del earlier["moved_by"]  # as before there was a choice
    torch.save(earlier, tmp_path / "a.ckpt")
    with pytest.raises(SetupError, match="begun with the optimizer adam"):
        train(build(made.architecture), task, Schedule(steps=4, seed=1), tmp_path / "a.ckpt")


def test_batches_are_made_ahead_in_order_and_beside_the_training():
    """
    Steps come in order, each with its own sample, made in other threads.
    """
    here, threads = threading.get_ident(), set()

    def sample(step):
        threads.add(threading.get_ident())
        return 10 * step

    assert list(prefetched(sample, 3, 40)) == [(step, 10 * step) for step in range(3, 40)]
    assert here not in threads


def test_what_goes_wrong_while_a_batch_is_made_is_heard(tmp_path):
    """
    A training without data would be no training.
    """

    def sample(step):
        raise ValueError(f"no photograph for step {step}")

    task = Task(lambda *_: torch.zeros(()), lambda _: 0.0, "none", sample)
    with pytest.raises(ValueError, match="step 0"):
        train(torch.nn.Linear(1, 1), task, Schedule(steps=1), tmp_path / "a.ckpt")


def test_the_rate_warms_up_and_ends_at_nothing():
    """
    A straight line up, then half a cosine down.
    """
    schedule = Schedule(steps=1000, warmup_steps=100)

    values = [rate(step, schedule) for step in range(1000)]

    assert values[0] == pytest.approx(0.01)
    assert max(values) == pytest.approx(1.0)
    assert values.index(max(values)) in (99, 100)
    assert values[-1] < 1e-4


def test_hard_places_are_looked_for_once_and_come_more_often(photos, tmp_path):
    """
    Two thirds into the run the places that the network gets wrong are drawn for half of the patches.
    """
    made = scheduled(recipe("demosaic", steps=6), mine_at=0.5)
    task = task_of("demosaic", photos, made)

    train(build(made.architecture), task, made.schedule, tmp_path / "a.ckpt")

    shown, _ = photos
    assert [tuple(weights.shape) for weights in task.sampler.hard] == [
        (-(-p.shape[0] // 32), -(-p.shape[1] // 32)) for p in shown
    ]
    maps = [torch.zeros(weights.shape) for weights in task.sampler.hard]
    maps[3][2, 1] = 1
    task.sampler.hard = maps
    batch = task.sampler.batch(200, np.random.default_rng(0))
    near = shown[3][32:128, 0:96]
    hits = sum(_lies_in(patch, near) for patch in batch)
    assert 60 < hits < 140


def _lies_in(patch, picture):
    """Whether a mirrored or turned patch was cut from a picture, to the last bit."""
    turns = [np.rot90(side, quarter) for side in (patch, patch[:, ::-1]) for quarter in range(4)]
    corners = picture[: 1 + len(picture) - len(patch), : 1 + len(picture) - len(patch)]
    return any(
        np.array_equal(picture[row : row + len(patch), column : column + len(patch)], turned)
        for turned in turns
        for row, column in np.argwhere((corners == turned[0, 0]).all(axis=2))
    )
