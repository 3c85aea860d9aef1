"""Bayer phases: cells and planes are two orders of the same four values."""

import numpy as np
import pytest

from flexispd.decode import cfa as phase
from flexispd.types import CFA


@pytest.mark.parametrize("cfa", list(CFA), ids=lambda cfa: cfa.name)
def test_cells_and_planes_are_each_others_inverse(cfa: CFA) -> None:
    """
    Letters of the phase's name, sorted into planes, give R, G, G, B, with Gr on red's row.
    """
    cell = tuple(zip(cfa.name, (0, 0, 1, 1), strict=True))  # colour and row of each site

    planes = phase.planes_of_cell(cell, cfa)

    assert [color for color, _ in planes] == ["R", "G", "G", "B"]
    assert planes[1][1] == planes[0][1]
    assert phase.cell_of_planes(planes, cfa) == cell


@pytest.mark.parametrize("cfa", list(CFA), ids=lambda cfa: cfa.name)
def test_unpacking_undoes_splitting(cfa: CFA) -> None:
    """
    Four planes and their mosaic hold the same values.
    """
    values = np.arange(48, dtype=np.uint16).reshape(6, 8)

    np.testing.assert_array_equal(phase.unpack(np.stack(phase.split(values, cfa)), cfa), values)


@pytest.mark.parametrize("cfa", list(CFA), ids=lambda cfa: cfa.name)
def test_the_phase_of_a_crop_is_that_of_its_letters(cfa: CFA) -> None:
    """
    Cutting rows and columns off a tiled cell leaves the cell that `shifted` names.
    """
    tiled = np.tile(np.array(list(cfa.name)).reshape(2, 2), (3, 3))
    for rows in range(3):
        for columns in range(3):
            letters = "".join(tiled[rows : rows + 2, columns : columns + 2].ravel())
            assert phase.from_letters(letters) is cfa.shifted(rows, columns)
