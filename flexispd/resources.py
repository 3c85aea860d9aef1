"""
Where files are: the profiles, weights and units that come with the program, and the user's own folders.

In a checkout the shipped ones are folders at the top level, where people look for them. In an installation they travel
inside the package, as `flexispd/_data`. Nobody else needs to know the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from flexispd.errors import SetupError, displayable

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: Literal["profiles", "weights", "systemd"]) -> Path:
    """Folder of the shipped profiles, weights or units. SetupError when the installation lost it."""
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


def xdg_folder(variable: Literal["XDG_CONFIG_HOME", "XDG_STATE_HOME"], usual: str) -> Path:
    """A base folder of the user as the XDG specification finds it; `usual` is its place below the home folder."""
    configured = os.environ.get(variable, "")
    # The specification says to ignore relative paths.
    return Path(configured) if configured.startswith("/") else Path(os.path.expanduser("~")) / usual  # noqa: PTH111
