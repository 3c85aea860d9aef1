"""A fitted profile as a file."""

from __future__ import annotations

from typing import Any

from flexispd.profile import Profile, knobs
from flexispd.profile_writing import profile_text


def fitted_text(profile: Profile, base: Profile, parent: str, pairs: int, distances: tuple[float, float]) -> str:
    """
    The text of a profile that extends what the search started from, and sets the knobs that it moved.

    Args:
        base: What the search started from.
        parent: How a file names that.
        pairs: How many there were.
        distances: Mean CIEDE2000 of the base and of the profile.
    """
    source = f"{pairs} finished picture{'s' if pairs > 1 else ''}"
    comments = [
        f"Found by `flexispd profile fit` from {source}, starting from {base.name}.",
        f"Mean CIEDE2000 on small copies: {distances[0]:.2f} under {base.name}, {distances[1]:.2f} under this.",
    ]
    settings: dict[tuple[str, str], Any] = {}
    for knob in knobs():
        if knob.section in ("", "export"):  # the search turns knobs of the look, nothing else
            continue
        value = getattr(getattr(profile, knob.section), knob.key)
        if value != getattr(getattr(base, knob.section), knob.key):
            settings[knob.section, knob.key] = value
    return profile_text(settings, f"Fitted to {source}", comments, extends=parent)
