"""
A network over a frame of any size: whole when memory allows, in tiles when not, with the same result to 8 bits.

Three things make tiles lawful. They begin at multiples of the network's `pad_multiple`, so that its halvings fall on
the same cells; they are run with `margin` samples around them, more than any output can see; and where a tile ends at
the frame's border it gets the very padding that the whole frame gets there. Frames are a multiple of `GRID` in size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from flexispd.errors import DeviceError, TransientError

TILE_CPU = 512
"""Packed edge of a tile on a CPU: larger ones leave the caches and are slower."""

TILE_CUDA = 3072
TILE_CUDA_SMALL = 512

GRID = 4
"""Packed samples that the size of every frame is a multiple of: the largest `pad_multiple` of our networks."""

Item = TypeVar("Item")
Result = TypeVar("Result")

Slices = tuple[slice, slice]


@dataclass(slots=True)
class Tiling:
    """
    How a frame is cut on one device, and what happened while it was.

    Attributes:
        device: Where tensors live.
        edge: Edge of a tile in packed samples; a frame that fits is run whole. 0 where there is no cutting.
        notes: Sentences for the receipt about memory that ran out.
    """

    device: torch.device
    edge: int
    notes: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, device: torch.device) -> Tiling:
        """The usual tiles of a device."""
        return cls(device, TILE_CPU if device.type == "cpu" else TILE_CUDA)

    @classmethod
    def whole(cls, device: torch.device) -> Tiling:
        """One tile, however large: for networks that look at the whole frame at once."""
        return cls(device, 0)

    def smaller(self) -> Tiling | None:
        """What to try after the device ran out of memory: smaller tiles once, then the CPU, then nothing."""
        if self.device.type == "cpu":
            return None
        if self.edge > TILE_CUDA_SMALL:
            note = f"Out of memory on {self.device}: tiles of {TILE_CUDA_SMALL} samples instead of {self.edge}."
            return Tiling(self.device, TILE_CUDA_SMALL, [*self.notes, note])
        note = f"Out of memory on {self.device}: developed on the CPU."
        return Tiling(torch.device("cpu"), TILE_CPU, [*self.notes, note])


@dataclass(frozen=True, slots=True)
class Tile:
    """
    One tile of a frame, in packed samples.

    Attributes:
        inside: The part of the frame that this tile is responsible for.
        wide: That, and as much around it as steps after the network look at.
        around: The part that the network is given.
        core: Where `wide` lies in `around`.
    """

    inside: Slices
    wide: Slices
    around: Slices
    core: Slices


def tiles(size: tuple[int, int], edge: int, network: Any, reach: int = 0) -> list[Tile]:
    """
    Tiles of about one size that together cover a frame once, each with the network's margin around it inside the frame.

    Args:
        edge: Packed samples that they shall be wide and high, about.
        reach: Packed samples that a tile is `wide` on each side.
    """
    multiple, margin = network.pad_multiple, network.margin
    if margin % multiple:
        raise ValueError("a margin has to be a multiple of pad_multiple, or tiles would be cut off the grid")
    (height, width), reach = size, _rounded_up(reach, multiple)
    # Equally large, so that threads which work on them end together.
    down, across = (_rounded_up(-(-length // max(1, round(length / edge))), multiple) for length in size)

    def tile(top: int, left: int) -> Tile:
        inside = slice(top, min(top + down, height)), slice(left, min(left + across, width))
        wide = grown(inside, reach, size)
        around = grown(wide, margin, size)
        return Tile(inside, wide, around, within(wide, around))

    return [tile(top, left) for top in range(0, height, down) for left in range(0, width, across)]


def _rounded_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def grown(part: Slices, by: int, size: tuple[int, int]) -> Slices:
    """A part of a frame with `by` more on each side, as far as the frame goes."""
    rows, columns = (slice(max(0, s.start - by), min(s.stop + by, end)) for s, end in zip(part, size, strict=True))
    return rows, columns


def within(part: Slices, around: Slices) -> Slices:
    """Where a part of a frame lies in a larger part."""
    rows, columns = (slice(s.start - a.start, s.stop - a.start) for s, a in zip(part, around, strict=True))
    return rows, columns


def in_pixels(part: Slices) -> Slices:
    """The pixels of a part that is given in packed samples."""
    rows, columns = (slice(2 * s.start, 2 * s.stop) for s in part)
    return rows, columns


def at_once(items: Sequence[Item], work: Callable[[Item], Result], device: torch.device) -> list[Result]:
    """
    `work` on each of several parts of a frame, without gradients; on a CPU in as many threads as torch may use here.

    Torch shares each operation among its threads and waits for the last of them, a hundred times for a tile's look.
    Where every thread has parts of its own they wait only once, at the end.
    """
    threads = torch.get_num_threads()
    teams = min(threads, len(items) // 2) if device.type == "cpu" else 1

    def quietly(item: Item) -> Result:
        with torch.inference_mode():
            return work(item)

    if teams < 2:
        return [quietly(item) for item in items]
    ready = Barrier(teams + 1)

    def begin() -> None:
        torch.get_num_threads()  # a new thread takes the number of its process at the first question, not before
        torch.set_num_threads(threads // teams)
        ready.wait()

    with ThreadPoolExecutor(teams, "part", begin) as pool:
        try:
            waiting = [pool.submit(quietly, item) for item in items]
            ready.wait()
        except BaseException:
            ready.abort()  # a thread that could not be started would be waited for until the end of days
            raise
        finally:
            torch.set_num_threads(threads)  # which is also what threads get that begin after this one
        try:
            return [part.result() for part in waiting]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def in_memory(tiling: Tiling, work: Callable[[Tiling], Result]) -> Result:
    """
    `work` without gradients, under `tiling`; again under `Tiling.smaller` when memory runs out.

    Raises:
        TransientError: Memory ran out on the CPU too.
        DeviceError: The device failed in another way, and will not work again in this process.
    """
    with _device_errors():
        while True:
            try:
                with torch.inference_mode():
                    return work(tiling)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                less = tiling.smaller()
                if less is None:
                    raise TransientError(
                        "There is not enough memory to develop this frame.",
                        remedy="Close other programs, or develop it on a machine with more memory.",
                    ) from error
            # Only here: while the error was handled, its traceback held on to the tensors of the failed try.
            if tiling.device.type == "cuda" and torch.cuda.is_available():
                torch.cuda.empty_cache()
            tiling = less


@contextmanager
def _device_errors() -> Iterator[None]:
    """After such an error of CUDA every further call fails, until the process has ended."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.AcceleratorError) or any(sign in str(error) for sign in _DEVICE_FAILED):
            first_line = str(error).partition("\n")[0]
            raise DeviceError(
                f"The device failed: {first_line}.", remedy="Start flexispd again; if it persists, restart the machine."
            ) from error
        raise


def require_finite(values: Tensor) -> None:
    """DeviceError if there is a NaN or an infinity: the networks give none, so the device has miscalculated."""
    if not bool(values.sum().isfinite()):
        raise DeviceError(
            "The device gave numbers that are no picture.",
            remedy="Run this again; if it happens again, render on another device.",
        )


_DEVICE_FAILED = ("CUDA error", "CUDA driver error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS")
_OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def _is_out_of_memory(error: Exception) -> bool:
    """Torch has a type of its own for a GPU's memory, and plain RuntimeErrors for the CPU's and for its libraries'."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(sign in str(error) for sign in _OUT_OF_MEMORY)


def synchronized() -> None:
    """Wait until a GPU, if one was used, has done all that it was asked for."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()


def padded(planes: Tensor, multiple: int) -> Tensor:
    """
    (1, C, h, w) continued at the bottom and right by reflection to multiples of `multiple`; the caller crops again.

    Frames too small to reflect are continued by their last row and column.
    """
    height, width = planes.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return planes
    mode = "reflect" if below < height and right < width else "replicate"
    return functional.pad(planes, (0, right, 0, below), mode=mode)
