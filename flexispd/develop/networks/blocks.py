"""The layers that our networks share: convolutions that keep the size, residual blocks, and one step down or up."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size; the frame continues as zeros beyond its border."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), nearly the identity at the start so that deep stacks train from the first step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv3(width, width)
        self.second = conv3(width, width)
        self.second.weight.data.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to the same."""
        out: Tensor = self.second(functional.relu(self.first(x), inplace=True))
        return out.add_(x)


def blocks(width: int, count: int) -> nn.Sequential:
    """`count` residual blocks of `width` channels."""
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """Halve the size; each output looks at its own 2x2 cell only, so cells stay aligned between tiles."""
    return nn.Conv2d(inputs, outputs, 2, stride=2)


def up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Double the size, the mirror image of `down`."""
    return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
