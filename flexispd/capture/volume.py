"""
Whether an inbox is there: the folder itself, and the volume that it lay on when it was first seen.

A mount point whose volume is not mounted looks like an empty folder. Whoever believes it takes every capture for
deleted, and every one for new when the volume returns.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from flexispd.capture.filesystem import Mount, mount_of
from flexispd.errors import displayable


class Volume:
    """
    An inbox's folder and where it is mounted.

    Attributes:
        home: The mount that holds the folder, as last seen; None until it has been there once.
    """

    def __init__(self, root: Path, expected_mount: Path | None) -> None:
        self._root = root
        self._expected = expected_mount
        self.home: Mount | None = None

    def absence(self) -> str | None:
        """
        Why the inbox is not there, as one sentence; None when it is, and then `home` is up to date.

        May wait as long as the file system does.
        """
        shown = displayable(self._root)
        try:
            # Before the table of mounts is read: with an automounter, looking is what mounts the volume.
            mode = self._root.stat().st_mode
        except FileNotFoundError:
            return f"{shown} is not there."
        except OSError as error:
            return f"{shown} cannot be read: {os.strerror(error.errno or 0)}."
        if not stat.S_ISDIR(mode):
            return f"{shown} is not a folder."
        mount = mount_of(self._root)
        if self._expected is not None and mount.point != self._expected and self._expected.is_relative_to(mount.point):
            return f"The volume that holds {shown} is not mounted at {displayable(self._expected)}."
        self._expected = mount.point
        self.home = mount
        return None
