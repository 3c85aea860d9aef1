"""The daemon as systemd runs it: what it tells the service manager, and that its sandbox lacks nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flexispd.demo import night_raw

DEADLINE_S = 90.0

SANDBOX = """
set -e
mount --bind "$1" "$1"
for folder in out state; do mount --bind "$1/$folder" "$1/$folder"; done
mount -o remount,bind,ro "$1"
mount -o remount,bind,ro /
cd /
for folder in "$1" "$1/in"; do if touch "$folder/writable" 2>/dev/null; then exit 9; fi; done
exec "$2" -m flexispd run --once --config "$1/config.toml"
"""
"""What ProtectSystem=strict, ReadWritePaths= and PrivateNetwork= come to, without systemd."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A configuration, one capture in its inbox, and everything that the unit sets in the environment."""
    for name in ("in", "out", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "in/a.dng").write_bytes(night_raw(240, 160))
    text = f'inbox = "{tmp_path}/in"\noutbox = "{tmp_path}/out"\nstate = "{tmp_path}/state"\n'
    (tmp_path / "config.toml").write_text(text + "[arrival]\nquiet_s = 0.3\n[output]\nfree_min_mb = 1\n")
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    own = {"HOME": str(place / "state"), "XDG_CONFIG_HOME": "/etc", "FLEXISPD_WEIGHTS": str(place / "state/weights")}
    return {**os.environ, **own, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def manager(place: Path) -> Iterator[socket.socket]:
    """The service manager's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(place / "notify"))
        receiver.settimeout(1.0)
        yield receiver


def heard(receiver: socket.socket, wanted: Callable[[str], bool]) -> list[str]:
    """Every message up to the first that is wanted."""
    messages: list[str] = []
    until_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < until_s:
        try:
            messages.append(receiver.recv(4096).decode())
        except TimeoutError:
            continue
        if wanted(messages[-1]):
            return messages
    pytest.fail(f"never heard, but: {messages[-5:]}")


def test_the_service_manager_is_told(place: Path, manager: socket.socket) -> None:
    """
    Alive before READY; a reload is framed by RELOADING and READY; the end is announced, and is no failure.
    """
    variables = environment(place) | {"NOTIFY_SOCKET": str(place / "notify"), "WATCHDOG_USEC": "60000000"}
    command = [sys.executable, "-m", "flexispd", "run", "--config", str(place / "config.toml")]
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            start = heard(manager, lambda message: message == "READY=1")
            assert "WATCHDOG=1" in start
            assert any(message.startswith("STATUS=") for message in start)

            daemon.send_signal(signal.SIGHUP)
            heard(manager, lambda message: re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", message) is not None)
            heard(manager, lambda message: message == "READY=1")

            (place / "config.toml").write_text("inboks = 1\n")
            daemon.send_signal(signal.SIGHUP)
            heard(manager, lambda message: message.startswith("RELOADING=1"))
            heard(manager, lambda message: message == "READY=1")
            heard(manager, lambda message: message == "WATCHDOG=1")

            daemon.send_signal(signal.SIGTERM)
            heard(manager, lambda message: message == "STOPPING=1")
            assert daemon.wait(DEADLINE_S) == 0
        finally:
            daemon.kill()


def need_namespaces() -> None:
    """Namespaces without privileges, or the end of the test: skipped, but failed in continuous integration."""
    try:
        done = subprocess.run(["unshare", "-rmn", "true"], capture_output=True, text=True, check=False)
        problem = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        problem = "there is no unshare"
    if problem and os.environ.get("CI") == "true":
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)


def run_once(place: Path, *, sandboxed: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flexispd", "run", "--once", "--config", str(place / "config.toml")]
    if sandboxed:
        command = ["unshare", "-rmn", "sh", "-c", SANDBOX, "sh", str(place), sys.executable]
    return subprocess.run(
        command, env=environment(place), capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )


def test_the_sandbox_lacks_nothing(place: Path) -> None:
    """
    With everything read-only but outbox and state, and no network, a capture becomes a picture.
    """
    need_namespaces()

    done = run_once(place, sandboxed=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (place / "out/a.natural.jpg").is_file()
    assert (place / "out/a.natural.json").is_file()


def test_the_sandbox_s_mounts_are_not_taken_for_volumes(place: Path) -> None:
    """
    The sandbox mounts what is written onto itself; the same folders without it are not another, absent volume.
    """
    need_namespaces()
    assert run_once(place, sandboxed=True).returncode == 0
    (place / "in/b.dng").write_bytes(night_raw(240, 160, seed=2))

    done = run_once(place, sandboxed=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (place / "out/b.natural.jpg").is_file()
