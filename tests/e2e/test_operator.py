"""What an operator does on the first evening: install, init, run, shoot, change the look, check the evening's work."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BEFORE = ("quicktake150_night_street.qtk", "kodak_dc50.kdc")
AFTER = ("canon_d30_5s.png", "dsc1339_flower_crop.png")
DEADLINE_S = 90.0


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Path:
    """`flexispd` as pip installs it from the wheel; its dependencies are borrowed from the tests' environment."""
    folder = tmp_path_factory.mktemp("install")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, capture_output=True)
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"])
    pip = [folder / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    subprocess.run([*pip, *folder.glob("*.whl")], check=True, capture_output=True)
    return Path(folder / "venv/bin/flexispd")


class Operator:
    """Somebody at a terminal, with a home folder of their own."""

    def __init__(self, command: Path, home: Path) -> None:
        self.command = command
        self.inbox, self.outbox = home / "inbox", home / "outbox"
        self.log = home / "log.jsonl"
        self.environment = {**os.environ, "HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.environment["FLEXISPD_CONFIG"] = str(home / "config.toml")
        self.state = home / "state"

    def init(self) -> str:
        """The configuration, beside everything else; root would get the system's by default."""
        folders = {"inbox": self.inbox, "outbox": self.outbox, "state": self.state}
        options = [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]
        return self.do("init", "--config", self.environment["FLEXISPD_CONFIG"], *options)

    def do(self, *words: str) -> str:
        """A command that succeeds; what it prints."""
        done = subprocess.run(
            [self.command, *words], env=self.environment, capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> subprocess.Popen[bytes]:
        """The daemon."""
        with self.log.open("ab") as log:
            return subprocess.Popen([self.command, "run"], env=self.environment, stdout=log, stderr=log, cwd="/")

    def events(self, name: str) -> list[dict[str, object]]:
        """What the daemon has logged under a name."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def copy_slowly(self, source: Path) -> None:
        """As a camera on Wi-Fi does: in pieces, with pauses."""
        data = source.read_bytes()
        with (self.inbox / source.name).open("wb") as file:
            piece = len(data) // 4 + 1
            for start in range(0, len(data), piece):
                file.write(data[start : start + piece])
                file.flush()
                time.sleep(0.15)


def until(true: Callable[[], bool], what: str, log: Path) -> None:
    """Wait for a real process, but not for ever."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline_s, f"{what} did not come about:\n{log.read_text()}"
        time.sleep(0.1)


def test_an_evening(command, shared_data, tmp_path):
    """
    Everything that was shot is there once, under the look that was active when it arrived, and provably so.
    """
    operator = Operator(command, tmp_path)
    made = operator.init()
    assert "flexispd run" in made
    daemon = operator.start()
    try:
        until(lambda: bool(operator.events("service.ready")), "READY", operator.log)
        for name in BEFORE:
            operator.copy_slowly(shared_data / "raw" / name)
        until(lambda: len(operator.events("capture.recorded")) == len(BEFORE), "recording", operator.log)
        assert "vivid-night" in operator.do("profile", "set", "vivid night")
        for name in AFTER:
            operator.copy_slowly(shared_data / "ntire_pairs" / name)
        until(lambda: len(operator.events("capture.recorded")) == 4, "waiting for metadata", operator.log)
        for name in AFTER:
            operator.copy_slowly(shared_data / "ntire_pairs" / Path(name).with_suffix(".json"))
        until(lambda: len(operator.events("capture.rendered")) == 4, "four pictures", operator.log)

        status = json.loads(operator.do("status", "--json"))
        explained = operator.do("explain", "canon_d30_5s")
        verified = operator.do("verify")
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0

    for names, profile in ((BEFORE, "natural"), (AFTER, "vivid-night")):
        for name in names:
            base = f"{Path(name).stem}.{profile}"
            picture = cv2.imread(str(operator.outbox / f"{base}.jpg"))
            receipt = json.loads((operator.outbox / f"{base}.json").read_text())
            assert picture is not None
            assert picture.std() > 10  # a photograph, not a grey card
            assert receipt["profile"]["name"] == profile
            assert receipt["input"]["sha256"] == hashlib.sha256((operator.inbox / name).read_bytes()).hexdigest()
    pictures = {path.name for path in operator.outbox.glob("*.jpg")} - {"latest.jpg"}
    assert len(pictures) == len(BEFORE) + len(AFTER)
    assert status["captures"]["done"] == 4
    assert "vivid-night" in explained
    assert "waiting for canon_d30_5s.json" in explained
    assert "4 verified" in verified
    assert not list(operator.outbox.rglob(".flexispd-*"))


def test_running_again_changes_nothing(command, shared_data, tmp_path):
    """
    Even with an empty ledger: what lies in the outbox is found to be what would be rendered, and left alone.
    """
    operator = Operator(command, tmp_path)
    operator.init()
    (operator.inbox / "a.qtk").write_bytes((shared_data / "raw" / BEFORE[0]).read_bytes())
    operator.do("run", "--once")
    before = {path: path.stat().st_mtime_ns for path in operator.outbox.glob("*.*")}

    operator.do("run", "--once")
    (operator.state / "ledger.sqlite").unlink()
    operator.do("run", "--once")

    assert {path: path.stat().st_mtime_ns for path in operator.outbox.glob("*.*")} == before
    assert json.loads(operator.do("status", "--json"))["captures"]["done"] == 1
