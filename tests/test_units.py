"""The units: known to systemd 252, silent under its checks, closed to everything that is not needed, and explained."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flexispd.capture.filesystem import Mount
from flexispd.config import SYSTEM, Config, parse_config
from flexispd.service import filled_in

SYSTEMD = Path(__file__).resolve().parent.parent / "systemd"
UNITS = {"system": "flexispd.service", "user": "flexispd-user.service"}
EXPOSURE_MAX = {"system": 20, "user": 65}
"""In tenths of what `systemd-analyze security` gives; the user's unit keeps the user's folders and devices."""


def need(command: str) -> str:
    """A command of systemd, or the end of the test: skipped, but failed where continuous integration promises it."""
    found = shutil.which(command)
    if found is None:
        reason = f"{command} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def checked(command: str, *words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a command of systemd says, in an environment of its own."""
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    line = [need(command), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment, timeout=60)


def configured(tmp_path: Path, folder: str = "plain") -> Config:
    """A configuration whose folders lie in one of this name."""
    place = str(tmp_path / folder).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = f'inbox = ["{place}/in", "{place}/in 2"]\noutbox = "{place}/out"\nstate = "{place}/state"\n'
    return parse_config(text, tmp_path / folder / "config.toml")


def installed(tmp_path: Path, scope: str, config: Config | None = None, folder: str = "bin") -> Path:
    """The unit as it would be installed, with a command that exists."""
    executable = tmp_path / folder / "flexispd"
    executable.parent.mkdir(exist_ok=True)
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    path = tmp_path / "flexispd.service"
    path.write_text(filled_in((SYSTEMD / UNITS[scope]).read_text(), scope, executable, config))  # type: ignore[arg-type]
    return path


def directives(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("scope", UNITS)
@pytest.mark.parametrize("with_config", [False, True])
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path, scope: str, with_config: bool) -> None:
    """
    Every directive is known, every value valid, every command there: as shipped, and as installed.
    """
    unit = installed(tmp_path, scope, configured(tmp_path) if with_config else None)

    done = checked("systemd-analyze", "verify", "--recursive-errors=yes", f"--{scope}", unit, folder=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_would_notice_a_mistake(tmp_path: Path) -> None:
    """
    A misspelt directive and a word that is no value are errors, so that silence means something.
    """
    unit = installed(tmp_path, "system")
    for right, wrong in (("ProtectSystem=strict", "ProtectSytem=strict"), ("Type=notify", "Type=notfy")):
        spoilt = unit.read_text().replace(right, wrong)
        (tmp_path / "spoilt.service").write_text(spoilt)

        done = checked(
            "systemd-analyze", "verify", "--recursive-errors=yes", tmp_path / "spoilt.service", folder=tmp_path
        )

        assert done.stderr
        assert done.returncode != 0


@pytest.mark.parametrize("scope", UNITS)
@pytest.mark.parametrize("with_config", [False, True])
def test_the_units_are_closed(tmp_path: Path, scope: str, with_config: bool) -> None:
    """
    systemd's own measure of exposure stays below the limit: 2.0 for the system's service.
    """
    unit = installed(tmp_path, scope, configured(tmp_path) if with_config else None)

    done = checked(
        "systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX[scope]}", unit, folder=tmp_path
    )

    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("folder", ["a b", "per%cent %h", "do$llar $HOME", "é", "a;b", "-dash"])
def test_any_folder_can_be_run_from(tmp_path: Path, folder: str) -> None:
    """
    What means something to systemd is quoted: it finds the command, so it read the very same path.
    """
    unit = installed(tmp_path, "system", configured(tmp_path), folder)

    done = checked("systemd-analyze", "verify", "--recursive-errors=yes", unit, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("folder", ["a b", "per%cent", "do$llar", 'quo"te', "apo'st", "back\\slash", "new\nline"])
def test_any_folder_can_be_watched(tmp_path: Path, folder: str) -> None:
    """
    Inboxes and outboxes have names that people give them.
    """
    unit = installed(tmp_path, "system", configured(tmp_path, folder))

    done = checked("systemd-analyze", "verify", "--recursive-errors=yes", unit, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [*UNITS.values(), "flexispd.sysusers.conf", "flexispd.tmpfiles.conf"])
def test_every_group_of_lines_has_its_reason(name: str) -> None:
    """
    Whoever reads a unit learns why: a comment stands no more than a few directives away.
    """
    since = 0
    for line in (SYSTEMD / name).read_text().splitlines():
        since = 0 if line.startswith(("#", "[")) or not line else since + 1
        assert since <= 8, line


def test_the_service_is_what_the_daemon_expects() -> None:
    """
    Readiness is told, a wrong configuration is not tried again, and the end waits for the longest frame.
    """
    for name in UNITS.values():
        found = directives((SYSTEMD / name).read_text())
        assert found["Type"] == ["notify"]
        assert found["NotifyAccess"] == ["main"]
        assert found["Restart"] == ["on-failure"]
        assert found["RestartPreventExitStatus"] == ["78"]
        assert found["KillMode"] == ["mixed"]
        assert found["OOMPolicy"] == ["continue"]
        assert int(found["TimeoutStopSec"][0]) > 300
        assert int(found["TimeoutStartSec"][0]) >= 600
        assert int(found["WatchdogSec"][0]) > 0


def test_what_a_gpu_needs_is_not_taken_away() -> None:
    """
    Each of these has cost somebody the GPU: hidden devices, a name that newer drivers do not have, a hidden /proc.
    """
    found = directives((SYSTEMD / UNITS["system"]).read_text())

    assert found["PrivateDevices"] == ["no"]
    assert found["DevicePolicy"] == ["closed"]
    names = ("nvidia", "nvidia-frontend", "nvidiactl", "nvidia-uvm", "nvidia-caps")
    assert {f"char-{name} rw" for name in names} <= set(found["DeviceAllow"])
    assert found["ProcSubset"] == ["all"]
    assert "MemoryDenyWriteExecute" not in found
    assert not any("~" in value and "@resources" in value for value in found["SystemCallFilter"])


def test_cards_that_are_put_in_later_are_seen() -> None:
    """
    Mounts of the host arrive in the service as long as nothing asks for a propagation of its own.
    """
    text = (SYSTEMD / UNITS["system"]).read_text()

    assert not {"MountFlags", "PrivateMounts", "RootDirectory", "TemporaryFileSystem"} & set(directives(text))


def test_the_configuration_s_folders_are_filled_in() -> None:
    """
    Outbox and state are written, all else is read-only, and an absent volume does not keep the service from starting.
    """
    text = "[worker]\njob_timeout_s = 900\n"
    text = 'inbox = "/srv/cards"\noutbox = "/mnt/nas/night pictures"\n' + text
    config = parse_config(text, SYSTEM.config)
    executable = Path("/opt/flexispd/bin/flexispd")

    found = directives(filled_in((SYSTEMD / UNITS["system"]).read_text(), "system", executable, config))

    assert found["ExecStart"] == ['"/opt/flexispd/bin/flexispd" run --config "/etc/flexispd/config.toml"']
    assert "ReadOnlyPaths" not in found
    assert found["ReadWritePaths"] == ['"-/mnt/nas/night pictures"', '"-/var/lib/flexispd"']
    assert found["TimeoutStopSec"] == ["930"]


@pytest.mark.parametrize(
    ("outbox", "point", "named"),
    [
        ("/run/media/u/DISK/out", "/run/media/u/DISK", "/run/media/u/DISK"),
        ("/mnt/nas/a/out", "/mnt/nas", "/mnt/nas"),
        ("/mnt/out", "/", "/mnt/out"),
        ("/mnt/x/out", "/mnt", "/mnt/x/out"),
        ("/srv/out", "/srv", "/srv/out"),
    ],
)
def test_nothing_of_a_volume_stays_mounted_in_the_service(
    outbox: str, point: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A folder that is named is mounted onto itself, and would keep its volume in use after it was unmounted outside. So
    a volume that comes and goes is named as a whole, and an inbox not at all, unless the state folder holds it.
    """
    mount = Mount(Path(point), "ext4", "/dev/sdb1", 7)
    monkeypatch.setattr("flexispd.service.mount_of", lambda path: mount)  # noqa: ARG005
    config = parse_config(f'inbox = ["/media/card", "/var/lib/flexispd/in"]\noutbox = "{outbox}"\n', SYSTEM.config)

    unit = filled_in((SYSTEMD / UNITS["system"]).read_text(), "system", Path("/usr/bin/flexispd"), config)

    assert directives(unit)["ReadWritePaths"] == [f'"-{named}"', '"-/var/lib/flexispd"']
    assert directives(unit)["ReadOnlyPaths"] == ['"-/var/lib/flexispd/in"']


@pytest.mark.parametrize(
    ("inbox", "key", "value"),
    [("/srv/in", "ProtectHome", "yes"), ("/home/u/in", "ProtectHome", "read-only"), ("/tmp/in", "PrivateTmp", "no")],
)
def test_folders_that_a_sandbox_would_hide_are_shown(
    inbox: str, key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Home folders and /tmp are closed, unless something that is needed lies there.
    """
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    config = parse_config(f'inbox = "{inbox}"\noutbox = "/srv/out"\n', SYSTEM.config)

    unit = filled_in((SYSTEMD / UNITS["system"]).read_text(), "system", Path("/usr/bin/flexispd"), config)

    assert directives(unit)[key] == [value]


def test_the_user_and_its_folders_are_made(tmp_path: Path) -> None:
    """
    sysusers makes the user and its groups, tmpfiles the folders; in a root of our own.
    """
    (tmp_path / "etc").mkdir()

    users = checked("systemd-sysusers", f"--root={tmp_path}", SYSTEMD / "flexispd.sysusers.conf", folder=tmp_path)
    assert users.returncode == 0, users.stderr
    assert "flexispd:" in (tmp_path / "etc/passwd").read_text()
    assert ":/var/lib/flexispd:/usr/sbin/nologin" in (tmp_path / "etc/passwd").read_text()
    assert re.search(r"^video:.*:flexispd$", (tmp_path / "etc/group").read_text(), re.MULTILINE)

    folders = checked(
        "systemd-tmpfiles", f"--root={tmp_path}", "--create", SYSTEMD / "flexispd.tmpfiles.conf", folder=tmp_path
    )
    if os.geteuid() == 0:
        assert folders.returncode == 0, folders.stderr
        assert (tmp_path / "var/lib/flexispd").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "etc/flexispd/profiles").is_dir()


def test_the_drop_ins_are_valid(tmp_path: Path) -> None:
    """
    What is handed out as an example works when it is copied, its commented lines included.
    """
    unit = installed(tmp_path, "system")
    folder = tmp_path / "flexispd.service.d"
    folder.mkdir()
    for example in (SYSTEMD / "flexispd.service.d").iterdir():
        assert example.name.endswith(".conf.example")
        text = re.sub(r"^#(?=\w+=)", "", example.read_text(), flags=re.MULTILINE)
        (folder / example.stem).write_text(text)

    done = checked("systemd-analyze", "verify", "--recursive-errors=yes", unit, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
