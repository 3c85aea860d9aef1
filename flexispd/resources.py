"""
Where the files that come with the program are: profiles and weights.

In a checkout they are folders at the top level, where people look for them. In an installation they travel inside
the package, as `flexispd/_data`. Nobody else needs to know the difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from flexispd.errors import SetupError, displayable

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: Literal["profiles", "weights"]) -> Path:
    """Folder of the shipped profiles or weights. SetupError when the installation lost it."""
    installed = _PACKAGE / "_data" / name
    if installed.is_dir():
        return installed
    checkout = _PACKAGE.parent
    # pyproject.toml tells a checkout from a site-packages that happens to hold a folder of this name.
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise SetupError(
        f"The folder of {name} is missing: {displayable(installed)} does not exist.",
        remedy="Install flexispd again: pip install --force-reinstall flexispd.",
    )
