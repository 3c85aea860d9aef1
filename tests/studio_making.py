"""A studio for the commands: a configuration, an inbox with captures, and a ledger that a daemon worked with."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import pytest
from ledger_making import new_ledger, publish_one

from flexispd.capture.records import Arrival, Capture, Observation
from flexispd.cli.main import run
from flexispd.ledger import Ledger, arrivals


@dataclass
class Studio:
    """Folders, the configuration that names them, and an open ledger."""

    folder: Path
    ledger: Ledger
    capsys: pytest.CaptureFixture[str]
    error: str = field(default="")

    @property
    def inbox(self) -> Path:
        """Where captures arrive."""
        return self.folder / "inbox"

    @property
    def outbox(self) -> Path:
        """Where pictures go."""
        return self.folder / "outbox"

    @property
    def state(self) -> Path:
        """Where the ledger is."""
        return self.folder / "state"

    def arrive(self, name: str, content: str, *, at_s: float = 1000.0, doubt: str | None = None) -> int:
        """A file in the inbox, noticed and recorded; the id of its row."""
        raw = self.inbox / name
        raw.parent.mkdir(parents=True, exist_ok=True)
        raw.write_text(content)
        status = raw.stat()
        observed = {raw: Observation(status.st_size, status.st_mtime_ns, status.st_ctime_ns)}
        arrived = Arrival(self.inbox, PurePath(name).parent, Capture(raw), observed, doubt)
        return arrivals.record(self.ledger, [arrived], at_s, arrivals.LIVE)[0].id

    def publish(self, name: str, content: str | None = None, *, at_s: float = 1000.0, folder: str = "") -> int:
        """A capture that arrives and is rendered at once; the id of its row."""
        self.arrive(name, content or name, at_s=at_s)
        return publish_one(self.ledger, self.outbox, at_s, folder).id

    def run(self, *words: str) -> tuple[int, str]:
        """A command's exit status and what it printed on stdout; stderr is in `error`."""
        code = run([*words, "--config", str(self.folder / "config.toml")])
        printed = self.capsys.readouterr()
        self.error = printed.err
        return code, printed.out

    def json(self, *words: str) -> Any:
        """The document of a command that must succeed."""
        code, out = self.run(*words, "--json")
        assert code == 0, self.error
        return json.loads(out)


def write_config(folder: Path, extra: str = "") -> Path:
    """A configuration of folders side by side; they need not exist."""
    lines = [f"{key} = {json.dumps(str(folder / key))}" for key in ("inbox", "outbox", "state")]
    path = folder / "config.toml"
    path.write_text("\n".join([*lines, extra]) + "\n")
    return path


@pytest.fixture
def studio(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio in which nothing has happened yet."""
    monkeypatch.setenv("FLEXISPD_LOG_LEVEL", "warning")
    write_config(tmp_path)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "outbox").mkdir()
    made = Studio(tmp_path, new_ledger(tmp_path / "state"), capsys)
    yield made
    made.ledger.close()
