"""
What can be known from a configuration that is not right, for commands that only look.

The daemon never works from this: it may run with what stood there before, and whoever has just made a typing error
wants to see how it goes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from flexispd.config import SYSTEM, Config, config_path, default_paths
from flexispd.strict_toml import key_of, read_bytes


def what_remains(path: Path | None = None) -> Config | None:
    """
    What still can be known of a file that is not right: its folders and its profile, everything else by default.

    None when the outbox, without which there is nothing to look at, cannot be made out. ConfigError when there is no
    file to read.
    """
    path = config_path() if path is None else path.absolute()
    found: dict[str, Any] = {"state": default_paths(system=path == SYSTEM.config).state, "inboxes": ()}
    declared = {key_of(f): f for f in fields(Config) if "kind" in f.metadata}
    for key, value in _readable(read_bytes(path).decode("utf-8-sig", "replace")):
        if key in declared:
            with suppress(ValueError):
                found[declared[key].name] = declared[key].metadata["kind"].parse(value)
    return Config(path, **found) if "outbox" in found else None


def _readable(text: str) -> Iterator[tuple[str, object]]:
    """Keys and values at the top of a file: of all of it if that is TOML, else of each line that is by itself."""
    for part in (text, *text.split("\n[")[0].split("\n")):
        with suppress(ValueError, RecursionError):
            yield from tomllib.loads(part).items()
