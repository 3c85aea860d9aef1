"""Clocks: times as people and cameras write them, and the camera's clock against this machine's."""

from __future__ import annotations

import time
from collections.abc import Iterable

from flexispd.doctor.finding import Finding

CAMERA_BEHIND_S_MAX = 60.0
"""The way from the shutter to the inbox takes less, when a camera is tethered."""

CAMERA_AHEAD_S_MAX = 5.0
"""Cameras count whole seconds, and clocks drift."""


def check_camera_clock(shots: Iterable[tuple[str, float]]) -> Finding:
    """
    The camera's clock against this machine's, from captures and when they arrived.

    Args:
        shots: When it was taken, as the camera says ("YYYY:MM:DD HH:MM:SS", local time), and when it arrived, in
            seconds since the epoch.

    A frame arrives after it was taken, so the smallest difference is the nearest to the truth.
    """
    delays = [arrived_s - taken_s for taken, arrived_s in shots if (taken_s := camera_time(taken)) is not None]
    if not delays:
        return Finding("ok", "camera clock", "no finished capture tells it yet")
    delay = min(delays)
    if delay < -CAMERA_AHEAD_S_MAX:
        text = f"{duration(-delay)} ahead of this machine: captures arrive before they are taken"
        return Finding("warn", "camera clock", text, "Set the camera's clock and time zone.")
    if delay > CAMERA_BEHIND_S_MAX:
        text = f"{duration(delay)} from shutter to inbox at least: the camera is behind, or cards came later"
        return Finding("warn", "camera clock", text, "Set the camera's clock, if it was tethered.")
    return Finding("ok", "camera clock", f"within {max(1, round(abs(delay)))} s of this machine's")


def camera_time(text: str) -> float | None:
    """Seconds since the epoch of a camera's "YYYY:MM:DD HH:MM:SS", taken as local time; None when it is no time."""
    try:
        return time.mktime(time.strptime(text[:19], "%Y:%m:%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return None


def clock_time(at_s: float) -> str:
    """Date and time of day, local."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))


def duration(seconds: float) -> str:
    """A length of time in the two units that say most."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {s} s" if minutes else f"{s} s"
