"""
What is known of a capture before anybody has opened it: its files, and how they looked from outside.

Without numpy, because the supervisor and the command line know nothing more of a picture than this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath


@dataclass(frozen=True, slots=True)
class Capture:
    """
    One press of the shutter, as files: a raw or a PNG mosaic with whatever lies beside it.

    Attributes:
        raw: The raw file, or the 16-bit PNG mosaic. Names are bytes; pathlib carries them with surrogateescape.
        json: NTIRE-style metadata of the same stem. A PNG mosaic cannot be read without it.
        xmp: XMP sidecar of the same stem.
        companion: JPEG that the camera wrote beside the raw; kept, never rendered.
    """

    raw: Path
    json: Path | None = None
    xmp: Path | None = None
    companion: Path | None = None

    def files(self) -> Iterator[Path]:
        """All files of the capture, the raw first."""
        return (path for path in (self.raw, self.json, self.xmp, self.companion) if path is not None)


@dataclass(frozen=True, slots=True)
class Observation:
    """A regular file as `stat` shows it. Two that are equal say that nobody wrote to the file in between."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    A capture as it lies in an inbox, all of its files still.

    Attributes:
        inbox: The watched folder.
        folder: The raw's folder, relative to the inbox.
        observed: Every file of the capture, as it was when it had settled.
        doubt: Why it cannot be rendered yet ("waiting for DSC1.json"), or None.
    """

    inbox: Path
    folder: PurePath
    capture: Capture
    observed: Mapping[Path, Observation]
    doubt: str | None = None
