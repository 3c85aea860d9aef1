"""A fitted profile as a file."""

from __future__ import annotations

from typing import Any

from flexispd.profile import Profile, knobs, parse_profile
from flexispd.profile_writing import profile_text


def fitted_text(profile: Profile, base: Profile, name: str, pairs: int, distances: tuple[float, float]) -> str:
    """
    The text of a profile called `name`, with every knob that is not at its default.

    Args:
        base: What the search started from.
        pairs: How many there were.
        distances: Mean CIEDE2000 of the base and of the profile.
    """
    source = f"{pairs} finished picture{'s' if pairs > 1 else ''}"
    comments = [
        f"{name}: found by `flexispd profile fit` from {source}, starting from {base.name}.",
        f"Mean CIEDE2000 on small copies: {distances[0]:.2f} under {base.name}, {distances[1]:.2f} under this.",
    ]
    settings: dict[tuple[str, str], Any] = {}
    for knob in knobs():
        if knob.key == "description":
            continue
        record = {"": profile, "export": profile.export[0]}.get(knob.section) or getattr(profile, knob.section)
        value = getattr(record, knob.key)
        if value != knob.default:
            settings[knob.section, knob.key] = value
    text = profile_text(settings, f"Fitted to {source}", comments)
    parse_profile(text, name)
    return text
