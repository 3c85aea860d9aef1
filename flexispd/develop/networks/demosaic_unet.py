"""Stage 3's network: what does a linear interpolation of this mosaic get wrong?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flexispd.develop.networks.blocks import blocks, conv3, down, up

# Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004,
# figure 2, times 8: green at a red or blue site; red (blue) at a green site in a red (blue) row; the same in the other
# row; red at a blue site or blue at a red one.
_GREEN = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_ROW = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
_COLUMN = tuple(zip(*_ROW, strict=True))
_CROSS = ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0))
_SELF = ((0,) * 5, (0,) * 5, (0, 0, 8, 0, 0), (0,) * 5, (0,) * 5)

# Filter of each colour at the four sites of a cell, in the order R, Gr, Gb, B.
_FILTERS = {
    "red": (_SELF, _ROW, _COLUMN, _CROSS),
    "green": (_GREEN, _SELF, _SELF, _GREEN),
    "blue": (_CROSS, _COLUMN, _ROW, _SELF),
}


def malvar_kernel() -> Tensor:
    """
    Malvar's filters as one convolution over packed planes, the mosaic's taps moved to the packed samples they fall on.

    Output channel 4 * colour + site is `colour` at `site`; both run in the orders R, G, B and R, Gr, Gb, B. The 5x5
    taps of the mosaic fall on at most 3x3 packed cells, so the weight is (12, 4, 3, 3).
    """
    weight = torch.zeros(12, 4, 3, 3)
    for color, filters in enumerate(_FILTERS.values()):
        for site, taps in enumerate(filters):
            row, column = divmod(site, 2)
            for i in range(5):
                for j in range(5):
                    y, x = row + i - 2, column + j - 2  # the tap's place in the mosaic, from the cell's own corner
                    plane = 2 * (y % 2) + x % 2
                    weight[4 * color + site, plane, y // 2 + 1, x // 2 + 1] += taps[i][j] / 8
    return weight


def unpacked(colors: Tensor) -> Tensor:
    """
    Colours of each site of a cell, (B, 12, h, w), put where the sites are, (B, 3, 2h, 2w).

    `pixel_shuffle`, in a fifth of its time where channels lie last: neighbours in a row are moved together, as the two
    parts of one complex number.
    """
    batch, _, height, width = colors.shape
    cells = colors.permute(0, 2, 3, 1).contiguous()
    pairs = torch.view_as_complex(cells.view(batch, height, width, 3, 2, 2))
    return torch.view_as_real(pairs.permute(0, 3, 1, 4, 2).contiguous()).view(batch, 3, 2 * height, 2 * width)


class DemosaicUNet(nn.Module):
    """
    Full-resolution RGB of a packed mosaic: Malvar's linear interpolation plus a learned correction.

    Input   (B, 4, h, w)    planes R, Gr, Gb, B, white balanced and encoded like a display value; 1 is white
    Output  (B, 3, 2h, 2w)  R, G, B in the same encoding

    All layers live at the packed size or below it. No layer pools over the whole frame, so a tile with `margin`
    packed pixels around it gives what the full frame gives. Size S, 15.1 GMAC per megapixel of mosaic.

    The correction has the parameters' precision; the interpolation, which is the picture, always that of the planes.

    Args:
        width: Channels at the planes' size; twice as many one halving below.
        depths: Residual blocks at the planes' size before the halving, below it, and after it.
    """

    architecture = "demosaic-unet"
    pad_multiple = 2  # one halving
    margin = 32  # measured in tests/develop/test_networks.py

    malvar: Tensor

    def __init__(self, width: int = 16, depths: tuple[int, int, int] = (5, 2, 5)) -> None:
        super().__init__()
        before, below, after = depths
        self.register_buffer("malvar", malvar_kernel(), persistent=False)
        self.head = conv3(12, width)
        self.encode = blocks(width, before)
        self.down = down(width, 2 * width)
        self.bottom = blocks(2 * width, below)
        self.up = up(2 * width, width)
        self.decode = blocks(width, after)
        self.tail = conv3(width, 12)
        self.tail.weight.data.mul_(0.1)

    def base(self, planes: Tensor) -> Tensor:
        """Malvar's interpolation, (B, 4, h, w) to (B, 12, h, w): each colour at each site of the cell."""
        # Reflection by a whole cell keeps every tap on a site of its own colour.
        padded = functional.pad(planes, (1, 1, 1, 1), mode="reflect")
        with torch.autocast(planes.device.type, enabled=False):
            return functional.conv2d(padded, self.malvar.to(planes.dtype))

    def forward(self, planes: Tensor) -> Tensor:
        """See the class."""
        base = self.base(planes)
        full = self.encode(self.head(base.to(self.head.weight.dtype)))  # (B, 1w, h, w)
        low = self.bottom(self.down(full))  # (B, 2w, h/2, w/2)
        full = self.decode(self.up(low) + full)
        return unpacked(base + self.tail(full))


class DemosaicUNetL(DemosaicUNet):
    """Size L, for GPUs: 137 GMAC per megapixel of mosaic."""

    architecture = "demosaic-unet-l"
    margin = 24

    def __init__(self) -> None:
        super().__init__(width=64, depths=(2, 3, 2))
