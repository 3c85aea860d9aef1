"""Studios for the fault scenarios; the helpers beside this file are imported by name."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_manager import Manager
from faults_namespace import Namespace
from faults_studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A studio of its own, whose daemon has not been started."""
    made = Studio(tmp_path / "studio")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One daemon for all tests of a module; each has a folder of the inbox to itself."""
    made = Studio(tmp_path_factory.mktemp("shared") / "studio")
    home = tmp_path_factory.mktemp("home")
    names = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(home / name) for name in names})
    yield made
    made.close()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Disks and limits of this test's own."""
    made = Namespace()
    yield made
    made.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager to talk to."""
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def inside(namespace: Namespace, tmp_path: Path) -> Iterator[Studio]:
    """A studio whose daemon runs in the namespace."""
    made = Studio(tmp_path / "studio", namespace.prefix, namespace.root)
    yield made
    made.close()
    shutil.rmtree(tmp_path / "studio", ignore_errors=True)
