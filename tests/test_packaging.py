"""An installation has everything a checkout has: profiles, weights, units and the hook travel in the wheel."""

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
    for name in ("profiles", "weights", "systemd"):
        shipped = {path.name for path in (REPOSITORY / name).iterdir() if path.is_file() and path.name[0] != "."}
        assert shipped
        assert {path.name for path in (installed / "flexispd" / "_data" / name).iterdir()} >= shipped
    assert list(installed.glob("flexispd-*.dist-info/licenses/LICENSE"))
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"flexispd"}


@pytest.mark.parametrize("arguments", [["profile", "list"], ["weights", "verify"], ["service", "hook"], ["--version"]])
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


def test_the_service_can_be_installed_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """
    Units, drop-ins and the hook are there, and the hook is a program.
    """
    units = installed / "flexispd/_data/systemd"
    assert (units / "flexispd.service.d/inbox.conf.example").is_file()
    (wheel,) = installed.parent.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        hook = archive.getinfo("flexispd/hooks/flexispd-gphoto2-hook")
    assert hook.external_attr >> 16 & 0o111 == 0o111  # pip makes a program of it then

    script = "from flexispd.cli.main import main; main()"
    words = ["service", "install", "--system", "--root", str(tmp_path), "--config", str(tmp_path / "config.toml")]
    (tmp_path / "config.toml").write_text('inbox = "/srv/in"\noutbox = "/srv/out"\n')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/flexispd").write_text("#!/bin/sh\n")
    (tmp_path / "bin/flexispd").chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(installed), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "etc/systemd/system/flexispd.service").is_file()


def test_a_crippled_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without its data the program names the folder and the remedy; a stranger's folder of the same name is not taken.
    """
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "site-packages" / "flexispd")
    (tmp_path / "site-packages" / "profiles").mkdir(parents=True)

    with pytest.raises(SetupError, match="folder of profiles is missing"):
        resources.data_folder("profiles")
