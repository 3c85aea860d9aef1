"""Commands about captures answer at once: none of them loads what only pictures need."""

import subprocess
import sys

import pytest
from studio_making import Studio

HEAVY = ("torch", "cv2", "rawpy", "numpy", "PIL", "tifffile", "structlog", "safetensors", "exifread", "watchdog")
LINES = (
    "status",
    "ls",
    "ls --json",
    "explain a",
    "retry --failed",
    "pause",
    "resume",
    "submit {inbox}/a.NEF",
    "verify",
    "reprocess --profile vivid-night",
    "profile get",
    "profile set neutral",
)


@pytest.mark.parametrize("line", LINES)
def test_commands_about_captures_load_nothing_heavy(studio: Studio, line: str) -> None:
    """
    Also where there is a receipt to be read or a profile to be checked.
    """
    studio.publish("a.NEF")
    script = (
        "import sys; from flexispd.cli.main import run; code = run(sys.argv[1:]);"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    words = [*line.format(inbox=studio.inbox).split(), "--config", str(studio.folder / "config.toml")]

    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )

    assert done.stdout.endswith("LOADED [] 0\n"), done.stdout + done.stderr
