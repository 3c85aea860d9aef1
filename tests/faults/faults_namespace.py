"""
Disks that fill, turn read-only and go away, and watches that run out: in a namespace of its own, without privileges.

A keeper process holds the namespace open. The daemon is started inside through nsenter, and the test looks inside
through /proc/PID/root.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


class Namespace:
    """
    Mounts, and limits of a user, that nobody outside sees.

    Attributes:
        prefix: Put in front of a command to run it inside.
        root: Where the test finds the inside's file system.
    """

    def __init__(self) -> None:
        keeper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "echo inside; exec sleep 100000"]
        self._keeper = subprocess.Popen(
            keeper, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "inside\n":
            _, problem = self._keeper.communicate(timeout=10)
            reason = f"this machine gives no namespaces to its users: {problem.strip()}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        pid = self._keeper.pid
        self.prefix = ["nsenter", f"--target={pid}", "--user", "--mount", "--preserve-credentials", "--"]
        self.root = Path(f"/proc/{pid}/root")

    def run(self, *command: str) -> str:
        """Run a command inside; its output."""
        done = subprocess.run([*self.prefix, *command], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def mount(self, folder: Path, size: str = "1m") -> None:
        """An empty disk of this size."""
        folder.mkdir(exist_ok=True)
        self.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def remount(self, folder: Path, options: str) -> None:
        """Change a disk that is mounted: `ro`, `rw`, `size=2m`."""
        self.run("mount", "-o", f"remount,{options}", str(folder))

    def unmount(self, folder: Path) -> None:
        """Pull the disk out, whoever uses it."""
        self.run("umount", "-l", str(folder))

    def close(self) -> None:
        """Let the namespace end with its keeper."""
        self._keeper.kill()
        self._keeper.communicate(timeout=10)
