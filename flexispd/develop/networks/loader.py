"""
Tensors in and out of safetensors files: the only door between the weight store and the torch modules.

Nothing is unpickled here, and nothing reaches a module that is not exactly what the module asks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from flexispd.develop.networks.blocks import ResidualBlock
from flexispd.errors import WeightsError, displayable
from flexispd.export.publish import publish
from flexispd.weights import WeightEntry, read_verified

_REMEDY = "Restore the file that belongs to this version: install flexispd, or import the weights, again."


def load_state(entry: WeightEntry) -> dict[str, Tensor]:
    """All tensors of a weight file, on the CPU. WeightsError when it is missing, altered or no safetensors file."""
    try:
        return safetensors.torch.load(read_verified(entry))
    except SafetensorError as error:
        raise WeightsError(f"{displayable(entry.path)} is not a safetensors file: {error}.", remedy=_REMEDY) from error


def load_into(module: nn.Module, entry: WeightEntry) -> None:
    """
    Fill every parameter and buffer of `module` from the weight file of `entry`.

    Raises WeightsError naming the file and the tensor when one is missing, unexpected, of another shape or type, or
    holds a number that is not finite, and when the file is meant for another architecture.
    """
    _fill(module, entry, {})


def begin_with(module: nn.Module, entry: WeightEntry) -> None:
    """
    As `load_into`; residual blocks that the file does not have begin as the identity, so that a network can grow.

    What the module gives at first is what the smaller network gave.
    """
    state = load_state(entry)
    added: dict[str, Tensor] = {}
    for name, block in module.named_modules():
        if isinstance(block, ResidualBlock) and not any(key.startswith(f"{name}.") for key in state):
            for values in block.second.parameters():
                nn.init.zeros_(values)
            added |= {f"{name}.{key}": value for key, value in block.state_dict().items()}
    _fill(module, entry, added)


def _fill(module: nn.Module, entry: WeightEntry, added: Mapping[str, Tensor]) -> None:
    """`load_into` from the tensors of the entry's file and those that are `added`."""
    shown = displayable(entry.path)
    architecture = getattr(module, "architecture", entry.architecture)
    if architecture != entry.architecture:
        raise WeightsError(f"{shown} holds a {entry.architecture}, not a {architecture}.", remedy=_REMEDY)
    state = {**load_state(entry), **added}
    if problem := mismatch(state, module.state_dict()):
        raise WeightsError(f"{shown}: {problem}.", remedy=_REMEDY)
    module.load_state_dict(state)


def store_state(state: Mapping[str, Tensor], entry: WeightEntry) -> WeightEntry:
    """
    Write `state` to the file of `entry`, replacing an earlier one, and return the entry with the file's SHA-256.

    Whoever trains or imports a network then records the entry with `weights.write_manifest`.
    """
    data = safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in state.items()})
    publish(data, entry.path)
    return replace(entry, sha256=hashlib.sha256(data).hexdigest())


def mismatch(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """What keeps `state` from being loaded where `expected` stands, as half a sentence; None when nothing does."""
    if missing := sorted(expected.keys() - state.keys()):
        return f"the tensor {missing[0]} is missing"
    if unexpected := sorted(state.keys() - expected.keys()):
        return f"the tensor {displayable(unexpected[0])} belongs to no layer of the network"
    for name, wanted in expected.items():
        value = state[name]
        if value.shape != wanted.shape:
            return f"the tensor {name} has the shape {_shape(value)} instead of {_shape(wanted)}"
        if value.dtype != wanted.dtype:
            return f"the tensor {name} has the type {value.dtype} instead of {wanted.dtype}"
        if not torch.isfinite(value).all():
            return f"the tensor {name} holds a number that is not finite"
    return None


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"
