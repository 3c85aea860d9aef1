"""
Takes the networks of 2022 from a checkout of the official repository and makes them a model set of ours.

    find the checkout -> read each file -> check every tensor -> write all into a hidden folder -> rename it

The hidden folder gets its name only when everything in it is right, so a set is there whole or not at all; a set of
the same name is replaced in that moment. Checkpoints are other people's pickles: they are read with torch's
restricted unpickler, after a look at what kind of file it is, and nothing in them is ever executed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from flexispd.develop.networks import official2022, tf_checkpoint
from flexispd.develop.networks.loader import mismatch, store_state
from flexispd.develop.networks.torch_checkpoint import read_state
from flexispd.errors import ConfigError, SetupError, TransientError, WeightsError, displayable
from flexispd.weights import MANIFEST, OFFICIAL_2022, WeightEntry, is_name, is_shipped, write_manifest

DEPTH_MAX = 3
"""Folders below the given one in which a checkout is looked for; each year has its own in the repository."""

_REMEDY = "Fetch this file again from the official repository, then import again."
_AUTHORS = "https://github.com/q935970314/Deep-FlexISP"


@dataclass(frozen=True, slots=True)
class _Part:
    """One network of the checkout: what we call its stage, where its file lies, and the module that it must fit."""

    stage: str
    pattern: str
    module: type[nn.Module]


_PARTS = (
    _Part("stage1", "stage1/checkpoint/sc_net_1f_pretrained_model/model.ckpt-*.index", official2022.ScNet1F),
    # Fold 1 is not asked in 2022; it is kept because a set with all folds can tell how far they differ.
    *(
        _Part(f"stage2-fold{fold}", f"stage2/trained_models/fc4_cwp/fold_{fold}/model.pth", official2022.FC4)
        for fold in (0, 1, 2)
    ),
    _Part("stage3", "stage3/checkpoints/net_g_*.pth", official2022.MWRCAN),
)


def import_checkout(folder: Path, destination: Path, name: str = OFFICIAL_2022) -> list[WeightEntry]:
    """
    Convert the networks of 2022 in `folder` into the model set `destination/name`, and return its entries.

    `folder` is a checkout, or any folder with one at most DEPTH_MAX levels below it. A set of this name that was
    imported before is replaced, once the new one is complete.

    Raises WeightsError naming the file that is missing, truncated, foreign or of other networks, ConfigError for a
    name that cannot be used, TransientError when `destination` cannot be written; then nothing has changed.
    """
    target = _target(destination, name)
    sources = _find(folder)
    with _hidden_folder(destination, name) as hidden:
        entries = [_convert(part, path, hidden, name) for part, path in sources.items()]
        write_manifest(hidden / MANIFEST, entries)
        _put_in_place(hidden, target)
    return [replace(entry, folder=target) for entry in entries]


def _target(destination: Path, name: str) -> Path:
    """Where the set will lie. Refuses names that lead elsewhere, and folders that are no model sets."""
    if not is_name(name):
        raise ConfigError(
            f"{displayable(name)!r} cannot name a model set.",
            remedy="Use letters, digits, `.`, `_` and `-`, at most 64 of them, and begin with a letter or digit.",
        )
    if is_shipped(name):
        raise ConfigError(f"The model set {name} comes with flexispd.", remedy="Choose another name with --name.")
    target = destination / name
    if (target.exists() or target.is_symlink()) and not (target / MANIFEST).is_file():
        raise SetupError(
            f"{displayable(target)} is in the way: it is not a model set.",
            remedy="Move it away, or choose another name with --name.",
        )
    return target


def _find(folder: Path) -> dict[_Part, Path]:
    """The file of every part, in the checkout in or below `folder` that has most of them."""
    if not folder.is_dir():
        raise WeightsError(f"{displayable(folder)} is not a folder.", remedy="Name the folder of the checkout.")

    def rank(root: Path) -> tuple[int, bool, int]:
        # Other years have some of the same files; and where a file is missing, the year decides which is named.
        count = len(_files(root))
        return count, count > 0 and "2022" in root.name, -len(root.parts)

    best = max(_folders(folder, DEPTH_MAX), key=rank)
    files = _files(best)
    for part in _PARTS:
        if part not in files:
            raise WeightsError(
                f"{displayable(best / part.pattern)} is missing.",
                remedy="Name the folder of a checkout of the official repository with all its weight files.",
            )
    return files


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """`folder` and everything below it that is no more than `depth` levels down; no hidden folders, no links."""
    yield folder
    if depth == 0:
        return
    with contextlib.suppress(PermissionError):
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from _folders(child, depth - 1)


def _files(root: Path) -> dict[_Part, Path]:
    """The parts that lie in `root`; of several training steps the last."""

    def step(path: Path) -> int:
        return int((re.findall(r"\d+", path.stem) or ["0"])[-1])

    found = ((part, sorted(root.glob(part.pattern))) for part in _PARTS)
    return {part: max(paths, key=step) for part, paths in found if paths}


def _convert(part: _Part, source: Path, folder: Path, name: str) -> WeightEntry:
    """Read one network, compare it with its module, and store it in `folder`."""
    state = _stage1(source) if part.module is official2022.ScNet1F else read_state(source)
    with torch.device("meta"):
        module = part.module()
    if problem := mismatch(state, module.state_dict()):
        hint = " It may be the fc4_sum variant, which has no confidence." if _is_fc4_sum(state) else ""
        raise WeightsError(f"{displayable(source)}: {problem}.{hint}", remedy=_REMEDY)
    entry = WeightEntry(
        folder=folder,
        model=name,
        stage=part.stage,
        file=f"{part.stage}.safetensors",
        sha256="",
        architecture=str(module.architecture),
        licence="MIT",
        trained=f"By the authors of Deep-FlexISP ({_AUTHORS}); imported from {displayable(source.name)}.",
        data="Not published; for the NTIRE 2022 challenge on night photography rendering.",
        figures={"parameters": sum(value.numel() for value in state.values())},
    )
    return store_state(state, entry)


def _stage1(index: Path) -> dict[str, Tensor]:
    """The TensorFlow variables of stage 1 under the names and in the layout of torch."""
    layers = [name.removesuffix(".weight") for name in official2022.ScNet1F().state_dict()]
    # TensorFlow numbers what nobody names; these are the two transposed convolutions, in the order of the network.
    variables = {layer: f"{layer}/weights" for layer in layers} | {"deconv1": "Variable", "deconv2": "Variable_1"}
    arrays = tf_checkpoint.read_variables(index, variables.values())
    # Height, width, in, out -> out, in, height, width. Transposed convolutions have in and out the other way in both.
    return {
        f"{layer}.weight": torch.from_numpy(arrays[variable].transpose(3, 2, 0, 1).copy())
        for layer, variable in variables.items()
    }


def _is_fc4_sum(state: Mapping[str, Tensor]) -> bool:
    last = state.get("final_convs.4.bias")
    return last is not None and last.shape == (3,)


@contextlib.contextmanager
def _hidden_folder(destination: Path, name: str) -> Iterator[Path]:
    """A new folder in `destination` that no lookup sees; whatever is left of it at the end is removed."""
    try:
        destination.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=destination))
    except OSError as error:
        raise _unwritable(destination, error) from error
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _put_in_place(hidden: Path, target: Path) -> None:
    """Rename the finished set to its name; what was there before is removed, or put back."""
    try:
        hidden.chmod(0o755)  # mkdtemp keeps others out, but the daemon may run as another user
        if not target.exists():
            hidden.rename(target)
            return
        old = hidden.with_name(hidden.name + "-old")
        target.rename(old)
        try:
            hidden.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(path: Path, error: OSError) -> TransientError:
    return TransientError(
        f"{displayable(path)} cannot be written: {error.strerror}.",
        remedy="Make it writable, or set FLEXISPD_WEIGHTS to another folder.",
    )
