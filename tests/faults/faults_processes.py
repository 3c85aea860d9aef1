"""Processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def group_of(group: int) -> list[int]:
    """Processes of a process group."""
    return [pid for pid in _pids() if _stat_fields(pid)[2:3] == [str(group)]]


def children_of(parent: int) -> list[int]:
    """Direct children of a process."""
    return [pid for pid in _pids() if _stat_fields(pid)[1:2] == [str(parent)]]


def _pids() -> list[int]:
    names = os.listdir("/proc")  # noqa: PTH208  (names only)
    return sorted(int(name) for name in names if name.isdecimal())


def _stat_fields(pid: int) -> list[str]:
    """State, parent, group, ... of a process; empty when it is gone, or only its exit status is left."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def command_line(pid: int) -> bytes:
    """Its arguments, each ended by a null byte; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_daemon(pid: int) -> bool:
    """Whether it is `flexispd run`, and not what started it in a namespace."""
    line = command_line(pid)
    return line.split(b"\0")[0].endswith(Path(sys.executable).name.encode()) and b"flexispd\0run" in line
