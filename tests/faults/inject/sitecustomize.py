"""
Faults that a real machine has too rarely, built into the processes of a daemon that is being tested.

Python imports this module by itself when its folder is first in PYTHONPATH, which spawned workers inherit.

    FLEXISPD_TEST_INJECT   name of the fault, and after a colon how often, where that can be said
    FLEXISPD_TEST_MARKER   a file that is made when the fault strikes; where it exists, nothing strikes any more
    FLEXISPD_TEST_CLOCK    a file; from the moment that it exists the clock on the wall is an hour behind

The product knows nothing of this: system calls are wrapped, and modules right after they were imported.
"""

from __future__ import annotations

import builtins
import errno
import importlib.abc
import importlib.util
import io
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

NAME, _, COUNT = os.environ.get("FLEXISPD_TEST_INJECT", "").partition(":")
CLOCK = os.environ.get("FLEXISPD_TEST_CLOCK")
MARKER = os.environ.get("FLEXISPD_TEST_MARKER")
TEMPORARY = "/.flexispd-"
CAMERA = "Acme"
"""What the scenarios' raws were taken with, as opposed to the frame that a worker warms up with."""


def strikes() -> bool:
    """Whether the fault happens now; with a marker it does so once in all processes together."""
    if MARKER is None:
        return True
    try:
        os.close(os.open(MARKER, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def in_worker() -> bool:
    """Whether this is a worker's process."""
    return multiprocessing.parent_process() is not None


def power_cut() -> None:
    """Everything of this daemon ends at once."""
    os.killpg(os.getpgid(0), signal.SIGKILL)
    time.sleep(60)


def wrap_fsync(before: Callable[[], None], after: Callable[[], None]) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        staged = in_worker() and TEMPORARY in str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if staged:
            before()
        real(descriptor)
        if staged:
            after()

    os.fsync = fsync  # type: ignore[assignment]


def kill_after_temporary() -> None:
    """The first output is written and not yet on the disk."""
    wrap_fsync(lambda: power_cut() if strikes() else None, lambda: None)


def kill_after_fsync() -> None:
    """The first output is on the disk under its temporary name."""
    wrap_fsync(lambda: None, lambda: power_cut() if strikes() else None)


def quota_used_up() -> None:
    """Writing an output fails so often for want of quota, then succeeds."""
    left = int(COUNT or 1)

    def refuse() -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    wrap_fsync(refuse, lambda: None)


def kill_after_rename() -> None:
    """The first output (the receipt) has its name, the second has not; with `:2` both have."""
    wanted, seen = int(COUNT or 1), 0

    def wrapped(real: Callable[..., None]) -> Callable[..., None]:
        def appear(source: Any, target: Any, **options: Any) -> None:
            nonlocal seen
            real(source, target, **options)
            if in_worker() and TEMPORARY in os.fspath(source):
                seen += 1
                if seen >= wanted and strikes():
                    power_cut()

        return appear

    os.link = wrapped(os.link)
    os.replace = wrapped(os.replace)


def wrap_open(number: int) -> None:
    """Reading a capture fails so often with this error, then succeeds."""
    left = int(COUNT or 1)

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal left
            if in_worker() and left > 0 and not isinstance(file, int) and os.fspath(file).endswith(".dng"):
                left -= 1
                if MARKER is not None:
                    strikes()
                raise OSError(number, os.strerror(number), file)
            return real(file, *arguments, **options)

        return opened

    io.open = builtins.open = wrapped(io.open)
    os.open = wrapped(os.open)


def before(strike: Callable[[], Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that does something else first, for the scenarios' frames only."""

    def around(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(mosaic: Any, *arguments: Any, **options: Any) -> Any:
            if mosaic.shot.make == CAMERA and strikes():
                strike()
            return real(mosaic, *arguments, **options)

        return wrapped

    return around


def kill_worker(module: Any) -> None:
    module._develop = before(lambda: os.kill(os.getpid(), signal.SIGKILL))(module._develop)


def poison(module: Any) -> None:
    """Frames of this many lines end every worker that touches them."""
    real = module._develop

    def _develop(mosaic: Any, *arguments: Any) -> Any:
        if mosaic.values.shape[0] == int(COUNT):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(mosaic, *arguments)

    module._develop = _develop


def sticky_device_error(module: Any) -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    module._develop = before(fail)(module._develop)


def eat_memory(module: Any) -> None:
    def eat() -> None:
        eaten = []
        for _ in range(80):
            eaten.append(bytearray(os.urandom(1 << 20) * 50))
            time.sleep(0.1)

    module._develop = before(eat)(module._develop)


def slow_develop(module: Any) -> None:
    """Every frame takes as many seconds as the count says."""
    module._develop = before(lambda: time.sleep(float(COUNT or 1)))(module._develop)


def hang_in_decode(module: Any) -> None:
    real = module.read_mosaic

    def read_mosaic(capture: Any) -> Any:
        if strikes():
            time.sleep(3600)
        return real(capture)

    module.read_mosaic = read_mosaic


def nan_output(module: Any) -> None:
    real = module.denoise
    develop = module._develop
    ours = False

    def _develop(mosaic: Any, *arguments: Any) -> Any:
        nonlocal ours
        ours = mosaic.shot.make == CAMERA
        return develop(mosaic, *arguments)

    def denoise(*arguments: Any) -> Any:
        clean = real(*arguments)
        return clean * float("nan") if ours and strikes() else clean

    module._develop, module.denoise = _develop, denoise


def out_of_memory(module: Any) -> None:
    """A device that is called a GPU runs out of memory: as often as the count says, or always."""
    import torch

    left = int(COUNT) if COUNT else 1_000_000
    real, tiling_class, usual = module._develop, module.Tiling, module.Tiling.on
    ours = False

    def on(device: Any) -> Any:
        return tiling_class(torch.device("cuda", 0), 3072) if ours else usual(device)

    def develop(mosaic: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal ours
        ours = mosaic.shot.make == CAMERA
        return whole(mosaic, *arguments, **options)

    def _develop(mosaic: Any, profiles: Any, models: Any, timed: Any, tiling: Any) -> Any:
        nonlocal left
        if tiling.device.type == "cuda":
            if left > 0:
                left -= 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            tiling = tiling_class(torch.device("cpu"), tiling.edge, tiling.notes)
        return real(mosaic, profiles, models, timed, tiling)

    whole = module.develop
    tiling_class.on = on
    module.develop, module._develop = develop, _develop


def kill_before_recorded(module: Any) -> None:
    """Pictures and receipt are there, and the ledger does not know it yet."""
    real = module.finish

    def finish(*arguments: Any) -> None:
        if strikes():
            power_cut()
        real(*arguments)

    module.finish = finish


def kill_after_recorded(module: Any) -> None:
    real = module.finish

    def finish(*arguments: Any) -> None:
        real(*arguments)
        if strikes():
            power_cut()

    module.finish = finish


def watch_handler_raises(module: Any) -> None:
    """The callback for an event fails."""
    real = module._Source._tell

    def _tell(self: Any, event: Any) -> None:
        if strikes():
            raise ValueError("injected into the watcher's callback")
        real(self, event)

    module._Source._tell = _tell


def emitter_dies(module: Any) -> None:
    """The thread that reads the events ends with an error that nobody caught."""
    real = module._Source.on_event

    def on_event(self: Any, event: Any) -> None:
        if strikes():
            raise SystemExit
        real(self, event)

    module._Source.on_event = on_event


def ledger_time(module: Any) -> None:
    """At its end the daemon says how long its transactions took."""
    real = module.Ledger.close

    def close(self: Any) -> None:
        sys.stderr.write(f"ledger_spent_s={self.spent_s:.3f}\n")
        real(self)

    module.Ledger.close = close


AT_ONCE: dict[str, Callable[[], None]] = {
    "kill-after-temporary": kill_after_temporary,
    "kill-after-fsync": kill_after_fsync,
    "kill-after-rename": kill_after_rename,
    "quota-used-up": quota_used_up,
    "eio-on-read": lambda: wrap_open(errno.EIO),
    "estale-on-read": lambda: wrap_open(errno.ESTALE),
}

AFTER_IMPORT: dict[str, tuple[str, Callable[[Any], None]]] = {
    "kill-worker": ("flexispd.pipeline", kill_worker),
    "poison": ("flexispd.pipeline", poison),
    "sticky-device-error": ("flexispd.pipeline", sticky_device_error),
    "nan-output": ("flexispd.pipeline", nan_output),
    "cuda-oom": ("flexispd.pipeline", out_of_memory),
    "eat-memory": ("flexispd.pipeline", eat_memory),
    "slow-develop": ("flexispd.pipeline", slow_develop),
    "hang-in-decode": ("flexispd.pipeline", hang_in_decode),
    "kill-before-receipt-recorded": ("flexispd.ledger.work", kill_before_recorded),
    "kill-after-receipt-recorded": ("flexispd.ledger.work", kill_after_recorded),
    "watch-handler-raises": ("flexispd.capture.watch", watch_handler_raises),
    "ledger-time": ("flexispd.ledger.store", ledger_time),
    "emitter-dies": ("flexispd.capture.watch", emitter_dies),
}


class AfterImport(importlib.abc.MetaPathFinder):
    """Patches one module as soon as it has been executed."""

    def __init__(self, name: str, patch: Callable[[Any], None]) -> None:
        self._name = name
        self._patch = patch

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> Any:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def clock_set_back(since: str) -> None:
    """As when somebody corrects the time, or an old battery forgets it."""
    real = time.time
    time.time = lambda: real() - 3600 * Path(since).exists()


if CLOCK:
    clock_set_back(CLOCK)
if NAME in AT_ONCE:
    AT_ONCE[NAME]()
elif NAME in AFTER_IMPORT:
    sys.meta_path.insert(0, AfterImport(*AFTER_IMPORT[NAME]))
elif NAME:
    raise SystemExit(f"there is no fault named {NAME}")
