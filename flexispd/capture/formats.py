"""Which file is what, by its name alone."""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from pathlib import PurePath

# fmt: off
RAW_EXTENSIONS = frozenset(
    (
        "3fr", "arw", "bay", "cap", "cr2", "cr3", "crw", "dc2", "dcr", "dcs", "dng", "drf", "erf", "fff", "gpr",
        "iiq", "k25", "kc2", "kdc", "mdc", "mef", "mfw", "mos", "mrw", "nef", "nrw", "orf", "pef", "pxn", "qtk",
        "raf", "rdc", "rw2", "rwl", "rwz", "sr2", "srf", "srw", "sti", "x3f",
    )
)
# fmt: on
"""
Camera raws that say themselves what they are, in lower case.

Never `raw` or `bin`: for a file without a header LibRaw guesses a camera from the size, silently and wrongly. The
`.raw` files of Panasonic's first cameras are lost by this; renamed to `.rw2` they are read.
"""

HEADERLESS_EXTENSIONS = frozenset({"raw", "bin"})

RECEIPT_MARK = "flexispd-receipt/"
"""Begins the schema of our own receipts, which lie beside pictures like a camera's metadata, but are not."""

IGNORED_FILES = ("~*", "*~", "*.part", "*.filepart", "*.tmp", "*.crdownload", "*.partial", "thumbs.db")
"""
Unfinished uploads and backups, in lower case. Names with a leading dot are ignored as well: FTP servers' `.in.NAME.`,
`.syncthing.NAME.tmp`, `.goutputstream-*`, `.smbdelete*`, `.nfs*`, `.fuse_hidden*`, a Mac's `._NAME`.
"""

IGNORED_FOLDERS = frozenset(
    {"@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found"}
)
"""Where network storage and other systems keep thumbnails and what was deleted, in lower case."""


class Kind(Enum):
    """What a file can be to a capture."""

    RAW = "raw"
    PNG = "png"
    JSON = "json"
    XMP = "xmp"
    JPEG = "jpeg"
    OTHER = "other"


_KINDS = {"png": Kind.PNG, "json": Kind.JSON, "xmp": Kind.XMP, "jpg": Kind.JPEG, "jpeg": Kind.JPEG, "jpe": Kind.JPEG}


def kind_of(path: PurePath) -> Kind:
    """By extension, blind to case."""
    return kind_of_name(path.name)


def kind_of_name(name: str) -> Kind:
    """The same for a name alone."""
    extension = split_name(name)[1].lower()
    return Kind.RAW if extension in RAW_EXTENSIONS else _KINDS.get(extension, Kind.OTHER)


def stem_of(path: PurePath) -> str:
    """The name up to its last dot; the whole name when nothing stands before that dot."""
    return split_name(path.name)[0]


def extension_of(path: PurePath) -> str:
    """What follows the last dot, in lower case and without it; empty when there is none."""
    return split_name(path.name)[1].lower()


def split_name(name: str) -> tuple[str, str]:
    """A name's stem and extension, as `stem_of` and `extension_of` give them, but in its own case."""
    stem, dot, extension = name.rpartition(".")
    return (stem, extension) if stem and dot and extension else (name, "")


def is_ignored_file(name: str) -> bool:
    """Whether a folder's listing passes over this file. One that is named explicitly is looked at all the same."""
    lower = name.lower()
    return name.startswith(".") or any(fnmatchcase(lower, pattern) for pattern in IGNORED_FILES)


def is_ignored_folder(name: str) -> bool:
    """Whether a recursive listing passes over this folder."""
    return name.startswith(".") or name.lower() in IGNORED_FOLDERS
