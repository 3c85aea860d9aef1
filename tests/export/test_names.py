"""Outputs have names that fit, that say what they are, and that never meet."""

import os
from pathlib import Path, PurePath

from hypothesis import given
from hypothesis import strategies as st

from flexispd.export.names import output_name, output_stems
from flexispd.types import Capture

names = st.binary(min_size=1, max_size=255).map(lambda data: data.replace(b"/", b"_").replace(b"\0", b"0"))


def found(*raws: str) -> list[tuple[Capture, PurePath]]:
    """Captures that were named one by one, so none has a folder to mirror."""
    return [(Capture(Path(raw)), PurePath()) for raw in raws]


def test_the_name_is_stem_profile_extension() -> None:
    """
    DSC1.NEF under the profile natural.
    """
    assert output_name("DSC1", "natural", ".jpg") == "DSC1.natural.jpg"


@given(names, st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=64))
def test_every_name_fits_into_255_bytes(stem: bytes, profile: str) -> None:
    """
    Whatever the stem and the profile: the extension and the separators are kept, and all files share one stem.
    """
    jpeg = output_name(os.fsdecode(stem), profile, ".jpg")
    receipt = output_name(os.fsdecode(stem), profile, ".json")

    assert len(os.fsencode(receipt)) <= 255
    assert jpeg.removesuffix(".jpg") == receipt.removesuffix(".json")
    assert jpeg == output_name(os.fsdecode(stem), profile, ".jpg")


def test_long_stems_that_differ_only_at_the_end_stay_apart() -> None:
    """
    What is cut off counts through its hash.
    """
    one, other = ("n" * 250 + end for end in "ab")

    assert output_name(one, "natural", ".jpg") != output_name(other, "natural", ".jpg")
    assert output_name(one, "natural", ".jpg").startswith("n" * 200)


def test_no_character_is_cut_in_two() -> None:
    """
    A name in UTF-8 stays UTF-8, wherever the cut falls.
    """
    for lead in range(4):
        os.fsencode(output_name("n" * lead + "🌃" * 63, "natural", ".jpg")).decode("utf-8")


def test_a_stem_of_its_own_is_kept() -> None:
    """
    The usual case: nothing is added.
    """
    assert output_stems(found("a/DSC1.NEF", "a/DSC2.NEF")) == [PurePath("DSC1"), PurePath("DSC2")]


def test_sub_folders_are_mirrored() -> None:
    """
    The same name in two sub-folders is two outputs in two sub-folders.
    """
    captures = [(Capture(Path("in/a/DSC1.NEF")), PurePath("a")), (Capture(Path("in/b/DSC1.NEF")), PurePath("b"))]

    assert output_stems(captures) == [PurePath("a/DSC1"), PurePath("b/DSC1")]


def test_raws_of_one_stem_keep_their_extensions() -> None:
    """
    DSC1.NEF and DSC1.CR2 must not land on one name; on a card that is blind to case, nor must dsc1.arw.
    """
    stems = output_stems(found("DSC1.NEF", "DSC1.CR2", "dsc1.arw", "DSC2.NEF"))

    assert [str(stem) for stem in stems] == ["DSC1.NEF", "DSC1.CR2", "dsc1.arw", "DSC2"]


def test_raws_of_one_name_get_a_hash_of_their_place() -> None:
    """
    a/DSC1.NEF and b/DSC1.NEF given as files; the name depends on the place only, not on the order.
    """
    one, other = output_stems(found("a/DSC1.NEF", "b/DSC1.NEF"))

    assert one != other
    assert str(one).startswith("DSC1.NEF.")
    assert output_stems(found("b/DSC1.NEF", "a/DSC1.NEF")) == [other, one]


def test_a_longer_name_that_is_taken_is_not_used() -> None:
    """
    DSC1.NEF and DSC1.CR2 grow, and so does DSC1.NEF.dng, whose own stem they would have met.
    """
    stems = output_stems(found("DSC1.NEF", "DSC1.CR2", "DSC1.NEF.dng"))

    assert len(set(stems)) == 3


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "A"]),
            st.sampled_from(["DSC1", "dsc1", "DSC1.NEF", "DSC1.nef", "é", "e\u0301"]),
            st.sampled_from(["NEF", "nef", "CR2", "dng"]),
        ),
        unique=True,
    )
)
def test_no_two_captures_ever_land_on_one_name(raws: list[tuple[str, str, str]]) -> None:
    """
    Blind to case, because the outbox may be.
    """
    stems = output_stems(found(*(f"{folder}/{stem}.{extension}" for folder, stem, extension in raws)))

    assert len({str(stem).casefold() for stem in stems}) == len(raws)
