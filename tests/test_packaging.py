"""An installation has everything a checkout has: profiles and weights travel in the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flexispd import resources
from flexispd.errors import SetupError

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel, as pip would lay it down."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def test_the_wheel_holds_profiles_weights_and_licence(installed: Path) -> None:
    """
    Every shipped file is there, and nothing of the tests.
    """
    for name in ("profiles", "weights"):
        shipped = {path.name for path in (REPOSITORY / name).iterdir() if path.is_file() and path.name[0] != "."}
        assert shipped
        assert {path.name for path in (installed / "flexispd" / "_data" / name).iterdir()} >= shipped
    assert list(installed.glob("flexispd-*.dist-info/licenses/LICENSE"))
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"flexispd"}


@pytest.mark.parametrize("arguments", [["profile", "list"], ["weights", "verify"], ["--version"]])
def test_the_installed_command_finds_them(installed: Path, tmp_path: Path, arguments: list[str]) -> None:
    """
    Away from the checkout, with only the wheel's files to import.
    """
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    script = (
        "import flexispd, sys; assert sys.argv.pop(1) in flexispd.__file__; from flexispd.cli.main import main; main()"
    )
    command = [sys.executable, "-c", script, str(installed), *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_crippled_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without its data the program names the folder and the remedy; a stranger's folder of the same name is not taken.
    """
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "site-packages" / "flexispd")
    (tmp_path / "site-packages" / "profiles").mkdir(parents=True)

    with pytest.raises(SetupError, match="folder of profiles is missing"):
        resources.data_folder("profiles")
