"""The file of the ledger: made once, whole after anything, and honest about what is wrong with it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_making import arrival, new_ledger, record_one

from flexispd.errors import ConfigError, SetupError
from flexispd.ledger import Ledger, LedgerError, reports
from flexispd.ledger.store import NAME, SYNCED

FILLING = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from ledger_making import arrival, new_ledger, record_one, state_of
from flexispd.ledger import LedgerError, reports
disk = Path(sys.argv[1])
ledger = new_ledger(disk / "state")
ballast = disk / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
known = 0
try:
    for number in range(10_000):
        record_one(ledger, arrival(f"{number}.NEF"))
        known += 1
except LedgerError as error:
    print(error.problem, error.remedy)
assert sum(reports.counts(ledger).values()) == known, "all or nothing"
ballast.unlink()
assert record_one(ledger, arrival("after.NEF")) is not None
ledger.close()
print("goes on")
"""


def test_a_ledger_is_made_once_and_found_again(tmp_path: Path) -> None:
    """
    Making it again changes nothing in it.
    """
    ledger = new_ledger(tmp_path / "state")
    record_one(ledger, arrival("a.NEF"))
    ledger.close()

    for reach in (Ledger.create, Ledger.open):
        again = reach(tmp_path / "state")
        assert [record.id for record in reports.listed(again)] == [1]
        again.close()


def test_what_need_not_wait_for_the_disk_is_made_durable_later_and_only_once(tmp_path: Path) -> None:
    """
    A transaction that changed nothing would not be written to the disk, so each time something is noted.
    """
    ledger = new_ledger(tmp_path / "state")
    ledger.sync()
    assert ledger.setting(SYNCED) is None, "everything was durable"

    with ledger.writing(durable=False) as db:
        db.execute("insert into history (capture, at_s, state, reason) values (1, 0, 'queued', 'arrived')")
    ledger.sync()
    synced = ledger.setting(SYNCED)
    assert synced is not None

    ledger.sync()
    assert ledger.setting(SYNCED) == synced
    ledger.close()


def test_what_is_asked_again_and_again_is_read_anew_only_after_somebody_has_written(tmp_path: Path) -> None:
    """
    Be it this process or another.
    """
    ledger, other = new_ledger(tmp_path / "state"), Ledger.open(tmp_path / "state")
    query = "select count(*) from capture"
    none = ledger.kept_rows(query)
    assert ledger.kept_rows(query) is none

    for number, writer in enumerate((ledger, other), start=1):
        record_one(writer, arrival(f"{number}.NEF"))
        assert ledger.kept_rows(query)[0][0] == number
    ledger.close()
    other.close()


def test_opening_makes_nothing(tmp_path: Path) -> None:
    """
    A mistyped state folder stays absent, and the error says where to look.
    """
    with pytest.raises(SetupError, match="There is no ledger in"):
        Ledger.open(tmp_path / "typo")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """
    With the reason of the operating system.
    """
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerError, match="cannot be made"):
        Ledger.create(tmp_path / "file" / "state")


def test_a_ledger_of_another_form_is_left_alone(tmp_path: Path) -> None:
    """
    A newer flexispd made it; an older one must not guess.
    """
    new_ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / NAME) as other:
        other.execute("pragma user_version = 99")
    other.close()

    for reach in (Ledger.create, Ledger.open):
        with pytest.raises(ConfigError, match="has the form 99"):
            reach(tmp_path)


@pytest.mark.parametrize("damage", ["no database", "torn"])
def test_a_damaged_ledger_is_said_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    """
    It may still be mended from a backup.
    """
    ledger = new_ledger(tmp_path)
    for number in range(300):
        record_one(ledger, arrival(f"{number}.NEF"))
    ledger.close()
    file = tmp_path / NAME
    whole = file.read_bytes()
    broken = b"not a database" * 1000 if damage == "no database" else whole[:4096] + bytes(len(whole) - 4096)
    file.write_bytes(broken)

    with pytest.raises(SetupError, match="is damaged"):  # noqa: PT012  (some damage shows only when it is read)
        ledger = Ledger.open(tmp_path)
        try:
            list(reports.listed(ledger))
        finally:
            ledger.close()
    assert file.read_bytes() == broken


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """
    Also the parts of it that were transactions of their own.
    """
    ledger = new_ledger(tmp_path)

    with pytest.raises(KeyboardInterrupt), ledger.writing():  # noqa: PT012
        record_one(ledger, arrival("a.NEF"))
        raise KeyboardInterrupt

    assert list(reports.listed(ledger)) == []
    assert record_one(ledger, arrival("a.NEF")) is not None
    ledger.close()


def test_a_process_that_is_killed_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    """
    And what ended before is there.
    """
    new_ledger(tmp_path).close()
    script = (
        "import os, signal, sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from ledger_making import arrival, record_one; from flexispd.ledger import Ledger\n"
        "ledger = Ledger.open(Path(sys.argv[1])); record_one(ledger, arrival('a.NEF'))\n"
        "with ledger.writing():\n    record_one(ledger, arrival('b.NEF')); os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    subprocess.run([sys.executable, "-c", script, tmp_path, Path(__file__).parent.parent], check=False)

    ledger = Ledger.open(tmp_path)
    assert [record.capture.raw.name for record in reports.listed(ledger)] == ["a.NEF"]
    ledger.close()


def test_a_full_disk_is_an_error_that_passes(tmp_path: Path) -> None:
    """
    Nothing is half recorded, and it goes on when there is room again.
    """
    mount = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "$@"'
    words = [sys.executable, "-c", FILLING, str(tmp_path), str(Path(__file__).parent.parent)]
    namespace = ["unshare", "-rm"]
    if subprocess.run([*namespace, "sh", "-c", mount, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")

    done = subprocess.run([*namespace, "sh", "-c", mount, "sh", *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "cannot be used: database or disk is full. Make room on its disk; it goes on by itself." in done.stdout
    assert done.stdout.endswith("goes on\n")


def test_a_ledger_that_somebody_else_holds_is_an_error_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nobody waits for ever.
    """
    monkeypatch.setattr("flexispd.ledger.store.BUSY_S", 0.05)
    ledger = new_ledger(tmp_path)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("begin immediate")

    with pytest.raises(LedgerError, match="locked"):
        record_one(ledger, arrival("a.NEF"))

    other.execute("rollback")
    other.close()
    assert record_one(ledger, arrival("a.NEF")) is not None
    ledger.close()


def test_settings_hold_anything_that_json_has_and_can_be_forgotten(tmp_path: Path) -> None:
    """
    The few things that daemon and command line share.
    """
    ledger = new_ledger(tmp_path)

    assert ledger.setting("paused") is None
    assert ledger.setting("paused", {"at_s": 1}) == {"at_s": 1}
    ledger.set_setting("paused", {"at_s": 2.5})
    assert ledger.setting("paused") == {"at_s": 2.5}
    ledger.set_setting("paused", None)
    assert ledger.setting("paused") is None
    ledger.close()


def test_what_another_process_writes_is_noticed(tmp_path: Path) -> None:
    """
    Cheaply enough to ask every second.
    """
    ours, theirs = new_ledger(tmp_path), Ledger.open(tmp_path)
    before = ours.data_version()
    record_one(ours, arrival("a.NEF"))
    assert ours.data_version() == before

    record_one(theirs, arrival("b.NEF"))

    assert ours.data_version() != before
    ours.close()
    theirs.close()
