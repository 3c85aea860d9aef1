"""
The pre-flight sheet: everything that can be known before the first frame, each with a verdict and what to do.

    ok      as it should be
    warn    works, but something will hurt: a clock that is wrong, a lid that suspends, a slow kind of folder
    fail    captures would wait or get lost until it is put right

A check that asks a disk, a network folder or a driver may never be answered. Each has its time, and an answer that does
not come is an answer. Nothing is changed: the only file that is written is a probe in the outbox, gone at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flexispd.config import Config
from flexispd.doctor.finding import Finding, Verdict
from flexispd.doctor.folders import check_inbox, check_outbox, check_state, check_watch_limit
from flexispd.doctor.machine import check_clock, check_device, check_suspend
from flexispd.doctor.program import check_config, check_daemon, check_profile, check_weights
from flexispd.doctor.times import check_camera_clock
from flexispd.errors import FlexispError, displayable
from flexispd.ledger import Ledger, Record, profiles, reports
from flexispd.ledger.store import NAME

__all__ = ["Finding", "Verdict", "examine", "in_time"]

ANSWER_S_MAX = 10.0
"""Longest that a disk or a network folder may take to answer."""

LATEST = 50
"""As many finished captures tell about clocks and sizes."""


def examine(config_file: Path | None, *, quick: bool = False) -> Iterator[Finding]:
    """
    Every finding, as soon as it is known.

    Args:
        config_file: The configuration; None for the one that counts.
        quick: Leave out what takes seconds: the device.
    """
    config, finding = check_config(config_file)
    yield finding
    if config:
        yield from _configured(config)
    yield from in_time("weights", check_weights)
    yield check_clock()
    yield from check_suspend()
    if not quick:
        yield check_device(config.worker.device if config else "auto")


def _configured(config: Config) -> Iterator[Finding]:
    """What can only be looked at when it is known where things are."""
    for inbox in config.inboxes:
        yield from in_time("inbox", partial(check_inbox, inbox, config.arrival.watch))
    yield from in_time("watch limit", partial(check_watch_limit, config))
    known = _known(config)
    sizes = [sum(size for _, _, size in record.outputs) for record in known.latest if record.outputs]
    yield from in_time("outbox", partial(check_outbox, config, sizes))
    state = in_time("state", partial(check_state, config.state))
    yield from [known.damage] if known.damage and all(finding.verdict == "ok" for finding in state) else state
    yield check_profile(config.profile, known.profile)
    yield check_daemon(config.state)
    if known.paused:
        yield Finding("warn", "rendering", "paused by `flexispd pause`", "`flexispd resume` goes on.")
    yield check_camera_clock([(record.taken_at, record.arrived_s) for record in known.latest if record.taken_at])


def in_time(check: str, look_at: Callable[[], list[Finding]], seconds: float = ANSWER_S_MAX) -> list[Finding]:
    """The findings of a check, or one that says that there was no answer. What hangs is left hanging."""
    found: list[Finding] = []

    def work() -> None:
        try:
            found.extend(look_at())
        except OSError as error:
            found.append(Finding("fail", check, displayable(str(error)), "Check the volume and its permissions."))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return [Finding("fail", check, f"no answer for {seconds:g} s", "Check the disk or the network it lies on.")]
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """
    What the ledger knows; nothing where there is none yet.

    Attributes:
        latest: What was finished last.
        profile: Name of the one that counts.
        damage: Why the ledger cannot be used.
    """

    latest: Sequence[Record] = ()
    profile: str | None = None
    paused: bool = False
    damage: Finding | None = None


def _known(config: Config) -> _Known:
    try:
        if not (config.state / NAME).is_file():
            return _Known()
        ledger = Ledger.open(config.state)
    except (FlexispError, OSError) as error:
        return _Known(damage=_unusable(error))
    try:
        active = profiles.active_name(ledger)
        paused = ledger.setting("paused") is not None
        return _Known(reports.latest(ledger, LATEST), active[0] if active else None, paused)
    except FlexispError as error:
        return _Known(damage=_unusable(error))
    finally:
        ledger.close()


def _unusable(error: FlexispError | OSError) -> Finding:
    """A ledger that the daemon would not start with."""
    if isinstance(error, FlexispError):
        return Finding("fail", "state", error.problem.rstrip("."), error.remedy)
    return Finding("fail", "state", displayable(str(error)), "Check the folder's permissions and disk.")
