"""The official networks of 2022: imported whole or not at all, and run as their own scripts run them."""

import errno
import importlib.util
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from flexispd.develop import official
from flexispd.develop.networks.import_official import import_checkout
from flexispd.develop.networks.official2022 import FC4, MWRCAN, ScNet1F
from flexispd.develop.official import OfficialNetworks, develop_official, load_networks
from flexispd.errors import CaptureError, ConfigError, FlexispError, SetupError, TransientError, WeightsError
from flexispd.types import CFA, Mosaic, ShotInfo
from flexispd.weights import OFFICIAL_2022, WeightEntry, list_entries, model_set, read_manifest, verify, write_manifest

CPU = torch.device("cpu")
TOLERANCE = 1e-4

STAGE1 = "stage1/checkpoint/sc_net_1f_pretrained_model"
INDEX = f"{STAGE1}/model.ckpt-8600.index"
DATA = f"{STAGE1}/model.ckpt-8600.data-00000-of-00001"
FOLD0 = "stage2/trained_models/fc4_cwp/fold_0/model.pth"
FOLD2 = "stage2/trained_models/fc4_cwp/fold_2/model.pth"
STAGE3 = "stage3/checkpoints/net_g_20000.pth"


@pytest.fixture(scope="module")
def seeded(shared_data: Path) -> ModuleType:
    """The script that fills checkpoints of the official layout from a seed."""
    spec = importlib.util.spec_from_file_location("seeded_weights", shared_data / "official/seeded_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkout(seeded: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the official repository."""
    folder = tmp_path_factory.mktemp("official") / "Deep-FlexISP"
    seeded.write_checkout(folder)
    return folder


@pytest.fixture(scope="module")
def store(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of weights, with the checkout imported."""
    folder = tmp_path_factory.mktemp("weights")
    import_checkout(checkout, folder)
    return folder


@pytest.fixture(scope="module")
def networks(store: Path) -> Iterator[OfficialNetworks]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXISPD_WEIGHTS", str(store))
        yield load_networks(model_set(OFFICIAL_2022), CPU)


@pytest.fixture(scope="module")
def arrays(shared_data: Path) -> dict[str, np.ndarray[Any, Any]]:
    """One frame through the official modules with the seeded weights, step by step."""
    with np.load(shared_data / "official/official2022_seed2022.npz") as file:
        return dict(file)


@pytest.fixture
def damaged(checkout: Path, tmp_path: Path) -> Path:
    """A checkout of one's own to damage; whole files in it are links, so replace them and do not write into them."""
    return Path(shutil.copytree(checkout, tmp_path / "checkout", copy_function=os.link))


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def replace_state(path: Path, state: object) -> None:
    path.unlink()
    torch.save(state, path)


def planes(array: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def deviation(result: torch.Tensor, expected: np.ndarray[Any, Any]) -> float:
    return float((result - torch.from_numpy(expected)).abs().max())


def mosaic_of(packed: np.ndarray[Any, Any], cfa: CFA) -> Mosaic:
    """A frame of phase `cfa` whose BGGR part holds `packed`, R, Gr, B, Gb as the scripts order them."""
    height, width, _ = packed.shape
    top, left = (1 - place for place in cfa.value)
    values = np.zeros((2 * height + 2 * top, 2 * width + 2 * left), np.uint16)
    counts = np.round(2000 + packed * 15000).astype(np.uint16)
    inner = values[top : top + 2 * height, left : left + 2 * width]
    inner[1::2, 1::2], inner[0::2, 1::2], inner[0::2, 0::2], inner[1::2, 0::2] = np.moveaxis(counts, 2, 0)
    return Mosaic(values, cfa, (2000.0,) * 4, (17000.0,) * 4, ShotInfo(orientation=6))


# --- Networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "module"), [("stage1", ScNet1F), ("stage2", FC4), ("stage3", MWRCAN)])
def test_every_tensor_has_the_published_name_and_shape(
    shared_data: Path, stage: str, module: Callable[[], torch.nn.Module]
) -> None:
    """
    The modules take the published checkpoints as they are: same names, same shapes, nothing more and nothing less.
    """
    published = json.loads((shared_data / "official/state_dict_shapes.json").read_text())[stage]

    assert {name: list(value.shape) for name, value in module().state_dict().items()} == published


def test_stage_1_removes_noise_as_the_official_module(networks: OfficialNetworks, arrays: dict[str, Any]) -> None:
    """
    Clipping, the level of the highlights and the residual agree within 1e-4.
    """
    with torch.inference_mode():
        result = official.denoise(planes(arrays["packed"]), networks.denoise)

    assert deviation(result, planes(arrays["denoised"]).numpy()) < TOLERANCE


def test_stage_2_sees_the_light_as_the_official_modules(networks: OfficialNetworks, arrays: dict[str, Any]) -> None:
    """
    The gains of folds 0 and 2 and their mean, which is taken after the inversion, agree within 1e-4.
    """
    with torch.inference_mode():
        gains = official.light_gains(planes(arrays["denoised"]), networks.light)

    assert deviation(gains, arrays["gains"]) < TOLERANCE
    assert deviation(gains.mean(dim=0), arrays["gains_mean"]) < TOLERANCE


def test_stage_2_balances_as_the_official_script(arrays: dict[str, Any]) -> None:
    """
    Gains, clip and the fixed matrix agree within 1e-4, with values below 0 and above 1 kept.
    """
    result = official.balance(planes(arrays["denoised"]), torch.from_numpy(arrays["gains_mean"]))

    assert deviation(result, planes(arrays["balanced"]).numpy()) < TOLERANCE


def test_stage_3_renders_as_the_official_module(networks: OfficialNetworks, arrays: dict[str, Any]) -> None:
    """
    A size that is no multiple of 16 is padded and cropped as in the script, and the picture agrees within 1e-4.
    """
    with torch.inference_mode():
        result = official.render(planes(arrays["balanced"]), networks.render)

    assert deviation(result, planes(arrays["rendered_unclipped"]).numpy()) < TOLERANCE


def test_the_whole_path_agrees_end_to_end(networks: OfficialNetworks, arrays: dict[str, Any]) -> None:
    """
    From the packed mosaic to the picture, errors of the stages do not add up to more than 1e-4.
    """
    with torch.inference_mode():
        denoised = official.denoise(planes(arrays["packed"]), networks.denoise)
        gains = official.light_gains(denoised, networks.light).mean(dim=0)
        result = official.render(official.balance(denoised, gains), networks.render)

    assert deviation(result.clamp(0, 1), planes(arrays["rendered"]).numpy()) < TOLERANCE


@pytest.mark.parametrize("cfa", list(CFA), ids=lambda cfa: cfa.name)
def test_a_mosaic_of_any_phase_becomes_the_official_picture(
    networks: OfficialNetworks, arrays: dict[str, Any], cfa: CFA
) -> None:
    """
    The BGGR mosaic inside any other gives the official picture in R, G, B, to within rounding of counts and pixels.
    """
    picture = develop_official(mosaic_of(arrays["packed"], cfa), networks, CPU)

    expected = np.round(arrays["rendered"][..., ::-1] * 255)
    assert picture.values.dtype == np.uint8
    assert picture.values.shape == expected.shape
    assert np.abs(picture.values - expected).max() <= 1
    assert picture.orientation == 6
    json.dumps(picture.report)


def test_gbrg_loses_its_first_and_last_column() -> None:
    """
    What the script does to its one camera, 3464x5202 and GBRG, is the rule for all: cut, never mirror.
    """
    values = np.arange(8 * 10, dtype=np.uint16).reshape(8, 10)
    mosaic = Mosaic(values, CFA.GBRG, (0.0,) * 4, (1.0,) * 4, ShotInfo())

    assert np.array_equal(official.to_bggr(mosaic), values[:, 1:-1])


def test_black_and_white_belong_to_the_place_in_the_cell() -> None:
    """
    The scripts subtract black by place; the plane they call Gr lies in blue's row, so Gb's black belongs to it.
    """
    values = np.tile(np.array([[40, 30], [20, 10]], np.uint16), (2, 3))  # B, Gb / Gr, R
    mosaic = Mosaic(values, CFA.BGGR, (10.0, 20.0, 30.0, 40.0), (110.0, 120.0, 130.0, 240.0), ShotInfo())

    packed = official.pack(mosaic, CPU)

    assert packed.shape == (1, 4, 2, 3)
    assert not packed.any()
    bright = Mosaic(np.tile(np.array([[240, 130], [120, 110]], np.uint16), (2, 3)), *_rest(mosaic))
    assert (official.pack(bright, CPU) == 1).all()


def _rest(mosaic: Mosaic) -> tuple[Any, ...]:
    return mosaic.cfa, mosaic.black_level, mosaic.white_level, mosaic.shot


@pytest.mark.parametrize("size", [(3, 3), (4, 37), (30, 70), (63, 131)], ids=str)
def test_a_frame_of_any_size_gets_a_quarter_of_its_width_and_height(
    networks: OfficialNetworks, size: tuple[int, int]
) -> None:
    """
    Sizes that no script ever saw, down to a single cell, end in a picture of (size - cut) / 4 rounded up.
    """
    values = np.random.default_rng(1).integers(600, 9000, size).astype(np.uint16)
    picture = develop_official(Mosaic(values, CFA.RGGB, (512.0,) * 4, (16383.0,) * 4, ShotInfo()), networks, CPU)

    assert picture.values.shape == (*(-(-((edge - 1) // 2) // 2) for edge in size), 3)


def test_a_frame_without_a_whole_cell_is_refused(networks: OfficialNetworks) -> None:
    """
    A 2x2 frame that does not begin with blue has no BGGR cell in it.
    """
    mosaic = Mosaic(np.full((2, 2), 9, np.uint16), CFA.RGGB, (0.0,) * 4, (99.0,) * 4, ShotInfo())

    with pytest.raises(CaptureError, match="no whole BGGR cell"):
        develop_official(mosaic, networks, CPU)


def test_a_frame_in_which_the_networks_see_no_light_is_refused(networks: OfficialNetworks) -> None:
    """
    When the light has no red or blue, the gains are infinite; such a picture would be noise.
    """
    blind = FC4().eval()
    for parameter in blind.parameters():
        parameter.data.zero_()
    mosaic = Mosaic(np.full((8, 8), 9, np.uint16), CFA.BGGR, (0.0,) * 4, (99.0,) * 4, ShotInfo())

    with pytest.raises(CaptureError, match="no light"):
        develop_official(mosaic, OfficialNetworks(networks.denoise, (blind, blind), networks.render), CPU)


# --- Import ------------------------------------------------------------------------------------------------------


def test_an_imported_set_is_whole_and_listed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All five networks are there with their hashes, found by the set's name, and nothing else is left in the folder.
    """
    monkeypatch.setenv("FLEXISPD_WEIGHTS", str(store))

    entries = model_set(OFFICIAL_2022).entries
    for entry in entries:
        verify(entry)

    assert [entry.stage for entry in entries] == ["stage1", "stage2-fold0", "stage2-fold1", "stage2-fold2", "stage3"]
    assert [entry.figures["parameters"] for entry in entries] == [516608, *[1705284] * 3, 23502344]
    assert all(entry in list_entries() for entry in entries)
    assert [path.name for path in store.iterdir()] == [OFFICIAL_2022]
    assert sorted(path.name for path in (store / OFFICIAL_2022).iterdir()) == sorted(
        ["manifest.toml", *(entry.file for entry in entries)]
    )


def test_the_checkout_may_lie_deeper_and_beside_other_years(checkout: Path, tmp_path: Path) -> None:
    """
    The repository keeps every year in a folder; the one that has all networks of 2022 is taken.
    """
    shutil.copytree(checkout, tmp_path / "repository/Night_Photography_2022", copy_function=os.link)
    other = tmp_path / "repository/Night_Photography_2023"
    shutil.copytree(checkout, other, copy_function=os.link, ignore=shutil.ignore_patterns("stage3"))

    entries = import_checkout(tmp_path / "repository", tmp_path / "weights", "other-name")

    assert len(entries) == 5
    assert all(entry.path.is_file() for entry in entries)
    assert {entry.model for entry in entries} == {"other-name"}


@pytest.mark.parametrize("key", [None, "state_dict_cnn_denoiser", "state_dict"])
def test_a_state_dict_is_found_under_any_of_the_known_keys(
    damaged: Path, store: Path, seeded: ModuleType, tmp_path: Path, key: str | None
) -> None:
    """
    Names with and without `module.`, with or without a dict around, are the same checkpoint.
    """
    values = seeded.state_dict("stage2", 20220)
    state = {f"module.{name}": torch.from_numpy(np.array(value)) for name, value in values.items()}
    replace_state(damaged / FOLD0, {key: state, "epoch": 3} if key else state)

    entries = import_checkout(damaged, tmp_path / "weights")

    assert entries[1].sha256 == read_manifest(store / OFFICIAL_2022 / "manifest.toml")[1].sha256


def test_a_checkpoint_in_the_format_before_torch_1_6_is_read(damaged: Path, seeded: ModuleType, tmp_path: Path) -> None:
    """
    Older checkpoints are no zip archives; they are as good.
    """
    state = {name: torch.from_numpy(np.array(value)) for name, value in seeded.state_dict("stage2", 20220).items()}
    (damaged / FOLD0).unlink()
    torch.save(state, damaged / FOLD0, _use_new_zipfile_serialization=False)

    assert len(import_checkout(damaged, tmp_path / "weights")) == 5


class _Code:
    """A pickle that would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("false",)


def _bomb(path: Path) -> None:
    path.unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))


def _altered(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Damage that loads, changes and saves a checkpoint again."""

    def damage(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        change(content)
        replace_state(path, content)

    return damage


def _flipped(position: int) -> Callable[[Path], None]:
    """Damage to one bit of the byte at `position`, in the middle of some numbers."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        replace_file(path, bytes(content))

    return damage


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a missing index": (INDEX, Path.unlink, r"index is missing"),
    "a missing data file": (DATA, Path.unlink, r"data-00000-of-00001 is missing"),
    "a missing fold": (FOLD2, Path.unlink, r"fold_2/model\.pth is missing"),
    "a missing stage 3": (STAGE3, Path.unlink, r"net_g_\*\.pth is missing"),
    "a truncated index": (INDEX, lambda p: replace_file(p, p.read_bytes()[:999]), r"index: is not the index"),
    "truncated data": (DATA, lambda p: replace_file(p, p.read_bytes()[:999999]), r"00001: .*ends before it"),
    "altered data": (DATA, _flipped(5000), r"00001: .*checksum"),
    "a truncated fold": (FOLD0, lambda p: replace_file(p, p.read_bytes()[:999999]), r"fold_0/model\.pth is trunc"),
    "an altered fold": (FOLD0, _flipped(1_000_000), r"fold_0/model\.pth is damaged"),
    "an empty fold": (FOLD0, lambda p: replace_file(p, b""), r"model\.pth is empty"),
    "a picture": (FOLD0, lambda p: replace_file(p, b"\xff\xd8\xff\xe0" + bytes(99)), r"model\.pth is a JPEG picture"),
    "a web page": (FOLD0, lambda p: replace_file(p, b"\n<!DOCTYPE html><p>404</p>"), r"model\.pth is a web page"),
    "a pointer": (STAGE3, lambda p: replace_file(p, b"version https://git-lfs.github.com/spec/v1\n"), r"git-lfs point"),
    "a pointer for data": (DATA, lambda p: replace_file(p, b"version https://git-lfs.github.com/spec/v1\n"), r"git-lf"),
    "a bare pickle": (FOLD0, lambda p: replace_file(p, pickle.dumps(_Code())), r"pickle that torch did not write"),
    "a pickle with code": (FOLD0, lambda p: replace_state(p, {"a": _Code()}), r"more than tensors: nothing in it was"),
    "a zip bomb": (FOLD0, _bomb, r"is a compressed zip archive"),
    "a list": (FOLD0, lambda p: replace_state(p, [torch.zeros(1)]), r"model\.pth holds no state dict"),
    "a number": (FOLD0, lambda p: replace_state(p, {"epoch": 3}), r"holds epoch, which is not a plain tensor"),
    "another network": (FOLD0, lambda p: replace_state(p, {"a.weight": torch.zeros(1)}), r"fold_0/model\.pth: the ten"),
    "one tensor more": (FOLD0, _altered(lambda s: s.update(more=torch.zeros(1))), r"tensor more belongs to no layer"),
    "another shape": (
        FOLD0,
        _altered(
            lambda s: s.update({"final_convs.4.bias": torch.zeros(3), "final_convs.4.weight": torch.zeros(3, 64, 1, 1)})
        ),
        r"final_convs\.4\.\w+ has the shape .* fc4_sum variant",
    ),
    "half precision": (FOLD0, _altered(lambda s: s.update({k: v.half() for k, v in s.items()})), r"float16 instead of"),
    "a number that is none": (FOLD2, _altered(lambda s: s["backbone.0.bias"].fill_(float("nan"))), r"not finite"),
    "a folder": (FOLD0, _make_folder, r"model\.pth is a folder"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_file_is_named_and_nothing_is_imported(damaged: Path, tmp_path: Path, damage: str) -> None:
    """
    The error names the file and says what is wrong with it, and the folder of weights is as it was.
    """
    file, apply, message = DAMAGES[damage]
    apply(damaged / file)
    destination = tmp_path / "weights"

    with pytest.raises(WeightsError, match=message):
        import_checkout(damaged, destination)

    assert not destination.exists() or list(destination.iterdir()) == []


def test_a_second_import_replaces_the_set_only_when_it_succeeds(checkout: Path, damaged: Path, tmp_path: Path) -> None:
    """
    Importing again repairs an altered set, and a failed attempt leaves the old one alone.
    """
    destination = tmp_path / "weights"
    first = import_checkout(checkout, destination)
    first[0].path.write_bytes(b"altered")
    replace_file(damaged / STAGE3, b"")

    with pytest.raises(WeightsError):
        import_checkout(damaged, destination)
    assert first[0].path.read_bytes() == b"altered"

    assert import_checkout(checkout, destination) == first
    for entry in first:
        verify(entry)
    assert [path.name for path in destination.iterdir()] == [OFFICIAL_2022]


@pytest.mark.parametrize("name", ["", "..", "../there", "a/b", ".hidden", "a\nb", "x" * 65])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """
    A model set's name is the name of a folder in the folder of weights, and never a path.
    """
    with pytest.raises(ConfigError, match="cannot name a model set"):
        import_checkout(tmp_path, tmp_path / "weights", name)


def test_a_folder_that_is_no_model_set_is_never_replaced(tmp_path: Path) -> None:
    """
    Somebody's own folder of the same name stays as it is.
    """
    (tmp_path / "weights/mine").mkdir(parents=True)
    (tmp_path / "weights/mine/letter.txt").write_text("dear")

    with pytest.raises(SetupError, match="is in the way"):
        import_checkout(tmp_path, tmp_path / "weights", "mine")

    assert (tmp_path / "weights/mine/letter.txt").read_text() == "dear"


def test_a_name_that_the_package_ships_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An import can never stand in for networks that come with flexispd.
    """
    entry = WeightEntry(tmp_path, "shipped", "denoise", "a", "0" * 64, "a", "a", "a", "a")
    write_manifest(tmp_path / "manifest.toml", [entry])
    monkeypatch.setattr("flexispd.weights.data_folder", lambda _: tmp_path)

    with pytest.raises(ConfigError, match="comes with flexispd"):
        import_checkout(tmp_path, tmp_path / "weights", "shipped")


def test_a_destination_that_cannot_be_written_is_named(checkout: Path, tmp_path: Path) -> None:
    """
    That is no fault of the checkout, and may be put right.
    """
    (tmp_path / "weights").touch()

    with pytest.raises(TransientError, match="weights cannot be written"):
        import_checkout(checkout, tmp_path / "weights")


def test_the_old_set_is_put_back_when_the_new_one_cannot_take_its_place(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    At the very last step, too, an error leaves things as they were.
    """
    destination = tmp_path / "weights"
    first = import_checkout(checkout, destination)
    rename = Path.rename

    def refusing(path: Path, target: Path) -> Path:
        if (path / "manifest.toml").exists() and not path.name.endswith("-old") and path.name != OFFICIAL_2022:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(TransientError, match="cannot be written"):
        import_checkout(checkout, destination)

    for entry in first:
        verify(entry)
    assert [path.name for path in destination.iterdir()] == [OFFICIAL_2022]


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_what_is_no_checkout_is_named(tmp_path: Path, kind: str) -> None:
    """
    A wrong path is told from a checkout with files missing.
    """
    path = tmp_path / kind
    if kind == "file":
        path.touch()
    if kind == "empty":
        (path / "photos of 2022").mkdir(parents=True)

    with pytest.raises(FlexispError, match=rf"{kind}(/stage1/.*)? is (not a folder|missing)"):
        import_checkout(path, tmp_path / "weights")
