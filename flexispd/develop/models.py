"""The networks that a run needs, verified and on their device; loaded once, shared by all frames."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from flexispd.develop.memory import keep_memory
from flexispd.develop.networks.architectures import build
from flexispd.develop.networks.demosaic_unet import DemosaicUNet
from flexispd.develop.networks.denoise_unet import DenoiseUNet
from flexispd.develop.networks.illuminant_net import IlluminantNet
from flexispd.develop.networks.loader import load_into
from flexispd.develop.networks.look_net import LookNet
from flexispd.develop.networks.official2022 import ScNet1F
from flexispd.develop.official import OfficialNetworks, load_networks
from flexispd.errors import SetupError, WeightsError
from flexispd.profile import Profile
from flexispd.weights import ModelSet, model_set

M = TypeVar("M", bound=nn.Module)

BFLOAT16 = frozenset(["avx512_bf16", "amx_bf16"])
"""What Linux calls the instructions by which a processor multiplies bfloat16 twice as fast as float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The networks of one of our model sets, on one device. A set need not have one for the look."""

    denoise: DenoiseUNet
    light: IlluminantNet
    demosaic: DemosaicUNet
    look: LookNet | None

    @property
    def precision(self) -> str:
        """What corrections of pixels are computed in: "bfloat16" or "float32"."""
        return str(self.demosaic.head.weight.dtype).removeprefix("torch.")

    def on(self, device: torch.device) -> Networks:
        """The same networks on another device; these stay where they are."""
        return Networks(
            copy.deepcopy(self.denoise).to(device),
            copy.deepcopy(self.light).to(device),
            copy.deepcopy(self.demosaic).to(device),
            None if self.look is None else copy.deepcopy(self.look).to(device),
        )


S = TypeVar("S", Networks, OfficialNetworks)


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """
    Everything learned that a run needs.

    Attributes:
        device: Where the networks are.
        ours: Model set -> its networks.
        official: Model set -> the official networks of 2022.
        weights: Model set -> stage -> SHA-256 of its weight file.
    """

    device: torch.device
    ours: Mapping[str, Networks]
    official: Mapping[str, OfficialNetworks]
    weights: Mapping[str, Mapping[str, str]]
    _elsewhere: dict[tuple[str, torch.device], Any] = field(default_factory=dict)

    def networks(self, model: str, device: torch.device) -> Networks:
        """Our networks of `model` on `device`, which is not `self.device` after memory ran out there."""
        return self._on(self.ours, model, device)

    def official_networks(self, model: str, device: torch.device) -> OfficialNetworks:
        """The official networks of `model` on `device`."""
        return self._on(self.official, model, device)

    def _on(self, sets: Mapping[str, S], model: str, device: torch.device) -> S:
        if device == self.device:
            return sets[model]
        if (model, device) not in self._elsewhere:
            self._elsewhere[model, device] = sets[model].on(device)
        moved: S = self._elsewhere[model, device]
        return moved


def load_models(profiles: Iterable[Profile], device: str = "auto") -> Models:
    """
    The networks of these profiles on "auto", "cpu", "cuda" or "cuda:N"; auto is the first GPU if there is one.

    Raises:
        SetupError: There is no such device, the weights are missing or altered, or a profile wants a learned look of a
            model set that has no network for it.
    """
    profiles = [look for profile in profiles for look in profile.looks()]  # a frame may get any of them
    place = choose_device(device)
    keep_memory()
    ours: dict[str, Networks] = {}
    official: dict[str, OfficialNetworks] = {}
    hashes: dict[str, dict[str, str]] = {}
    for name in sorted({profile.model for profile in profiles}):
        found = model_set(name)
        hashes[name] = {entry.stage: entry.sha256 for entry in found.entries}
        if any(entry.architecture == ScNet1F.architecture for entry in found.entries):
            official[name] = load_networks(found, place)
        else:
            ours[name] = _load(found, place)
            _require_look(ours[name], [profile for profile in profiles if profile.model == name])
    return Models(place, ours, official, hashes)


def choose_device(name: str) -> torch.device:
    """The device called "auto", "cpu", "cuda" or "cuda:N". SetupError when it is not there."""
    present = all_devices()
    if name == "cpu" or (name == "auto" and present == ("cpu",)):
        return torch.device("cpu")
    if present == ("cpu",):
        raise SetupError(
            "There is no CUDA device that torch can use.",
            remedy="Choose the device cpu, or install a driver and a CUDA build of torch.",
        )
    wanted = present[0] if name in ("auto", "cuda") else name
    if wanted not in present:
        raise SetupError(
            f"There is no device {wanted} here.", remedy=f"Choose one of these: {', '.join(('cpu', *present))}."
        )
    _exact_cuda()
    return torch.device(wanted)


def all_devices() -> tuple[str, ...]:
    """What this machine can run networks on: every GPU as "cuda:N", or "cpu" when there is none."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(f"cuda:{number}" for number in range(count)) or ("cpu",)


@cache
def _exact_cuda() -> None:
    """Keep float32 convolutions float32 on a GPU: TF32 has 10 bits of mantissa, a raw has 14."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _require_look(networks: Networks, profiles: Iterable[Profile]) -> None:
    for profile in profiles:
        if profile.render.learned and networks.look is None:
            raise SetupError(
                f"The profile {profile.name} wants a learned look, and {profile.model} has no network for it.",
                remedy="Set learned = 0 in the profile, or train one with `flexispd train look`.",
            )


def _load(found: ModelSet, device: torch.device) -> Networks:
    def loaded(kind: type[M], stage: str) -> M:
        entry = found.entry(stage)
        module = build(entry.architecture)
        if not isinstance(module, kind):
            raise WeightsError(
                f"The manifest of {found.name} names a {entry.architecture} for {stage}.",
                remedy="Restore the manifest, or train that stage again.",
            )
        load_into(module, entry)
        module.eval().requires_grad_(False)
        return module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    precision = pixel_precision(device)
    return Networks(
        loaded(DenoiseUNet, "denoise").to(precision),
        loaded(IlluminantNet, "white-balance"),
        loaded(DemosaicUNet, "demosaic").to(precision),
        loaded(LookNet, "look") if found.has("look") else None,
    )


def pixel_precision(device: torch.device) -> torch.dtype:
    """
    What the two networks that see every pixel compute their corrections in: bfloat16 where a processor is made for it.

    Its 8 bits are enough for a correction, and would not be for a picture: what is corrected stays float32.
    """
    return torch.bfloat16 if device.type == "cpu" and BFLOAT16 & processor_flags() else torch.float32


@cache
def processor_flags() -> frozenset[str]:
    """What the first processor can do, in Linux's words; nothing where Linux does not say it on x86."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
