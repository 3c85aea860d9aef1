"""What is looked at in the program itself: configuration, profile, weights, and whether the daemon runs."""

from __future__ import annotations

from pathlib import Path

from flexispd.config import Config, load_config
from flexispd.doctor.finding import Finding
from flexispd.doctor.times import clock_time
from flexispd.errors import FlexispError, displayable
from flexispd.presence import read_status, running
from flexispd.profile import load_profile
from flexispd.weights import list_entries, shipped_fault, verify


def check_config(path: Path | None) -> tuple[Config | None, Finding]:
    """The configuration, and whether there is one."""
    try:
        config = load_config(path)
    except FlexispError as error:
        return None, Finding("fail", "configuration", _sentence(error.problem), error.remedy)
    return config, Finding("ok", "configuration", displayable(config.path))


def check_profile(name: str, chosen: str | None) -> Finding:
    """Whether the configuration's profile can be used; and which one is, if `flexispd profile set` has chosen it."""
    try:
        profile = load_profile(name)
    except FlexispError as error:
        return Finding("fail", "profile", _sentence(error.problem), error.remedy)
    if chosen is not None and chosen != profile.name:
        return Finding("ok", "profile", f"{displayable(chosen)}, by `flexispd profile set`")
    return Finding("ok", "profile", displayable(profile.name))


def check_weights() -> list[Finding]:
    """Whether every weight file is the one that its manifest names."""
    try:
        fault = shipped_fault()
        if fault is not None:
            raise fault
        entries = list_entries()
        for entry in entries:
            verify(entry)
    except FlexispError as error:
        return [Finding("fail", "weights", _sentence(error.problem), error.remedy)]
    return [Finding("ok", "weights", f"{len(entries)} files, each as its manifest says")]


def check_daemon(state: Path) -> Finding:
    """Whether a daemon works with this state folder now."""
    try:
        daemon = running(state)
    except FlexispError as error:
        return Finding("warn", "daemon", _sentence(error.problem), error.remedy)
    if daemon is None:
        return Finding("ok", "daemon", "not running; `flexispd run` starts it")
    text = f"running as process {daemon.pid} since {clock_time(daemon.since_s)}"
    said = read_status(state) or {}
    if said.get("pid") == daemon.pid and said.get("blocked"):
        reason = _sentence(displayable(str(said["blocked"].get("reason"))))
        return Finding("fail", "daemon", f"{text}, and blocked: {reason}", "It goes on by itself when that is done.")
    return Finding("ok", "daemon", text)


def _sentence(text: str) -> str:
    return text.removesuffix(".")
