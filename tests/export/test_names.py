"""Outputs have names that fit, that say what they are, and that never meet."""

import os
import re
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexispd.export.names import candidates, check_template, name_key, needs_shot, output_name, output_stems
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


PLAIN = "{folder}/{stem}.{profile}"
BYTES_WITHOUT_EXTENSION = 250
anything = st.text(st.characters(), max_size=300)
pieces = ["{stem}", "{profile}", "{date}", "{time}", "{camera}", "{counter}", "{folder}", "x", "-", "/", "ü"]
templates = st.lists(st.sampled_from(pieces), max_size=12).map("".join)


def allowed(template: str) -> bool:
    try:
        check_template(template)
    except ValueError:
        return False
    return True


def first(template: str = PLAIN, raw: str = "/in/2026/DSC1.NEF", number: int = 1, **more: Any) -> list[str]:
    """The first names of a capture."""
    names = candidates(template, Path(raw), PurePath(more.pop("folder", "2026")), "natural", 17, **more)
    return [str(name) for name in islice(names, number)]


def test_a_template_is_filled_in() -> None:
    """
    Each field in its form; the plain name comes first.
    """
    shot: dict[str, Any] = {"taken_at": "2026:11:22 21:05:06", "camera": "Canon EOS D30"}

    assert first() == ["2026/DSC1.natural"]
    assert first("{date}/{time}-{camera}-{counter}", **shot) == ["2026-11-22/210506-Canon-EOS-D30-0017"]
    assert first("{stem}_{stem}", folder="") == ["DSC1_DSC1"]
    assert first("{{{stem}}}") == ["{DSC1}"]


def test_without_a_folder_there_is_none() -> None:
    """
    A raw at the top of its inbox is rendered to the top of the outbox.
    """
    assert first(folder=".") == ["DSC1.natural"]
    assert first(folder="a/b") == ["a/b/DSC1.natural"]


def test_what_the_file_does_not_say_is_said() -> None:
    """
    No date, an impossible one, no camera.
    """
    template = "{date}-{time}-{camera}-{stem}"
    for taken_at in (None, "", "0000:00:00 00:00:00", "2026:02:30 10:00:00", "2026-11-22 10:00:00", "x" * 10_000):
        assert first(template, taken_at=taken_at, camera="/.\0") == ["undated-untimed-unknown-camera-DSC1"]


@pytest.mark.parametrize(
    ("camera", "expected"),
    [("../../etc", "etc"), (".hidden", "hidden"), ("A\n\x1b[1mB", "A-1mB"), ("K-3 / III", "K-3-III"), ("\ud800", "")],
)
def test_a_cameras_name_is_made_harmless(camera: str, expected: str) -> None:
    """
    It comes from a file that anybody may have made.
    """
    assert first("{camera}/{stem}", camera=camera) == [f"{expected or 'unknown-camera'}/DSC1"]


def test_a_taken_name_has_successors() -> None:
    """
    The raw's whole name, a short and a long hash of its path, then numbers; the path alone decides which.
    """
    names = first(number=6)

    assert names[:2] == ["2026/DSC1.natural", "2026/DSC1.NEF.natural"]
    assert re.fullmatch(r"2026/DSC1\.NEF\.[0-9a-f]{12}\.natural", names[2])
    assert re.fullmatch(r"2026/DSC1\.NEF\.[0-9a-f]{64}\.natural", names[3])
    assert names[4:] == [names[3].replace(".natural", f".{number}.natural") for number in (2, 3)]
    assert first(number=6) == names
    assert first(raw="/in/b/DSC1.NEF", number=6)[2] != names[2]


def test_a_later_version_says_so() -> None:
    """
    Behind the stem, or at the end when the template has none.
    """
    assert first(version=2, number=2) == ["2026/DSC1.v2.natural", "2026/DSC1.NEF.v2.natural"]
    assert first("{counter}", version=3) == ["0017.v3"]


def test_a_name_from_the_counter_alone_has_successors_too() -> None:
    """
    They cannot differ in the stem, so the hash stands at the end.
    """
    names = first("{folder}/{counter}.{profile}", number=3)

    assert names[0] == "2026/0017.natural"
    assert re.fullmatch(r"2026/0017\.natural\.[0-9a-f]{12}", names[1])


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", "must be one line"),
        ("{stem}\n", "must be one line"),
        ("x" * 200 + "{stem}", "at most 200"),
        ("{profile}", "must contain {stem} or {counter}"),
        ("{folder}/{date}", "must contain {stem} or {counter}"),
        ("{stem}/{folder}", "must not end with {folder}"),
        ("/{stem}", "below the outbox"),
        ("a//{stem}", "below the outbox"),
        ("../{stem}", "below the outbox"),
        ("a/./{stem}", "below the outbox"),
        ("{stem}/", "below the outbox"),
        (".{stem}", "below the outbox"),
        ("{stm}", "did you mean {stem}?"),
        ("{Camera}{stem}", "did you mean {camera}?"),
        ("{}", "has no field {}"),
        ("{stem.real}", "has no field {stem.real}"),
        ("{stem!r}", "nothing but the field's name"),
        ("{stem:>9}", "nothing but the field's name"),
        ("{stem", "braces in pairs"),
        ("stem}", "braces in pairs"),
        ("{folder}-{stem}", "must have {folder} alone"),
    ],
)
def test_a_template_that_gives_no_good_names_is_refused(template: str, expected: str) -> None:
    """
    When the configuration is read, not when the first frame is done.
    """
    with pytest.raises(ValueError) as caught:
        check_template(template)

    assert expected in str(caught.value)


@given(anything | templates)
def test_any_text_is_a_template_or_a_value_error(text: str) -> None:
    """
    What is approved can be filled in.
    """
    if allowed(text):
        assert first(text)


def test_only_some_names_need_the_file_opened() -> None:
    """
    The date, the time and the camera stand in the file.
    """
    assert not needs_shot(PLAIN)
    assert not needs_shot("{{date}}{stem}{counter}")
    assert all(needs_shot("{stem}{" + field + "}") for field in ("date", "time", "camera"))


@given(
    st.just(PLAIN) | templates.filter(allowed),
    names,
    st.lists(names, max_size=3),
    st.integers(1, 12),
    anything | st.none(),
    anything | st.none(),
)
def test_no_name_leaves_the_outbox_or_hides(
    template: str, name: bytes, folders: list[bytes], version: int, taken_at: str | None, camera: str | None
) -> None:
    """
    Whatever bytes a name has and whatever a file says of itself: every part is visible and fits, and all differ.
    """
    raw = Path("/in", os.fsdecode(name if name not in (b".", b"..") else b"x"))
    folder = PurePath(*map(os.fsdecode, folders))
    stream = candidates(template, raw, folder, "natural", 17, version, taken_at, camera)
    results = list(islice(stream, 6))

    for result in results:
        assert not result.is_absolute()
        for part in result.parts:
            assert not part.startswith(".")
            assert "\0" not in part
            assert len(os.fsencode(part)) <= 255
        assert len(os.fsencode(result.name)) <= BYTES_WITHOUT_EXTENSION
    assert len({name_key(result) for result in results[2:]}) == len(results[2:])


def test_names_meet_whatever_their_case_and_accents() -> None:
    """
    As on a memory card, or on a Mac.
    """
    assert name_key(PurePath("A/É.natural")) == name_key(PurePath("a/e\u0301.Natural"))
    assert name_key(PurePath("a")) != name_key(PurePath("b"))


def test_what_a_name_is_for_stays_readable_when_the_stem_is_cut() -> None:
    """
    The stem gives way, so the profile and the version's difference remain.
    """
    (one,), (other,) = first(raw=f"/in/{'n' * 250}.NEF"), first(raw=f"/in/{'n' * 250}.NEF", version=2)

    assert one.endswith(".natural")
    assert other.endswith(".natural")
    assert one != other
