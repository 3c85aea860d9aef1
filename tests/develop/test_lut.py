"""A look-up table of another program does here what it does there."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flexispd.bench.metrics import mean_ciede2000
from flexispd.cube import Cube
from flexispd.develop.lut import Lut
from flexispd.develop.tone import Look, apply_look
from flexispd.profile import RenderParams

COLORS = torch.rand((3, 2000), generator=torch.Generator().manual_seed(5))
CORNERS = torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]])
EVERYTHING = torch.cat([COLORS, CORNERS], dim=1)


def grid(edge, low=0.0, high=1.0):
    """The inputs of a cube's entries, (edge, edge, edge, 3)."""
    axis = np.linspace(low, high, edge)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)


def cube_of(function, edge=17):
    return Cube(function(grid(edge)).astype(np.float32))


def applied(cube, colors=EVERYTHING, strength=1.0):
    return Lut.of(cube, strength, "cpu").applied(colors)


@pytest.mark.parametrize("edge", [2, 3, 17, 33])
def test_a_table_that_changes_nothing_changes_nothing(edge):
    """
    The identity, in space or along curves, gives every colour back to the precision of its numbers.
    """
    curves = Cube(np.repeat(np.linspace(0, 1, edge, dtype=np.float32)[:, None], 3, axis=1))

    assert (applied(cube_of(lambda rgb: rgb, edge)) - EVERYTHING).abs().max() < 1e-6
    assert (applied(curves) - EVERYTHING).abs().max() < 1e-6


def test_a_table_with_a_matrix_in_it_is_that_matrix():
    """
    Within a tetrahedron everything is affine, so an affine map has no error, however coarse the table.
    """
    matrix = np.array([[0.6, 0.3, 0.0], [0.1, 0.7, 0.1], [0.0, 0.2, 0.5]])
    out = applied(cube_of(lambda rgb: rgb @ matrix.T + 0.05, edge=3))

    assert np.allclose(out.numpy(), matrix @ EVERYTHING.numpy() + 0.05, atol=1e-6)


def test_a_table_says_at_its_entries_what_stands_there():
    """
    Axes are not exchanged: every entry of a table without any order comes back.
    """
    table = np.random.default_rng(2).random((5, 5, 5, 3)).astype(np.float32)

    out = applied(Cube(table), torch.from_numpy(grid(5).reshape(-1, 3).T.astype(np.float32)))

    assert np.allclose(out.numpy().T.reshape(table.shape), table, atol=1e-5)


def test_a_colour_in_a_cell_is_the_mean_of_its_tetrahedrons_corners():
    """
    Checked against barycentric coordinates, solved for in each of the six tetrahedra around the cell's diagonal.
    """
    table = np.random.default_rng(3).random((2, 2, 2, 3)).astype(np.float32)
    colors = COLORS[:, :200].numpy().astype(np.float64)
    expected = []
    for color in colors.T:
        order = np.argsort(-color)
        corners = [np.eye(3, dtype=int)[order[:steps]].sum(axis=0) for steps in range(4)]
        weights = np.linalg.solve(np.array([[*corner, 1] for corner in corners]).T, [*color, 1])
        expected.append(sum(w * table[tuple(corner)] for w, corner in zip(weights, corners, strict=True)))

    assert np.allclose(applied(Cube(table), COLORS[:, :200]).numpy().T, expected, atol=1e-5)


def test_curves_act_on_each_channel_alone():
    """
    A 1D table is three curves, straight between their entries.
    """
    table = np.array([[0, 1, 0.2], [0.1, 0.5, 0.2], [1, 0, 0.2]], np.float32)
    out = applied(Cube(table), COLORS).numpy()

    for channel in range(3):
        expected = np.interp(COLORS[channel].numpy(), [0, 0.5, 1], table[:, channel])
        assert np.allclose(out[channel], expected, atol=1e-6)


def test_a_domain_says_where_the_table_begins_and_ends():
    """
    Inputs are counted from `domain_min` to `domain_max`, for each channel; what lies outside has the edge's value.
    """
    low, high = (0.2, 0.0, -1.0), (0.6, 2.0, 1.0)
    axes = [np.linspace(a, b, 9) for a, b in zip(low, high, strict=True)]
    solid = Cube(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32), low, high)
    curves = Cube(np.stack(axes, axis=1).astype(np.float32), low, high)
    expected = torch.stack([EVERYTHING[0].clamp(0.2, 0.6), EVERYTHING[1], EVERYTHING[2]])

    assert (applied(solid) - expected).abs().max() < 1e-6
    assert (applied(curves) - expected).abs().max() < 1e-6


def test_a_share_of_a_table_is_between_the_colour_and_what_the_table_makes_of_it():
    """
    Strength 0.25 goes a quarter of the way.
    """
    negative = cube_of(lambda rgb: 1 - rgb)

    assert torch.allclose(applied(negative, strength=0.25), 0.75 * EVERYTHING + 0.25 * (1 - EVERYTHING), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=24, max_size=24))
def test_whatever_stands_in_a_table_a_picture_comes_out(values):
    """
    Entries outside 0..1 are cut off only after they were mixed, and the picture lies within 0..1.
    """
    out = applied(Cube(np.array(values, np.float32).reshape(2, 2, 2, 3)))

    assert out.min() >= 0
    assert out.max() <= 1


def test_a_look_that_went_through_a_table_looks_the_same():
    """
    A gamma and stronger colours, sampled into 33 x 33 x 33 entries: less than 0.5 CIEDE2000 from the look itself.
    """
    look = Look.of(torch.eye(3), RenderParams(saturation=1.3))

    def graded(encoded):
        return apply_look(encoded**2.2, look)

    entries = torch.from_numpy(grid(33).reshape(-1, 3).T.astype(np.float32))
    table = graded(entries).T.reshape(33, 33, 33, 3)
    through = applied(Cube(table.contiguous().numpy()), COLORS)

    assert mean_ciede2000(through.T[None].numpy(), graded(COLORS).T[None].numpy()) < 0.5
