"""
The looks that captures are stamped with.

A snapshot is kept of the profile's text, with all that it builds on, so a queued capture gets the look that was asked
for when it arrived, whatever happens to any file meanwhile. Only a look-up table is not in it, but its hash is.
"""

from __future__ import annotations

from dataclasses import replace

from flexispd.ledger.store import Ledger
from flexispd.profile import Profile, parse_profile

_ACTIVE = "profile"


def set_active(ledger: Ledger, profile: Profile, text: str) -> None:
    """From the next capture that is recorded on, this is the look. Takes effect whole or not at all."""
    with ledger.writing():
        ledger.set_setting(_ACTIVE, keep(ledger, profile, text))


def keep(ledger: Ledger, profile: Profile, text: str) -> str:
    """Keep a snapshot without making it the active one; returns what rows are stamped with."""
    look = f"{profile.name} {profile.sha256}"
    with ledger.writing() as db:
        db.execute("insert or ignore into profile values (?, ?, ?, ?)", (look, profile.name, profile.sha256, text))
    return look


def active(ledger: Ledger) -> Profile | None:
    """The look of the next capture; None in a ledger that no daemon has started with."""
    look = ledger.setting(_ACTIVE)
    return None if look is None else snapshot(ledger, look)


def active_name(ledger: Ledger) -> tuple[str, str] | None:
    """Name and SHA-256 of the active profile, which this version of flexispd need not be able to read."""
    rows = ledger.rows("select name, sha256 from profile where look = ?", ledger.setting(_ACTIVE, ""))
    return (rows[0]["name"], rows[0]["sha256"]) if rows else None


def snapshot(ledger: Ledger, look: str) -> Profile:
    """The profile as it was when it was kept. ConfigError when this version of flexispd cannot read it any more."""
    name, sha256, text = ledger.rows("select name, sha256, text from profile where look = ?", look)[0]
    return replace(parse_profile(text, name), sha256=sha256)
