"""Files of one press of the shutter become one capture, and no file is lost on the way."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.capture.formats import RAW_EXTENSIONS, Kind, kind_of
from flexispd.capture.pair import Pairing, Reason, pair
from flexispd.types import Capture


def pairing_of(*names: str, receipts: tuple[str, ...] = ()) -> Pairing:
    return pair([Path(name) for name in names], {Path(name) for name in receipts})


def reasons(pairing: Pairing) -> dict[str, Reason]:
    return {str(leftover.path): leftover.reason for leftover in pairing.leftovers}


def test_a_raw_takes_its_json_its_xmp_and_its_companion() -> None:
    """
    One folder, one stem, blind to case.
    """
    pairing = pairing_of("in/DSC1.NEF", "in/dsc1.json", "in/DSC1.xmp", "in/DSC1.JPG", "in/DSC2.NEF")

    assert pairing.captures == (
        Capture(Path("in/DSC1.NEF"), Path("in/dsc1.json"), Path("in/DSC1.xmp"), Path("in/DSC1.JPG")),
        Capture(Path("in/DSC2.NEF")),
    )
    assert pairing.leftovers == ()


def test_a_sidecar_may_carry_the_whole_name() -> None:
    """
    As darktable writes them; the whole name wins over the stem.
    """
    pairing = pairing_of("DSC1.NEF", "DSC1.NEF.json", "DSC1.json", "DSC1.NEF.xmp", "DSC1.xmp")

    assert pairing.captures == (Capture(Path("DSC1.NEF"), Path("DSC1.NEF.json"), Path("DSC1.NEF.xmp")),)
    assert reasons(pairing) == {"DSC1.json": Reason.SPARE, "DSC1.xmp": Reason.SPARE}


def test_two_raws_of_one_stem_are_told_apart_by_the_whole_name_only() -> None:
    """
    What fits both is used for neither, because wrong metadata is worse than none.
    """
    pairing = pairing_of("DSC1.NEF", "DSC1.CR2", "DSC1.CR2.json", "DSC1.json", "DSC1.JPG")

    assert pairing.captures == (Capture(Path("DSC1.CR2"), Path("DSC1.CR2.json")), Capture(Path("DSC1.NEF")))
    assert reasons(pairing) == {"DSC1.JPG": Reason.AMBIGUOUS, "DSC1.json": Reason.AMBIGUOUS}


def test_names_that_differ_in_case_only_are_paired_by_their_spelling() -> None:
    """
    On a file system that tells them apart.
    """
    pairing = pairing_of("DSC1.NEF", "dsc1.NEF", "DSC1.json", "dsc1.json")

    assert [(c.raw.name, c.json.name if c.json else None) for c in pairing.captures] == [
        ("DSC1.NEF", "DSC1.json"),
        ("dsc1.NEF", "dsc1.json"),
    ]


def test_folders_are_not_mixed() -> None:
    """
    Every folder has its own DSC1.
    """
    pairing = pairing_of("a/DSC1.NEF", "b/DSC1.json")

    assert pairing.captures == (Capture(Path("a/DSC1.NEF")),)
    assert reasons(pairing) == {"b/DSC1.json": Reason.NO_PICTURE}


def test_a_png_is_a_capture_with_its_json_only() -> None:
    """
    The other PNGs of this world are finished pictures.
    """
    pairing = pairing_of("night.png", "night.json", "logo.png")

    assert pairing.captures == (Capture(Path("night.png"), Path("night.json")),)
    assert reasons(pairing) == {"logo.png": Reason.WAITING_FOR_JSON}


def test_a_png_beside_a_raw_is_a_finished_picture() -> None:
    """
    The JSON is the raw's, unless it carries the PNG's whole name.
    """
    assert reasons(pairing_of("DSC1.NEF", "DSC1.png", "DSC1.json")) == {"DSC1.png": Reason.BESIDE_RAW}
    assert reasons(pairing_of("DSC1.NEF", "DSC1.png")) == {"DSC1.png": Reason.FINISHED}
    assert len(pairing_of("DSC1.NEF", "DSC1.png", "DSC1.png.json").captures) == 2


def test_a_jpeg_alone_is_no_capture() -> None:
    """
    There is nothing to develop.
    """
    assert reasons(pairing_of("DSC1.JPG")) == {"DSC1.JPG": Reason.FINISHED}


def test_outputs_are_not_captures() -> None:
    """
    Where outbox and inbox are one folder, receipts and the pictures beside them are left alone.
    """
    pairing = pairing_of(
        "DSC1.NEF", "DSC1.natural.json", "DSC1.natural.png", "DSC1.natural.tif", receipts=("DSC1.natural.json",)
    )

    assert pairing.captures == (Capture(Path("DSC1.NEF")),)
    assert set(reasons(pairing).values()) == {Reason.OUTPUT}


def test_a_receipt_is_no_metadata() -> None:
    """
    Even for a raw that has the name of an output.
    """
    pairing = pairing_of("DSC1.natural.NEF", "DSC1.natural.json", receipts=("DSC1.natural.json",))

    assert pairing.captures == (Capture(Path("DSC1.natural.NEF")),)


@pytest.mark.parametrize("name", ["a.raw", "a.bin", "a.tif", "NEF", ".NEF", "a.", "a.nef.bak"])
def test_what_does_not_say_that_it_is_a_raw_is_none(name: str) -> None:
    """
    Of a file without a header LibRaw guesses the camera from its size, silently and wrongly.
    """
    assert kind_of(Path(name)) is Kind.OTHER


def test_extensions_are_blind_to_case() -> None:
    """
    Cameras write capitals.
    """
    assert all(kind_of(Path(f"DSC1.{extension.upper()}")) is Kind.RAW for extension in RAW_EXTENSIONS)


PATHS = st.builds(
    lambda folder, stem, extension: Path(folder) / f"{stem}{extension}",
    st.sampled_from(["a", "b", "a/c"]),
    st.sampled_from(["DSC1", "dsc1", "DSC1.NEF", "DSC1.natural", "\udce9", "two\nlines", ""]),
    st.sampled_from(
        [".NEF", ".nef", ".CR2", ".png", ".PNG", ".json", ".JSON", ".xmp", ".jpg", ".JPG", ".jpeg", ".x", ""]
    ),
).filter(lambda path: path.name not in ("", "a", "b", "c"))


@given(st.sets(PATHS, max_size=40), st.randoms())
def test_every_file_ends_up_in_one_capture_or_one_leftover(files: set[Path], random: object) -> None:
    """
    Nothing is lost, nothing is used twice, and the order of the listing does not matter.
    """
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    receipts = {path for path in files if path.name == "DSC1.natural.json"}

    pairing = pair(shuffled, receipts)

    used = [path for c in pairing.captures for path in (c.raw, c.json, c.xmp, c.companion) if path is not None]
    everything = [*used, *(leftover.path for leftover in pairing.leftovers)]
    assert sorted(everything) == sorted(files)
    assert pairing == pair(sorted(files), receipts)
    assert {c.raw for c in pairing.captures} >= {path for path in files if kind_of(path) is Kind.RAW}
    assert all(c.json is not None for c in pairing.captures if kind_of(c.raw) is Kind.PNG)
