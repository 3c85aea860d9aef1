"""
The thread of a worker that keeps the newest capture on the screen, beside whatever is rendered.

Of several wishes only the last is fulfilled. One that cannot be is told with its reason, and is forgotten: a preview is
never a reason to put off or to fail a capture.
"""

from __future__ import annotations

import hashlib
import queue
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flexispd.decode import read_preview
from flexispd.errors import FlexispError, displayable
from flexispd.export.preview import BYTES_MAX, checked_jpeg, jpeg_of, upright_jpeg
from flexispd.export.publish import publish_together
from flexispd.export.receipt import sha256_of
from flexispd.jobs import Permit, Show, Showable, Shown


class Showing:
    """What is to be shown, and the thread's work."""

    def __init__(self, send: Callable[[Any], None]) -> None:
        self._send = send
        self._wishes: queue.SimpleQueue[Show] = queue.SimpleQueue()
        self._permits: queue.SimpleQueue[Permit] = queue.SimpleQueue()

    def take(self, message: Show | Permit) -> None:
        """A wish, or the answer about the one that is under way. Never waits."""
        if isinstance(message, Show):
            self._wishes.put(message)
        else:
            self._permits.put(message)

    def show_all(self) -> None:
        """Fulfil the newest wish, again and again; the end of it is always told."""
        while True:
            show = self._newest()
            try:
                source = self._show(show)
            except Exception as error:  # whatever a hostile file or a broken disk comes up with
                problem = error.problem if isinstance(error, FlexispError) else f"{type(error).__name__}: {error}"
                self._send(Shown(show.number, None, displayable(problem)))
            else:
                self._send(Shown(show.number, source, None))

    def _newest(self) -> Show:
        show = self._wishes.get()
        while True:
            try:
                show = self._wishes.get_nowait()
            except queue.Empty:
                return show

    def _show(self, show: Show) -> Path:
        """The file that is shown now."""
        source, data = _jpeg(show)
        before = standing(show.target)
        self._send(Showable(show.number, hashlib.sha256(data).hexdigest(), before))
        permit = self._permits.get()
        if not permit.granted:
            raise FileExistsError(f"{show.target.name} is not ours")
        if standing(show.target) != before:
            raise FileExistsError(f"{show.target.name} was changed just now")
        publish_together([(show.target, data)], replacing=[] if before is None else [show.target], anchor=permit.anchor)
        return source


def standing(target: Path) -> str | None:
    """SHA-256 of what lies there; None if nothing does, empty if it is nothing that we could have written."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        target.parent.lstat()  # an outbox that is not there is not made for this
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > BYTES_MAX:
        return ""
    return sha256_of(target)


def _jpeg(show: Show) -> tuple[Path, bytes]:
    """The best that there is to see now, and the file that it comes from."""
    problems: list[str] = []
    for path, read in _sources(show):
        try:
            data = read(path)
        except Exception as error:  # the next one may be better
            problems.append(f"{path.name}: {error}")
        else:
            if data is not None:
                return path, data
    raise ValueError("; ".join(problems) or "there is no preview")


def _sources(show: Show) -> Iterator[tuple[Path, Callable[[Path], bytes | None]]]:
    if show.picture is not None:
        yield show.picture, _file
        return
    if show.capture.companion is not None:
        yield show.capture.companion, _file
    yield show.capture.raw, _embedded


def _file(path: Path) -> bytes:
    with path.open("rb") as file:
        return checked_jpeg(file.read(BYTES_MAX + 1))


def _embedded(path: Path) -> bytes | None:
    """The preview in a raw, upright."""
    found = read_preview(path)
    if found is None:
        return None
    if isinstance(found.content, bytes):
        return upright_jpeg(found.content, found.orientation, wide=found.wide)
    return jpeg_of(found.content, found.orientation)
