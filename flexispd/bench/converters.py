"""
RawTherapee and darktable beside us, where they are installed: as they come, without a setting of the user's.

Each is run as a command with an empty home of its own, so that it starts from its own defaults: the camera's white
balance, its usual tones, sRGB. Pictures are 16-bit PNG files. Whatever goes wrong in one is its affair and is told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from flexispd.errors import FlexispError, displayable
from flexispd.types import Float32

TIMEOUT_S = 300


class ConverterError(FlexispError):
    """A program beside us did not give a picture."""


@dataclass(frozen=True, slots=True)
class Converter:
    """
    A raw converter with a command line.

    Attributes:
        name: As its makers write it.
        program: The command.
        arguments: Raw file, picture to be made and a folder for its settings to the command's arguments.
    """

    name: str
    program: str
    arguments: Callable[[Path, Path, Path], list[str]]

    def label(self) -> str | None:
        """Its name with its version, or None when it is not installed."""
        if shutil.which(self.program) is None:
            return None
        try:
            told = subprocess.run([self.program, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S)
        except (OSError, subprocess.SubprocessError):
            return self.name
        version = re.search(r"\d+\.\d+(\.\d+)?", told.stdout + told.stderr)
        return f"{self.name} {version[0]}" if version else self.name

    def developed(self, raw: Path, scratch: Path) -> Float32:
        """
        A raw file as this program develops it: sRGB on 0..1, (H, W, 3), perhaps without a few pixels at its border.

        Raises:
            ConverterError: It gave no picture.
        """
        target, settings = scratch / "made.png", scratch / self.name
        target.unlink(missing_ok=True)
        settings.mkdir(exist_ok=True)
        homes = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "RT_SETTINGS", "RT_CACHE")
        try:
            done = subprocess.run(
                [self.program, *self.arguments(raw, target, settings)],
                env={**os.environ, **dict.fromkeys(homes, str(settings))},
                capture_output=True,
                timeout=TIMEOUT_S,
            )
            picture = cv2.imdecode(np.fromfile(target, np.uint8), cv2.IMREAD_UNCHANGED) if target.exists() else None
        except (OSError, subprocess.SubprocessError, cv2.error) as error:
            raise self._failed(type(error).__name__) from error
        if picture is None or picture.ndim != 3:
            raise self._failed(f"exit code {done.returncode}")
        peak = 255 if picture.dtype == np.uint8 else 65535
        return np.asarray(picture[:, :, 2::-1] / np.float32(peak), np.float32)

    def _failed(self, reason: str) -> ConverterError:
        return ConverterError(
            f"{self.name} gave no picture: {displayable(reason)}.", remedy=f"Try {self.program} by hand."
        )


def _rawtherapee(raw: Path, target: Path, settings: Path) -> list[str]:  # noqa: ARG001, its environment says where
    # -d: the default profile, as in the program's window; -n -b16: PNG of 16 bits.
    return ["-o", str(target), "-d", "-n", "-b16", "-Y", "-c", str(raw)]


def _darktable(raw: Path, target: Path, settings: Path) -> list[str]:
    folders = ["--configdir", str(settings), "--cachedir", str(settings / "cache"), "--library", ":memory:"]
    depth = ["--conf", "plugins/imageio/format/png/bpp=16"]
    return [str(raw), str(target), "--icc-type", "SRGB", "--core", *folders, *depth]


CONVERTERS = (
    Converter("RawTherapee", "rawtherapee-cli", _rawtherapee),
    Converter("darktable", "darktable-cli", _darktable),
)
