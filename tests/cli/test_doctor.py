"""`flexispd doctor`: what each line of the sheet says, and when it is no longer ok."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from flexispd import presence
from flexispd.cli.main import run
from flexispd.config import Config, parse_config
from flexispd.doctor import Finding, examine, folders, in_time, machine, program
from flexispd.doctor.machine import check_clock, check_device, check_suspend
from flexispd.doctor.times import camera_time, check_camera_clock, clock_time, duration
from flexispd.ledger import Ledger
from flexispd.outbox import MB, Answer

CHECKS = {
    "configuration",
    "inbox",
    "watch limit",
    "outbox",
    "space",
    "state",
    "profile",
    "daemon",
    "camera clock",
    "weights",
    "clock",
    "suspend",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a configuration, an inbox and an outbox."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    text = f'inbox = "{tmp_path}/in"\noutbox = "{tmp_path}/out"\nstate = "{tmp_path}/state"\n'
    (tmp_path / "config.toml").write_text(text)
    return tmp_path


def configured(place: Path, more: str = "") -> Config:
    return parse_config((place / "config.toml").read_text() + more, place / "config.toml")


def sheet(place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings by what was looked at."""
    code = run(["doctor", "--quick", "--json", "--config", str(place / "config.toml")])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0)
    return code, {finding["check"]: finding for finding in told["findings"]}


def on(fstype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder seems to lie on this file system."""

    class Mount:
        pass

    mount = Mount()
    mount.fstype = fstype  # type: ignore[attr-defined]
    monkeypatch.setattr(folders, "mount_of", lambda path: mount)  # noqa: ARG005


def test_a_machine_that_is_ready(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Nothing fails, everything is named, nothing is changed: no state folder, no file left in the outbox.
    """
    code, findings = sheet(place, capsys)

    assert code == 0
    assert set(findings) == CHECKS
    assert all(finding["fix"] for finding in findings.values() if finding["verdict"] != "ok")
    assert sorted(path.name for path in place.rglob("*")) == ["config.toml", "in", "out"]


def test_the_sheet_is_for_people(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A verdict, what was looked at, what was found; below it what to do.
    """
    (place / "in").rmdir()

    assert run(["doctor", "--quick", "--config", str(place / "config.toml")]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert f"fail  inbox          {place}/in is not there" in lines
    assert lines[lines.index(f"fail  inbox          {place}/in is not there") + 1].strip().startswith("fix: ")


def test_without_a_configuration_the_rest_is_still_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The first line says how to get one, and the exit code is 1.
    """
    assert run(["doctor", "--quick", "--json", "--config", "/nowhere/config.toml"]) == 1

    findings = json.loads(capsys.readouterr().out)["findings"]
    assert findings[0]["verdict"] == "fail"
    assert {finding["check"] for finding in findings} == {"configuration", "weights", "clock", "suspend"}


@pytest.mark.parametrize("name", ["in", "out"])
@pytest.mark.parametrize("kind", ["absent", "file"])
def test_folders_have_to_be_there(place: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The daemon would wait for them; before a night begins that is a failure.
    """
    (place / name).rmdir()
    if kind == "file":
        (place / name).touch()

    code, findings = sheet(place, capsys)

    assert code == 1
    found = findings["inbox" if name == "in" else "outbox"]
    assert found["verdict"] == "fail"
    assert ("is not a folder" if kind == "file" else "is not there") in found["text"]


def test_an_inbox_that_cannot_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Listing it is the test; root may do everything, so the refusal is brought about here.
    """

    def refuse(path: Path) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("os.scandir", refuse)

    (finding,) = folders.check_inbox(place / "in", "auto")

    assert (finding.verdict, finding.check) == ("fail", "inbox")
    assert "Permission denied" in finding.text


@pytest.mark.parametrize(
    ("fstype", "watch", "verdict", "word"),
    [
        ("ext4", "auto", "ok", "watched by events"),
        ("ext4", "scan", "ok", "as the configuration says"),
        ("nfs4", "auto", "ok", "listed every so often"),
        ("nfs4", "scan", "ok", "listed every so often"),
        ("nfs4", "events", "warn", "does not tell"),
        ("fuse.sshfs", "auto", "ok", "listed every so often"),
    ],
)
def test_how_an_inbox_is_noticed(
    place: Path, fstype: str, watch: str, verdict: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By events or by listing, and why; events that will not come are a warning.
    """
    on(fstype, monkeypatch)

    (finding,) = folders.check_inbox(place / "in", watch)

    assert finding.verdict == verdict
    assert word in finding.text


def test_the_watch_limit_is_compared_with_the_folders(place: Path) -> None:
    """
    The warning names the number needed, and the setting.
    """
    for number in range(12):
        (place / "in" / f"{number}" / "below").mkdir(parents=True)
    for name, value in (("watches", "10"), ("instances", "128")):
        (place / f"max_user_{name}").write_text(value + "\n")

    (finding,) = folders.check_watch_limit(configured(place), place)
    assert (finding.verdict, finding.text[:21]) == ("warn", "25 folders to watch, ")
    assert "fs.inotify.max_user_watches=50" in finding.fix

    (place / "max_user_watches").write_text("25")
    assert folders.check_watch_limit(configured(place), place)[0].verdict == "ok"
    (place / "max_user_instances").write_text("1")
    assert folders.check_watch_limit(configured(place), place)[0].verdict == "warn"
    assert folders.check_watch_limit(configured(place), place / "nowhere")[0].verdict == "warn"
    assert folders.check_watch_limit(configured(place, '[arrival]\nwatch = "scan"\n'), place) == []


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (Answer(None, 5000 * MB, None), ["ok", "ok"]),
        (Answer(None, 2300 * MB, None), ["ok", "warn"]),
        (Answer(None, 1999 * MB, None), ["ok", "fail"]),
        (Answer("X cannot be written to: Read-only file system. Make room.", None, None), ["fail"]),
    ],
)
def test_room_is_counted_in_frames(
    place: Path, answer: Answer, verdicts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is free, less what is to be left, in frames as large as the last ones; few are a warning, none a failure.
    """
    monkeypatch.setattr(folders, "look", lambda *_: answer)

    findings = folders.check_outbox(configured(place), [20 * MB, 40 * MB])

    assert [finding.verdict for finding in findings] == verdicts
    if verdicts == ["ok", "ok"]:
        assert "enough for about 100 frames of 30.0 MB" in findings[1].text
    if verdicts == ["fail"]:
        assert (findings[0].text, findings[0].fix) == (
            "X cannot be written to: Read-only file system",
            "Make room.",
        )


@pytest.mark.parametrize("fstype", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_the_ledger_belongs_on_a_disk_of_this_machine(
    place: Path, fstype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    SQLite's write-ahead log does not work over a network.
    """
    on(fstype, monkeypatch)

    (finding,) = folders.check_state(place / "state")

    assert finding.verdict == "fail"
    assert fstype in finding.text


def test_the_state_folder_has_to_be_writable(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Absent it is made later, if that is possible; a ledger of another user is found too.
    """
    assert "made at the first start" in folders.check_state(place / "state")[0].text
    (place / "state").mkdir()
    assert folders.check_state(place / "state")[0].verdict == "ok"
    (place / "state" / "ledger.sqlite").touch()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).is_dir())  # noqa: ARG005
    assert "ledger.sqlite cannot be written to" in folders.check_state(place / "state")[0].text
    monkeypatch.setattr("os.access", lambda path, mode: False)  # noqa: ARG005
    assert folders.check_state(place / "state" / "deeper")[0].verdict == "fail"
    assert folders.check_state(place / "config.toml" / "state")[0].verdict == "fail"


def test_a_profile_that_does_not_exist_fails(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Before the daemon refuses to start.
    """
    text = (place / "config.toml").read_text()
    (place / "config.toml").write_text(text + 'profile = "natrual"\n')

    code, findings = sheet(place, capsys)

    assert code == 1
    assert findings["profile"]["verdict"] == "fail"
    assert findings["profile"]["fix"]


def test_an_altered_weight_file_fails(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    One byte is enough.
    """
    shutil.copytree(Path(program.__file__).parents[2] / "weights", tmp_path / "weights")
    altered = next((tmp_path / "weights").glob("*.safetensors"))
    altered.write_bytes(altered.read_bytes()[:-1] + b"?")
    monkeypatch.setattr("flexispd.weights.data_folder", lambda name: tmp_path / name)

    code, findings = sheet(place, capsys)

    assert code == 1
    assert "SHA-256" in findings["weights"]["text"]


def test_a_daemon_that_runs_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    With its process and since when; an old lock file alone is no daemon.
    """
    held = presence.hold(place / "state")
    _, findings = sheet(place, capsys)
    assert f"running as process {os.getpid()} since " in findings["daemon"]["text"]

    held.release()
    _, findings = sheet(place, capsys)
    assert findings["daemon"]["text"].startswith("not running")
    (place / "state" / presence.LOCK).unlink()
    (place / "state" / presence.LOCK).symlink_to("daemon.lock")
    assert program.check_daemon(place / "state").verdict == "warn"


def test_a_daemon_that_is_blocked_fails(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    An empty mount point looks like a good outbox; what the daemon waits for says more.
    """
    held = presence.hold(place / "state")
    reason = "The volume of /out is not mounted at /out. Mount it."
    presence.write_status(place / "state", {"pid": os.getpid(), "blocked": {"cause": "volume", "reason": reason}})

    code, findings = sheet(place, capsys)
    held.release()

    assert code == 1
    assert findings["daemon"]["text"].endswith(f"and blocked: {reason[:-1]}")
    assert sheet(place, capsys)[1]["daemon"]["text"].startswith("not running")


def test_what_people_asked_of_the_daemon_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A pause from yesterday, and another profile than the configuration's.
    """
    Ledger.create(place / "state").close()
    assert "rendering" not in sheet(place, capsys)[1]
    for words in (["pause"], ["profile", "set", "vivid night"]):
        assert run([*words, "--config", str(place / "config.toml")]) == 0
    capsys.readouterr()

    code, findings = sheet(place, capsys)

    assert code == 0
    assert findings["rendering"]["verdict"] == "warn"
    assert findings["profile"]["text"] == "vivid-night, by `flexispd profile set`"


def test_a_ledger_without_finished_captures_tells_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    It is read, and stays as it is.
    """
    Ledger.create(place / "state").close()
    assert sheet(place, capsys)[1]["camera clock"]["text"] == "no finished capture tells it yet"


def test_a_damaged_ledger_fails(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The daemon does not start with it, and that is to be known before the night; the doctor leaves it as it is.
    """
    (place / "state").mkdir(exist_ok=True)
    nonsense = b"no database at all" * 100
    (place / "state" / "ledger.sqlite").write_bytes(nonsense)

    code, findings = sheet(place, capsys)

    assert code == 1
    assert "is damaged" in findings["state"]["text"]
    assert "backup" in findings["state"]["fix"]
    assert (place / "state" / "ledger.sqlite").read_bytes() == nonsense


def test_a_disk_that_does_not_answer_is_a_finding() -> None:
    """
    The sheet goes on without it, and an error of the operating system becomes a line.
    """
    release = threading.Event()

    def hang() -> list[Finding]:
        release.wait()
        return []

    def break_down() -> list[Finding]:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/mnt/nas")

    (finding,) = in_time("inbox", hang, 0.01)
    assert (finding.verdict, finding.text) == ("fail", "no answer for 0.01 s")
    release.set()
    (finding,) = in_time("outbox", break_down)
    assert (finding.verdict, finding.check) == ("fail", "outbox")
    assert "Input/output error" in finding.text
    assert in_time("weights", lambda: [Finding("ok", "weights", "whole")]) == [Finding("ok", "weights", "whole")]


@pytest.mark.parametrize(
    ("delays_s", "verdict", "word"),
    [
        ([], "ok", "no finished capture"),
        ([3.0, 400.0], "ok", "within 3 s"),
        ([-2.0], "ok", "within 2 s"),
        ([3661.0, 4000.0], "warn", "1 h 1 min from shutter to inbox"),
        ([-7200.0, 10.0], "warn", "2 h 0 min ahead"),
    ],
)
def test_the_camera_s_clock_is_compared(delays_s: list[float], verdict: str, word: str) -> None:
    """
    The shortest way from shutter to inbox tells; frames that arrive before they were taken come from a clock ahead.
    """
    taken_s = time.mktime((2026, 1, 17, 23, 59, 0, 0, 0, -1))
    shots = [("2026:01:17 23:59:00", taken_s + delay) for delay in delays_s]

    finding = check_camera_clock([("no time at all", 0.0), *shots])

    assert finding.verdict == verdict
    assert word in finding.text
    assert bool(finding.fix) == (verdict != "ok")


def test_times_are_read_and_written() -> None:
    """
    What cameras write, with fractions and without; lengths in the two units that say most.
    """
    assert camera_time("2026:01:17 23:59:00.25") == camera_time("2026:01:17 23:59:00")
    assert camera_time("0000:00:00 00:00:00") is None
    assert clock_time(camera_time("2026:01:17 23:59:00") or 0) == "2026-01-17 23:59:00"
    assert [duration(s) for s in (0, 59, 61, 3600, 90_000)] == ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]


def tool(folder: Path, name: str, said: str, code: int = 0) -> None:
    """A command that says this."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\necho "{said}"\nexit {code}\n')
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("said", "code", "verdict"), [("yes", 0, "ok"), ("no", 0, "warn"), ("", 1, "warn"), (None, 0, "warn")]
)
def test_the_clock_is_asked_after(
    tmp_path: Path, said: str | None, code: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    timedatectl knows; where there is none, the mark of systemd-timesyncd does.
    """
    if said is not None:
        tool(tmp_path / "bin", "timedatectl", said, code)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert check_clock(tmp_path / "synchronized").verdict == verdict
    (tmp_path / "synchronized").touch()
    assert check_clock(tmp_path / "synchronized").verdict == ("warn" if said == "no" else "ok")


def test_suspend_settings_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A lid, idleness and the desktop; the files are read in systemd's order, and a mask ends all of it.
    """
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert [finding.verdict for finding in check_suspend(tmp_path)] == ["ok"]

    (tmp_path / "proc/acpi/button/lid").mkdir(parents=True)
    assert "closing the lid means: suspend" in check_suspend(tmp_path)[0].text

    shipped, drop_in = tmp_path / "etc/systemd/logind.conf", tmp_path / "etc/systemd/logind.conf.d/mine.conf"
    drop_in.parent.mkdir(parents=True)
    shipped.write_text("[Login]\n#HandleLidSwitch=ignore\nHandleLidSwitch=hibernate\nIdleAction=suspend\n")
    tool(tmp_path / "bin", "gsettings", "'suspend'")
    said = [finding.text for finding in check_suspend(tmp_path)]
    assert said == [
        "closing the lid means: hibernate",
        "doing nothing for a while means: suspend",
        "the desktop, left alone, does: 'suspend'",
    ]
    assert all(finding.verdict == "warn" and finding.fix for finding in check_suspend(tmp_path))

    drop_in.write_text("[Login]\nHandleLidSwitch=ignore\nIdleAction=ignore\n")
    tool(tmp_path / "bin", "gsettings", "'nothing'")
    assert [finding.verdict for finding in check_suspend(tmp_path)] == ["ok"]

    drop_in.unlink()
    (tmp_path / "etc/systemd/system").mkdir()
    (tmp_path / "etc/systemd/system/sleep.target").symlink_to("/dev/null")
    assert [finding.text for finding in check_suspend(tmp_path)] == ["not possible: sleep.target is masked"]


def test_the_device_is_used_once() -> None:
    """
    The processor always can; a device that is not there fails with the reason that rendering would give.
    """
    assert check_device("cpu").text.startswith("processor, ")

    finding = check_device("cuda:99")
    assert finding.verdict == "fail"
    assert finding.fix


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("import os; os.abort()", "crashed (signal 6)"),
        ("raise SystemExit(3)", "crashed (exit code 3)"),
        ("print('told:[1]')", "exit code 0"),
        ("print('told:{')", "exit code 0"),
        ("import threading; threading.Event().wait()", "no answer for 0.5 s"),
    ],
)
def test_a_driver_that_hangs_or_crashes_is_a_finding(script: str, word: str) -> None:
    """
    It has a process of its own to do so in.
    """
    finding = check_device("auto", 0.5 if "wait" in script else 60, script)

    assert finding.verdict == "fail"
    assert word in finding.text


def test_a_gpu_is_named() -> None:
    """
    With the memory that is free.
    """
    told = {"device": "cuda:0", "name": "NVIDIA H100", "free_mb": 70_000, "whole_mb": 80_000}

    finding = check_device("auto", script=f"print('noise'); print('told:' + {json.dumps(told)!r})")

    assert finding == Finding("ok", "device", "cuda:0: NVIDIA H100, 70000 of 80000 MB free")


def test_the_device_is_the_last_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What takes seconds comes last, and is the configuration's device.
    """
    asked = []

    def device(name: str) -> Finding:
        asked.append(name)
        return Finding("ok", "device", name)

    monkeypatch.setattr("flexispd.doctor.check_device", device)
    (place / "config.toml").write_text((place / "config.toml").read_text() + '[worker]\ndevice = "cuda:1"\n')

    assert list(examine(place / "config.toml"))[-1].check == "device"
    assert asked == ["cuda:1"]
    assert machine.DEVICE_S_MAX > 30


def test_the_doctor_loads_no_torch() -> None:
    """
    A broken driver cannot hang what never touches it.
    """
    script = (
        "import sys, flexispd.doctor;"
        "print([n for n in ('torch', 'numpy', 'cv2', 'rawpy', 'structlog') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
