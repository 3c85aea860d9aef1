"""The optimiser: orthogonal steps for layers, Adam's for what is no matrix."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import nn

from flexispd.training.muon import Muon, orthogonal

SIDES = st.integers(1, 40)


def moved(parameter, gradients, **options):
    """A parameter after one step of Muon for each of its gradients."""
    parameter = nn.Parameter(parameter.clone())
    optimizer = Muon([parameter], **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@given(SIDES, SIDES, st.integers(0, 2**31))
def test_every_direction_of_a_step_is_about_as_long(rows, columns, seed):
    """
    However unlike the singular values of a gradient are, those of its step lie about 1. (Values that a gradient has as
    good as none of, below a hundredth of its length, need not get there.)
    """
    torch.manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(rows, rows))[0]
    sides = torch.linspace(1, 4, rows).diag() @ torch.eye(rows, columns)

    values = torch.linalg.svdvals(orthogonal(turned @ sides @ torch.linalg.qr(torch.randn(columns, columns))[0]))

    assert ((values > 0.5) & (values < 1.3)).all()


def test_no_gradient_is_no_step():
    """
    Zeros are no direction, and a parameter that took no part has no gradient at all.
    """
    weight = torch.ones(4, 3)
    unused = nn.Parameter(weight.clone())
    Muon([unused], lr=0.1).step()

    assert torch.equal(orthogonal(torch.zeros(5, 3)), torch.zeros(5, 3))
    assert torch.equal(moved(weight, [torch.zeros(4, 3)], lr=0.1), weight)
    assert torch.equal(unused.detach(), weight)


@pytest.mark.parametrize("shape", [(16, 16, 3, 3), (32, 64), (12, 16, 1, 1), (32, 16, 2, 2)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_a_step_has_the_size_that_adam_would_take_whatever_the_gradients(shape, scale):
    """
    A root mean square of a fifth of the learning rate, so that a rate means the same for weights and biases.
    """
    torch.manual_seed(0)
    before = torch.randn(shape)

    step = moved(before, [scale * torch.randn(shape)], lr=1e-2) - before

    assert step.square().mean().sqrt() == pytest.approx(0.2e-2, rel=0.2)


def test_biases_follow_adam():
    """
    As torch's own does, step for step.
    """
    torch.manual_seed(0)
    bias, gradients = torch.randn(8), list(torch.randn(20, 8))
    theirs = nn.Parameter(bias.clone())
    adam = torch.optim.Adam([theirs], lr=1e-2)
    for gradient in gradients:
        theirs.grad = gradient
        adam.step()

    torch.testing.assert_close(moved(bias, gradients, lr=1e-2), theirs.detach())


def test_weights_in_any_order_of_memory_are_moved_alike():
    """
    Training keeps convolutions with their channels last.
    """
    torch.manual_seed(0)
    weight, gradient = torch.randn(8, 4, 3, 3), torch.randn(8, 4, 3, 3)
    last = torch.channels_last

    plain = moved(weight, [gradient], lr=1e-2)
    turned = moved(weight.to(memory_format=last), [gradient.to(memory_format=last)], lr=1e-2)

    torch.testing.assert_close(plain, turned)


def test_a_closure_makes_the_gradients_anew():
    """
    As with every optimiser of torch, which gives back the closure's loss.
    """
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    optimizer = Muon(layer.parameters(), lr=1e-2)

    def again():
        loss = layer(torch.ones(1, 3)).square().sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(again) > 0
    assert not torch.equal(layer.weight.detach(), before)
