"""
Installing the systemd units: which files, with what in them, and where.

The files of `systemd/` are valid as they stand. What depends on the machine (the command, the configuration, the
folders that are read and written) is filled in here, line by line. Every file that is written begins with a mark; a
file without it is somebody else's, and is neither replaced nor removed. Configuration, state and pictures are never
touched.
"""

from __future__ import annotations

import math
import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flexispd.capture.filesystem import mount_of
from flexispd.config import SYSTEM, Config
from flexispd.errors import SetupError, displayable
from flexispd.export.publish import publish
from flexispd.resources import data_folder, xdg_folder

Scope = Literal["system", "user"]

MARK = "# Installed by `flexispd service install`; `flexispd service uninstall` removes it.\n"

UNIT = "flexispd.service"

COMMAND_S_MAX = 600.0
"""Longest that a command of systemd may take; stopping the service waits for the frames in flight."""

_STOP_MARGIN_S = 30
"""systemd waits so much longer for the end than the longest frame takes."""

_HIDDEN = {"ProtectHome": (("/home", "/root", "/run/user"), "read-only"), "PrivateTmp": (("/tmp", "/var/tmp"), "no")}
"""Directive of the system unit -> the folders that it hides, and the value that shows them."""


_VOLUMES = ("/media", "/mnt", "/run/media")
"""Where disks and network volumes are mounted that people take away while the service runs."""


@dataclass(frozen=True, slots=True)
class Step:
    """
    One thing that was done, or found to need no doing.

    Attributes:
        ok: False when it failed; the installation is then not complete.
        text: What was done, to what.
    """

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where one installation goes.

    Attributes:
        scope: For the machine, or for one user.
        root: Folder that stands for `/`; `/` itself when this system is meant.
        dry_run: Nothing is changed, only told.
    """

    scope: Scope
    root: Path = Path("/")
    dry_run: bool = False

    def files(self) -> dict[str, Path]:
        """Name in `systemd/` -> where it is installed."""
        if self.scope == "user":
            folder = xdg_folder("XDG_CONFIG_HOME", ".config") / "systemd/user"
            return {"flexispd-user.service": self._below_root(folder / UNIT)}
        return {
            "flexispd.sysusers.conf": self._below_root(Path("/etc/sysusers.d/flexispd.conf")),
            "flexispd.tmpfiles.conf": self._below_root(Path("/etc/tmpfiles.d/flexispd.conf")),
            UNIT: self._below_root(Path("/etc/systemd/system") / UNIT),
        }

    def systemctl(self, *words: str) -> list[str]:
        """A call of systemctl for this scope."""
        return ["systemctl", *(["--user"] if self.scope == "user" else []), *words]

    def _below_root(self, path: Path) -> Path:
        return self.root / path.relative_to("/")


def closed_to_service(executable: Path, config: Config | None) -> list[Path]:
    """Folders that have to be passed on the way to something needed, and that only their owner may enter."""
    found: dict[Path, None] = {}
    for path in _needed(executable, config):
        for folder in reversed(Path(os.path.realpath(path)).parents):
            with suppress(OSError):
                status = folder.stat()
                if not status.st_mode & 0o011 and not _belongs_to_service(status.st_uid):
                    found[folder] = None
                    break
    return list(found)


def _belongs_to_service(uid: int) -> bool:
    with suppress(KeyError):
        return pwd.getpwnam("flexispd").pw_uid == uid
    return False


def install(target: Target, executable: Path, config: Config | None) -> list[Step]:
    """
    Write the files and tell systemd.

    Args:
        target: Where to.
        executable: The `flexispd` that the service runs, absolute.
        config: Whose folders the unit names; None leaves the unit as it is shipped.

    Raises SetupError, before anything is written, when only root may do this, when a file of somebody else has one of
    the names, or when a path cannot be written into a unit; TransientError when a file cannot be written.
    """
    _need_root(target)
    contents = {path: MARK + _content(name, target.scope, executable, config) for name, path in target.files().items()}
    for path in contents:
        if _exists(path) and not _is_ours(path):
            raise SetupError(
                f"{displayable(path)} exists, and was not installed by flexispd.",
                remedy="Move it away, or keep it and go on without this command.",
            )
    steps = [_write(path, content.encode(), target.dry_run) for path, content in contents.items()]
    commands = [target.systemctl("daemon-reload")]
    if target.scope == "system":
        files = target.files()
        commands = [
            ["systemd-sysusers", str(files["flexispd.sysusers.conf"])],
            ["systemd-tmpfiles", "--create", str(files["flexispd.tmpfiles.conf"])],
            *commands,
        ]
    return steps + _tell_systemd(target, commands)


def uninstall(target: Target) -> list[Step]:
    """Stop the service, remove the files that `install` wrote, and tell systemd. SetupError when only root may."""
    _need_root(target)
    ours = [path for path in target.files().values() if _exists(path) and _is_ours(path)]
    steps: list[Step] = []
    if any(path.name == UNIT for path in ours):
        steps += _tell_systemd(target, [target.systemctl("disable", "--now", UNIT)])
    for path in target.files().values():
        if path in ours:
            steps.append(_remove(path, target.dry_run))
        elif _exists(path):
            steps.append(Step(True, f"kept {displayable(path)}, which flexispd did not install"))
        else:
            steps.append(Step(True, f"{displayable(path)} is not there"))
    return steps + (_tell_systemd(target, [target.systemctl("daemon-reload")]) if ours else [])


def filled_in(unit: str, scope: Scope, executable: Path, config: Config | None) -> str:
    """The text of a unit with this machine's command and folders. SetupError when systemd would refuse the command."""
    command = f"{_command(executable)} run"
    if config:
        command += f" --config {quoted(config.path).replace('$', '$$')}"
        unit = _with(unit, "TimeoutStopSec", str(math.ceil(config.worker.job_timeout_s) + _STOP_MARGIN_S))
    elif scope == "system":
        command += f" --config {SYSTEM.config}"
    unit = _with(unit, "ExecStart", command)
    if scope == "user":
        return unit
    needed = [Path(os.path.realpath(path)) for path in _needed(executable, config)]
    for key, (hidden, shown) in _HIDDEN.items():
        if any(path.is_relative_to(folder) for path in needed for folder in hidden):
            unit = _with(unit, key, shown)
    return _with(unit, "ProtectSystem", "\n".join(["strict", *(_folders(config) if config else [])]))


def _folders(config: Config) -> list[str]:
    """
    What may be written. A leading "-" lets the service start while a volume is absent.

    Inboxes are read-only already, as everything is. Naming one would mount it onto itself, and a card of which a part
    is mounted in the service stays in use after it has been unmounted outside. For the same reason an outbox on a
    volume that people take away is named by the volume, which is a mount anyway.
    """
    lines = [f"ReadWritePaths={quoted(path, '-')}" for path in (_volume(config.outbox), config.state)]
    inside = [inbox for inbox in config.inboxes if inbox.is_relative_to(config.state)]
    return lines + [f"ReadOnlyPaths={quoted(inbox, '-')}" for inbox in inside]


def _volume(folder: Path) -> Path:
    """The mount point of a folder on a volume that comes and goes; of any other, the folder itself."""
    point = mount_of(folder).point
    comes_and_goes = any(point != Path(place) and point.is_relative_to(place) for place in _VOLUMES)
    return point if comes_and_goes else folder


def quoted(path: Path, prefix: str = "") -> str:
    """A path as one word of a unit file. SetupError when it holds bytes that are not UTF-8."""
    try:
        text = str(path).encode().decode()
    except UnicodeEncodeError as error:
        raise SetupError(
            f"{displayable(path)} is not UTF-8, and systemd takes no such path.", remedy="Rename the folder."
        ) from error
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("%", "%%")):
        text = text.replace(character, escape)
    return f'"{prefix}{text}"'


def _need_root(target: Target) -> None:
    if target.scope == "system" and target.root == Path("/") and not target.dry_run and os.geteuid() != 0:
        raise SetupError(
            "The system's units can be changed by root only.",
            remedy="Run the command with sudo, or with --user for a service of your own.",
        )


def _command(executable: Path) -> str:
    """The first word of ExecStart. systemd takes no quotes, backslashes or control characters in it."""
    if any(c in "\"'\\" or not c.isprintable() for c in str(executable)):
        raise SetupError(
            f"systemd cannot run {displayable(executable)}, because of its quotes, backslashes or control characters.",
            remedy="Install flexispd into a folder with a plain name.",
        )
    return quoted(executable)


def _with(unit: str, key: str, value: str) -> str:
    """The unit with another value for a directive that it has once."""
    before, rest = unit.split(f"\n{key}=", 1)
    return f"{before}\n{key}={value}\n{rest.partition(chr(10))[2]}"


def _needed(executable: Path, config: Config | None) -> list[Path]:
    """Everything that the service has to reach."""
    folders = [config.path, *config.inboxes, config.outbox, config.state] if config else []
    return [executable, Path(sys.executable), *folders]


def _content(name: str, scope: Scope, executable: Path, config: Config | None) -> str:
    text = (data_folder("systemd") / name).read_text()
    return filled_in(text, scope, executable, config) if name.endswith(".service") else text


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _is_ours(path: Path) -> bool:
    """Whether the file carries the mark; a link, such as one of `systemctl mask`, never does."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


def _write(path: Path, content: bytes, dry_run: bool) -> Step:
    shown = displayable(path)
    if _exists(path) and path.read_bytes() == content:
        return Step(True, f"{shown} is up to date")
    if dry_run:
        return Step(True, f"would write {shown}")
    publish(content, path)
    path.chmod(0o644)
    return Step(True, f"wrote {shown}")


def _remove(path: Path, dry_run: bool) -> Step:
    if dry_run:
        return Step(True, f"would remove {displayable(path)}")
    path.unlink()
    return Step(True, f"removed {displayable(path)}")


def _tell_systemd(target: Target, commands: Sequence[list[str]]) -> list[Step]:
    """Run commands of systemd, unless the files are not this system's, or systemd does not run here."""
    if target.root != Path("/"):
        return []
    if not is_running(target.scope):
        return [Step(True, f"left out, because systemd does not run here: {_joined(words)}") for words in commands]
    if target.dry_run:
        return [Step(True, f"would run: {_joined(words)}") for words in commands]
    return [_run(words) for words in commands]


def is_running(scope: Scope) -> bool:
    """Whether there is a service manager of this scope."""
    if scope == "system":
        return Path("/run/systemd/system").is_dir()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return bool(runtime) and (Path(runtime) / "systemd").is_dir()


def _run(words: Sequence[str]) -> Step:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", check=False, timeout=COMMAND_S_MAX
        )
    except FileNotFoundError:
        return Step(False, f"failed: {_joined(words)}: there is no {words[0]}")
    except subprocess.TimeoutExpired:
        return Step(False, f"failed: {_joined(words)}: no answer for {COMMAND_S_MAX:g} s")
    if done.returncode == 0:
        return Step(True, f"ran: {_joined(words)}")
    said = displayable(done.stderr.strip().splitlines()[-1]) if done.stderr.strip() else f"exit code {done.returncode}"
    return Step(False, f"failed: {_joined(words)}: {said}")


def _joined(words: Sequence[str]) -> str:
    return " ".join(map(displayable, words))
