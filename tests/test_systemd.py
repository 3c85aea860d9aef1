"""What systemd hears from the daemon: a socket of our own stands in for the service manager's."""

import math
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.systemd import STATUS_LENGTH_MAX, Notifier


class Manager:
    """The other end: a datagram socket, and what came in."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager: Manager, tmp_path: Path) -> Notifier:  # noqa: ARG001, the manager has to listen first
    return Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})


def test_each_message_is_one_datagram(manager: Manager, notifier: Notifier) -> None:
    """
    The words are those of sd_notify(3), in the order in which they were said.
    """
    notifier.status("opening the ledger")
    notifier.ready()
    notifier.watchdog()
    notifier.extend_timeout(12.5)
    notifier.stopping()

    assert manager.heard() == [
        "STATUS=opening the ledger",
        "READY=1",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=12500000",
        "STOPPING=1",
    ]


def test_a_reload_carries_the_time(manager: Manager, notifier: Notifier) -> None:
    """
    systemd pairs a reload with its signal by the monotonic clock, in microseconds, in the same datagram.
    """
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    after = time.monotonic_ns() // 1000

    (message,) = manager.heard()
    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", message)
    assert found
    assert before <= int(found[1]) <= after


def test_an_abstract_socket_is_reached() -> None:
    """
    An address that begins with @ is not a file.
    """
    name = f"flexispd-test-{secrets.token_hex(8)}"
    manager = Manager(f"\0{name}")

    Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()

    assert manager.heard() == ["READY=1"]
    manager.socket.close()


def test_a_status_cannot_become_another_message(manager: Manager, notifier: Notifier) -> None:
    """
    A file name with a newline in it does not stop the service, and one that is not UTF-8 does not break the line.
    """
    notifier.status("developing a\nSTOPPING=1\x00\x1b[2J b\udcff.dng")

    assert manager.heard() == ["STATUS=developing a STOPPING=1  [2J b .dng"]


def test_a_long_status_is_cut(manager: Manager, notifier: Notifier) -> None:
    """
    One line stays one line.
    """
    notifier.status("é" * 100_000)

    assert manager.heard() == ["STATUS=" + "é" * STATUS_LENGTH_MAX]


@given(text=st.text(st.characters()), seconds=st.floats())
def test_nothing_is_raised_whatever_is_said(text: str, seconds: float) -> None:
    """
    Any text, any number, a socket that nobody listens to.
    """
    notifier = Notifier({"NOTIFY_SOCKET": "/nowhere/notify"})

    notifier.status(text)
    notifier.extend_timeout(seconds)


@pytest.mark.parametrize(
    "address", ["", "/nowhere/notify", "/" + "long" * 100, "relative", "vsock:2:9999", "/with\0zero", "@", "/\udcff"]
)
def test_a_manager_that_is_not_there_is_nobodys_problem(address: str) -> None:
    """
    No address, one that cannot be, one of a kind that we do not speak: silence.
    """
    notifier = Notifier({"NOTIFY_SOCKET": address})

    notifier.ready()
    notifier.reloading()
    notifier.extend_timeout(math.inf)


def test_a_manager_that_does_not_read_holds_nobody_up(notifier: Notifier) -> None:
    """
    A queue that is full costs half a second, and then the message.
    """
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flexispd.systemd._SEND_S_MAX", 0.001)
        for _ in range(2000):
            notifier.watchdog()

    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        pytest.param("30000000", str(os.getpid()), 30.0, id="this process"),
        ("500000", "", 0.5),
        ("30000000", "1", None),  # another process is watched
        ("0", "", None),
        ("-5", "", None),
        ("soon", "", None),
        ("³", "", None),
        ("", "", None),
        ("9" * 5000, "", None),
    ],
)
def test_the_watchdog_is_that_of_this_process(usec: str, pid: str, expected: float | None) -> None:
    """
    WATCHDOG_USEC counts when WATCHDOG_PID names this process, or nobody.
    """
    assert Notifier({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog_s == expected


def test_by_default_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, manager: Manager, tmp_path: Path) -> None:
    """
    The daemon writes `Notifier()` and nothing else.
    """
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    notifier = Notifier()
    notifier.ready()

    assert notifier.watchdog_s == 60.0
    assert manager.heard() == ["READY=1"]
