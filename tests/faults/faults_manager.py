"""A service manager that listens all the time and writes down what it is told, as systemd would."""

import socket
import threading
import time
from pathlib import Path


class Manager:
    """
    The other end of NOTIFY_SOCKET.

    Attributes:
        heard: Lines of all messages so far, each with the monotonic time when it came.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self.heard += [(time.monotonic(), line) for line in message.decode().splitlines()]

    def lines(self, since_s: float = 0.0) -> list[str]:
        """What was said since then."""
        return [line for at_s, line in self.heard if at_s >= since_s]

    def close(self) -> None:
        """Listen no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", str(self.path))
        self._thread.join()
        self._socket.close()
