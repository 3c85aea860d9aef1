"""
Which files are raws, told by their first bytes; `flexispd.capture.formats` tells by name.

LibRaw goes further than is safe: a file that it cannot place is taken for some camera's headerless dump of the same
length. So nothing reaches it whose name and first bytes do not both say raw.
"""

from __future__ import annotations

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_RAW_SIGNATURES = (
    (0, b"II*\0"),  # TIFF, little-endian: DNG, NEF, ARW, CR2, PEF, ...
    (0, b"MM\0*"),  # TIFF, big-endian
    (0, b"IIRO"),  # ORF
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),  # RW2, RWL
    (6, b"HEAPCCDR"),  # CRW
    (4, b"ftypcrx "),  # CR3
    (0, b"FUJIFILMCCD-RAW"),  # RAF
    (0, b"\0MRM"),  # MRW
    (0, b"FOVb"),  # X3F, recognised in order to be refused by name
    (0, b"qktk"),  # QuickTake 100
    (0, b"qktn"),  # QuickTake 150
    (0, b"IIII"),  # Phase One without a TIFF header
    (0, b"MMMM"),
    (0, b"DSC-Image"),  # Rollei
    (0, b"PXN"),  # Logitech
)

_OTHER_SIGNATURES = (
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, PNG_SIGNATURE, "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftyphei", "a HEIF picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop document"),
    (4, b"ftyp", "a film"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)


def starts_like_raw(head: bytes) -> bool:
    """Whether the first bytes (32 are enough) are those of a raw format."""
    return any(head.startswith(magic, offset) for offset, magic in _RAW_SIGNATURES)


def is_foveon(head: bytes) -> bool:
    """Whether the first bytes are those of a Sigma X3F, whose sensor has three colours at every site."""
    return head.startswith(b"FOVb")


def known_kind(head: bytes) -> str | None:
    """What a file that is no raw is, in words, if its first bytes tell."""
    return next((kind for offset, magic, kind in _OTHER_SIGNATURES if head.startswith(magic, offset)), None)
