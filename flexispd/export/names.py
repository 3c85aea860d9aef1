"""
What outputs are called: `STEM.PROFILE.jpg`, and the receipt beside it `STEM.PROFILE.json`.

File names are bytes, at most 255 of them, in any encoding or none. Nothing here looks at the disk.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from flexispd.capture.records import Capture

NAME_BYTES_MAX = 255
"""Of every file system that flexispd is likely to meet."""

EXTENSION_BYTES_MAX = 5
"""`.json`, the longest: all files of one picture share their stem, so all are cut as the longest needs it."""

PROFILE_BYTES_MAX = 120
"""A profile's name may have 64 characters, of up to four bytes; half of the name is left for the capture's."""

HASH_DIGITS = 12


def output_name(stem: str, profile: str, extension: str) -> str:
    """
    `STEM.PROFILE.ext`, where `extension` has its dot.

    A name that would be longer than a file system takes keeps its beginning and gets a hash of the whole instead of its
    end, so it is the same on every run, and two long stems that differ only at the end stay apart.
    """
    profile = _fitted(profile, PROFILE_BYTES_MAX)
    room = NAME_BYTES_MAX - EXTENSION_BYTES_MAX - len(os.fsencode(f".{profile}"))
    return f"{_fitted(stem, room)}.{profile}{extension}"


def output_stems(captures: Sequence[tuple[Capture, PurePath]]) -> list[PurePath]:
    """
    Where the outputs of each capture go, relative to the outbox and without profile and extension; all differ.

    Each capture comes with the folder below the outbox that mirrors where it was found. Usually the stem is the raw's:
    `DSC1.NEF` -> `DSC1`. Captures that would meet there all take a longer name: with the raw's extension
    (`DSC1.NEF`, `DSC1.CR2`), and if that is not enough, with a hash of the raw's path (`DSC1.NEF.1f0a…`). Two names
    that differ in case or in Unicode normalisation only have met: the outbox may be on a memory card or a Mac.
    No raw may be in `captures` twice.
    """
    paths = [folder / capture.raw.name for capture, folder in captures]
    places = [os.path.abspath(capture.raw) for capture, _ in captures]  # noqa: PTH100  (links stay as they are)
    levels = [0] * len(captures)
    while True:
        stems = [_LEVELS[level](path, place) for level, path, place in zip(levels, paths, places, strict=True)]
        keys = [unicodedata.normalize("NFC", str(stem)).casefold() for stem in stems]
        counts = Counter(keys)
        risen = [
            min(level + 1, len(_LEVELS) - 1) if counts[key] > 1 else level
            for level, key in zip(levels, keys, strict=True)
        ]
        if risen == levels:
            return stems
        levels = risen


def _stem_only(path: PurePath, place: str) -> PurePath:  # noqa: ARG001
    return path.with_name(path.name.rpartition(".")[0] or path.name)


def _with_extension(path: PurePath, place: str) -> PurePath:  # noqa: ARG001
    return path


def _with_hash(digits: int) -> Callable[[PurePath, str], PurePath]:
    return lambda path, place: path.with_name(f"{path.name}.{_digest(place)[:digits]}")


_LEVELS: tuple[Callable[[PurePath, str], PurePath], ...] = (
    _stem_only,
    _with_extension,
    _with_hash(HASH_DIGITS),
    _with_hash(64),
)


def _fitted(text: str, bytes_max: int) -> str:
    """`text`, or as much of its beginning as fits before `~` and a hash of all of it."""
    data = os.fsencode(text)
    if len(data) <= bytes_max:
        return text
    end = bytes_max - 1 - HASH_DIGITS
    # Not into the middle of a character of UTF-8, whose later bytes are 10xxxxxx; other encodings are cut anywhere.
    start = next((cut for cut in range(end, end - 4, -1) if data[cut] & 0xC0 != 0x80), end)
    return f"{os.fsdecode(data[:start])}~{_digest(text)[:HASH_DIGITS]}"


def _digest(text: str | Path) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()
