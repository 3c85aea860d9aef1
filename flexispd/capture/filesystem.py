"""
On which file system a folder lies, and whether that tells of changes.

The kernel tells of what this machine does to a file system. What another machine does to a shared one it never hears
of, and a layered or user-space one tells only part. For those the folder is listed again and again instead.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

TELLING = frozenset(
    {
        "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfs", "hfsplus", "iso9660", "jfs", "msdos",
        "nilfs2", "ntfs", "ntfs3", "ramfs", "reiserfs", "squashfs", "tmpfs", "udf", "vfat", "xfs", "zfs",
    }
)  # fmt: skip
"""File systems that only this machine's kernel writes to. Any other is taken for one that does not tell."""

REMOTE = frozenset(
    {"9p", "acfs", "afs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"ocfs2", "orangefs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


@dataclass(frozen=True, slots=True)
class Mount:
    """
    One mounted file system.

    Attributes:
        point: Where it is mounted, without links.
        fstype: As the kernel names it: "ext4", "nfs4", "fuse.sshfs"; empty when nothing is known.
        source: The device, or the server's name for it.
        id: The kernel's number of this mounting; another one when the volume has been mounted anew.
    """

    point: Path
    fstype: str
    source: str
    id: int


def mount_of(path: Path, table: bytes | None = None) -> Mount:
    """
    The mount that a path lies on, wherever links lead; the path need not exist.

    Looks at the path's folders, so it may wait as long as the slowest of them. `table` is the text of
    /proc/self/mountinfo, which is read when it is not given.
    """
    real = os.fsencode(os.path.realpath(path))
    mounts = [
        (left.split(b" "), right.split(b" "))
        for left, _, right in (
            line.partition(b" - ") for line in (MOUNTS.read_bytes() if table is None else table).splitlines()
        )
    ]
    entries = [_Entry(fields, kind) for fields, kind in mounts if len(fields) >= 5 and len(kind) >= 2]
    found: _Entry | None = None
    for entry in entries:
        # Of two mounts in one place, the later covers the earlier.
        deeper = found is None or len(entry.point) >= len(found.point)
        if deeper and (real == entry.point or real.startswith(entry.point.rstrip(b"/") + b"/")):
            found = entry
    if found is None:
        return Mount(Path("/"), "", "", 0)
    by_id = {entry.id: entry for entry in entries}
    # The sandbox of a service mounts single folders onto themselves, to make them writable or read-only. That is no
    # other volume.
    while (around := by_id.get(found.parent)) is not None and found.is_of(around):
        found = around
    return Mount(Path(os.fsdecode(found.point)), os.fsdecode(found.fstype), os.fsdecode(found.source), found.id)


class _Entry:
    """One line of the table."""

    def __init__(self, fields: list[bytes], kind: list[bytes]) -> None:
        self.id, self.parent = int(fields[0]), int(fields[1])
        self.device = fields[2]
        self.root, self.point = _unescaped(fields[3]), _unescaped(fields[4])
        self.fstype, self.source = _unescaped(kind[0]), _unescaped(kind[1])

    def is_of(self, around: _Entry) -> bool:
        """Whether it shows the very folder of `around` that it lies on."""
        if self.id == around.id or self.device != around.device:
            return False
        below = os.path.relpath(self.point, around.point)
        return os.path.normpath(around.root + b"/" + below).replace(b"//", b"/") == self.root


def events_work(fstype: str) -> bool:
    """Whether the kernel tells of everything that changes on this file system."""
    return fstype in TELLING


def reason(fstype: str) -> str:
    """Why a folder there is watched, or listed again and again: one sentence for people, without its full stop."""
    if events_work(fstype):
        return f"{fstype} tells of every change"
    if fstype in REMOTE:
        return f"{fstype} does not tell of what other machines change"
    if fstype == "fuse" or fstype.startswith(("fuse.", "fuseblk")):
        return f"{fstype} is not written by the kernel, and does not tell of every change"
    if fstype in ("overlay", "aufs"):
        return f"{fstype} has layers, and does not tell of what changes below the upper one"
    return f"it is not known that {fstype or 'this file system'} tells of every change"


def _unescaped(field: bytes) -> bytes:
    r"""Blanks, tabs, newlines and backslashes stand as `\040` and the like."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 0xFF]), field)
