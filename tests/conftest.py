"""What every test may use: where the camera files are, and a place for profiles that is nobody's home."""

import os
import time
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["studio_making"]

# Chosen where it is handed down to those that run beside each other: they have to agree on the names of all tests.
os.environ.setdefault("FLEXISPD_SEED", str(time.time_ns() % 1_000_000))
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # or the threads of one test wait for another's

# A busy machine is no fault: what has to be fast is measured, not tested.
hypothesis.settings.register_profile("timeless", deadline=None)
hypothesis.settings.load_profile("timeless")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """
    Folder of real camera files, `data` in the `shared` folder beside the checkout.

    A checkout elsewhere does not have it, so a test that needs it skips; where continuous integration promises it
    (CI=true), its absence is a failure, because a run that silently skipped proves nothing.
    """
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        reason = f"the camera files are not here: no folder {folder}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Empty folders in the place of ~/.config, ~/.local/share and ~/.local/state.

    What the user of this machine has there stays out.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    for name in ("FLEXISPD_CONFIG", "FLEXISPD_WEIGHTS", "FLEXISPD_DEBUG", "FLEXISPD_LOG", "FLEXISPD_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
