"""Frames and files for the tests of decoding."""

import json
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flexispd.training.dng import write_dng
from flexispd.types import CFA, Capture, ColorMatrix, Mosaic, NoiseProfile, ShotInfo, UInt16

XYZ_TO_CAMERA_A = np.array([[0.95, -0.45, 0.03], [-0.36, 1.32, 0.2], [-0.05, 0.15, 0.73]])
XYZ_TO_CAMERA_D65 = np.array([[0.69, -0.25, -0.05], [-0.39, 1.2, 0.16], [-0.09, 0.2, 0.58]])

SHOT = ShotInfo(
    make="Acme",
    model="Night One",
    lens="Acme 35mm f/1.4",
    iso=6400.0,
    exposure_s=1 / 30,
    f_number=1.4,
    focal_length_mm=35.0,
    taken_at="2026:01:02 03:04:05",
    gps={"latitude": -33.5, "longitude": 18.25, "altitude_m": 12.0},
    orientation=6,
    as_shot_neutral=(0.5, 1.0, 0.625),
    color_matrices=(ColorMatrix(XYZ_TO_CAMERA_A, 2856.0), ColorMatrix(XYZ_TO_CAMERA_D65, 6504.0)),
    noise_profile=NoiseProfile((1e-4, 2e-4, 2e-4, 3e-4), (1e-6, 2e-6, 2e-6, 3e-6), "exif"),
)


def frame(height: int = 64, width: int = 96, cfa: CFA = CFA.RGGB) -> Mosaic:
    """A frame of noise, far from saturation, that differs at every site."""
    values = np.random.default_rng(height * width).integers(300, 9000, (height, width)).astype(np.uint16)
    return Mosaic(values, cfa, (256.0, 257.0, 258.0, 259.0), (16383.0,) * 4, SHOT)


def with_values(mosaic: Mosaic, values: UInt16) -> Mosaic:
    return replace(mosaic, values=values)


def raw_capture(folder: Path, mosaic: Mosaic, name: bytes | str = "frame.dng", **options: Any) -> Capture:
    """The mosaic as a DNG on disk. The name may be any bytes that a file system takes."""
    path = folder / os.fsdecode(name)
    path.write_bytes(write_dng(mosaic, **options))
    return Capture(path)


def png(values: np.ndarray, bits: int = 16, color: int = 0) -> bytes:
    """A PNG file, written by hand so that it can also be wrong."""
    rows = values.astype(">u2" if bits == 16 else "u1")
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_capture(folder: Path, values: UInt16, metadata: dict[str, Any]) -> Capture:
    """A PNG mosaic and its JSON file on disk."""
    (folder / "frame.png").write_bytes(png(values))
    (folder / "frame.json").write_text(json.dumps(metadata))
    return Capture(folder / "frame.png", json=folder / "frame.json")


METADATA: dict[str, Any] = {"black_level": 256, "white_level": 16383, "cfa_pattern": [0, 1, 1, 2]}


def with_tag(dng: bytes, tag: int, kind: int, count: int, payload: bytes) -> bytes:
    """A DNG of ours with one tag of its first directory replaced, to make what no writer should."""
    data = bytearray(dng)
    (entries,) = struct.unpack_from("<H", data, 8)
    (at,) = (at for at in range(10, 10 + 12 * entries, 12) if struct.unpack_from("<H", data, at) == (tag,))
    if len(payload) > 4:
        data += bytes(len(data) % 2)
        payload, long_value = struct.pack("<I", len(data)), payload
        data += long_value
    data[at : at + 12] = struct.pack("<HHI", tag, kind, count) + payload.ljust(4, b"\0")
    return bytes(data)
