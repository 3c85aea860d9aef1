"""What is looked at on disks: inboxes, outbox, state folder, and the kernel's limit for watching."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flexispd.capture.filesystem import REMOTE, events_work, mount_of, reason
from flexispd.config import Config
from flexispd.doctor.finding import Finding
from flexispd.errors import displayable
from flexispd.outbox import MB, look

FRAME_BYTES = 10 * MB
"""About what one frame takes in the outbox, as long as none has been rendered: a JPEG of 24 megapixels."""

FRAMES_FEW = 100
"""Room for fewer than so many frames is worth a word."""

_FOLDERS_MAX = 1_000_000


def check_inbox(inbox: Path, watch: str) -> list[Finding]:
    """Whether captures can be read there, and how they are noticed. Nothing is ever written there."""
    shown = displayable(inbox)
    if not inbox.is_dir():
        problem = "is not a folder" if inbox.exists() else "is not there"
        return [Finding("fail", "inbox", f"{shown} {problem}", "Mount its volume, or make the folder.")]
    try:
        with os.scandir(inbox) as entries:
            next(entries, None)
    except OSError as error:
        return [Finding("fail", "inbox", f"{shown} cannot be read: {error.strerror}", "Give this user the right to.")]
    fstype = mount_of(inbox).fstype
    if watch == "scan" or (watch == "auto" and not events_work(fstype)):
        why = "as the configuration says" if watch == "scan" else reason(fstype)
        return [Finding("ok", "inbox", f"{shown} on {fstype}, listed every so often: {why}")]
    if not events_work(fstype):
        text = f"{shown} on {fstype}, watched by events: {reason(fstype)}"
        return [Finding("warn", "inbox", text, 'Set watch = "auto" in the configuration.')]
    return [Finding("ok", "inbox", f"{shown} on {fstype}, watched by events: {reason(fstype)}")]


def check_watch_limit(config: Config, proc: Path = Path("/proc/sys/fs/inotify")) -> list[Finding]:
    """Whether the kernel lets every folder of the inboxes be watched. Beyond the limit they are listed instead."""
    watched = [
        inbox
        for inbox in config.inboxes
        if config.arrival.watch != "scan" and inbox.is_dir() and events_work(mount_of(inbox).fstype)
    ]
    if not watched:
        return []
    try:
        limit, instances = (int((proc / f"max_user_{name}").read_text()) for name in ("watches", "instances"))
    except (OSError, ValueError):
        return [Finding("warn", "watch limit", "the kernel does not tell it", "Nothing; folders are listed as well.")]
    folders = sum(map(_count_folders, watched))
    if folders > limit:
        return [
            Finding(
                "warn",
                "watch limit",
                f"{folders} folders to watch, and {limit} watches allowed for all programs of a user",
                f"sysctl fs.inotify.max_user_watches={2 * folders}, in /etc/sysctl.d to keep it.",
            )
        ]
    if instances < 2:
        fix = "sysctl fs.inotify.max_user_instances=128, in /etc/sysctl.d to keep it."
        return [Finding("warn", "watch limit", f"{instances} watching programs allowed for a user", fix)]
    return [Finding("ok", "watch limit", f"{folders} of {limit} watches needed")]


def check_outbox(config: Config, frame_sizes: Sequence[int]) -> list[Finding]:
    """
    Whether pictures can be written, and for how many frames there is room. Writes a few bytes, and removes them.

    `frame_sizes`: bytes of the outputs of captures that were finished lately.
    """
    outbox, shown = config.outbox, displayable(config.outbox)
    if not outbox.is_dir():
        problem = "is not a folder" if outbox.exists() else "is not there"
        return [Finding("fail", "outbox", f"{shown} {problem}", "Mount its volume, or make the folder.")]
    answer = look(outbox, 0, None)
    if answer.problem is not None or answer.free_bytes is None:
        problem, _, fix = (answer.problem or "").partition(". ")
        return [Finding("fail", "outbox", problem, fix)]
    findings = [Finding("ok", "outbox", f"{shown} on {mount_of(outbox).fstype or 'an unknown file system'}, writable")]
    frame = max(1, sum(frame_sizes) // len(frame_sizes)) if frame_sizes else FRAME_BYTES
    room = answer.free_bytes - config.output.free_min_mb * MB
    free = f"{answer.free_bytes // MB} MB free"
    if room < frame:
        text = f"{free}, and free_min_mb leaves {config.output.free_min_mb} of them alone"
        return [*findings, Finding("fail", "space", text, "Make room, or lower free_min_mb.")]
    text = f"{free}, enough for about {room // frame} frames of {frame / MB:.1f} MB"
    few = room // frame < FRAMES_FEW
    return [*findings, Finding("warn" if few else "ok", "space", text, "Make room before a long night." if few else "")]


def check_state(state: Path) -> list[Finding]:
    """Whether the ledger can live there: on a disk of this machine, writable, or not yet made."""
    shown = displayable(state)
    folder = next(path for path in (state, *state.parents) if path.exists())
    fstype = mount_of(folder).fstype
    if fstype in REMOTE or fstype.startswith("fuse"):
        text = f"{shown} lies on {fstype}, where the ledger's write-ahead log does not work"
        return [Finding("fail", "state", text, "Set `state` to a folder on a disk of this machine.")]
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return [Finding("fail", "state", f"{displayable(folder)} cannot be written to", "Give this user the right to.")]
    files = [path for path in state.glob("*.sqlite*") if not os.access(path, os.W_OK)] if folder == state else []
    if files:
        text = f"{displayable(files[0])} cannot be written to"
        return [Finding("fail", "state", text, "Run as the user who made it, or give this user the right to.")]
    made = "" if folder == state else ", made at the first start"
    return [Finding("ok", "state", f"{shown} on {fstype or 'an unknown file system'}{made}")]


def _count_folders(root: Path) -> int:
    """The folder and all below it, up to a million."""
    count, waiting = 0, [os.fspath(root)]
    while waiting and count < _FOLDERS_MAX:
        count += 1
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    return count
