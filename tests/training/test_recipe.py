"""A recipe says how a network is trained, and every shipped one can be followed."""

from pathlib import Path

import pytest

from flexispd.develop.networks.architectures import build
from flexispd.errors import ConfigError, WeightsError
from flexispd.resources import data_folder
from flexispd.training.recipe import load_recipe, reference, shortened
from flexispd.training.run import TASKS
from flexispd.weights import read_manifest

RECIPES = sorted((data_folder("weights") / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_trains_a_network_that_exists(path):
    """
    Its architecture can be built, its stage can be trained, its patches fit the networks' halvings.
    """
    recipe = load_recipe(path.stem)

    assert build(recipe.architecture).architecture == recipe.architecture
    assert recipe.stage in TASKS
    assert recipe.data.patch_px % 16 == 0
    assert load_recipe(str(path)) == recipe


def test_every_shipped_network_has_its_recipe():
    """
    A network that nobody can make again is not ours to ship.
    """
    shipped = {(e.stage, e.architecture) for e in read_manifest(data_folder("weights") / "manifest.toml")}

    assert shipped <= {(r.stage, r.architecture) for r in map(load_recipe, (path.stem for path in RECIPES))}


def test_what_is_wrong_in_a_recipe_is_named(tmp_path):
    """
    The file, the line, the nearest key.
    """
    path = tmp_path / "mine.toml"
    good = 'stage = "denoise"\narchitecture = "denoise-unet"\nmodel = "mine"\n[schedule]\nsteps = 5\n'
    path.write_text(good)
    assert shortened(load_recipe(str(path)), 3).schedule.steps == 3
    assert shortened(load_recipe(str(path)), None).schedule.steps == 5

    for text, said in (
        (good + "stepps = 3\n", "line 6.*stepps"),
        (good.replace("denoise", "denoize", 1), "stage"),
        (good.partition("[")[0], "schedule"),
        (good.replace("steps = 5", "steps = 0"), "steps"),
        (good + "[data]\npatch_px = 50\n", "line 7.*multiple of 16"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            load_recipe(str(path))
    with pytest.raises(ConfigError, match=r"no recipe called x.*") as caught:
        load_recipe("x")
    assert "demosaic-s" in caught.value.remedy


def test_an_architecture_that_nobody_knows_is_an_error():
    """
    With the names that are known.
    """
    with pytest.raises(WeightsError, match="denoize"):
        build("denoize")


def test_the_documentation_lists_every_key():
    """
    The tables of docs/weights.md are the output of `flexispd.training.recipe.reference()`.
    """
    text = (Path(__file__).resolve().parents[2] / "docs" / "weights.md").read_text()

    assert reference() in text, "put the output of flexispd.training.recipe.reference() into docs/weights.md"
