"""
The configuration of the daemon: one TOML file that says which folders are watched and where pictures go.

Every key is declared once, below, with its default, its range and one line of explanation; reading the file,
`flexispd init` and docs/configuration.md all work from these declarations. The first of these files counts:

    --config FILE
    $FLEXISPD_CONFIG
    ~/.config/flexispd/config.toml      the user's ($XDG_CONFIG_HOME)
    /etc/flexispd/config.toml           the system's

Folders need not exist, because a volume may come later. But none may lie where its files would be taken for others.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal

from flexispd import toml_reference
from flexispd.errors import ConfigError, displayable
from flexispd.export.names import check_template
from flexispd.resources import xdg_folder
from flexispd.strict_toml import Checked, Choice, Document, Flag, Number, Text, Whole, decode_text, field, read_bytes
from flexispd.toml_reference import as_toml

PATH_BYTES_MAX = 4095
"""As Linux has it; a list of inboxes has as many entries as fit into the file."""

LOOK_UP_S_MAX = 1.0
"""Longest that reading a configuration waits for the volumes of its folders."""

_REFERENCE = "docs/configuration.md explains every key; `flexispd init` writes them all into a new file."


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder, absolute or below a home folder; whether it exists does not matter."""

    def parse(self, value: object) -> Path:
        """The path with its `~` expanded."""
        if not isinstance(value, str):
            raise ValueError("must be a path in quotes")
        path = Path(os.path.expanduser(value))  # noqa: PTH111  (Path.expanduser fails where there is no such user)
        if not path.is_absolute():
            raise ValueError('must be an absolute path, such as "/srv/pictures" or "~/Pictures"')
        if ".." in path.parts or "\0" in value or len(os.fsencode(path)) > PATH_BYTES_MAX:
            raise ValueError('must be a path without ".." that the file system takes')
        return path

    def __str__(self) -> str:
        return "an absolute path, or one that begins with ~"


@dataclass(frozen=True, slots=True)
class Folders:
    """One folder, or several."""

    def parse(self, value: object) -> tuple[Path, ...]:
        """A tuple, also of one."""
        items = value if isinstance(value, list) else [value]
        if not items:
            raise ValueError("must name at least one folder")
        return tuple(Folder().parse(item) for item in items)

    def __str__(self) -> str:
        return f"{Folder()}; or a list of such paths"


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns of file and folder names."""

    def parse(self, value: object) -> tuple[str, ...]:
        """A tuple of patterns for fnmatch."""
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError("must be a list of texts")
        for item in value:
            if not item or "/" in item or "\0" in item:
                raise ValueError("must be patterns of names, without a slash")
        return tuple(value)

    def __str__(self) -> str:
        return 'a list of patterns such as "*_proxy.*"'


def _check_device(text: str) -> None:
    if not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?", text):
        raise ValueError('must be "auto", "cpu", "cuda" or "cuda:N"')


@dataclass(frozen=True, slots=True)
class ArrivalParams:
    """When a capture counts as complete, and how folders are watched."""

    quiet_s: float = field(2.0, Number(0.1, 3600, "s"), "A file that did not change for so long is complete.")
    pair_wait_s: float = field(
        10.0, Number(0, 3600, "s"), "How long a raw waits for its sidecars, where sidecars are expected."
    )
    sidecars: Literal["auto", "always", "never"] = field(
        "auto",
        Choice(("auto", "always", "never")),
        "Whether sidecars are expected; auto: if the raw's neighbours had some.",
    )
    incomplete_s: float = field(
        600.0, Number(1, 86400, "s"), "After so long a warning says that a capture is still incomplete."
    )
    scan_s: float = field(
        30.0, Number(0.2, 3600, "s"), "Time between two complete listings of an inbox; longer where they take long."
    )
    watch: Literal["auto", "events", "scan"] = field(
        "auto",
        Choice(("auto", "events", "scan")),
        "Scan: listings only. Auto: events too, where the file system has them.",
    )


@dataclass(frozen=True, slots=True)
class WorkerParams:
    """Who renders, and within which limits."""

    device: str = field(
        "auto",
        Checked(_check_device, '"auto", "cpu", "cuda", "cuda:N"'),
        "Where the networks run; auto takes every GPU.",
    )
    threads: int = field(0, Whole(0, 1024), "Processor threads of the networks; 0 leaves it to them.")
    job_timeout_s: float = field(
        300.0, Number(1, 86400, "s"), "A worker whose frame makes no progress for so long is replaced."
    )
    memory_max_mb: int = field(
        0,
        Whole(300, 10_000_000, zero=True),
        "A worker that outgrows this is replaced; 0: three quarters of the machine's.",
    )
    queue_mb: int = field(1000, Whole(50, 1_000_000), "Frames that lie ready between reading, rendering and writing.")
    failures_max: int = field(3, Whole(1, 100), "A capture that fails so often is quarantined.")


@dataclass(frozen=True, slots=True)
class OutputParams:
    """What pictures are called, and how much space is left alone."""

    name: str = field(
        "{folder}/{stem}.{profile}",
        Checked(check_template, "a path below the outbox, with fields in braces"),
        "Name of the outputs, of {folder} {stem} {profile} {counter} {date} {time} {camera}; no extension.",
    )
    free_min_mb: int = field(
        2000, Whole(0, 1_000_000_000), "Rendering pauses before less than this is free in the outbox."
    )
    latest: bool = field(
        True, Flag(), "Whether latest.jpg in the outbox always shows the newest capture, for a viewer."
    )


@dataclass(frozen=True, slots=True)
class LogParams:
    """What is logged, and how much of it is kept in the outbox's folder `logs`."""

    level: Literal["debug", "info", "warning", "error"] = field(
        "info", Choice(("debug", "info", "warning", "error")), "Least important level that is logged."
    )
    file_mb: int = field(20, Whole(1, 10_000), "Size at which a new log file is begun.")
    files: int = field(10, Whole(1, 1000), "Log files that are kept, the current one included.")


@dataclass(frozen=True, slots=True)
class Config:
    """
    Everything that the daemon is told.

    Attributes:
        path: The file it comes from, absolute.
        ignore: Patterns for fnmatch, beside those that are always ignored.
    """

    path: Path
    inboxes: tuple[Path, ...] = field(
        MISSING, Folders(), "Where captures arrive, with all sub-folders. Nothing is ever written there.", key="inbox"
    )
    outbox: Path = field(MISSING, Folder(), "Where pictures, receipts and logs go.")  # noqa: RUF009  (a declaration)
    state: Path = field(  # noqa: RUF009
        MISSING,
        Folder(),
        "Folder of the ledger, on a local disk. Left out: ~/.local/state/flexispd, for the system's /var/lib/flexispd.",
    )
    profile: str = field("natural", Text(), "Look of new captures, until `flexispd profile set` names another.")
    ignore: tuple[str, ...] = field((), Globs(), "Names of files and folders to pass over, beside the usual ones.")
    arrival: ArrivalParams = ArrivalParams()
    worker: WorkerParams = WorkerParams()
    output: OutputParams = OutputParams()
    log: LogParams = LogParams()


_SECTIONS: dict[str, type[Any]] = {
    "arrival": ArrivalParams,
    "worker": WorkerParams,
    "output": OutputParams,
    "log": LogParams,
}
_RECORDS: dict[str, type[Any]] = {"": Config, **_SECTIONS}


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are as long as nobody says otherwise."""

    config: Path
    inbox: Path
    outbox: Path
    state: Path


SYSTEM = Places(
    config=Path("/etc/flexispd/config.toml"),
    inbox=Path("/srv/flexispd/inbox"),
    outbox=Path("/srv/flexispd/outbox"),
    state=Path("/var/lib/flexispd"),
)


def default_paths(*, system: bool) -> Places:
    """The places of the system's service, or of the user's own."""
    if system:
        return SYSTEM
    pictures = Path(os.path.expanduser("~")) / "Pictures" / "flexispd"  # noqa: PTH111  (never fails)
    return Places(
        config=xdg_folder("XDG_CONFIG_HOME", ".config") / "flexispd" / "config.toml",
        inbox=pictures / "inbox",
        outbox=pictures / "outbox",
        state=xdg_folder("XDG_STATE_HOME", ".local/state") / "flexispd",
    )


def config_path() -> Path:
    """The file that counts when none is named, absolute. ConfigError when there is none."""
    if named := os.environ.get("FLEXISPD_CONFIG"):
        return Path(named).absolute()
    places = [default_paths(system=system).config for system in (False, True)]
    for path in places:
        if os.path.lexists(path):  # also a link that leads nowhere: its own error says more than another file's content
            return path
    raise ConfigError(
        f"There is no configuration: neither {displayable(places[0])} nor {displayable(places[1])} exists.",
        remedy="Make one with `flexispd init`, or name a file with --config.",
    )


def load_config(path: Path | None = None) -> Config:
    """The configuration in this file, or in the one that counts. ConfigError when it is not right, with the line."""
    path = config_path() if path is None else path.absolute()
    return parse_config(decode_text(read_bytes(path), displayable(path)), path)


def parse_config(text: str, path: Path) -> Config:
    """A configuration from the text of its file. ConfigError for anything that is not known to be right."""
    document = Document(text, displayable(path), _REFERENCE)
    top, sections = document.sections(Config, _SECTIONS)
    top.setdefault("state", str(default_paths(system=path == SYSTEM.config).state))
    config = document.fill(Config, top, path=path, **sections)
    if found := overlap(config.inboxes, config.outbox, config.state):
        key, problem = found
        raise document.error(problem, "", key)
    return config


def overlap(inboxes: Sequence[Path], outbox: Path, state: Path) -> tuple[str, str] | None:
    """
    The first folder that lies where it may not, wherever links lead: its key, and the end of a sentence; or None.

    Of a volume that does not answer in time only the path is known.
    """
    places = _look_up([*inboxes, outbox, state])
    for nth, inbox in enumerate(inboxes):
        shown = displayable(inbox)
        if places[outbox].within(places[inbox]):
            return "outbox", f"lies in the inbox {shown}, where pictures would be taken for captures"
        if places[inbox].within(places[outbox]):
            return "inbox", f"{shown} lies in the outbox, where pictures would be taken for captures"
        if places[state].within(places[inbox]):
            return "state", f"lies in the inbox {shown}, which is never written to"
        if inbox in inboxes[:nth]:
            return "inbox", f"names {shown} twice"
        for other in inboxes[:nth]:
            if places[inbox].within(places[other]) or places[other].within(places[inbox]):
                return "inbox", f"{shown} and {displayable(other)} lie in one another, so captures would be found twice"
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a folder is: by its path, by its path without links, and as a file system numbers it and its parents."""

    given: Path
    real: Path
    identities: tuple[tuple[int, int] | None, ...]

    @classmethod
    def of(cls, folder: Path) -> _Place:
        real = Path(os.path.realpath(folder))  # unlike Path.resolve, a circle of links is no error
        return cls(folder, real, tuple(_identity(path) for path in (real, *real.parents)))

    def within(self, other: _Place) -> bool:
        """Whether it is in the other, or the same; also by a mount, or by a name that differs in case only."""
        if self.given.is_relative_to(other.given) or self.real.is_relative_to(other.real):
            return True
        return bool(other.identities) and other.identities[0] is not None and other.identities[0] in self.identities


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _look_up(folders: Sequence[Path]) -> dict[Path, _Place]:
    """Each folder's place. A network drive may never answer, and even `flexispd status` reads the configuration."""
    found: dict[Path, _Place] = {}

    def look(folder: Path) -> None:
        found[folder] = _Place.of(folder)

    threads = [threading.Thread(target=look, args=(folder,), daemon=True) for folder in dict.fromkeys(folders)]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + LOOK_UP_S_MAX
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0.0))
    known = dict(found)
    return {folder: known.get(folder) or _Place(folder, folder, ()) for folder in folders}


def reference() -> str:
    """The tables of docs/configuration.md."""
    return toml_reference.tables(_RECORDS, {"": "Top of the file"})


def config_text(values: Mapping[str, object]) -> str:
    """
    A configuration file with every key explained; what `values` does not set stands there as a comment.

    `values` are of the top of the file, by key.
    """
    return "\n".join(_lines(values)) + "\n"


def _lines(values: Mapping[str, object]) -> Iterator[str]:
    yield "# What `flexispd run` watches and does. Keys with a # in front have the value that is shown anyway."
    yield "# An unknown key is an error. After a change: restart flexispd, or send it SIGHUP."
    section = ""
    for knob in toml_reference.knobs(_RECORDS):
        if knob.section != section:
            section = knob.section
            yield f"\n[{section}]\n# {_RECORDS[section].__doc__}"
        yield f"\n# {knob.doc}\n# Allowed: {knob.allowed}."
        if not knob.section and knob.key in values:
            yield f"{knob.key} = {as_toml(values[knob.key])}"
        else:
            yield f"# {knob.key} = {as_toml(knob.default)}"
