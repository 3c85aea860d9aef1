"""
What the daemon tells systemd: that it is ready, what it is doing, and that it is alive.

The protocol is one datagram a message to the socket that $NOTIFY_SOCKET names, so no library is needed. Without that
variable nobody listens, and nothing is sent. Nothing here raises: a service manager that cannot be reached is no
reason to render no pictures.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

STATUS_LENGTH_MAX = 400
"""Characters; `systemctl status` shows one line of it."""

_SEND_S_MAX = 0.5
"""Longest wait for a service manager whose queue is full; a READY that is lost would cost the whole start."""

_EXTENSION_S_MAX = 86_400.0


class Notifier:
    """
    The way to the service manager, if there is one.

    Attributes:
        watchdog_s: Seconds after which systemd kills a silent service; `watchdog` is due at half of that. None when
            no watchdog is set for this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID stand; by default the process's own."""
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment)

    def ready(self) -> None:
        """The start, or a reload, is over."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`. What is not printable, newlines included, becomes a blank."""
        line = "".join(c if c.isprintable() else " " for c in text)
        self._send(f"STATUS={line[:STATUS_LENGTH_MAX]}")

    def watchdog(self) -> None:
        """Work goes on."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it, whether the new configuration was taken or not."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def extend_timeout(self, seconds: float) -> None:
        """Starting, or stopping, needs at least `seconds` more from now."""
        if seconds > 0:  # false for NaN too
            self._send(f"EXTEND_TIMEOUT_USEC={round(min(seconds, _EXTENSION_S_MAX) * 1e6)}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        # A socket for each message: nothing is kept open that a worker could inherit, and a manager that was
        # restarted meanwhile is found again.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_S_MAX)
            sender.sendto(message.encode(), self._address)


def _address(text: str) -> bytes | None:
    """The socket's address: a path, or an abstract name that is written with an @; None for anything else."""
    if text.startswith("@"):
        return b"\0" + os.fsencode(text[1:])
    return os.fsencode(text) if text.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """The watchdog's interval, unless it is another process that is watched."""
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    if not re.fullmatch(r"[0-9]{1,18}", usec) or int(usec) == 0:
        return None
    return int(usec) / 1e6
