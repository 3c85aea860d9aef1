"""Weights are used only when they are exactly what their manifest says."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from flexispd import weights
from flexispd.develop.networks.loader import load_into, load_state, store_state
from flexispd.errors import ConfigError, FlexispError, WeightsError
from flexispd.resources import data_folder
from flexispd.weights import (
    MANIFEST,
    OFFICIAL_2022,
    WeightEntry,
    list_entries,
    model_set,
    read_manifest,
    read_verified,
    user_folder,
    verify,
    write_manifest,
)

CONTENT = b"numbers"


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of weights, empty."""
    monkeypatch.setenv("FLEXISPD_WEIGHTS", str(tmp_path))
    return tmp_path


def entry_in(folder: Path, *, model: str = "mine", stage: str = "denoise") -> WeightEntry:
    """An entry whose file lies there and is right."""
    folder.mkdir(exist_ok=True)
    entry = WeightEntry(
        folder=folder,
        model=model,
        stage=stage,
        file=f"{stage}.safetensors",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        architecture="denoise-unet",
        licence="Apache-2.0",
        trained="Three hours on two cores.",
        data="170 photographs.",
        figures={"parameters": 3, "psnr_db": 40.5, "note": 'quoted "text" \\ and a tab\t'},
    )
    entry.path.write_bytes(CONTENT)
    return entry


# --- Manifest ----------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """
    A manifest keeps every field of its entries, in their order.
    """
    entries = [entry_in(tmp_path), entry_in(tmp_path, stage="demosaic")]
    write_manifest(tmp_path / MANIFEST, entries)

    assert read_manifest(tmp_path / MANIFEST) == entries


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), number=st.floats(allow_nan=False))
def test_any_text_and_number_survives_the_manifest(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: float
) -> None:
    """
    Quotes, control characters and infinities are written as TOML wants them.
    """
    folder = tmp_path_factory.mktemp("weights")
    entry = dataclasses.replace(entry_in(folder), trained=text, figures={text: number, "text": text})
    write_manifest(folder / MANIFEST, [entry])

    assert read_manifest(folder / MANIFEST) == [entry]


def test_recording_a_network_keeps_the_others(tmp_path: Path) -> None:
    """
    A new file of a known stage replaces its entry; the other stages and model sets stay.
    """
    old, other = entry_in(tmp_path), entry_in(tmp_path, model="other")
    write_manifest(tmp_path / MANIFEST, [old, other])
    new = dataclasses.replace(old, trained="Again.")
    write_manifest(tmp_path / MANIFEST, [new])

    assert read_manifest(tmp_path / MANIFEST) == [new, other]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("licence", "license"), "unknown key license"),
        (lambda text: text.replace('stage = "denoise"\n', ""), "stage must be a text"),
        (lambda text: text.replace('"denoise-unet"', "3"), "architecture must be a text"),
        (lambda text: text.replace("parameters = 3", "parameters = true"), "figures must be a table"),
        (lambda text: text.replace("parameters = 3", "parameters = [3]"), "figures must be a table"),
        (lambda text: text.replace("sha256 = ", 'sha256 = "123"\n#'), "sha256 must be 64"),
        (lambda text: text.replace('file = "', 'file = "../'), "file must be a plain name"),
        (lambda text: text.replace('file = "', 'file = "/etc/'), "file must be a plain name"),
        (lambda text: text.replace('model = "', 'model = "../'), "model must be a plain name"),
        (lambda text: text + text.partition("\n")[2], "two networks for denoise of mine"),
        (lambda text: "colour = 3\n" + text, r"may hold \[\[network\]\] tables only"),
        (lambda _: "network = 3", r"may hold \[\[network\]\] tables only"),
        (lambda _: "network = [3]", "is not a table"),
        (lambda text: text + "[", "is not valid TOML"),
        (lambda text: text + "x" * 100_000, "larger than"),
        (lambda text: text + "\udcff", "not UTF-8"),
    ],
)
def test_a_manifest_that_is_not_understood_is_an_error(tmp_path: Path, change: object, message: str) -> None:
    """
    Every key is known, present and of its type, and no file can lie outside the manifest's folder.
    """
    path = tmp_path / MANIFEST
    write_manifest(path, [entry_in(tmp_path)])
    assert callable(change)
    path.write_text(change(path.read_text()), errors="surrogateescape")

    with pytest.raises(ConfigError, match=message) as caught:
        read_manifest(path)
    assert str(path) in caught.value.problem


# --- Lookup ------------------------------------------------------------------------------------------------------


def test_an_imported_set_is_found_by_its_folder(user: Path) -> None:
    """
    Each folder of the user's is one model set; hidden ones, which an import may have left, are none.
    """
    entry = entry_in(user / "mine")
    write_manifest(user / "mine" / MANIFEST, [entry])
    (user / ".mine-abc").mkdir()
    write_manifest(user / ".mine-abc" / MANIFEST, [entry])
    (user / "empty").mkdir()

    assert model_set("mine").entry("denoise") == entry
    assert [found for found in list_entries() if found.folder.is_relative_to(user)] == [entry]


def test_a_set_in_a_folder_of_another_name_is_refused(user: Path) -> None:
    """
    A renamed folder would answer to a name that its receipts do not know.
    """
    write_manifest((user / "yours") / MANIFEST, [entry_in(user / "yours")])

    with pytest.raises(ConfigError, match="describes mine"):
        model_set("yours")


def test_every_shipped_file_is_what_its_manifest_names() -> None:
    """
    The weights that travel with the package are whole.
    """
    for entry in weights._shipped():
        verify(entry)


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("name", ["nothing", "", "..", "/etc", "a\nb"])
def test_an_unknown_set_is_named_with_the_way_to_those_that_exist(name: str) -> None:
    """
    A wrong name in a profile, hostile or mistyped, tells the user where to look.
    """
    with pytest.raises(WeightsError, match="no model set named") as caught:
        model_set(name)
    assert "flexispd weights list" in caught.value.remedy


@pytest.mark.usefixtures("user")
def test_the_official_set_has_to_be_imported_first() -> None:
    """
    Its weights are not ours to ship, so the error says how to bring them.
    """
    with pytest.raises(WeightsError) as caught:
        model_set(OFFICIAL_2022)
    assert "flexispd weights import FOLDER" in caught.value.remedy


def test_a_stage_that_the_set_lacks_is_named(user: Path) -> None:
    """
    A set with a part missing says which.
    """
    write_manifest((user / "mine") / MANIFEST, [entry_in(user / "mine")])

    with pytest.raises(WeightsError, match="mine has no network for demosaic"):
        model_set("mine").entry("demosaic")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FLEXISPD_WEIGHTS": "/w", "XDG_DATA_HOME": "/x", "HOME": "/h"}, "/w"),
        ({"XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/flexispd/weights"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/flexispd/weights"),
        ({"HOME": "/h"}, "/h/.local/share/flexispd/weights"),
    ],
)
def test_the_users_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """
    Our own variable first, then the XDG one unless it is relative, then the home folder.
    """
    for name in ("FLEXISPD_WEIGHTS", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert user_folder() == Path(expected)


# --- Files -------------------------------------------------------------------------------------------------------


def test_only_the_bytes_that_were_hashed_are_returned(tmp_path: Path) -> None:
    """
    A right file is returned; a changed one is refused by name, with both hashes.
    """
    entry = entry_in(tmp_path)
    assert read_verified(entry) == CONTENT

    entry.path.write_bytes(CONTENT + b"!")
    with pytest.raises(WeightsError, match=r"denoise\.safetensors has SHA-256 \w{12}…, but manifest\.toml names"):
        verify(entry)


@pytest.mark.parametrize("kind", ["missing", "empty", "folder", "pipe", "huge", "pointer"])
def test_what_is_no_weight_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """
    Not even a pipe without a writer or a sparse file of a terabyte keeps anybody waiting.
    """
    entry = entry_in(tmp_path)
    entry.path.unlink()
    if kind == "empty":
        entry.path.touch()
    elif kind == "folder":
        entry.path.mkdir()
    elif kind == "pipe":
        os.mkfifo(entry.path)
    elif kind == "huge":
        entry.path.touch()
        os.truncate(entry.path, 1 << 40)
    elif kind == "pointer":
        entry.path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")

    with pytest.raises(WeightsError, match=r"denoise\.safetensors is"):
        verify(entry)


# --- Tensors -----------------------------------------------------------------------------------------------------


class Small(nn.Module):
    architecture = "small"

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)


def small_entry(folder: Path) -> WeightEntry:
    return dataclasses.replace(entry_in(folder), architecture="small")


def test_stored_tensors_come_back_the_same(tmp_path: Path) -> None:
    """
    Whatever a training run stores, loading gives back, bit for bit.
    """
    source, target = Small(), Small()
    entry = store_state(source.state_dict(), small_entry(tmp_path))
    load_into(target, entry)

    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer.bias": None}, r"denoise\.safetensors: the tensor layer\.bias is missing"),
        ({"more": torch.zeros(1)}, "the tensor more belongs to no layer"),
        ({"layer.bias": torch.zeros(2)}, r"the tensor layer\.bias has the shape 2 instead of 3"),
        ({"layer.bias": torch.zeros(3).double()}, r"the type torch\.float64 instead of torch\.float32"),
        ({"layer.bias": torch.tensor([0.0, float("nan"), 0.0])}, r"layer\.bias holds a number that is not finite"),
        ({"layer.bias": torch.tensor([0.0, float("inf"), 0.0])}, r"layer\.bias holds a number that is not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    """
    A module is filled completely with what belongs to it, or not at all.
    """
    module = Small()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = {name: value for name, value in {**before, **change}.items() if value is not None}
    entry = store_state(state, small_entry(tmp_path))

    with pytest.raises(WeightsError, match=message):
        load_into(module, entry)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    """
    Two networks may have the same tensors and mean different things by them.
    """
    entry = dataclasses.replace(store_state(Small().state_dict(), small_entry(tmp_path)), architecture="large")

    with pytest.raises(WeightsError, match="holds a large, not a small"):
        load_into(Small(), entry)


def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    """
    The hash may be right and the file still foreign, when the manifest was written for it.
    """
    with pytest.raises(FlexispError, match="is not a safetensors file"):
        load_state(entry_in(tmp_path))


@pytest.mark.parametrize("entry", read_manifest(data_folder("weights") / MANIFEST), ids=lambda entry: entry.file)
def test_every_shipped_network_has_a_card_that_speaks_of_this_very_file(entry: WeightEntry) -> None:
    """
    What it was trained on, how, what it is worth, what it cannot do; and the hash, so that no card is left behind.
    """
    card = entry.path.with_suffix(".md").read_text()

    assert entry.sha256 in card
    for heading in ("What it was trained on", "How", "What it is worth", "What it cannot do"):
        assert f"## {heading}\n" in card
    assert entry.licence in card
