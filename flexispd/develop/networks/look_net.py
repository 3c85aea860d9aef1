"""Stage 3's second network: it finds how a frame wants to be shown, from a small copy of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flexispd.develop.local_light import PLACES, ZONES_EV
from flexispd.develop.networks.blocks import blocks, conv3, down

SMALL_PX = 64
"""Edge of the small copy, which is square whatever the frame is."""

STATISTICS = 18
KNOBS = 7


class LookNet(nn.Module):
    """
    Says how far each knob of the look should be turned, and nothing about any pixel.

    Input   small (B, 3, 64, 64)   linear Rec.2020 after the automatic exposure, log2 relative to mid grey, divided by 4
            statistics (B, 18)     quantiles of luminance and of the brightest spots, automatic exposure, read noise
    Output  knobs (B, 7)           within -1..1, 0 for a knob at rest
            grid (B, 4, 8, 8)      within -1..1, local light, each zone with a mean of 0 before it is bounded

    0.17 M parameters, 22 MMAC. Untrained, it leaves every knob at rest.
    """

    architecture = "look-net"

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.head = conv3(3, width)
        self.down_half = down(width, 2 * width)
        self.down_quarter = down(2 * width, 3 * width)
        self.encode_quarter = blocks(3 * width, 1)
        self.down_low = down(3 * width, 4 * width)
        self.encode_low = blocks(4 * width, 1)
        self.facts = nn.Sequential(nn.Linear(STATISTICS, 4 * width), nn.ReLU(), nn.Linear(4 * width, 4 * width))
        self.join = nn.Linear(8 * width, 4 * width)
        self.knobs = nn.Linear(4 * width, KNOBS)
        self.direct = nn.Linear(STATISTICS, KNOBS, bias=False)
        self.local = conv3(4 * width, 2 * width)
        self.grid = nn.Conv2d(2 * width, len(ZONES_EV), 1)
        for last in (*self.knobs.parameters(), *self.direct.parameters(), *self.grid.parameters()):
            nn.init.zeros_(last)

    def forward(self, small: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Knobs and grid of each picture."""
        half = self.down_half(functional.relu(self.head(small)))  # (B, 2w, 32, 32)
        quarter = self.encode_quarter(self.down_quarter(functional.relu(half)))  # (B, 3w, 16, 16)
        low = functional.relu(self.encode_low(self.down_low(functional.relu(quarter))))  # (B, 4w, 8, 8)
        whole = torch.cat([low.mean((2, 3)), self.facts(statistics)], dim=1)
        whole = functional.relu(self.join(whole))  # (B, 4w)
        grid = self.grid(functional.relu(self.local(low + whole[:, :, None, None])))
        if grid.shape[-1] != PLACES:
            raise ValueError("three halvings of the small copy have to give the places of the grid")
        return torch.tanh(self.knobs(whole) + self.direct(statistics)), torch.tanh(
            grid - grid.mean((2, 3), keepdim=True)
        )
