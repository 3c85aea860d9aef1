"""Which photographs a network learns from, and which it never sees."""

import shutil

import numpy as np
import pytest
from training_making import write_photos

from flexispd.errors import SetupError
from flexispd.resources import data_folder
from flexispd.training.photos import PatchSampler, load_photos, split, surfaces

KEPT, OWN_LIGHT = (data_folder("weights") / "recipes" / name for name in ("kept.txt", "own-light.txt"))


def names(listed):
    return [line.split()[0] for line in listed.read_text().splitlines() if not line.startswith("#")]


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
    listed = names(KEPT)
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "05.png").rename(tmp_path / "photos" / listed[0])

    shown, kept = split(tmp_path / "photos")

    assert [path.name for path in kept] == listed[:1]
    assert len(shown) == 19


def test_photographs_of_lamps_and_low_suns_do_not_stand_for_surfaces(photos, tmp_path):
    """
    Which light such a scene is in when it is lit anew, nobody can say. Of a folder of nothing else all are taken.
    """
    shining = tmp_path / names(OWN_LIGHT)[0]
    plain = sorted(photos.iterdir())

    assert surfaces([*plain, shining]) == plain
    assert surfaces([shining]) == [shining]


def test_a_photograph_that_is_kept_and_one_that_is_not_may_show_a_light(shared_data):
    """
    Both lists name files that are there, and enough photographs of surfaces are left on either side.
    """
    shown, kept = split(shared_data / "photos")

    assert set(names(KEPT)) | set(names(OWN_LIGHT)) <= {path.name for path in (*shown, *kept)}
    assert len(surfaces(kept)) == 10
    assert len(surfaces(shown)) == 113


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
