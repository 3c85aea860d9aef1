"""
Hints that something has changed in an inbox, from the kernel, by way of watchdog. Never more than hints.

The kernel's queue overflows, a folder that is deleted and made again is another folder, an unmounted one falls silent,
and watches run out. None of that raises anything. So nothing is believed that comes from here, and nothing is missed
that does not come: hints only say where to look first, and a `doubt` says that everything has to be looked at.

Folders are watched one by one, by whoever lists them and just before he does, so that nothing can slip in between and
ignored folders cost nothing. For that, watchdog's descriptor is used and not its observer: an observer watches every
folder below its root, has queues without a limit between three threads, and says nothing when watches have run out.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Literal

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from flexispd.capture.filesystem import mount_of

Doubt = Literal["overflow", "watch_limit", "mount", "root_recreated", "handler_error"]

HINTS_MAX = 20_000
"""More than that are as much work as a complete listing."""

MASK = Mask(
    # Not what is written while a file is open: it would flood the queue, and the file is looked at anyway.
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)

logging.getLogger("watchdog").addHandler(
    logging.NullHandler()
)  # what it warns of becomes a doubt, not a line on stderr


class Watch:
    """
    Hints about one tree of folders.

    `arm`, `add`, `audit` and `disarm` look at the disk and belong to one thread; `take` may be called by another.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.RLock()
        self._hints: set[str] = set()
        self._doubt: Doubt | None = None
        self._source: _Source | None = None

    @property
    def armed(self) -> bool:
        """Whether hints may come."""
        return self._source is not None

    def arm(self, root: str) -> None:
        """
        Watch the root, and forget whatever was watched before; its folders are to be added while they are listed.

        Raises:
            OSError: The root is not there, or the kernel gives no descriptor (EMFILE) or no watch (ENOSPC).
        """
        self.disarm()
        source = _Source(root, self)
        try:
            source.add(root)
        except OSError:
            source.close()
            raise
        self._source = source

    def add(self, folder: str) -> None:
        """Watch a folder, unless it is watched already. Running out of watches is a doubt, and ends the watching."""
        if self._source is None:
            return
        try:
            self._source.add(folder)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                # What is left belongs to others: a program that takes the last watch stops its neighbours.
                self.disarm()
                self.doubt("watch_limit")

    def audit(self) -> None:
        """Doubt, when the watching is not what it should be."""
        if self._source is not None and (doubt := self._source.fault()):
            self.doubt(doubt)

    def disarm(self) -> None:
        """Watch nothing."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def hint(self, path: str) -> None:
        """Something happened to this path."""
        with self._lock:
            first = not self._hints
            if len(self._hints) < HINTS_MAX:
                self._hints.add(path)
            elif path not in self._hints:
                self.doubt("overflow")
        if first:
            self._wake()

    def doubt(self, doubt: Doubt) -> None:
        """Hints have been lost, or may have been. The first reason is kept, because others follow from it."""
        with self._lock:
            self._doubt = self._doubt or doubt
        self._wake()

    def take(self) -> tuple[set[str], Doubt | None]:
        """Paths to look at, and whether everything has to be looked at, since the last call."""
        with self._lock:
            hints, self._hints = self._hints, set()
            doubt, self._doubt = self._doubt, None
        return hints, doubt


class _Source:
    """One descriptor of the kernel, one thread that reads it, and the folders that it tells of."""

    def __init__(self, root: str, watch: Watch) -> None:
        self._root = root
        self._watch = watch
        self._identity = _identity(root)
        self._lock = threading.RLock()
        self._folders: dict[WatchDescriptor, tuple[str, CallbackId]] = {}
        self._watched: dict[str, WatchDescriptor] = {}
        self._ids = count(1)
        self._closed = False
        self._descriptor = InotifyFD()
        self._descriptor.start()

    def add(self, folder: str) -> None:
        """OSError ENOSPC when there are no watches left, and any OSError for the root."""
        with self._lock:  # held, so that no event of the new watch is read before it is known here
            if folder in self._watched:
                return
            id_ = CallbackId(next(self._ids))
            try:
                wd = self._descriptor.add_callback(os.fsencode(folder), MASK, self, id_)
            except OSError as error:
                if error.errno == errno.ENOSPC or folder == self._root:
                    raise
                return  # it has gone meanwhile, which its parent tells
            before = self._folders.pop(wd, None)
            if before is not None:  # the same folder under another name
                self._watched.pop(before[0], None)
            if before is not None or wd < 0:  # watchdog answers -1 where it may not look, and keeps it like a watch
                self._descriptor.remove_callbacks([(wd, before[1] if before is not None else id_)])
            if wd >= 0:
                self._folders[wd] = folder, id_
                self._watched[folder] = wd

    def fault(self) -> Doubt | None:
        """What is wrong with this source, or None."""
        if not self._descriptor.is_alive():
            return "handler_error"
        try:
            identity = _identity(self._root)
        except OSError:
            return "mount"
        if identity != self._identity:
            return "root_recreated"
        with self._lock:
            needed = len(self._watched)
        # The kernel's own count: it drops watches silently with the folders that they were on.
        table = Path(f"/proc/self/fdinfo/{self._descriptor._inotify_fd}").read_bytes()
        return "handler_error" if table.count(b"inotify wd:") < needed else None

    def close(self) -> None:
        self._closed = True
        self._descriptor.stop()

    def on_event(self, event: InotifyEvent) -> None:
        """Called by the reading thread, which must survive it."""
        try:
            if not self._closed:
                self._tell(event)
        except BaseException:
            self._watch.doubt("handler_error")

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel has dropped a watch: its folder was deleted or unmounted."""
        with self._lock:
            folder, _ = self._folders.pop(wd, (None, None))
            if folder is not None and self._watched.get(folder) == wd:
                del self._watched[folder]
        if folder == self._root and not self._closed:
            self._watch.doubt("root_recreated")

    def on_queue_overflow(self) -> None:
        """The kernel threw events away."""
        if not self._closed:
            self._watch.doubt("overflow")

    def _tell(self, event: InotifyEvent) -> None:
        with self._lock:
            folder, _ = self._folders.get(event.wd, (None, None))
        if folder is None:
            return
        if event.mask & InotifyConstants.IN_UNMOUNT:
            self._watch.doubt("mount")
        elif event.name:
            path = f"{folder}/{os.fsdecode(event.name)}"
            if event.is_directory and (event.is_moved_from or event.is_delete):
                self._drop(path)
            self._watch.hint(path)
        elif folder == self._root and (event.is_move_self or event.is_delete_self):
            self._watch.doubt("root_recreated")

    def _drop(self, top: str) -> None:
        """A folder has left its place: what its tree tells would come under the old names."""
        with self._lock:
            gone = [path for path in self._watched if path == top or path.startswith(top + "/")]
            watches = [self._watched.pop(path) for path in gone]
            callbacks = [(wd, self._folders.pop(wd)[1]) for wd in watches if wd in self._folders]
        with suppress(OSError):
            self._descriptor.remove_callbacks(callbacks)


def _identity(root: str) -> tuple[int, int, int]:
    """
    Device, inode and number of the mount. A renamed root keeps its inode, so the one made in its place differs; a
    deleted one's inode may come back, but the kernel tells of the deletion.
    """
    seen = Path(root).stat()
    return seen.st_dev, seen.st_ino, mount_of(Path(root)).id
