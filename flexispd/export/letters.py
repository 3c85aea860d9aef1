"""
The letters of watermarks: Pillow's built-in ones, the same on every machine; they are those of English.

Apart from what draws them, because a profile is checked for them where no picture is ever touched.
"""

from __future__ import annotations

import unicodedata

from PIL import ImageFont

NO_GLYPH = "\uffff"
"""Not a character, so what is drawn for it is drawn for every letter that is missing."""


def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The letters, `size` pixels high from the highest to the lowest."""
    return ImageFont.load_default(size)


def composed(text: str) -> str:
    """A text as it is drawn: without blanks around it, a letter and its accent as one character where there is one."""
    return unicodedata.normalize("NFC", text.strip())


def undrawable(text: str) -> str:
    """Those of a text's characters for which there are no letters, each once."""
    nothing = _drawn(NO_GLYPH)
    return "".join(dict.fromkeys(c for c in composed(text) if _drawn(c) == nothing))


def _drawn(character: str) -> tuple[tuple[int, int], bytes]:
    mask = font_of(20).getmask(character)
    return mask.size, bytes(mask)
