"""
What outputs are called: `STEM.PROFILE.jpg`, and the receipt beside it `STEM.PROFILE.json`.

The daemon's are called as a template says, such as `{folder}/{stem}.{profile}`:

    {stem}     the raw's name without extension           {date}     2026-11-22, or undated
    {profile}  the look's name                            {time}     210506, or untimed
    {folder}   the raw's folder below its inbox           {camera}   Canon-EOS-D30, or unknown-camera
    {counter}  number of the shot, four digits or more

File names are bytes, at most 255 of them, in any encoding or none, and metadata come from anywhere. Whatever they hold,
a name stays below the outbox, is not hidden, and fits. Nothing here looks at the disk.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path, PurePath

from flexispd.capture.records import Capture

NAME_BYTES_MAX = 255
"""Of every file system that flexispd is likely to meet."""

EXTENSION_BYTES_MAX = 5
"""`.json`, the longest: all files of one picture share their stem, so all are cut as the longest needs it."""

PROFILE_BYTES_MAX = 120
"""A profile's name may have 64 characters, of up to four bytes; half of the name is left for the capture's."""

HASH_DIGITS = 12


FIELDS = ("stem", "profile", "date", "time", "camera", "counter", "folder")
"""What may stand in braces."""

TEMPLATE_LENGTH_MAX = 200
CAMERA_BYTES_MAX = 64
STEM_BYTES_MIN = 64
"""However much else a template puts into a name, so much of the stem stays readable."""

_SHOT_FIELDS = {"date", "time", "camera"}


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
        keys = [name_key(stem) for stem in stems]
        counts = Counter(keys)
        risen = [
            min(level + 1, len(_LEVELS) - 1) if counts[key] > 1 else level
            for level, key in zip(levels, keys, strict=True)
        ]
        if risen == levels:
            return stems
        levels = risen


def check_template(text: str) -> None:
    """ValueError, with the end of a sentence, for a template that gives no good names."""
    if not text or not text.isprintable() or len(text) > TEMPLATE_LENGTH_MAX:
        raise ValueError(f"must be one line of text, at most {TEMPLATE_LENGTH_MAX} characters")
    for component in text.split("/"):
        _check_component(component)
    if not {"stem", "counter"} & set(_fields(text)):
        raise ValueError("must contain {stem} or {counter}, or all captures would have one name")
    if text.rpartition("/")[2] == "{folder}":
        raise ValueError("must not end with {folder}, which is a folder and no name")


def needs_shot(template: str) -> bool:
    """Whether a name can be given only when the file has been opened: it wants the date, the time or the camera."""
    return bool(_SHOT_FIELDS & set(_fields(template)))


def candidates(
    template: str,
    raw: Path,
    folder: PurePath,
    profile: str,
    counter: int,
    version: int = 1,
    taken_at: str | None = None,
    camera: str | None = None,
) -> Iterator[PurePath]:
    """
    Names for the outputs of one capture, relative to the outbox and without extension: the best first, never an end.

    First the plain one, then one with the raw's whole name, then with a hash of its path, then numbered ones. From
    version 2 on, all carry `.v2` behind the stem, or at the end where the template has none.

    Args:
        template: As approved by `check_template`.
        folder: The raw's, below its inbox.
        taken_at: "YYYY:MM:DD HH:MM:SS", and whatever else a file may hold there.
    """
    date, time = _date_and_time(taken_at)
    values = {
        "profile": _fitted(profile, PROFILE_BYTES_MAX),
        "date": date,
        "time": time,
        "camera": _camera(camera),
        "counter": f"{counter:04d}",
    }
    stem_given = "stem" in _fields(template)
    suffix = f".v{version}" if version > 1 else ""
    for distinction in _distinctions(raw, stem_given=stem_given):
        *folders, name = template.split("/")
        if not stem_given:
            name += "{stem}"  # empty, but for what tells this name from others
        parts: list[str] = []
        for component in folders:
            if component == "{folder}":
                parts += [_safe(part, NAME_BYTES_MAX) for part in folder.parts if part != "/"]
            else:
                parts.append(_rendered(component, values, distinction + suffix))
        yield PurePath(*parts, _rendered(name, values, distinction + suffix))


def name_key(path: PurePath) -> str:
    """What two names share that meet on a disk which is blind to case and to Unicode normalisation."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _stem_only(path: PurePath, place: str) -> PurePath:  # noqa: ARG001
    return path.with_name(_stem_of(path.name))


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


def _stem_of(name: str) -> str:
    """A raw's name without its extension; a name that has nothing else is kept."""
    return name.rpartition(".")[0] or name


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


def _check_component(component: str) -> None:
    """One name between slashes."""
    if component in ("", ".", "..") or component.startswith("."):
        raise ValueError('must be a path below the outbox, without empty names and none that begins with "."')
    try:
        parsed = list(string.Formatter().parse(component))
    except ValueError:
        raise ValueError("must have its braces in pairs, around a field") from None
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if name not in FIELDS:
            near = difflib.get_close_matches(name.lower(), FIELDS, n=1)
            meant = f"; did you mean {{{near[0]}}}?" if near else ""
            raise ValueError(f"has no field {{{name}}}{meant} (the fields are {', '.join(FIELDS)})")
        if spec or conversion:
            raise ValueError(f"must have nothing but the field's name in {{{name}}}")
        if name == "folder" and component != "{folder}":
            raise ValueError("must have {folder} alone between slashes")


def _fields(template: str) -> Iterator[str]:
    return (name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def _distinctions(raw: Path, *, stem_given: bool) -> Iterator[str]:
    """What stands for {stem}: enough for one capture, then more and more, so that captures that meet part again."""
    whole = _digest(os.path.abspath(raw))  # noqa: PTH100  (links stay as they are)
    if stem_given:
        yield _stem_of(raw.name)
        yield raw.name
    else:
        yield ""
    start = raw.name if stem_given else ""
    yield f"{start}.{whole[:HASH_DIGITS]}"
    yield f"{start}.{whole}"
    for number in count(2):
        yield f"{start}.{whole}.{number}"


def _rendered(component: str, values: Mapping[str, str], stem: str) -> str:
    """One name. The stem gives way where a name gets too long, because the rest says what the file is."""
    stems = list(_fields(component)).count("stem")
    room = NAME_BYTES_MAX - EXTENSION_BYTES_MAX
    if stems:
        rest = len(os.fsencode(component.format_map({**values, "stem": ""})))
        stem = _fitted(stem, max((room - rest) // stems, STEM_BYTES_MIN))
    return _safe(component.format_map({**values, "stem": stem}), room)


def _safe(name: str, bytes_max: int) -> str:
    """A name that is one name: visible, and short enough. All other bytes stay as they are."""
    name = name.replace("/", "_").replace("\0", "_")
    return _fitted(f"_{name}" if name.startswith(".") else name, bytes_max)


def _date_and_time(taken_at: str | None) -> tuple[str, str]:
    try:
        taken = datetime.strptime((taken_at or "")[:64].strip(), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return "undated", "untimed"
    return f"{taken.year:04d}-{taken:%m-%d}", f"{taken:%H%M%S}"


def _camera(text: str | None) -> str:
    """A camera's name as a part of a file's: letters, digits and what holds them together."""
    words = re.sub(r"[^\w.+]+", "-", unicodedata.normalize("NFC", (text or "")[:500])).strip("-._")
    return _fitted(words, CAMERA_BYTES_MAX) or "unknown-camera"
