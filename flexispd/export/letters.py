"""
Which letters can be drawn: those of Europe, Chinese, Japanese and Korean, which OpenCV's own font has on every machine.

Apart from what draws them (lettering.py), because a profile is checked for them where no pixel is ever touched. Scripts
that are written from the right, or whose letters change with their neighbours, are left out: they would come out wrong.
"""

from __future__ import annotations

import unicodedata

BLOCKS = (
    (0x20, 0x17F), (0x1A0, 0x1A1), (0x1AF, 0x1B0), (0x218, 0x21B), (0x1EA0, 0x1EF9),  # Latin, with Vietnamese
    (0x384, 0x3CE), (0x400, 0x482), (0x48A, 0x513),  # Greek, Cyrillic
    (0x2013, 0x2014), (0x2018, 0x201E), (0x2020, 0x2022), (0x2026, 0x2026), (0x2030, 0x2030), (0x2039, 0x203A),
    (0x20AC, 0x20AC), (0x2116, 0x2116), (0x2122, 0x2122), (0x2190, 0x2193),  # signs
    (0x3001, 0x3003), (0x3005, 0x3017), (0x3041, 0x3094), (0x30A1, 0x30F6), (0x30FB, 0x30FE),  # kana
    (0x4E00, 0x9FC3), (0xAC00, 0xD7A3), (0xFF01, 0xFF5E),  # Chinese, Korean, wide Latin
)  # fmt: skip
"""First and last characters; those that are not printable, such as unassigned ones, do not count."""


def composed(text: str) -> str:
    """A text as it is drawn: without blanks around it, a letter and its accent as one character where there is one."""
    return unicodedata.normalize("NFC", text.strip())


def undrawable(text: str) -> str:
    """Those of a text's characters for which there are no letters, each once."""
    return "".join(dict.fromkeys(c for c in composed(text) if not _has_letter(c)))


def _has_letter(character: str) -> bool:
    return character.isprintable() and any(first <= ord(character) <= last for first, last in BLOCKS)
