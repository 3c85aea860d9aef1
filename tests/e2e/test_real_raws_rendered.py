"""Every real camera file at hand, rendered as a user would: what must be true of each picture, whatever the taste."""

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from flexispd.decode import read_mosaic
from flexispd.develop.models import Models, load_models
from flexispd.pipeline import Order, process
from flexispd.profile import Profile, load_profile
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Capture, Mosaic, ShotInfo

RAWS = {
    "blackmagic_pocket4k_dusk.dng": (2176, 4128),
    "canon_eos_d30_5s_tree.crw": (1448, 2176),
    "gopro_hero8_dusk.dng": (3000, 4000),
    "kodak_dc50.kdc": (512, 768),
    "quicktake150_night_street.qtk": (480, 640),
}
PAIRS = {
    "canon_d30_5s.png": (1448, 2176),
    "dsc1339_flower_crop.png": (512, 768),
    "quicktake150_night_street.png": (480, 640),
}
FLOWER = {"black": 600, "white": 16383, "neutral": (1 / 1.949, 1.0, 1 / 1.344)}
DUMPS: dict[str, dict[str, Any]] = {
    **{f"dsc1339_768x512_14bit_{cfa.name.lower()}.bin": FLOWER | {"cfa": cfa} for cfa in CFA},
    "dsc1339_768x512_14bit_rggb_bpc_test.bin": FLOWER | {"cfa": CFA.RGGB},
    "colorchecker_1920x1080_12bit_bggr.bin": {"cfa": CFA.BGGR, "black": 80, "white": 4095},
    "yard_2592x1536_8bit_grbg.bin": {"cfa": CFA.GRBG, "black": 13, "white": 255},
}
DUMP_SIZES = {"dsc1339": (512, 768), "colorchecker": (1080, 1920), "yard": (1536, 2592)}
SIZES = RAWS | PAIRS | {name: DUMP_SIZES[name.partition("_")[0]] for name in DUMPS}

ORIENTED = {"gopro_hero8_dusk.dng": 2}
"""EXIF orientations other than 1."""

GREY_PATCHES = ((586, 856), (716, 862), (856, 866), (998, 868), (1142, 868))
"""Centres (x, y) of white to dark grey in the picture of the colour checker; the black patch is all noise and flare."""

SOUND, SPOILT = "dsc1339_768x512_14bit_rggb.bin", "dsc1339_768x512_14bit_rggb_bpc_test.bin"


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A picture in R, G, B, shape (H, W, 3), and what lies beside it."""

    capture: Capture
    path: Path
    picture: NDArray[np.float64]
    receipt: dict[str, Any]


class Darkroom:
    """Renders each file once, when a test first asks for it."""

    def __init__(self, data: Path, folder: Path, profile: Profile, models: Models) -> None:
        self.data, self.folder, self.profile, self.models = data, folder, profile, models
        self._done: dict[str, Rendered] = {}

    def __getitem__(self, name: str) -> Rendered:
        if name not in self._done:
            self._done[name] = self.render(self.capture(name), name)
        return self._done[name]

    def capture(self, name: str) -> Capture:
        """The file by its name in the folder of camera files, dumps with a header put before them."""
        if name in DUMPS:
            return self.wrapped(name)
        if name in PAIRS:
            path = self.data / "ntire_pairs" / name
            return Capture(path, json=path.with_suffix(".json"))
        return Capture(self.data / "raw" / name)

    def wrapped(self, name: str, cut: tuple[int, int] = (0, 0)) -> Capture:
        """A headerless dump as a DNG, after cutting rows from its top and columns from its left."""
        facts, (rows, columns) = DUMPS[name], cut
        values = np.fromfile(self.data / "raw" / name, "u1" if "8bit" in name else "<u2")
        values = values.astype(np.uint16).reshape(SIZES[name])[rows:, columns:]
        black, white = (float(facts["black"]),) * 4, (float(facts["white"]),) * 4
        shot = ShotInfo(as_shot_neutral=facts.get("neutral"))
        path = self.folder / f"{Path(name).stem}_{rows}{columns}.dng"
        path.write_bytes(write_dng(Mosaic(values, facts["cfa"].shifted(rows, columns), black, white, shot)))
        return Capture(path)

    def render(self, capture: Capture, name: str) -> Rendered:
        target = self.folder / "outbox" / name.replace(".", "_")
        (result,) = process(capture, [Order(self.profile, target)], self.models)
        assert result.error is None
        (path,) = result.outputs
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        assert picture is not None
        receipt = json.loads(path.with_suffix(".json").read_text())
        return Rendered(capture, path, picture[..., ::-1].astype(np.float64), receipt)


@pytest.fixture(scope="module")
def darkroom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Darkroom:
    profile = load_profile("natural")
    folder = tmp_path_factory.mktemp("darkroom")
    (folder / "outbox").mkdir()
    return Darkroom(shared_data, folder, profile, load_models([profile], "cpu"))


def psnr(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / ((one - other) ** 2).mean()))


def blocks(picture: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Means over squares of `side` pixels."""
    height, width = (length // side * side for length in picture.shape[:2])
    squares = picture[:height, :width].reshape(height // side, side, width // side, side, -1)
    return np.asarray(squares.mean((1, 3)), np.float64)


def test_no_camera_file_is_forgotten(shared_data: Path) -> None:
    """
    A file added to the folder has to be added here.
    """
    there = {path.name for path in (shared_data / "raw").iterdir()}
    there |= {path.name for path in (shared_data / "ntire_pairs").glob("*.png")}

    assert there == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_the_receipt_agrees_with_the_files(darkroom: Darkroom, name: str) -> None:
    """
    The picture has the size of the visible area, stands upright, and receipt, input and output tell one story.
    """
    rendered = darkroom[name]
    (output,) = rendered.receipt["outputs"]

    assert rendered.picture.shape[:2] == SIZES[name]
    assert (output["height"], output["width"]) == SIZES[name]
    assert output["path"] == rendered.path.name
    assert output["sha256"] == hashlib.sha256(rendered.path.read_bytes()).hexdigest()
    assert rendered.receipt["input"]["sha256"] == hashlib.sha256(rendered.capture.raw.read_bytes()).hexdigest()
    assert len(rendered.receipt["sidecars"]) == (name in PAIRS)
    assert rendered.receipt["metadata"]["orientation"]["value"] == ORIENTED.get(name, 1)


@pytest.mark.parametrize("name", SIZES)
def test_a_picture_is_neither_dark_nor_white_nor_flat(darkroom: Darkroom, name: str) -> None:
    """
    Night or day: a sensible mean, and contrast in every channel.
    """
    picture = darkroom[name].picture / 255

    assert 0.1 < picture.mean() < 0.8
    assert min(picture.std((0, 1))) > 0.1
    assert np.ptp(np.percentile(picture.mean(2), [1, 99])) > 0.4


@pytest.mark.parametrize("name", SIZES)
def test_lamps_are_not_magenta(darkroom: Darkroom, name: str) -> None:
    """
    In the brightest 0.2 % of the pixels green is not below both red and blue: clipped sites stay white.
    """
    pixels = darkroom[name].picture.reshape(-1, 3)
    brightness = pixels.mean(1)

    red, green, blue = np.median(pixels[brightness >= np.quantile(brightness, 0.998)], axis=0)

    assert green >= min(red, blue) - 6


def test_a_mirrored_capture_is_turned_upright(darkroom: Darkroom) -> None:
    """
    The GoPro's frame is stored mirrored: the picture agrees with the columns of the mosaic in reverse, not as stored.
    """
    rendered = darkroom["gopro_hero8_dusk.dng"]
    greens = read_mosaic(rendered.capture).values[::2, 1::2].astype(np.float64)
    stored = blocks(np.log(greens[..., None] + 1), 50)[..., 0]
    shown = blocks(rendered.picture[..., 1:2], 100)[..., 0]

    def agreement(frame: NDArray[np.float64]) -> float:
        return float(np.corrcoef(shown.ravel(), frame.ravel())[0, 1])

    assert agreement(stored[:, ::-1]) > 0.9
    assert agreement(stored[:, ::-1]) > agreement(stored) + 0.2


@pytest.mark.parametrize("cut", [(0, 1), (1, 0), (1, 1)], ids=["GRBG", "GBRG", "BGGR"])
def test_a_frame_cut_by_a_line_gives_the_same_picture(darkroom: Darkroom, cut: tuple[int, int]) -> None:
    """
    A row or column less is another phase of the same scene; away from the borders nothing may change but rounding
    and the network's own taste in phases.
    """
    rows, columns = cut
    capture = darkroom.wrapped(SOUND, cut)

    shifted = darkroom.render(capture, capture.raw.name).picture

    whole = darkroom[SOUND].picture[rows:, columns:]
    assert psnr(shifted[16:-16, 16:-16], whole[16:-16, 16:-16]) > 36


@pytest.mark.parametrize("phase", ["grbg", "gbrg", "bggr"])
def test_one_scene_in_four_phases_gives_one_picture(darkroom: Darkroom, phase: str) -> None:
    """
    In these files the sites of each cell were exchanged to make another phase, so edges fray by a pixel or two; light,
    tone and colour of the areas between them are those of one picture.
    """
    other, picture = darkroom[f"dsc1339_768x512_14bit_{phase}.bin"].picture, darkroom[SOUND].picture

    assert np.abs(other.mean((0, 1)) - picture.mean((0, 1))).max() < 2.5
    assert np.median(np.abs(blocks(other, 8) - blocks(picture, 8)).max(2)) < 5
    assert psnr(blocks(other, 32), blocks(picture, 32)) > 34


def test_grey_patches_are_neutral(darkroom: Darkroom) -> None:
    """
    Without a word about the light in the file: white to dark grey differ by little between channels, and darken.
    """
    picture = darkroom["colorchecker_1920x1080_12bit_bggr.bin"].picture
    patches = [np.median(picture[y - 16 : y + 16, x - 16 : x + 16], axis=(0, 1)) for x, y in GREY_PATCHES]

    assert max(np.ptp(patch) for patch in patches) < 25
    means = [patch.mean() for patch in patches]
    assert all(brighter > darker + 10 for brighter, darker in pairwise(means))


def test_defective_sites_are_hardly_seen(darkroom: Darkroom) -> None:
    """
    Half of 400 spoilt sites are full and half are dead. Most leave no trace, and none changes the picture elsewhere.
    """
    spoilt, sound = (np.fromfile(darkroom.data / "raw" / name, "<u2").reshape(512, 768) for name in (SPOILT, SOUND))
    difference = np.abs(darkroom[SPOILT].picture - darkroom[SOUND].picture).max(2)
    nearby = cv2.dilate(difference, np.ones((3, 3)))
    hot, dead = spoilt == 65535, (spoilt != sound) & (spoilt != 65535)

    assert min(np.count_nonzero(hot), np.count_nonzero(dead)) > 150
    assert np.count_nonzero(nearby[hot] > 60) < 0.05 * np.count_nonzero(hot)
    assert np.count_nonzero(nearby[dead] > 60) < 0.05 * np.count_nonzero(dead)
    far = cv2.dilate((spoilt != sound).astype(np.uint8), np.ones((17, 17), np.uint8)) == 0
    assert difference[far].max() < 60
