"""One line of the pre-flight sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One line of the sheet.

    Attributes:
        check: What was looked at, in a word or two.
        text: What was found, without a full stop.
        fix: What to do, one sentence; empty when nothing is to be done.
    """

    verdict: Verdict
    check: str
    text: str
    fix: str = ""
