"""What is looked at on the machine: its clock, whether it falls asleep, and the device that is to render."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flexispd.doctor.finding import Finding
from flexispd.errors import displayable

TOOL_S_MAX = 3.0
"""Longest that a command such as timedatectl may take."""

DEVICE_S_MAX = 90.0
"""Longest that torch may take to start and to use the device once; a cold disk takes half a minute."""

KILL_S_MAX = 2.0

_DEVICE_SCRIPT = """
import json, sys
from flexispd.errors import FlexispError
from flexispd.develop.models import choose_device
import torch
try:
    device = choose_device(sys.argv[1])
    if float(torch.ones(64, device=device).sum()) != 64:
        raise RuntimeError(f"{device} cannot add")
    told = {"device": str(device), "threads": torch.get_num_threads(), "torch": torch.__version__}
    if device.type == "cuda":
        free, whole = torch.cuda.mem_get_info(device)
        told |= {"name": torch.cuda.get_device_name(device), "free_mb": free >> 20, "whole_mb": whole >> 20}
except FlexispError as error:
    told = {"problem": error.problem, "remedy": error.remedy}
except Exception as error:
    told = {"problem": f"torch cannot use it: {error}", "remedy": ""}
print("told:" + json.dumps(told))
"""

_LOGIND = ("/usr/lib/systemd", "/etc/systemd", "/run/systemd")
"""Where logind.conf and the folders of its drop-ins lie; /etc and /run come after what the distribution ships."""


def check_clock(synchronized: Path = Path("/run/systemd/timesync/synchronized")) -> Finding:
    """Whether somebody keeps this machine's clock right."""
    said = _said(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    if said == "yes" or (said is None and synchronized.exists()):
        return Finding("ok", "clock", "synchronised")
    fix = "timedatectl set-ntp true, or run chrony; receipts and file names tell the time."
    if said == "no":
        return Finding("warn", "clock", "not synchronised", fix)
    return Finding("warn", "clock", "nobody tells whether it is synchronised", fix)


def check_suspend(root: Path = Path("/")) -> list[Finding]:
    """Whether the machine goes to sleep by itself, in the middle of a night."""
    masked = root / "etc/systemd/system/sleep.target"
    if masked.is_symlink() and os.fspath(masked.readlink()) == os.devnull:
        return [Finding("ok", "suspend", "not possible: sleep.target is masked")]
    findings = []
    settings = _logind(root)
    lid = (root / "proc/acpi/button/lid").is_dir()
    action = settings.get("HandleLidSwitchExternalPower", settings.get("HandleLidSwitch", "suspend"))
    if lid and action not in ("ignore", "lock"):
        fix = "HandleLidSwitch=ignore in /etc/systemd/logind.conf.d/, or leave the lid open."
        findings.append(Finding("warn", "suspend", f"closing the lid means: {displayable(action)}", fix))
    idle = settings.get("IdleAction", "ignore")
    if idle not in ("ignore", "lock"):
        fix = "IdleAction=ignore in /etc/systemd/logind.conf.d/."
        findings.append(Finding("warn", "suspend", f"doing nothing for a while means: {displayable(idle)}", fix))
    schema = "org.gnome.settings-daemon.plugins.power"
    desktop = _said(["gsettings", "get", schema, "sleep-inactive-ac-type"])
    if desktop in ("'suspend'", "'hibernate'"):
        fix = f"gsettings set {schema} sleep-inactive-ac-type nothing"
        findings.append(Finding("warn", "suspend", f"the desktop, left alone, does: {desktop}", fix))
    return findings or [Finding("ok", "suspend", "nothing found that puts this machine to sleep by itself")]


def check_device(name: str, seconds: float = DEVICE_S_MAX, script: str = _DEVICE_SCRIPT) -> Finding:
    """
    What renders, found out by using it, in a process of its own: a driver that hangs or crashes takes only that along.

    `name` is "auto", "cpu", "cuda" or "cuda:N". `script` prints what it found as JSON, after "told:".
    """
    # -P: a torch.py that lies around in the current folder is not torch.
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", script, name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # what hangs in the driver cannot be killed, and must not keep us
            process.communicate(timeout=KILL_S_MAX)
        fix = "nvidia-smi shows whether the driver answers; a restart of the machine helps when it does not."
        return Finding("fail", "device", f"{displayable(name)}: no answer for {seconds:g} s", fix)
    told = _told(out)
    if told is None:
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
        text = f"{displayable(name)}: torch did not start, or crashed ({how})"
        return Finding("fail", "device", text, "Install flexispd again, or the driver.")
    if "problem" in told:
        text = displayable(str(told["problem"])).removesuffix(".")
        return Finding("fail", "device", text, told["remedy"] or "Check the driver with nvidia-smi.")
    if "name" in told:
        memory = f"{told['free_mb']} of {told['whole_mb']} MB free"
        return Finding("ok", "device", f"{told['device']}: {displayable(told['name'])}, {memory}")
    return Finding("ok", "device", f"processor, {told['threads']} threads, torch {displayable(told['torch'])}")


def _told(out: bytes) -> dict[str, str] | None:
    for line in out.splitlines():
        if line.startswith(b"told:"):
            with suppress(ValueError):
                found = json.loads(line.removeprefix(b"told:"))
                return found if isinstance(found, dict) else None
    return None


def _logind(root: Path) -> dict[str, str]:
    """Settings of logind, from the files in the order in which systemd reads them; the last one counts."""
    files = [root / folder[1:] / "logind.conf" for folder in _LOGIND]
    drop_ins = {path.name: path for folder in _LOGIND for path in (root / folder[1:] / "logind.conf.d").glob("*.conf")}
    found: dict[str, str] = {}
    for path in (*files, *(drop_ins[name] for name in sorted(drop_ins))):
        with suppress(OSError):
            text = path.read_text(errors="replace")
            found |= dict(re.findall(r"^\s*(\w+)\s*=\s*(\S+)\s*$", text, re.MULTILINE))
    return found


def _said(words: Sequence[str]) -> str | None:
    """What a command prints; None when there is no such command, or it fails, or does not answer."""
    if shutil.which(words[0]) is None:
        return None
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=TOOL_S_MAX)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
