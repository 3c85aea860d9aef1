"""
Patches of finished photographs, cut at random and without decoding a file inside the loop.

Photographs are decoded once into memory as 8-bit sRGB. The same seed gives the same patches.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flexispd.errors import SetupError, displayable
from flexispd.resources import data_folder

UInt8 = NDArray[np.uint8]
Photos = list[UInt8]

VALIDATION_SHARE = 16
"""Of a folder without any photograph of the list, every sixteenth by name is kept for validation."""


def load_photos(folder: Path) -> tuple[Photos, Photos]:
    """
    All photographs below `folder` as (H, W, 3) R, G, B arrays: those to train on, and those kept for validation.

    Raises:
        SetupError: There are too few photographs to train on.
    """
    train_on, kept = split(folder)
    return decoded(train_on), decoded(kept)


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """
    The photographs below `folder` to train on and those that are kept: the ones that weights/recipes/kept.txt lists.

    Raises:
        SetupError: There are too few photographs to train on.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if len(paths) < VALIDATION_SHARE:
        raise SetupError(
            f"{displayable(folder)} holds too few photographs to train on: {len(paths)}.",
            remedy=f"Name a folder with at least {VALIDATION_SHARE} JPEG or PNG photographs.",
        )
    listed = _listed("kept.txt")
    kept = {p for p in paths if p.name in listed} or set(paths[::VALIDATION_SHARE])
    return [p for p in paths if p not in kept], sorted(kept)


def surfaces(paths: list[Path]) -> list[Path]:
    """
    Those photographs that show no light of their own, so that they may stand for the surfaces of a scene.

    weights/recipes/own-light.txt lists the others. Where it lists all of them, all are taken.
    """
    shining = _listed("own-light.txt")
    return [path for path in paths if path.name not in shining] or paths


def decoded(paths: list[Path]) -> Photos:
    """
    Photographs as (H, W, 3) R, G, B arrays.

    Raises:
        SetupError: A file is not a photograph.
    """
    return [_decode(path) for path in paths]


def _listed(name: str) -> set[str]:
    """Names of photographs in one of the lists of weights/recipes."""
    lines = (data_folder("weights") / "recipes" / name).read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def _decode(path: Path) -> UInt8:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SetupError(f"{displayable(path)} is not a photograph.", remedy="Remove it from the folder.")
    return np.ascontiguousarray(image[:, :, ::-1])


def center(photo: UInt8, edge_px: int, multiple: int) -> UInt8:
    """The middle of a photograph, at most `edge_px` wide and high, its edges a multiple of what networks need."""
    height, width = (min(length, edge_px) // multiple * multiple for length in photo.shape[:2])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    return photo[top : top + height, left : left + width]


CELL_PX = 32
"""Edge of the cells in which hard patches are looked for."""

HARD_SHARE = 0.5
"""Share of the patches that come from hard places, once those are known."""


class PatchSampler:
    """
    Cuts random square patches; half of them are the most detailed of a few candidates, because detail is scarce.

    Once `hard` is set, the other half lies about cells drawn by their weight (the idea of hard patch mining, Gharbi et
    al., "Deep joint demosaicking and denoising", 2016). Reads only, so several threads may share one.
    """

    candidates = 4

    def __init__(self, photos: Photos, edge_px: int) -> None:
        self.photos = [p for p in photos if min(p.shape[:2]) >= edge_px]
        if not self.photos:
            raise SetupError(f"No photograph is {edge_px} pixels wide and high.", remedy="Train on larger photographs.")
        self.edge_px = edge_px
        area = np.array([p.shape[0] * p.shape[1] for p in self.photos], np.float64)
        self.weights = np.sqrt(area) / np.sqrt(area).sum()
        self._hard: list[Tensor] = []
        self._reached: NDArray[np.float64] = np.empty(0)

    @property
    def hard(self) -> list[Tensor]:
        """Weight of each cell of CELL_PX of each photograph, (rows, columns) each; [] while nothing is known."""
        return self._hard

    @hard.setter
    def hard(self, maps: list[Tensor]) -> None:
        """Maps as `cell_weights` gives them."""
        self._hard = maps
        self._reached = np.cumsum(np.concatenate([m.double().numpy().ravel() for m in maps])) if maps else np.empty(0)

    def batch(self, count: int, random: np.random.Generator) -> UInt8:
        """`count` patches, shape (count, edge, edge, 3), mirrored and turned at random."""
        return np.stack([self._patch(random, easy=i % 2 == 0) for i in range(count)])

    def _patch(self, random: np.random.Generator, *, easy: bool) -> UInt8:
        if self._hard and random.random() < HARD_SHARE:
            patch = self._hard_cut(random)
        else:
            photo = self.photos[random.choice(len(self.photos), p=self.weights)]
            cuts = [self._cut(photo, random) for _ in range(1 if easy else self.candidates)]
            patch = max(cuts, key=_detail) if len(cuts) > 1 else cuts[0]
        turned: UInt8 = np.rot90(patch, int(random.integers(4)))
        return turned[:, ::-1] if random.random() < 0.5 else turned

    def _cut(self, photo: UInt8, random: np.random.Generator) -> UInt8:
        row = random.integers(photo.shape[0] - self.edge_px + 1)
        column = random.integers(photo.shape[1] - self.edge_px + 1)
        return photo[row : row + self.edge_px, column : column + self.edge_px]

    def _hard_cut(self, random: np.random.Generator) -> UInt8:
        """A patch about a cell drawn by weight."""
        number = int(np.searchsorted(self._reached, random.random() * self._reached[-1], side="right"))
        first = np.cumsum([0] + [weights.numel() for weights in self._hard])
        which = int(np.searchsorted(first, number, side="right")) - 1
        photo, columns = self.photos[which], self._hard[which].shape[1]
        corner = np.array(divmod(number - first[which], columns)) * CELL_PX + CELL_PX // 2 - self.edge_px // 2
        moved = corner + random.integers(-CELL_PX // 2, CELL_PX // 2 + 1, 2)
        row, column = np.clip(moved, 0, np.array(photo.shape[:2]) - self.edge_px)
        return photo[row : row + self.edge_px, column : column + self.edge_px]


def cell_weights(errors: list[Tensor]) -> list[Tensor]:
    """
    Weights for `PatchSampler.hard` from squared errors (h, w) of every photograph, one a pixel.

    The root of each cell's mean, so that a place twice as wrong comes twice as often; the few worst in a thousand count
    as the last before them, because those are mostly faults of the photographs.
    """
    cells = [functional.avg_pool2d(e[None, None].float(), CELL_PX, ceil_mode=True)[0, 0].sqrt().cpu() for e in errors]
    limit = float(np.quantile(np.concatenate([c.numpy().ravel() for c in cells]), 0.999))
    return [cell.clamp_max(limit) for cell in cells]


def _detail(patch: UInt8) -> float:
    """Mean second difference of green: what interpolation finds difficult."""
    green = patch[:, :, 1].astype(np.int16)
    across = np.abs(2 * green[:, 1:-1] - green[:, :-2] - green[:, 2:])
    along = np.abs(2 * green[1:-1] - green[:-2] - green[2:])
    return float(across.mean() + along.mean())
