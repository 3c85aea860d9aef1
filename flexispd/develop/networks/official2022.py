"""
The three networks of Deep-FlexISP (2022), with the tensor names of its published checkpoints.

They exist to run those weights exactly, so their layout is given and not ours to improve: attribute names such as
`conv_du` are keys of the checkpoints. Stage 1 uses the names of the 2024 release, which moved it from TensorFlow to
torch. Every state dict is compared with the published names and shapes in tests/develop/test_official2022.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ScNet1F(nn.Module):
    """
    Stage 1: the residual that takes the noise out of a packed mosaic.

    Input   (B, 4, h, w)  normalised planes, h and w multiples of 4
    Output  (B, 4, h, w)  to be added to the planes

    A U-Net of 64 channels throughout, without biases, zero beyond the frame's border. For inference only.
    """

    architecture = "sc-net-1f"
    pad_multiple = 4  # two halvings

    def __init__(self) -> None:
        super().__init__()
        self.conv1_1 = _conv_plain(4, 64)
        for level in range(1, 6):
            self.add_module(f"res_conv{level}_1", _conv_plain(64, 64))
            self.add_module(f"res_conv{level}_2", _conv_plain(64, 64))
        self.deconv1 = nn.ConvTranspose2d(64, 64, 2, stride=2, bias=False)
        self.conv4_1 = _conv_plain(64, 64)
        self.deconv2 = nn.ConvTranspose2d(64, 64, 2, stride=2, bias=False)
        self.conv5_1 = _conv_plain(64, 64)
        self.conv6_1 = _conv_plain(64, 64)
        self.conv7_1 = _conv_plain(64, 4)

    def forward(self, planes: Tensor) -> Tensor:
        """The residual."""
        # In place and rebound throughout: a tensor of the whole frame has 64 bytes a site of the mosaic.
        full = self._residual(1, self.conv1_1(planes).relu_())
        half = self._residual(2, functional.avg_pool2d(full, 2))  # (B, 64, h/2, w/2)
        low = self._residual(3, functional.avg_pool2d(half, 2))  # (B, 64, h/4, w/4)
        half = self.deconv1(low).add_(half)
        half = self._residual(4, self.conv4_1(half).relu_())
        full = self.deconv2(half).add_(full)
        full = self.conv5_1(full).relu_()
        full = self._residual(5, full)
        full = self.conv6_1(full).relu_()
        residual: Tensor = self.conv7_1(full)
        return residual

    def _residual(self, level: int, x: Tensor) -> Tensor:
        """Add to `x`, in place, two convolutions of it; unlike most residual blocks, this one rectifies them before."""
        first, second = self.get_submodule(f"res_conv{level}_1"), self.get_submodule(f"res_conv{level}_2")
        change = first(x).relu_()
        change = second(change).relu_()
        return x.add_(change)


class FC4(nn.Module):
    """
    Stage 2: the colour of the light, by confidence-weighted pooling (Hu, Wang, Lin, "FC4", CVPR 2017).

    Input   (B, 3, h, w)  camera R, G, B, gamma-encoded by 1/2.2, sides of at least `size_min`
    Output  (B, 3)        camera colour of grey under the scene's light, of length 1
    """

    architecture = "fc4-cwp"
    size_min = 33  # below it, nothing is left after the four poolings

    def __init__(self) -> None:
        super().__init__()
        # SqueezeNet 1.1 (Iandola et al. 2016) without its last module.
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _Fire(64, 16, 64),
            _Fire(128, 16, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _Fire(128, 32, 128),
            _Fire(256, 32, 128),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _Fire(256, 48, 192),
            _Fire(384, 48, 192),
            _Fire(384, 64, 256),
        )
        self.final_convs = nn.Sequential(
            nn.MaxPool2d(2, 1, ceil_mode=True),
            nn.Conv2d(512, 64, 6, padding=3),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Conv2d(64, 4, 1),
            nn.ReLU(),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """The colour of the light."""
        out = self.final_convs(self.backbone(picture))
        colors, confidence = functional.normalize(out[:, :3], dim=1), out[:, 3:]
        return functional.normalize((colors * confidence).sum(dim=(2, 3)), dim=1)


class MWRCAN(nn.Module):
    """
    Stage 3: a wavelet U-Net with channel attention that turns the balanced mosaic into a finished picture.

    Input   (B, 4, h, w)      balanced planes, h and w multiples of 16
    Output  (B, 3, h/2, w/2)  display-referred B, G, R, about 0 to 1

    The attention averages over the whole frame, so no tiling gives the same picture.
    """

    architecture = "mwrcan-2022"
    pad_multiple = 16  # a pixel shuffle and three wavelet steps

    def __init__(self) -> None:
        super().__init__()
        self.head = _Wavelet()
        self.down1 = nn.Sequential(_conv(64, 64), nn.PReLU(), _Group(64))
        self.down2 = nn.Sequential(_Wavelet(), _conv(256, 96), nn.PReLU(), _Group(96))
        self.down3 = nn.Sequential(_Wavelet(), _conv(384, 128), nn.PReLU())
        self.middle = nn.Sequential(_Group(128), _Group(128))
        self.up1 = nn.Sequential(_conv(128, 384), nn.PReLU(), _InverseWavelet())
        self.up2 = nn.Sequential(_Group(96), _conv(96, 256), nn.PReLU(), _InverseWavelet())
        self.up3 = nn.Sequential(_Group(64), _conv(64, 64))
        self.tail = nn.Sequential(_InverseWavelet(), _conv(16, 3))

    def forward(self, planes: Tensor) -> Tensor:
        """The picture."""
        wavelets = self.head(functional.pixel_unshuffle(planes, 2))  # (B, 64, h/4, w/4)
        first = self.down1(wavelets)
        second = self.down2(first)  # (B, 96, h/8, w/8)
        third = self.middle(self.down3(second))  # (B, 128, h/16, w/16)
        second = self.up1(third) + second
        first = self.up2(second) + first
        picture: Tensor = self.tail(self.up3(first) + wavelets)
        return picture


class _Fire(nn.Module):
    """SqueezeNet's module: narrow, then 1x1 and 3x3 convolutions beside each other; 2 * `expanded` channels out."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return functional.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


class _Wavelet(nn.Module):
    """
    Haar transform by stored filters: (B, c, h, w) to (B, 4c, h/2, w/2), the four bands of a channel side by side.

    The filters come with the checkpoint, although they were never trained.
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(4, 1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        return functional.conv2d(x, self.weight.repeat(channels, 1, 1, 1), stride=2, groups=channels)


class _InverseWavelet(_Wavelet):
    """The way back: (B, 4c, h, w) to (B, c, 2h, 2w)."""

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1] // 4
        return functional.conv_transpose2d(x, self.weight.repeat(channels, 1, 1, 1), stride=2, groups=channels)


class _Attention(nn.Module):
    """Weigh each channel by what its mean over the whole frame says (Zhang et al., "RCAN", ECCV 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // 16, 1), nn.ReLU(), nn.Conv2d(width // 16, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        weighed: Tensor = x * self.conv_du(x.mean(dim=(2, 3), keepdim=True))
        return weighed


class _Block(nn.Module):
    """RCAN's residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.res = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width))
        self.CA = _Attention(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.CA(self.res(x))
        return out


class _Group(nn.Module):
    """Twenty residual blocks and a convolution, with a way around all of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rg = nn.Sequential(*(_Block(width) for _ in range(20)), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.rg(x)
        return out


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _conv_plain(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
