"""
Raws and the finished pictures that somebody made of them, paired by name and laid over one another.

A finished picture may have another size, be cut a little, or be corrected for its lens. Pictures are compared small,
after an affine map has been found that lays one over the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flexispd.bench.metrics import lab_of
from flexispd.capture.formats import Kind, kind_of
from flexispd.develop.models import Models
from flexispd.errors import CaptureError, ConfigError, displayable
from flexispd.export.encode import upright
from flexispd.export.reading import read_picture
from flexispd.export.sheet import shrunk
from flexispd.pipeline import develop
from flexispd.preview import Reduced, captures_of, developed, reduced
from flexispd.profile import CropParams, ExportParams, Profile
from flexispd.types import Capture, Float64, UInt8

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
PAIRS_MAX = 24
PIXELS_MAX = 400_000
"""Sites of the mosaics that are developed again and again."""

ALIGNED_PX, COMPARED_PX = 384, 96
"""Longer edges of the copies on which pictures are laid over one another, and are compared. At the second, what is left
of a lens's distortion, sharpening and noise have nearly gone."""

ASPECT_RATIO_MAX = 1.4
"""By how much two shapes may differ: 4:3 cut to 16:9 is 1.33."""

CORRELATION_MIN = 0.5
"""Of two pictures of one scene under any look; of different scenes it is about 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """
    A raw and its finished picture, small.

    Attributes:
        raw, picture: Their files.
        frame: Of the raw, made small.
        lab: CIELAB of the picture where it lies over the raw's frame, upright, (h, w, 3).
        inside: Where there is a picture, (h, w).
        correlation: How alike they look, without their tones; 1 is the same.
    """

    raw: Path
    picture: Path
    frame: Reduced
    lab: Float64
    inside: NDArray[np.bool_]
    correlation: float

    def rendered(self, profiles: Sequence[Profile], models: Models) -> list[Float64]:
        """CIELAB of the raw under each profile, as large as `lab`."""
        whole = [replace(self.frame.told(p), crop=CropParams(), export=(ExportParams("png16"),)) for p in profiles]
        height, width = self.lab.shape[:2]
        return [
            lab_of(_resized(upright(picture.values, picture.orientation) / np.float32(65535), width, height))
            for picture in develop(self.frame.mosaic, whole, models)
        ]


def matched_files(paths: Sequence[Path]) -> tuple[list[tuple[Capture, Path]], list[Path]]:
    """
    Raws with the picture of their name, among files and in folders, and the pictures that belong to none.

    `DSC1.NEF` goes with `DSC1.jpg`, and where there is none with `DSC1-edited.tif`. One raw and one picture go together
    whatever they are called. A PNG is a picture here.

    Raises:
        ConfigError: There is no pair, or there are too many.
    """
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    pictures = list(dict.fromkeys(file for file in files if file.suffix.lower() in PICTURES))
    named = [path for path in paths if not path.is_dir() and path not in pictures]  # an unknown kind is an error there
    places = [*named, *(file for file in files if kind_of(file) is Kind.RAW)]
    raws = captures_of(places) if places else []
    if len(raws) == len(pictures) == 1:
        return [(raws[0], pictures[0])], []
    pairs = [(capture, picture) for capture in raws if (picture := _picture_of(capture.raw, pictures)) is not None]
    used = {picture for _, picture in pairs}
    if not pairs:
        raise ConfigError(
            f"None of {len(raws)} raws goes with one of {len(pictures)} pictures.",
            remedy="Give a picture the name of its raw: DSC1.NEF and DSC1.jpg.",
        )
    if len(pairs) > PAIRS_MAX:
        raise ConfigError(
            f"There are {len(pairs)} pairs, and more than {PAIRS_MAX} teach nothing new.",
            remedy="Choose some that are different: light and dark ones, and all colours that matter.",
        )
    return pairs, [picture for picture in pictures if picture not in used]


def _picture_of(raw: Path, pictures: Sequence[Path]) -> Path | None:
    stem = raw.stem.casefold()
    same = [picture for picture in pictures if picture.stem.casefold() == stem]
    longer = [
        picture
        for picture in pictures
        if (name := picture.stem.casefold()).startswith(stem) and not name[len(stem) : len(stem) + 1].isalnum()
    ]
    return next(iter([*same, *longer]), None)


def laid_over(capture: Capture, picture: Path, profile: Profile, models: Models) -> Pair:
    """
    A pair, its picture laid over the raw's frame as it looks under `profile`.

    Raises:
        CaptureError: The raw or the picture cannot be read, or they do not show the same; or a rule of the profile
            gives the frame a look of its own, of which no knob of the profile is seen.
    """
    small = reduced(capture, PIXELS_MAX, models)
    if rule := small.rule(profile):
        raise CaptureError(
            f"{displayable(capture.raw)} gets another look by rule {rule.number} of {profile.name}.",
            remedy=f"Leave it out, or start from that look with --from {displayable(rule.use)}.",
        )
    (ours,) = developed(small, [replace(profile, crop=CropParams())], models)
    frame, theirs = shrunk(ours, ALIGNED_PX), read_picture(picture, 2 * ALIGNED_PX)
    shapes = [image.shape[1] / image.shape[0] for image in (frame, theirs)]
    names = f"{displayable(picture)} and {displayable(capture.raw)}"
    if max(shapes) / min(shapes) > ASPECT_RATIO_MAX:
        raise CaptureError(f"{names} have different shapes.", remedy="Use a picture that shows nearly the whole frame.")
    warped, inside, correlation = _aligned(frame, theirs)
    if correlation < CORRELATION_MIN:
        raise CaptureError(
            f"{names} do not show the same: their correlation is {correlation:.2f}.",
            remedy="Name the picture of this raw, nearly uncropped and not turned.",
        )
    scale = COMPARED_PX / max(frame.shape[:2])
    height, width = (max(1, round(length * min(scale, 1))) for length in frame.shape[:2])
    compared = _resized(warped / np.float32(255), width, height)
    covered = _resized(inside.astype(np.float32), width, height) > 0.99
    return Pair(capture.raw, picture, small, lab_of(compared), covered, correlation)


def _aligned(frame: UInt8, picture: UInt8) -> tuple[UInt8, NDArray[np.bool_], float]:
    """The picture where it lies over the frame, where it does, and the correlation of the two there."""
    height, width = frame.shape[:2]
    # Cut about its middle, with one of its sides whole, is the likeliest; the search goes on from there.
    scale = min(width / picture.shape[1], height / picture.shape[0])
    start = np.array(
        [
            [1 / scale, 0, (picture.shape[1] - width / scale) / 2],
            [0, 1 / scale, (picture.shape[0] - height / scale) / 2],
        ],
        np.float32,
    )
    warps = [start]
    try:
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 80, 1e-5)
        found = cv2.findTransformECC(
            _tones(frame), _tones(picture), start.copy(), cv2.MOTION_AFFINE, criteria, np.ones_like(picture[..., 0]), 5
        )[1]
        if 0.5 < np.linalg.norm(found[:, :2]) / np.linalg.norm(start[:, :2]) < 2:
            warps.append(np.asarray(found, np.float32))
    except cv2.error:  # it found no better place
        pass
    return max((_laid(frame, picture, warp) for warp in warps), key=lambda laid: laid[2])


def _laid(frame: UInt8, picture: UInt8, warp: NDArray[Any]) -> tuple[UInt8, NDArray[np.bool_], float]:
    size = (frame.shape[1], frame.shape[0])
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    laid = np.asarray(cv2.warpAffine(picture, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8)
    ones = np.full(picture.shape[:2], 255, np.uint8)
    inside = np.asarray(cv2.warpAffine(ones, warp, size, flags=flags)) > 250
    if inside.mean() < 0.3:
        return laid, inside, 0.0
    a, b = (cv2.GaussianBlur(_tones(image), (0, 0), 1.5)[inside].astype(np.float64) for image in (frame, laid))
    spread = float(a.std() * b.std())
    return laid, inside, float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def _tones(picture: UInt8) -> UInt8:
    """Its lightness without its tone curve: every tone as often as every other."""
    return np.asarray(cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)), np.uint8)


def _resized(picture: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
