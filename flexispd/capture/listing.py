"""
What lies in an inbox now, compared with what lay there before. The truth that hints only hurry.

Everything here waits for the disk, for as long as the disk likes, so it runs beside the supervisor and not in it.
Nothing is written, no picture is opened; of a JSON file the first bytes are read, to know our own receipts.

Only regular files count. A link to one counts as that file, wherever it lies, because collecting pictures by links is
an old custom, and `flexispd render` reads them too; a link to a folder is not followed, so that no circle can be
entered and no tree is counted twice. Pipes, sockets and devices are never opened.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import translate

from flexispd.capture.formats import Kind, is_ignored_file, is_ignored_folder, kind_of_name
from flexispd.capture.receipts import is_receipt
from flexispd.capture.records import Observation
from flexispd.errors import displayable


@dataclass(frozen=True, slots=True)
class Seen:
    """
    How a file looked.

    Attributes:
        path: Its whole path, with surrogateescape.
        observation: None when it is not there any more.
        at_s: When, on the monotonic clock.
        receipt: It is a JSON file that flexispd wrote.
    """

    path: str
    observation: Observation | None
    at_s: float
    receipt: bool = False


@dataclass(slots=True)
class Survey:
    """
    What a look at an inbox has found.

    Attributes:
        seen: Files that are new, changed or gone; and all that were asked for as due, unchanged or not.
        scanned: The whole inbox was listed, as far as it could be read.
        whole: So it was, and nothing could be hidden in a place that could not be read.
        absent: Why the inbox is not there, as a sentence; then nothing is told to be gone.
        unreadable: Folder -> why it, or something in it, could not be looked at. Of what lies there nothing is told.
        unsure: Files that were asked for as due, or seemed to be gone, of which nothing can be said now.
        lost: Folders that are not there any more.
        new, changed, gone: How many of each.
        files, folders: How many are known now, the inbox itself among the folders.
        began_s, ended_s: On the monotonic clock.
    """

    seen: list[Seen] = field(default_factory=list)
    scanned: bool = False
    whole: bool = False
    absent: str | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    gone: int = 0
    files: int = 0
    folders: int = 0
    began_s: float = 0.0
    ended_s: float = 0.0


class Listing:
    """
    The files of one inbox as they were last seen.

    Attributes:
        answered_s: When the disk last answered, on the monotonic clock; may be read by any thread.

    Args:
        root: The inbox, absolute.
        ignored: Patterns of names that are passed over, besides the usual ones; blind to case.
        absence: Says why the inbox is not there, or None.
        add_watch: Told of every folder before it is read.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        root: str,
        ignored: Iterable[str],
        absence: Callable[[], str | None],
        add_watch: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._root = root
        self._ignored = re.compile("|".join(translate(pattern.lower()) for pattern in ignored) or r"(?!)")
        self._absence = absence
        self._add_watch = add_watch
        self._clock = clock
        self._folders: dict[str, dict[str, Observation]] = {}
        self.answered_s = 0.0

    def scan(self) -> Survey:
        """List everything."""
        survey = self._begin()
        if survey.absent is not None:
            return survey
        reached = self._list_tree(self._root, survey)
        lost = self._folders.keys() - reached
        self._lose(
            [folder for folder in lost if not any(_within(folder, blind) for blind in survey.unreadable)], survey
        )
        if self._root in survey.unreadable:
            survey.absent = f"{displayable(self._root)} cannot be read: {survey.unreadable[self._root]}."
        survey.scanned, survey.whole = True, not survey.unreadable
        return self._end(survey)

    def look(self, hinted: Iterable[str], due: Iterable[str] = ()) -> Survey:
        """Look at what hints name, new folders in their whole depth; and at files whose second look is due."""
        survey = self._begin()
        if survey.absent is None:
            for path in hinted:
                self._look_at(path, survey)
                self.answered_s = self._clock()
            for path in due:
                self._look_again(path, survey)
                self.answered_s = self._clock()
            self._end(survey)
        else:
            survey.unsure = list(due)
        return survey

    def _begin(self) -> Survey:
        return Survey(began_s=self._clock(), absent=self._absence())

    def _end(self, survey: Survey) -> Survey:
        """Believe what has been found."""
        if any(seen.observation is None for seen in survey.seen):
            # The volume may have gone while it was being looked at; then nobody has deleted anything.
            survey.absent = survey.absent or self._absence()
        if survey.absent is not None:
            survey.unsure += [seen.path for seen in survey.seen if seen.observation is None]
            survey.seen = [seen for seen in survey.seen if seen.observation is not None]
            survey.whole = False
        else:
            for seen in survey.seen:
                if seen.observation is None and (files := self._folders.get(os.path.dirname(seen.path))) is not None:  # noqa: PTH120  (names only)
                    survey.gone += files.pop(seen.path, None) is not None
            for folder in survey.lost:
                self._folders.pop(folder, None)
        survey.files, survey.folders = sum(map(len, self._folders.values())), len(self._folders)
        survey.ended_s = self._clock()
        return survey

    def _list_tree(self, top: str, survey: Survey) -> set[str]:
        """List a folder and everything below it; the folders that could be listed."""
        reached: set[str] = set()
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            self._add_watch(folder)  # before it is read: what comes in between is told
            try:
                waiting += self._list(folder, survey)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                survey.unreadable[folder] = os.strerror(error.errno or 0)
                continue
            reached.add(folder)
        return reached

    def _list(self, folder: str, survey: Survey) -> list[str]:
        """Compare one folder with what was known of it; its sub-folders."""
        known = self._folders.setdefault(folder, {})
        subfolders: list[str] = []
        there: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self.answered_s = self._clock()
                path = entry.path
                before = known.get(path)
                if entry.is_dir(follow_symlinks=False):
                    if not self._is_ignored(entry.name, is_ignored_folder):
                        subfolders.append(path)
                    continue
                if before is None and self._is_ignored(entry.name, is_ignored_file):
                    continue
                try:
                    now = entry.stat()  # of what a link leads to
                except OSError as error:
                    if error.errno not in _NOT_THERE:
                        survey.unreadable[folder] = os.strerror(error.errno or 0)
                        there.append(path)
                    continue
                if stat.S_ISREG(now.st_mode):
                    there.append(path)
                    if before is None or not _alike(now, before):
                        self._tell(path, now, survey)
        for path in known.keys() - set(there) if len(there) != len(known) else ():
            survey.seen.append(Seen(path, None, self._clock()))
        return subfolders

    def _look_at(self, path: str, survey: Survey) -> None:
        """One path that a hint names. Below a folder that is not known yet, that folder is looked at instead."""
        folder, name = os.path.split(path)
        while folder not in self._folders and _within(folder, self._root):
            path, (folder, name) = folder, os.path.split(folder)
        if folder not in self._folders:
            return
        try:
            is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                survey.unreadable[folder] = os.strerror(error.errno or 0)
                return
            is_folder = False
        below = [known for known in self._folders if _within(known, path)] if path in self._folders else []
        if is_folder and not self._is_ignored(name, is_ignored_folder):
            reached = self._list_tree(path, survey)
            self._lose([known for known in below if known not in reached | survey.unreadable.keys()], survey)
        elif not is_folder:
            self._lose(below, survey)
            if not self._is_ignored(name, is_ignored_file):
                self._look_at_file(path, survey)

    def _look_at_file(self, path: str, survey: Survey) -> None:
        folder = os.path.dirname(path)  # noqa: PTH120  (names only)
        before = self._folders[folder].get(path)
        try:
            now = _regular(path)
        except OSError as error:
            survey.unreadable[folder] = os.strerror(error.errno or 0)
            return
        if now is None and before is not None:
            survey.seen.append(Seen(path, None, self._clock()))
        elif now is not None and (before is None or not _alike(now, before)):
            self._tell(path, now, survey)

    def _look_again(self, path: str, survey: Survey) -> None:
        """A file whose second look is due: told whether it has changed or not."""
        at_s = self._clock()  # before the look, because what comes after must not count as having been seen
        known = self._folders.get(os.path.dirname(path), {})  # noqa: PTH120  (names only)
        try:
            now = _regular(path)
        except OSError:
            survey.unsure.append(path)
            return
        if now is None or path not in known:
            survey.seen.append(Seen(path, None, at_s))
        elif _alike(now, known[path]):
            survey.seen.append(Seen(path, known[path], at_s, self._is_receipt(path)))
        else:
            self._tell(path, now, survey)

    def _tell(self, path: str, now: os.stat_result, survey: Survey) -> None:
        """A new file, or one that has changed."""
        known = self._folders[os.path.dirname(path)]  # noqa: PTH120  (names only)
        if path in known:
            survey.changed += 1
        else:
            survey.new += 1
        known[path] = Observation(now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        survey.seen.append(Seen(path, known[path], self._clock(), self._is_receipt(path)))

    def _lose(self, folders: Iterable[str], survey: Survey) -> None:
        """Folders that are not there any more, with all that was in them."""
        for folder in folders:
            survey.lost.append(folder)
            survey.seen += [Seen(path, None, survey.began_s) for path in self._folders[folder]]

    def _is_ignored(self, name: str, usually: Callable[[str], bool]) -> bool:
        return usually(name) or self._ignored.fullmatch(name.lower()) is not None

    def _is_receipt(self, path: str) -> bool:
        return kind_of_name(path) is Kind.JSON and is_receipt(path)


_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def _regular(path: str) -> os.stat_result | None:
    """How a regular file looks; None when there is none. OSError when that cannot be told."""
    try:
        now = os.stat(path)  # noqa: PTH116  (names are not parsed 60,000 times)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    return now if stat.S_ISREG(now.st_mode) else None


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _alike(now: os.stat_result, before: Observation) -> bool:
    return (
        now.st_size == before.size_bytes and now.st_mtime_ns == before.mtime_ns and now.st_ctime_ns == before.ctime_ns
    )
