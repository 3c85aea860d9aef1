"""
One inbox's disk, as somebody sees it who may wait: is it there, what is in it, and does the kernel tell of changes.

All calls come from the inbox's own thread, one at a time; the attributes may be read by anybody.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from flexispd.capture.filesystem import events_work, reason
from flexispd.capture.listing import Listing, Survey
from flexispd.capture.volume import Volume
from flexispd.capture.watch import Watch

WATCHES = "fs.inotify.max_user_watches"
INSTANCES = "fs.inotify.max_user_instances"


class Lookout:
    """
    What an inbox's thread does.

    Attributes:
        mode: "events: ..." or "scan: ...", with the reason, for people.
        limit: The kernel's setting that is too low for watching, or None.
        mount: Where the volume is mounted, once the inbox has been there.
    """

    def __init__(
        self, root: Path, wanted: Literal["auto", "events", "scan"], volume: Volume, watch: Watch, listing: Listing
    ) -> None:
        self._root = os.fspath(root)
        self._wanted = wanted
        self._volume = volume
        self._watch = watch
        self._listing = listing
        self.mode = "scan: it has not been listed yet"
        self.limit: str | None = None
        self.mount: Path | None = None

    def scan(self, anew: bool) -> Survey:
        """List everything. `anew`: what is watched is not to be relied upon, or watching is to be tried again."""
        if anew or not (self._watch.armed or self.limit):
            self._arm()
        survey = self._listing.scan()
        if survey.absent is not None:
            self._watch.disarm()
        elif self._volume.home is not None:
            self.mount = self._volume.home.point
        if not self._watch.armed and self.mode.startswith("events"):
            self._limited(WATCHES)  # they ran out on the way
        return survey

    @property
    def answered_s(self) -> float:
        """When the disk last answered, on the monotonic clock."""
        return self._listing.answered_s

    def look(self, hinted: Iterable[str], due: Iterable[str]) -> Survey:
        """Look at some places only."""
        return self._listing.look(hinted, due)

    def audit(self) -> None:
        """Doubt the watching where it has to be doubted."""
        self._watch.audit()

    def _arm(self) -> None:
        self._watch.disarm()
        if self._volume.absence() is not None or self._volume.home is None:
            return
        fstype = self._volume.home.fstype
        if self._wanted == "scan":
            self.mode = "scan: the configuration says so"
        elif self._wanted == "auto" and not events_work(fstype):
            self.mode = f"scan: {reason(fstype)}"
        else:
            self._arm_events("the configuration says so" if self._wanted == "events" else reason(fstype))

    def _arm_events(self, why: str) -> None:
        try:
            self._watch.arm(self._root)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENOSPC):
                self._limited(INSTANCES if error.errno == errno.EMFILE else WATCHES)
            else:
                self.mode = f"scan: the folder cannot be watched: {os.strerror(error.errno or 0)}"
        else:
            self.limit = None
            self.mode = f"events: {why}"

    def _limited(self, setting: str) -> None:
        self.limit = setting
        self.mode = f"scan: {setting} is too low"
