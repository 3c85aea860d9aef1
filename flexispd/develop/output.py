"""
From a frame's light to the values of a picture.

All that a look does to each channel by itself after the gamut is one table over the square root of the light: black
lifted or lowered, encoded, and rounded. In steps of the root the encoding is nearly even: two entries are seldom
further apart than one step of 16 bits, and never as far as one of 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flexispd.color_spaces import SRGB
from flexispd.develop.tone import Look, apply_look, displayed, encoded, into_gamut, lifted

ENTRIES = {torch.uint8: 16384, torch.int16: 65536, torch.float32: 65536}
"""Of a table, for each type of values."""

PEAK = {torch.uint8: 255, torch.int16: 65535}
"""White, in a picture of each type; int16 stands for uint16, with the same bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """
    A look, as far as values of one type.

    Attributes:
        look: What is applied.
        dtype: Of the values: that of a picture, or float32 for 0..1.
        table: Encoded values at square roots of linear sRGB from 0 to 1, (n,); None where the look ends with steps that
            mix channels.
    """

    look: Look
    dtype: torch.dtype
    table: Tensor | None

    @classmethod
    def of(cls, look: Look, dtype: torch.dtype) -> Output:
        """With the table, if there can be one."""
        if look.to_space is not None or (look.grading is not None and look.grading.lut is not None):
            return cls(look, dtype, None)
        light = torch.linspace(0, 1, ENTRIES[dtype], dtype=torch.float64).square()
        shown = encoded(lifted(light, look.knobs.blacks), SRGB.curve)
        return cls(look, dtype, quantised(shown, dtype).to(look.matrix.device))

    def values(self, rgb: Tensor, fields: Tensor | None) -> tuple[Tensor, Tensor]:
        """
        Pixels (3, n) as `apply_look` shows them, and a sum that is finite if everything was a number.

        Args:
            rgb, fields: As in `apply_look`.
        """
        if self.table is None:
            shown = apply_look(rgb, self.look, fields)
            return quantised(shown, self.dtype), shown.sum()
        root = into_gamut(displayed(rgb, self.look, fields), SRGB.luminance, ceiling=1.0).sqrt_()
        last = len(self.table) - 1
        place = (root * last).add_(0.5).to(torch.int32).clamp_(0, last)  # what is no number becomes some place
        return self.table.index_select(0, place.view(-1)).view_as(root), root.sum()


def quantised(shown: Tensor, dtype: torch.dtype) -> Tensor:
    """Encoded values 0..1 as values of a type, rounded unless it is float32."""
    if dtype == torch.float32:
        return shown.float()
    whole = (shown * PEAK[dtype]).add_(0.5)
    return whole.to(torch.uint8) if dtype == torch.uint8 else whole.to(torch.int32).to(torch.int16)
