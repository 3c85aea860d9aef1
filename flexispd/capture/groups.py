"""
The files of an inbox in groups, so that one new file does not pair the whole inbox anew.

Pure: it knows names, and never looks at the disk. A group holds all files that could belong to one another, by the
rules of `pair`: those of one folder whose names are the same up to the extensions. `DSC1.NEF`, `dsc1.json` and
`DSC1.NEF.xmp` are one. Pairing every group gives what pairing the folder as a whole would give.
"""

from __future__ import annotations

import os
from pathlib import Path

from flexispd.capture.formats import Kind, kind_of_name, split_name
from flexispd.capture.pair import Pairing, pair

Group = tuple[str, str]
"""A folder, and what the names of the group's files have in common."""


def group_of(path: str) -> Group:
    """The group that a file belongs to."""
    folder, name = os.path.split(path)
    stem, _ = split_name(name.casefold())
    # A sidecar may carry the whole name of its picture, and so may that sidecar's sidecar.
    while kind_of_name(stem) in (Kind.RAW, Kind.PNG):
        stem, _ = split_name(stem)
    return folder, stem


class Groups:
    """Which files there are, by group. Whole paths as texts: a hundred thousand of them have to fit."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, tuple[str, ...]]] = {}
        self._receipts: set[str] = set()

    def add(self, path: str, receipt: bool) -> Group:
        """A file that is there, new or not; its group."""
        folder, stem = group = group_of(path)
        stems = self._names.setdefault(folder, {})
        paths = stems.get(stem, ())
        if path not in paths:
            stems[stem] = (*paths, path)
        if receipt:
            self._receipts.add(path)
        else:
            self._receipts.discard(path)
        return group

    def remove(self, path: str) -> Group:
        """A file that is not there any more; its group."""
        folder, stem = group = group_of(path)
        stems = self._names.get(folder, {})
        paths = tuple(other for other in stems.pop(stem, ()) if other != path)
        if paths:
            stems[stem] = paths
        elif not stems:
            self._names.pop(folder, None)
        self._receipts.discard(path)
        return group

    def paths(self, group: Group) -> tuple[str, ...]:
        """The files of a group; none when it is not there any more."""
        folder, stem = group
        return self._names.get(folder, {}).get(stem, ())

    def pairing(self, group: Group) -> Pairing:
        """The captures that a group's files make."""
        paths = self.paths(group)
        return pair(map(Path, paths), {Path(path) for path in paths if path in self._receipts})
