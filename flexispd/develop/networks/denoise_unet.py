"""Stage 1's network: what noise is in this packed mosaic, given how much of it to expect?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flexispd.develop.networks.blocks import blocks, conv3, down, up


class DenoiseUNet(nn.Module):
    """
    Predicts the clean mosaic as the noisy one plus a residual, in variance-stabilised units.

    Input   planes (B, 4, h, w)     R, Gr, Gb, B after the generalised Anscombe transform; 0 is black, 1 is white
            deviation (B, 4, 1, 1)  standard deviation of the noise in the same units, the same over the whole frame
    Output  (B, 4, h, w)            the planes without their noise, same units

    No layer pools over the whole frame, so a tile with `margin` pixels around it gives what the full frame gives.
    Size S, 15.9 GMAC per megapixel of mosaic.

    The residual has the parameters' precision; the planes to which it is added keep theirs.

    Args:
        width: Channels at the planes' size; twice and four times as many one and two halvings below.
        depths: Residual blocks at each of the three sizes, on the way down and, but for the last, up again.
    """

    architecture = "denoise-unet"
    pad_multiple = 4  # two halvings
    margin = 72  # measured in tests/develop/test_networks.py, and a multiple of pad_multiple

    def __init__(self, width: int = 16, depths: tuple[int, int, int] = (1, 3, 5)) -> None:
        super().__init__()
        full, half, quarter = depths
        self.head = conv3(8, width)
        self.encode_full = blocks(width, full)
        self.down_half = down(width, 2 * width)
        self.encode_half = blocks(2 * width, half)
        self.down_quarter = down(2 * width, 4 * width)
        self.bottom = blocks(4 * width, quarter)
        self.up_half = up(4 * width, 2 * width)
        self.decode_half = blocks(2 * width, half)
        self.up_full = up(2 * width, width)
        self.decode_full = blocks(width, full)
        self.tail = conv3(width, 4)
        self.tail.weight.data.mul_(0.1)

    def forward(self, planes: Tensor, deviation: Tensor) -> Tensor:
        """See the class."""
        batch, _, height, width = planes.shape
        level = deviation.expand(batch, 4, height, width)
        seen = torch.cat([planes, level], dim=1).to(self.head.weight.dtype)
        full = self.encode_full(self.head(seen))  # (B, 1w, h, w)
        half = self.encode_half(self.down_half(full))  # (B, 2w, h/2, w/2)
        low = self.bottom(self.down_quarter(half))  # (B, 4w, h/4, w/4)
        half = self.decode_half(self.up_half(low) + half)
        full = self.decode_full(self.up_full(half) + full)
        residual: Tensor = self.tail(full)
        # Scaled by the deviation, so that one set of weights serves every ISO: the network works in units of noise.
        return planes + deviation * residual


class DenoiseUNetL(DenoiseUNet):
    """Size L, for GPUs: 58 GMAC per megapixel of mosaic."""

    architecture = "denoise-unet-l"
    margin = 64

    def __init__(self) -> None:
        super().__init__(width=32, depths=(2, 2, 4))
