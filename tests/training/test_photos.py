"""Which photographs a network learns from, and which it never sees."""

import shutil

import numpy as np
import pytest
from training_making import write_photos

from flexispd.errors import SetupError
from flexispd.resources import data_folder
from flexispd.training.photos import PatchSampler, load_photos, load_surfaces, split

KEPT = data_folder("weights") / "recipes" / "kept.txt"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


def test_validation_photographs_are_never_trained_on(photos):
    """
    One in sixteen by name is kept, always the same; where photographs of the list are, those and no others.
    """
    shown, kept = load_photos(photos)

    assert (len(shown), len(kept)) == (18, 2)
    assert not any(np.array_equal(one, other) for one in shown for other in kept)


def test_photographs_of_the_list_are_kept_wherever_they_lie(photos, tmp_path):
    """
    The figures that are quoted are measured on them.
    """
    listed = [line.split()[0] for line in KEPT.read_text().splitlines() if not line.startswith("#")]
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "05.png").rename(tmp_path / "photos" / listed[0])

    shown, kept = split(tmp_path / "photos")

    assert [path.name for path in kept] == listed[:1]
    assert len(shown) == 19


def test_photographs_of_lamps_and_low_suns_do_not_stand_for_surfaces(photos, tmp_path):
    """
    Which light such a scene is in when it is lit anew, nobody can say; of other folders all that is kept counts.
    """
    lines = [line.split() for line in KEPT.read_text().splitlines() if not line.startswith("#")]
    surface, own_light = (next(name for name, *rest in lines if ("own-light" in rest) == own) for own in (False, True))
    shutil.copytree(photos, tmp_path / "photos")
    for plain, name in (("03.png", surface), ("05.png", own_light)):
        (tmp_path / "photos" / plain).rename(tmp_path / "photos" / name)

    kept = dict(zip((p.name for p in split(tmp_path / "photos")[1]), load_photos(tmp_path / "photos")[1], strict=True))
    (shown,) = load_surfaces(tmp_path / "photos")

    assert set(kept) == {surface, own_light}
    assert np.array_equal(shown, kept[surface])
    assert len(load_surfaces(photos)) == len(load_photos(photos)[1])


def test_the_list_names_enough_photographs_of_both_kinds(shared_data):
    """
    At least twelve by day and eight by night, which are all there.
    """
    shown, kept = split(shared_data / "photos")

    kinds = [path.parent.name for path in kept]
    assert kinds.count("day") >= 12
    assert kinds.count("night") >= 8
    assert not set(shown) & set(kept)


def test_photographs_that_are_too_few_or_too_small_are_an_error(tmp_path, photos):
    """
    Said in a sentence with what to do.
    """
    with pytest.raises(SetupError, match="too few"):
        load_photos(tmp_path)
    with pytest.raises(SetupError, match="pixels wide"):
        PatchSampler(load_photos(photos)[0], 4096)
