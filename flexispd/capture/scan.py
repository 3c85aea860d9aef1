"""
What `flexispd render PATH...` is asked to do: files and folders become captures.

Looks at names, and at the first bytes of JSON files to know our own receipts; opens no picture, writes nothing.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from flexispd.capture.formats import (
    HEADERLESS_EXTENSIONS,
    Kind,
    extension_of,
    is_ignored_file,
    is_ignored_folder,
    kind_of,
    stem_of,
)
from flexispd.capture.pair import Leftover, Pairing, Reason, pair
from flexispd.capture.receipts import is_receipt
from flexispd.capture.records import Capture
from flexispd.errors import CaptureError, FlexispError, TransientError, displayable


@dataclass(frozen=True, slots=True)
class FoundCapture:
    """
    A capture, and where its outputs go.

    Attributes:
        folder: Below the outbox: mirrors the sub-folder of a folder that was given; empty for a file that was named.
    """

    capture: Capture
    folder: PurePath


@dataclass(slots=True)
class Findings:
    """
    What the given paths hold.

    Attributes:
        captures: In the order of the paths given, each once.
        problems: What was asked for and cannot be done; each counts as a failed capture.
        leftovers: Files that were seen and not used, which is no failure.
        folders: Those of the paths given that are folders.
    """

    captures: list[FoundCapture] = field(default_factory=list)
    problems: list[FlexispError] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def first_read(self, folders: Iterable[Path]) -> Path | None:
        """The first of `folders` that, wherever links lead, lies in a given folder or holds a file of a capture."""
        trees = [_real(given) for given in self.folders]
        captures = (found.capture for found in self.captures)
        files = [path for c in captures for path in (c.raw, c.json, c.xmp, c.companion) if path is not None]
        holding = {_real(path.parent) for path in files} | {_real(path).parent for path in files}
        for folder in dict.fromkeys(folders):
            place = _real(folder)
            if place in holding or any(place.is_relative_to(tree) for tree in trees):
                return folder
        return None


def find_captures(paths: Sequence[Path]) -> Findings:
    """
    Captures in folders (with all their sub-folders) and among files.

    Any file of a capture names it, so `render *` works in a folder where raws, sidecars and JPEGs lie together. Links
    to folders are not followed inside a folder. Never raises: what cannot be looked at is among the problems.
    """
    search = _Search(paths)
    for path in paths:
        try:
            if path.is_dir():
                search.add_folder(path)
            else:
                search.add_file(path)
        except FlexispError as error:
            search.findings.problems.append(error)
        except OSError as error:
            search.findings.problems.append(_unreadable(path, error))
    return search.findings


class _Search:
    """Findings, while they grow; a capture that is reached twice is kept once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.findings = Findings()
        self._seen: set[str] = set()
        self._named: dict[Path, set[str]] = defaultdict(set)
        self._listed: dict[Path, Mapping[Path, Capture | Reason]] = {}
        for path in paths:
            self._named[path.parent].add(path.name)

    def add_folder(self, root: Path) -> None:
        """All captures below `root`."""
        self.findings.folders.append(root)

        def note(error: OSError) -> None:
            self.findings.problems.append(_unreadable(Path(error.filename or root), error))

        for folder, subfolders, names in os.walk(root, onerror=note):
            subfolders[:] = sorted(name for name in subfolders if not is_ignored_folder(name))
            pairing = _pair_in(Path(folder), {name for name in names if not is_ignored_file(name)})
            for capture in pairing.captures:
                self._add(capture, Path(folder).relative_to(root))
            for leftover in pairing.leftovers:
                if leftover.reason is Reason.WAITING_FOR_JSON:
                    self.findings.problems.append(_waiting(leftover.path))
                else:
                    self._leave(leftover)

    def add_file(self, path: Path) -> None:
        """The capture that a named file is a part of. FlexispError when there is none."""
        if not path.exists():
            raise CaptureError(f"{displayable(path)} does not exist.", remedy="Check the path.")
        if not path.is_file():
            raise CaptureError(
                f"{displayable(path)} is not a file or folder.", remedy="Give a raw, or a folder of raws."
            )
        place = self._places(path.parent).get(path)
        if isinstance(place, Capture):
            self._add(place, PurePath())
        elif place is Reason.BESIDE_RAW:
            self._add(self._without_raws(path), PurePath())
        elif place in (Reason.WAITING_FOR_JSON, Reason.FINISHED) and kind_of(path) is Kind.PNG:
            self._add(Capture(path), PurePath())  # asked for by name: decoding it says what is missing
        elif place in (Reason.OUTPUT, Reason.SPARE, Reason.AMBIGUOUS):
            self._leave(Leftover(path, place))
        else:
            raise _not_a_capture(path)

    def _places(self, folder: Path) -> Mapping[Path, Capture | Reason]:
        """What each file of a folder is a part of; listed once, however many of its files are named."""
        if folder not in self._listed:
            names = {name for name in os.listdir(folder) if not is_ignored_file(name)}  # noqa: PTH208  (names only)
            pairing = _pair_in(folder, names | self._named[folder])
            places: dict[Path, Capture | Reason] = {left.path: left.reason for left in pairing.leftovers}
            for capture in pairing.captures:
                files = (capture.raw, capture.json, capture.xmp, capture.companion)
                places.update({path: capture for path in files if path is not None})
            self._listed[folder] = places
        return self._listed[folder]

    def _without_raws(self, png: Path) -> Capture:
        """The mosaic as it would be paired if no raw of its name were there to take its JSON."""
        names = {name for name in os.listdir(png.parent) if kind_of(Path(name)) is not Kind.RAW}  # noqa: PTH208
        pairing = _pair_in(png.parent, {name for name in names if not is_ignored_file(name)} | {png.name})
        return next((capture for capture in pairing.captures if capture.raw == png), Capture(png))

    def _add(self, capture: Capture, folder: PurePath) -> None:
        place = os.path.abspath(capture.raw)  # noqa: PTH100  (two links to one raw are two captures)
        if place not in self._seen:
            self._seen.add(place)
            self.findings.captures.append(FoundCapture(capture, folder))

    def _leave(self, leftover: Leftover) -> None:
        place = os.path.abspath(leftover.path)  # noqa: PTH100
        if place not in self._seen:
            self._seen.add(place)
            self.findings.leftovers.append(leftover)


def _real(path: Path) -> Path:
    """Where a path leads in the end; unlike Path.resolve, a circle of links is no error."""
    return Path(os.path.realpath(path))


def _pair_in(folder: Path, names: set[str]) -> Pairing:
    paths = [folder / name for name in names]
    # A pipe or a device with a raw's name would block whoever opens it.
    files = [path for path in paths if path.is_file()]
    return pair(files, {path for path in files if kind_of(path) is Kind.JSON and is_receipt(path)})


def _waiting(png: Path) -> CaptureError:
    return CaptureError(
        f"{displayable(png)} is waiting for {displayable(stem_of(png))}.json.",
        remedy="Put the metadata beside it, or move the PNG away if it is no sensor mosaic.",
    )


def _not_a_capture(path: Path) -> CaptureError:
    shown = displayable(path)
    if extension_of(path) in HEADERLESS_EXTENSIONS:
        return CaptureError(
            f"{shown} has no header that tells its size and colours.",
            remedy="Wrap it as a DNG, or as a 16-bit PNG with a JSON beside it.",
        )
    match kind_of(path):
        case Kind.JPEG:
            return CaptureError(f"{shown} is a finished picture, and its raw is not beside it.", remedy="Give the raw.")
        case Kind.JSON | Kind.XMP:
            return CaptureError(f"{shown} is metadata, and its picture is not beside it.", remedy="Give the picture.")
        case _:
            return CaptureError(
                f"{shown} is not a raw format that flexispd knows.",
                remedy="Give a camera raw, or a PNG mosaic with its JSON.",
            )


def _unreadable(path: Path, error: OSError) -> TransientError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return TransientError(
        f"{displayable(path)} cannot be read: {reason}.", remedy="Check its permissions and its disk."
    )
