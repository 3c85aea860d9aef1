"""Which torch module a weight file belongs to, by the name that its manifest gives."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from flexispd.develop.networks.demosaic_unet import DemosaicUNet, DemosaicUNetL
from flexispd.develop.networks.denoise_unet import DenoiseUNet, DenoiseUNetL
from flexispd.develop.networks.illuminant_net import IlluminantNet
from flexispd.errors import WeightsError, displayable

_MODULES: Mapping[str, type[nn.Module]] = {
    str(module.architecture): module
    for module in (DenoiseUNet, DenoiseUNetL, IlluminantNet, DemosaicUNet, DemosaicUNetL)
}


def build(architecture: str) -> nn.Module:
    """An untrained network. WeightsError when there is none of this name."""
    if architecture not in _MODULES:
        raise WeightsError(
            f"There is no network architecture called {displayable(architecture)}.",
            remedy=f"Those that are known: {', '.join(_MODULES)}.",
        )
    return _MODULES[architecture]()
