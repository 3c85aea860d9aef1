"""Our own receipts, known by how they begin; they lie beside pictures like a camera's metadata, but are not."""

from __future__ import annotations

import os
import stat

from flexispd.capture.formats import RECEIPT_MARK

SNIFFED_BYTES = 256


def is_receipt(path: os.PathLike[str] | str) -> bool:
    """Whether a JSON file begins as our receipts do; what cannot be read is left to whoever needs its content."""
    try:
        # Never waits: a pipe may have taken the place of the file that was listed.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        return f'"schema": "{RECEIPT_MARK}'.encode() in os.read(descriptor, SNIFFED_BYTES)
    except OSError:
        return False
    finally:
        os.close(descriptor)
