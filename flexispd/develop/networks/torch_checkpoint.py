"""
Reads the state dict out of somebody else's torch checkpoint, without trusting the file.

A checkpoint is a pickle, and a pickle is a program. So the file is looked at before torch sees it, torch reads it with
the restricted unpickler that builds tensors and nothing else, and only plain tensors leave this module.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flexispd.errors import WeightsError, displayable
from flexispd.weights import read_regular

_REMEDY = "Fetch this file again from where the checkpoint was published."

# How files begin. The last is the magic number of torch before 1.6, which wrote no zip archive.
_ZIP = b"PK\x03\x04"
_TORCH_BEFORE_ZIP = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

_FOREIGN = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x1f\x8b": "a gzip archive",
    b"<": "a web page",
    b"\x80": "a pickle that torch did not write",
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF": "an HDF5 file",
}

_WRAPPINGS = ("params", "state_dict_cnn_denoiser", "state_dict")
"""Keys under which training scripts put the state dict, beside an optimizer's state and the like."""

_PARALLEL = "module."
"""What torch's DataParallel puts in front of every name."""


def read_state(path: Path) -> dict[str, Tensor]:
    """
    The tensors of the checkpoint `path`, on the CPU, named as the module names them.

    Raises WeightsError naming the file when it is missing, truncated, damaged, of another kind, or holds anything
    that is not a tensor with a name; TransientError when it cannot be read.
    """
    shown = displayable(path)
    data = read_regular(path, remedy=_REMEDY)
    if problem := _foreign(data):
        raise WeightsError(f"{shown} {problem}.", remedy=_REMEDY)
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make an unpickler raise almost anything
        raise WeightsError(
            f"{shown} is damaged, or holds more than tensors: nothing in it was executed.", remedy=_REMEDY
        ) from error
    return _state(content, shown)


def _foreign(data: bytes) -> str | None:
    """Why these bytes cannot be a checkpoint, as the end of a sentence about the file; None when they may be one."""
    if data.startswith(_ZIP):
        return _unsound(data)
    if data.startswith(_TORCH_BEFORE_ZIP):
        return None
    start = data[:512].lstrip()
    kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), None)
    return f"is {kind}, not a torch checkpoint" if kind else "is not a torch checkpoint"


def _unsound(data: bytes) -> str | None:
    """What is wrong with a zip archive: torch stores its records uncompressed, one after the other."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                return "is a compressed zip archive, not a torch checkpoint"
            # Records that share bytes could grow without limit when they are read.
            if sum(member.file_size for member in members) > len(data):
                return "is a zip archive that claims more content than it has"
            damaged = archive.testzip()
    except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, EOFError, OSError):
        return "is truncated or damaged"
    return f"is damaged in its part {displayable(damaged)}" if damaged else None


def _state(content: Any, shown: str) -> dict[str, Tensor]:
    """The state dict in what torch.load returned, whatever it is wrapped in."""
    wrapping = next((key for key in _WRAPPINGS if isinstance(content, Mapping) and key in content), None)
    state = content if wrapping is None else content[wrapping]
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"{shown} holds no state dict.", remedy=_REMEDY)
    tensors = {}
    for name, value in state.items():
        if not isinstance(name, str) or not _plain(value):
            raise WeightsError(f"{shown} holds {displayable(str(name))}, which is not a plain tensor.", remedy=_REMEDY)
        tensors[name.removeprefix(_PARALLEL)] = value.detach()
    if len(tensors) != len(state):
        raise WeightsError(f"{shown} holds a tensor twice, with and without `{_PARALLEL}`.", remedy=_REMEDY)
    return tensors


def _plain(value: Any) -> bool:
    """Whether `value` is a dense tensor with its numbers in memory."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )
