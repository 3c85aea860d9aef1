"""
Writing outputs so that a reader sees all of a file or none of it, and a power cut does not take it back.

    1  every file is written and synced under a temporary name in its own folder    where a full disk shows
    2  all are renamed, in the order given                                          each rename is atomic
    3  the folders are synced                                                       else a power cut undoes renames

An error in step 1 leaves nothing behind, and one in step 2 nothing that was not there before. Only a crash leaves
temporary files, and they are known by their names.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flexispd.errors import CaptureError, FlexispError, TransientError, displayable

STALE_AFTER_S = 3600.0
"""No write takes an hour, so a temporary file this old belongs to a run that crashed."""

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links answer, FAT among them."""

_TEMPORARY = re.compile(r"\.flexispd-[0-9a-f]{16}\.tmp")


def publish(data: bytes, target: Path) -> None:
    """Write `data` to `target` atomically and durably, replacing any earlier version. Errors as `publish_together`."""
    publish_together([(target, data)], replacing=[target])


def publish_together(files: Sequence[tuple[Path, bytes]], *, replacing: Collection[Path] = ()) -> None:
    """
    Write all of the files, or none of them.

    Args:
        files: Target and content, in the order in which they shall appear. Missing folders are made.
        replacing: The targets that may exist. Any other is created only if its name is free at that moment: a file
            that somebody else put there meanwhile stays, and the call fails.

    Raises TransientError when waiting or making room helps (full, read-only, not permitted, I/O error), and
    CaptureError when it does not (a name that the file system refuses, a name that is taken).
    """
    made: list[Path] = []
    staged: list[tuple[Path, Path]] = []
    created: list[Path] = []
    folders = list(dict.fromkeys(target.parent for target, _ in files))
    try:
        for folder in folders:
            with _translated(folder):
                _make_folder(folder, made)
        for target, data in files:
            with _translated(target):
                staged.append((_stage(data, target.parent), target))
        for temporary, target in staged:
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

    Looks at names of our own form only, and at regular files that nobody has written to for `STALE_AFTER_S`.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _TEMPORARY.fullmatch(entry.name):
                continue
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and now_s - status.st_mtime > STALE_AFTER_S:
                    Path(entry.path).unlink()
                    removed += 1
    return removed


def _stage(data: bytes, folder: Path) -> Path:
    """`data` in a new temporary file, on the disk."""
    # The name does not contain the target's, which may already have all the 255 bytes that a name can have.
    temporary = folder / f".flexispd-{secrets.token_hex(8)}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
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


_FULL = _Trouble(TransientError, "There is no space left to write {}.", "Free some space, then run this again.")
_FORBIDDEN = _Trouble(
    TransientError,
    "Writing {} is not permitted.",
    "Give yourself write access to the folder, or choose another outbox.",
)
_NAME = _Trouble(
    CaptureError, "The file system does not accept the name {}.", "Rename the capture, or choose an outbox elsewhere."
)
_TROUBLES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _Trouble(
        TransientError, "Your disk quota is used up, so {} was not written.", "Free some space, then run this again."
    ),
    errno.EROFS: _Trouble(
        TransientError, "{} lies on a read-only file system.", "Mount it writable, or choose another outbox."
    ),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOTDIR: _Trouble(
        TransientError,
        "A part of the path of {} is a file, not a folder.",
        "Move that file away, or choose another outbox.",
    ),
    errno.ENOENT: _Trouble(
        TransientError, "The folder of {} has vanished.", "Check that its volume is still there, then run this again."
    ),
    errno.EEXIST: _Trouble(
        CaptureError, "{} already exists and is not ours to replace.", "Move it away, or choose another outbox."
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
    """The operating system's errors as ours; one that is not in the table may pass by itself."""
    try:
        yield
    except OSError as error:
        known = _TROUBLES.get(error.errno or 0)
        shown = displayable(path)
        if known is None:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise TransientError(
                f"{shown} could not be written: {reason}.",
                remedy="Check the disk and its connection, then run this again.",
            ) from error
        raise known.kind(known.problem.format(shown), remedy=known.remedy) from error
