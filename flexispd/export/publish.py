"""
Writing outputs so that a reader sees all of a file or none of it, and a power cut does not take it back.

    1  every file is written and synced under a temporary name in its own folder    where a full disk shows
    2  all are renamed, in the order given                                          each rename is atomic
    3  the folders are synced, each before the first rename in the next             else a power cut undoes renames

An error in step 1 leaves nothing behind, and one in step 2 nothing that was not there before. Only a crash leaves
temporary files. They are known by their names, and by nobody holding the lock that a writer keeps on each of its own
until it has been renamed: the kernel takes the locks of a process that dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flexispd.errors import BlockedError, CaptureError, FlexispError, NameTakenError, TransientError, displayable

STALE_AFTER_S = 3600.0
"""No write takes an hour: where there are no locks, a temporary file this old belongs to a run that crashed."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)
"""What file systems without locks answer, some network ones among them."""

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links answer, FAT among them."""

_TEMPORARY = re.compile(r"\.flexispd-[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, slots=True)
class Anchor:
    """
    A folder as it was when all was well. When its volume goes, an empty folder of another disk shows in its place.

    Attributes:
        device, inode: What the kernel knew it by.
    """

    folder: Path
    device: int
    inode: int

    @classmethod
    def of(cls, folder: Path) -> Anchor:
        """The folder as it is now. OSError when it is not there."""
        status = folder.stat()
        return cls(folder, status.st_dev, status.st_ino)

    def check(self) -> None:
        """BlockedError unless this is still the folder that it was."""
        with _translated(self.folder):
            if Anchor.of(self.folder) != self:
                raise BlockedError(
                    f"{displayable(self.folder)} is another folder than a moment ago.",
                    remedy="Mount its volume again.",
                )


def publish(data: bytes, target: Path) -> None:
    """Write `data` to `target` atomically and durably, replacing any earlier version. Errors as `publish_together`."""
    publish_together([(target, data)], replacing=[target])


def publish_together(
    files: Sequence[tuple[Path, bytes]], *, replacing: Collection[Path] = (), anchor: Anchor | None = None
) -> None:
    """
    Write all of the files, or none of them.

    Args:
        files: Target and content, in the order in which they shall appear. Missing folders are made.
        replacing: The targets that may exist. Any other is created only if its name is free at that moment: a file
            that somebody else put there meanwhile stays, and the call fails.
        anchor: A folder that must not have become another one.

    Raises:
        BlockedError: Nothing can be written to the folder, whichever file it is: full, read-only, not permitted, gone.
        TransientError: Any other trouble that may pass.
        NameTakenError: A file has the name of one that is not in `replacing`.
        CaptureError: The file system will never take this name, or a file this large.
    """
    made: list[Path] = []
    staged: list[tuple[Path, Path]] = []
    created: list[Path] = []
    folders = list(dict.fromkeys(target.parent for target, _ in files))
    with ExitStack() as locks:
        try:
            if anchor is not None:
                anchor.check()
            for folder in folders:
                with _translated(folder):
                    _make_folder(folder, made)
            for target, data in files:
                with _translated(target):
                    staged.append((_stage(data, target.parent, locks), target))
            if anchor is not None:
                anchor.check()  # from here on, the open files keep the volume from being unmounted
            before = folders[0]
            for temporary, target in staged:
                if target.parent != before:
                    with _translated(before):
                        _sync_folder(before)
                    before = target.parent
                with _translated(target):
                    _appear(temporary, target, replace=target in replacing)
                    if target not in replacing:
                        created.append(target)
        except BaseException:
            _clean_up([*(temporary for temporary, _ in staged), *created], made)
            raise
    for folder in folders:
        with _translated(folder):
            _sync_folder(folder)


def remove_stale_temporaries(folder: Path, now_s: float) -> int:
    """
    Delete what crashed runs left in `folder`, and return how many there were. `now_s` is the time since the epoch.

    Looks only at regular files with names of our own form, and takes those that no process holds: at once where the
    file system has locks, after `STALE_AFTER_S` without a write where it has none.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    removed += _remove_if_abandoned(Path(entry.path), now_s)
    return removed


def _remove_if_abandoned(temporary: Path, now_s: float) -> bool:
    # Open for writing, because network file systems give an exclusive lock on nothing less; FIFOs must not block.
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        locked = _lock(descriptor)
        abandoned = now_s - status.st_mtime > STALE_AFTER_S if locked is None else locked
        if abandoned and stat.S_ISREG(status.st_mode):
            temporary.unlink()  # before the lock is given up, so that a writer who waits for it sees that it is gone
            return True
        return False
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Whether the file could be locked for this descriptor alone; None where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _stage(data: bytes, folder: Path, locks: ExitStack) -> Path:
    """`data` in a new temporary file, on the disk; the file stays locked until `locks` is closed."""
    while True:
        # The name does not contain the target's, which may already have all the 255 bytes that a name can have.
        temporary = folder / f".flexispd-{secrets.token_hex(8)}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            file = locks.enter_context(os.fdopen(descriptor, "wb", buffering=0))
            if _lock(descriptor) is False or os.fstat(descriptor).st_nlink == 0:
                continue  # a clean-up came between the file and its lock, and takes it away
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        return temporary


def _appear(temporary: Path, target: Path, *, replace: bool) -> None:
    """Give the temporary file its name: atomically over the old one, or only where there is none."""
    taken = target.is_symlink() or (target.exists() and not (replace and target.is_file()))
    if not taken and not replace:
        try:
            os.link(temporary, target)  # unlike a rename, it fails when the name was taken this very moment
        except FileExistsError:
            taken = True
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
        else:
            temporary.unlink()
            return
    if taken:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.replace(temporary, target)  # noqa: PTH105  (Path.replace would hide which of the two it is)


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make `folder` and its missing parents, each of them durably; what was made is noted in `made`."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folder(folder.parent, made)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    else:
        made.append(folder)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot, and need not
            raise
    finally:
        os.close(descriptor)


def _clean_up(files: Sequence[Path], folders: Sequence[Path]) -> None:
    for path in files:
        with suppress(OSError):
            path.unlink()
    for folder in reversed(folders):
        with suppress(OSError):  # not empty: somebody uses it, so it stays
            folder.rmdir()


@dataclass(frozen=True, slots=True)
class _Trouble:
    kind: type[FlexispError]
    problem: str
    remedy: str


_FULL = _Trouble(BlockedError, "There is no space left to write {}.", "Free some space.")
_FORBIDDEN = _Trouble(
    BlockedError,
    "Writing {} is not permitted.",
    "Give yourself write access to the folder, or choose another outbox.",
)
_SILENT = _Trouble(BlockedError, "The disk or share of {} does not answer.", "Check it and its connection.")
_NAME = _Trouble(
    CaptureError, "The file system does not accept the name {}.", "Rename the capture, or choose an outbox elsewhere."
)
_TROUBLES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _Trouble(BlockedError, "Your disk quota is used up, so {} was not written.", "Free some space."),
    errno.EROFS: _Trouble(
        BlockedError, "{} lies on a read-only file system.", "Mount it writable, or choose another outbox."
    ),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOTDIR: _Trouble(
        BlockedError,
        "A part of the path of {} is a file, not a folder.",
        "Move that file away, or choose another outbox.",
    ),
    errno.ENOENT: _Trouble(BlockedError, "The folder of {} has vanished.", "Check that its volume is still there."),
    **dict.fromkeys(
        (
            *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EREMOTEIO, errno.ESHUTDOWN),
            *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
        ),
        _SILENT,
    ),
    errno.EEXIST: _Trouble(
        NameTakenError, "{} already exists and is not ours to replace.", "Move it away, or choose another outbox."
    ),
    errno.EFBIG: _Trouble(
        CaptureError, "{} is larger than the file system allows.", "Choose a smaller format, or an outbox elsewhere."
    ),
    errno.ELOOP: _Trouble(CaptureError, "The path of {} is a circle of symbolic links.", "Choose another outbox."),
    errno.ENAMETOOLONG: _NAME,
    errno.EILSEQ: _NAME,
    errno.EINVAL: _NAME,  # what FAT and network file systems say to a colon or to bytes that are not UTF-8
}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise outbox_error(path, error) from error


def outbox_error(path: Path, error: OSError) -> FlexispError:
    """The operating system's error about a file in an outbox, as ours; one that no table knows may pass by itself."""
    known = _TROUBLES.get(error.errno or 0)
    shown = displayable(path)
    if known is not None:
        return known.kind(known.problem.format(shown), remedy=known.remedy)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return TransientError(f"{shown} could not be written: {reason}.", remedy="Check the disk and its connection.")
