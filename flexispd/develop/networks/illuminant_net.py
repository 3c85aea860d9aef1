"""Stage 2's network: it finds the chromaticity of the light in histograms of the frame's colours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flexispd.develop.networks.blocks import blocks, conv3, down, up

BINS = 64
RED_RANGE = (-1.5, 2.5)
BLUE_RANGE = (-3.0, 1.0)
"""Span of the histogram: log R/G and log B/G minus those of the camera's own D65 neutral. Bins are square."""

BIN_WIDTH = (RED_RANGE[1] - RED_RANGE[0]) / BINS


PLANES = 6
"""Histograms of a frame, the camera's locus among them."""


class IlluminantNet(nn.Module):
    """
    Looks for the light in the log-chroma plane, with the camera's daylight at the origin, so any camera will do.

    Input   histograms (B, 6, 64, 64)  pixels, edges, grey pixels, peaks of blocks and surroundings of clipped lights,
                                       each the square root of shares that add up to 1, and the camera's Planckian
                                       locus, 1 on it, or 0 all over if nobody knows it; rows are red, columns blue
            scene (B, 2)               exposure value at ISO 100 divided by 10, and 1; or 0, 0 if it is unknown
    Output  mean (B, 2)                log R/G and log B/G of the light relative to daylight
            covariance (B, 2, 2)       what the network is not sure of, in the same units squared

    The answer is the mean and the covariance of a heat map over the plane. 0.28 M parameters, 40 MMAC.
    """

    architecture = "illuminant-net"

    grid: Tensor

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        red = torch.linspace(*RED_RANGE, BINS + 1)[:-1] + BIN_WIDTH / 2
        blue = torch.linspace(*BLUE_RANGE, BINS + 1)[:-1] + BIN_WIDTH / 2
        grid = torch.stack(torch.meshgrid(red, blue, indexing="ij"))  # (2, 64, 64)
        self.register_buffer("grid", grid, persistent=False)
        self.head = conv3(PLANES + 2, width // 4)
        self.down_half = down(width // 4, width)
        self.down_quarter = down(width, 3 * width // 2)
        self.encode_quarter = blocks(3 * width // 2, 1)
        self.down_low = down(3 * width // 2, 2 * width)
        self.encode_low = blocks(2 * width, 1)
        self.whole = nn.Sequential(nn.Linear(2 * width + 2, 2 * width), nn.ReLU(), nn.Linear(2 * width, 2 * width))
        self.decode_low = blocks(2 * width, 1)
        self.up_quarter = up(2 * width, 3 * width // 2)
        self.decode_quarter = blocks(3 * width // 2, 1)
        self.up_half = up(3 * width // 2, width)
        self.up_full = up(width, width // 4)
        self.tail = conv3(width // 4, 1)

    def heat_map(self, histograms: Tensor, scene: Tensor) -> Tensor:
        """Probability of each bin to hold the light, (B, 64, 64)."""
        place = self.grid.expand(len(histograms), -1, -1, -1) / 2
        full = self.head(torch.cat([histograms, place], dim=1))  # (B, w/4, 64, 64)
        half = self.down_half(functional.relu(full))  # (B, w, 32, 32)
        quarter = self.encode_quarter(self.down_quarter(functional.relu(half)))  # (B, 3w/2, 16, 16)
        low = self.encode_low(self.down_low(quarter))  # (B, 2w, 8, 8)
        # What is elsewhere in the plane matters everywhere: one lamp explains the colours that another cannot.
        low = low + self.whole(torch.cat([low.mean((2, 3)), scene], dim=1))[:, :, None, None]
        quarter = self.decode_quarter(self.up_quarter(self.decode_low(low)) + quarter)
        half = functional.relu(self.up_half(quarter) + half)
        logits = self.tail(functional.relu(self.up_full(half) + full)).flatten(1)
        return functional.softmax(logits, dim=1).view(-1, BINS, BINS)

    def forward(self, histograms: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the heat map."""
        heat = self.heat_map(histograms, scene)
        mean = torch.einsum("bij,cij->bc", heat, self.grid)
        offset = self.grid[None] - mean[:, :, None, None]  # (B, 2, 64, 64)
        spread = torch.einsum("bij,bcij,bdij->bcd", heat, offset, offset)
        # A heat map of one bin still means an error of that bin's size.
        floor = BIN_WIDTH**2 / 12 * torch.eye(2, dtype=spread.dtype, device=spread.device)
        return mean, spread + floor
