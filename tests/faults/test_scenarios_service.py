"""Scenarios 31 to 34: profiles that change, weights that are not right, signals, and a second daemon."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from faults_invariant import assert_invariant
from faults_manager import Manager
from faults_raws import raw_bytes
from faults_studio import REPOSITORY, Studio, wait_for

from flexispd.ledger import State

STOP_S = 20.0


def test_scenario_31_a_profile_that_is_set_while_fifty_are_queued_counts_from_the_next_one_on(studio: Studio) -> None:
    """
    Frames that were recorded before the change carry the old look, those after it the new one.
    """
    studio.start()
    studio.pause()
    before = [studio.drop(f"before{number:02}.dng", raw_bytes(3100 + number)) for number in range(25)]
    for path in before:
        studio.wait_state(path, State.QUEUED)
    changed = studio.cli("profile", "set", "vivid-night")
    assert changed.returncode == 0, changed.stderr
    after = [studio.drop(f"after{number:02}.dng", raw_bytes(3150 + number)) for number in range(25)]
    for path in after:
        studio.wait_state(path, State.QUEUED)
    assert studio.cli("resume").returncode == 0

    studio.wait_idle(120)

    for path in (*before, *after):
        record = studio.record(path)
        assert record is not None
        assert record.state is State.DONE
        assert record.receipt is not None
        receipt = json.loads((studio.outbox / record.receipt).read_bytes())
        expected = "natural" if path in before else "vivid-night"
        assert (record.profile, receipt["profile"]["name"]) == (expected, expected)
        assert expected in record.receipt.name
    assert_invariant(studio)


@pytest.mark.parametrize("content", ["[render]\nexposure_ev = 0.3\n[ton", '[render]\nexposure = "bright"\n', ""])
def test_scenario_31_a_profile_that_is_not_right_is_refused_and_the_old_one_stays(studio: Studio, content: str) -> None:
    """
    Half-written, or with a key that nobody knows: an exit code, the line, and nothing has changed.
    """
    profiles = Path(os.environ["XDG_CONFIG_HOME"]) / "flexispd" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "broken.toml").write_text(content or "nonsense")
    studio.drop("frame.dng", raw_bytes(3190))
    assert studio.once().returncode == 0

    refused = studio.cli("profile", "set", "broken")
    unknown = studio.cli("profile", "set", "no-such-profile")

    assert refused.returncode == 2, refused
    assert unknown.returncode == 2, unknown
    assert "broken.toml" in refused.stderr
    assert "line" in refused.stderr or "unknown" in refused.stderr
    assert "natural" in studio.cli("profile", "get").stdout
    assert_invariant(studio)


class Boom:
    """What must never be executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def own_installation(folder: Path) -> Path:
    """A copy of the program whose weights may be damaged; nothing of the one that is tested is touched."""
    for name in ("flexispd", "profiles", "weights"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def with_weights_of(installation: Path, studio: Studio) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flexispd", "run", "--once", "--config", str(studio.config_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**studio.env(), "PYTHONPATH": str(installation)},
        cwd=installation,
    )


@pytest.mark.parametrize("damage", ["one bit", "missing", "pickle", "pickle in the manifest"])
def test_scenario_32_weights_that_are_not_right_are_refused(studio: Studio, tmp_path: Path, damage: str) -> None:
    """
    Exit code 78, the expected and the actual hash where there are two, and nothing that a file holds is executed; also
    not where the manifest vouches for it, which is found out when the network is loaded.
    """
    installation = own_installation(tmp_path / "installation")
    weights = installation / "weights" / "denoise-s.safetensors"
    boom = tmp_path / "executed"
    data = bytearray(weights.read_bytes())
    if damage == "missing":
        weights.unlink()
    elif damage == "one bit":
        data[len(data) // 2] ^= 1
        weights.write_bytes(data)
    else:
        weights.write_bytes(pickle.dumps(Boom(boom)))
    if damage == "pickle in the manifest":
        manifest = installation / "weights" / "manifest.toml"
        right, wrong = sha256(bytes(data)), sha256(weights.read_bytes())
        assert right in manifest.read_text()
        manifest.write_text(manifest.read_text().replace(right, wrong))
    studio.drop("frame.dng", raw_bytes(3200))
    studio.configure()

    done = with_weights_of(installation, studio)

    said = done.stdout + done.stderr
    assert done.returncode == 78, said
    assert "denoise-s.safetensors" in said
    if damage in ("one bit", "pickle"):
        assert sha256(weights.read_bytes())[:8] in said
        assert sha256(raw(REPOSITORY / "weights" / weights.name))[:8] in said
    assert not boom.exists()
    assert studio.outbox_files() == []


def sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def raw(path: Path) -> bytes:
    return path.read_bytes()


def running(studio: Studio) -> bool:
    return any(record.state is State.RUNNING for record in studio.records())


def test_scenario_33_sigterm_lets_the_frame_in_flight_finish(studio: Studio) -> None:
    """
    The frames that a worker has are finished, the others stay queued, and the next run takes them up.
    """
    studio.inject("slow-develop:2", once=False)
    studio.start()
    paths = [studio.drop(f"frame{number}.dng", raw_bytes(3300 + number)) for number in range(5)]
    for path in paths:
        studio.wait_state(path, State.QUEUED, State.RUNNING)
    wait_for(lambda: running(studio), 20, "a frame is in flight")

    assert studio.stop(STOP_S) == 0

    states = [record.state for record in studio.records()]
    assert set(states) == {State.DONE, State.QUEUED}
    assert_invariant(studio, idle=False)
    studio.inject(None)
    assert studio.once().returncode == 0
    assert_invariant(studio)


def test_scenario_33_a_second_sigterm_leaves_at_once(studio: Studio) -> None:
    """
    What was in flight is put back, and nothing of it is visible.
    """
    studio.inject("slow-develop:30", once=False)
    studio.start()
    path = studio.drop("frame.dng", raw_bytes(3310))
    studio.wait_state(path, State.RUNNING)
    studio.expected_running = False
    assert studio.process is not None

    studio.signal(signal.SIGTERM)
    wait_for(lambda: studio.events("service.stopping"), 5, "it is stopping")
    studio.signal(signal.SIGTERM)

    assert studio.process.wait(5) == 0
    record = studio.record(path)
    assert record is not None
    assert record.state is State.QUEUED
    assert studio.outbox_files() == []
    studio.inject(None)
    assert studio.once().returncode == 0
    assert_invariant(studio)


def test_scenario_33_a_hundred_reloads_are_one_and_a_bad_one_is_refused(studio: Studio) -> None:
    """
    Frames go on meanwhile; a configuration that is not right leaves the old one in force.
    """
    studio.start()
    paths = [studio.drop(f"frame{number}.dng", raw_bytes(3320 + number)) for number in range(5)]
    for _ in range(100):
        studio.signal(signal.SIGHUP)
    for path in paths:
        studio.wait_state(path, State.DONE)
    assert 1 <= len(studio.events("config.reloaded")) < 100

    studio.config_path.write_text("inbox = 3\n")
    studio.signal(signal.SIGHUP)
    wait_for(lambda: studio.events("config.refused"), 10, "it is refused")
    studio.wait_state(studio.drop("after.dng", raw_bytes(3330)), State.DONE)

    studio.configure()
    assert_invariant(studio)


def test_scenario_33_a_daemon_that_is_stopped_dead_goes_silent_and_its_restart_recovers(
    studio: Studio, manager: Manager
) -> None:
    """
    SIGSTOP: no sign of life reaches the service manager, which is what makes it kill and start again.
    """
    studio.inject("slow-develop:1", once=False)
    studio.environment |= {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "4000000"}
    studio.start()
    wait_for(lambda: "READY=1" in manager.lines(), 5, "it says that it is ready")
    path = studio.drop("frame.dng", raw_bytes(3340))
    studio.wait_state(path, State.RUNNING)
    wait_for(lambda: "WATCHDOG=1" in manager.lines(), 5, "a sign of life")

    studio.signal(signal.SIGSTOP)
    time.sleep(0.5)
    stopped_s = time.monotonic()
    time.sleep(4)
    assert "WATCHDOG=1" not in manager.lines(stopped_s)
    studio.kill()

    studio.inject(None)
    assert studio.once().returncode == 0
    assert_invariant(studio)


def test_scenario_34_a_second_daemon_refuses_and_a_dead_ones_lock_stops_nobody(studio: Studio) -> None:
    """
    It says who is there and since when; after a kill -9 the next start needs no cleaning up.
    """
    studio.start()
    second = studio.cli("run")
    assert second.returncode not in (0, None), second
    assert str(studio.main_pid()) in second.stderr + second.stdout
    assert "since" in second.stderr + second.stdout
    studio.wait_state(studio.drop("one.dng", raw_bytes(3400)), State.DONE)
    studio.kill()

    studio.start()

    studio.wait_state(studio.drop("two.dng", raw_bytes(3401)), State.DONE)
    assert_invariant(studio)


def test_scenario_34_commands_may_write_while_the_daemon_does(studio: Studio) -> None:
    """
    Neither side is ever told that the ledger is locked, and every request is heeded.
    """
    studio.start()
    problems: list[str] = []

    def operator() -> None:
        for command in (["pause"], ["resume"], ["profile", "set", "neutral"], ["profile", "set", "natural"]) * 3:
            done = studio.cli(*command)
            if done.returncode != 0:
                problems.append(f"{command}: {done.stderr}")

    asking = threading.Thread(target=operator)
    asking.start()
    paths = []
    for number in range(30):
        paths.append(studio.drop(f"frame{number:02}.dng", raw_bytes(3410 + number)))
        time.sleep(0.05)
    asking.join()

    studio.wait_idle(120)

    assert problems == []
    assert {record.state for record in studio.records()} == {State.DONE}
    assert not studio.events("ledger.blocked")
    assert_invariant(studio)
