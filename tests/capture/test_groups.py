"""Pairing group by group gives what pairing a whole folder gives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.capture.groups import Groups, group_of
from flexispd.capture.pair import pair

STEMS = ["DSC1", "dsc1", "Dsc1.NEF", "DSC1.dng", "DSC2", "a.b", "ſ", "straße", "STRASSE", "DSC1.natural", ".x"]
ENDINGS = [
    ".NEF",
    ".nef",
    ".dng",
    ".CR2",
    ".png",
    ".PNG",
    ".json",
    ".JSON",
    ".xmp",
    ".JPG",
    ".jpeg",
    ".tif",
    ".txt",
    "",
]
NAMES = st.builds(str.__add__, st.sampled_from(STEMS), st.text(max_size=0) | st.sampled_from(ENDINGS)).flatmap(
    lambda name: st.sampled_from([name, *(name + ending for ending in ENDINGS)])
)
FILES = st.dictionaries(st.builds("/in/{}/{}".format, st.sampled_from("ab"), NAMES), st.booleans(), max_size=14)


@given(FILES, FILES)
def test_pairing_by_groups_is_pairing_the_whole(files: dict[str, bool], gone: dict[str, bool]) -> None:
    """
    For any names, with any of them receipts of ours, in any order, and after files have gone.
    """
    groups = Groups()
    for path, receipt in (files | gone).items():
        groups.add(path, receipt)
    for path in gone:
        groups.remove(path)
    left = {path: receipt for path, receipt in files.items() if path not in gone}

    whole = pair(map(Path, left), {Path(path) for path, receipt in left.items() if receipt})
    parts = [groups.pairing(group) for group in {group_of(path) for path in left}]

    assert sorted((c for part in parts for c in part.captures), key=lambda c: c.raw) == list(whole.captures)
    assert sorted((c for part in parts for c in part.leftovers), key=lambda c: c.path) == list(whole.leftovers)


@pytest.mark.parametrize(
    "name", ["DSC1.NEF", "dsc1.json", "DSC1.NEF.xmp", "DSC1.JPG", "DSC1.CR2", "DSC1.png.json", "DSC1.NEF.dng", "DSC1"]
)
def test_what_may_belong_together_is_one_group(name: str) -> None:
    """
    Blind to case, and with the whole name of a picture before the sidecar's extension.
    """
    assert group_of(f"/in/{name}") == ("/in", "dsc1")


def test_other_names_and_other_folders_are_other_groups() -> None:
    """
    A finished picture's name does not stand for a raw's.
    """
    assert len({group_of(path) for path in ("/in/a.NEF", "/in/b.NEF", "/in/x/a.NEF", "/in/a.natural.jpg")}) == 4


def test_a_group_without_files_is_not_there() -> None:
    """
    Removing what was never added changes nothing.
    """
    groups = Groups()
    group = groups.add("/in/a.NEF", receipt=False)
    groups.add("/in/a.NEF", receipt=False)
    groups.remove("/in/b.NEF")
    assert groups.paths(group) == ("/in/a.NEF",)

    groups.remove("/in/a.NEF")
    assert groups.paths(group) == ()
    assert groups.pairing(group).captures == ()


def test_a_json_that_becomes_a_receipt_is_one_and_the_other_way_round() -> None:
    """
    What it is, is read anew whenever it changes.
    """
    groups = Groups()
    group = groups.add("/in/a.png", receipt=False)
    groups.add("/in/a.json", receipt=False)
    assert len(groups.pairing(group).captures) == 1

    groups.add("/in/a.json", receipt=True)
    assert len(groups.pairing(group).captures) == 0

    groups.add("/in/a.json", receipt=False)
    assert len(groups.pairing(group).captures) == 1
