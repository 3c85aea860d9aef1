"""
Every error a user can meet, sorted by what is done about it.

Each states the problem in one sentence and the remedy in another. A library's exception is translated into one of
these in the only file that imports the library; anything that is not a FlexispError is a bug of ours.

    FlexispError
      ConfigError      exit 78: nothing starts until the configuration, a profile or a manifest is put right
      SetupError       exit 1:  no work until it is fixed: weights missing or altered, device unavailable
      CaptureError     exit 1:  this capture cannot be rendered, now or later; the others can
        VanishedError             its file is not there any more
        NameTakenError            a file that is not ours, or of another photograph, has the output's name
      TransientError   exit 1:  the world is in the way: out of memory, I/O error; trying again may work
        BlockedError              nothing can be written there now: disk full, read-only, not permitted, volume absent
      DeviceError      exit 1:  the process that holds the device has to be replaced
"""

from __future__ import annotations

import os


class FlexispError(Exception):
    """A problem stated in one sentence, and the remedy in another."""

    exit_code = 1

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class ConfigError(FlexispError):
    """A configuration file, profile or manifest cannot be used as it stands."""

    exit_code = 78


class SetupError(FlexispError):
    """The installation lacks something that every capture needs."""


class WeightsError(SetupError):
    """A weight file is missing, altered, truncated or of another network."""


class CaptureError(FlexispError):
    """The capture can never be rendered from these files."""


class UnsupportedRawError(CaptureError):
    """The file is whole, but is not a Bayer mosaic."""


class CorruptRawError(CaptureError):
    """The file is damaged, truncated, or holds no picture."""


class VanishedError(CaptureError):
    """A file of the capture is not there any more."""


class NameTakenError(CaptureError):
    """Another file has the name of an output, and it is not ours to replace."""


class TransientError(FlexispError):
    """The capture is fine, the surroundings are not; trying again later may work."""


class BlockedError(TransientError):
    """Nothing can be written to a folder now, whichever capture it is: full, read-only, not permitted, absent."""


class DeviceError(FlexispError):
    """The device gave an error that stays, or numbers that are no picture: only a new process may use it again."""


def displayable(path: os.PathLike[str] | str) -> str:
    r"""
    A file name as text that any terminal, log or JSON file can hold.

    Bytes that are not UTF-8 become `\xNN`, control characters their escapes, so that a name with a newline in it
    stays on one line.
    """
    if isinstance(path, str) and path.isascii() and path.isprintable():
        return path
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
