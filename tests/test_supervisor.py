"""The loop of the daemon, as far as it can be seen without a real worker."""

import signal
import threading
import time
from pathlib import PurePath

import pytest
from test_dispatch import start_idle

from flexispd.capture.inbox import Note, Step
from flexispd.capture.records import Arrival, Capture, Observation
from flexispd.config import config_text, parse_config
from flexispd.errors import SetupError
from flexispd.ledger import Ledger, LedgerError, State, arrivals, profiles, reports, work
from flexispd.presence import hold
from flexispd.profile import load_with_text
from flexispd.readiness import choose_profile, set_profile
from flexispd.signals import Signals
from flexispd.supervisor import Supervisor


@pytest.fixture
def supervisor(tmp_path):
    """One that has not begun, with a worker that is not ready."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    folders = [tmp_path / name for name in ("in", "out", "state")]
    for folder in folders:
        folder.mkdir()
    settings = "[output]\nfree_min_mb = 0\n"
    keys = zip(("inbox", "outbox", "state"), folders, strict=True)
    config = parse_config(
        "\n".join(f'{key} = "{folder}"' for key, folder in keys) + "\n" + settings, tmp_path / "config.toml"
    )
    ledger = Ledger.create(config.state)
    set_profile(ledger, config)
    lock = hold(config.state)
    supervisor = Supervisor(config, ledger, lock, Signals(), once=True)
    worker = start_idle("auto")
    worker.started_s = time.monotonic()
    supervisor._dispatch.workers.append(worker)
    yield supervisor
    supervisor._dispatch.kill_all()
    ledger.close()
    lock.release()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_fault_in_the_loop_ends_the_workers_too(supervisor, monkeypatch):
    """
    A process does not end before its children, and workers listen to no signal: it would stay for ever, doing nothing.
    """

    def faulty(*_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(supervisor, "_turn", faulty)
    (worker,) = supervisor._dispatch.workers
    with pytest.raises(RuntimeError, match="a fault"):
        supervisor.run()
    assert not worker.process.is_alive()


def test_one_run_over_an_inbox_that_is_not_there_says_that_something_was_not_done(supervisor):
    """
    A script that renders a card has to know that there was no card.
    """
    supervisor.config.inboxes[0].rmdir()
    assert supervisor.run() == 1


def test_a_folder_that_cannot_be_read_is_an_error_that_status_tells(supervisor):
    """
    Nobody would see otherwise that its captures are missing: a capture that is not seen is in no list.
    """
    inbox = supervisor.config.inboxes[0]
    note = Note("inbox.unreadable", "warning", {"folder": "/in/closed", "problem": "Permission denied"})
    step = Step(inbox, [], [], None, None, [note], 0, "events", None, True)
    supervisor._take_step(supervisor._inboxes[0], step)

    trouble = supervisor._status(time.time(), "working").last_error
    assert trouble["event"] == "inbox.unreadable"
    assert trouble["problem"] == "/in/closed cannot be read: Permission denied."
    assert supervisor.run() == 1  # or a script would take the card for rendered


def test_one_run_over_an_empty_inbox_is_a_success(supervisor):
    """
    There was nothing to do, and all of it is done.
    """
    assert supervisor.run() == 0


def test_one_run_with_an_outbox_that_is_blocked_from_the_start_ends(supervisor):
    """
    With what it found in the queue, and exit code 1.
    """
    raw = supervisor.config.inboxes[0] / "a.nef"
    raw.write_bytes(b"a raw")
    supervisor._outbox.free_min_mb = 1 << 40
    too_long = threading.Timer(30, supervisor._signals._note, (signal.SIGTERM, None))
    too_long.start()
    assert supervisor.run() == 1
    too_long.cancel()
    assert not supervisor._signals.stop
    assert reports.counts(supervisor._ledger)[State.QUEUED] == 1


def test_what_waited_for_an_inbox_that_is_configured_no_more_does_not_wait_for_ever(supervisor, tmp_path):
    """
    Nobody would tell of the return of its volume; so it is tried once after a start.
    """
    raw = tmp_path / "another" / "a.nef"
    arrived = Arrival(raw.parent, PurePath(), Capture(raw), {raw: Observation(1, 2, 3)})
    arrivals.record(supervisor._ledger, [arrived], 0.0, arrivals.LIVE)
    work.wait(supervisor._ledger, 1, "volume", "the inbox is not there", 0.0)
    supervisor._signals.stop = True
    supervisor.run()
    assert reports.counts(supervisor._ledger)[State.QUEUED] == 1


def test_while_the_ledger_is_blocked_a_step_that_seems_long_is_no_reason_to_be_restarted(supervisor, monkeypatch):
    """
    Nobody listens to the workers then; a restart would find the same ledger, and give up after five.
    """
    fed = []
    monkeypatch.setattr(supervisor._notifier, "watchdog", lambda: fed.append(1))
    (worker,) = supervisor._dispatch.workers
    monkeypatch.setattr(type(worker), "stuck", lambda *_: object())
    supervisor._tell(time.monotonic() + 1, time.time())
    assert not fed

    supervisor._ledger_failed(LedgerError("full", remedy="Make room."), time.time())
    supervisor._tell(time.monotonic() + 2, time.time())
    assert fed


@pytest.mark.parametrize("name", ["ledger.sqlite", "daemon.lock"])
def test_it_ends_when_its_own_files_are_taken_away(supervisor, name):
    """
    It would write where nobody reads, or a second daemon could start beside it; nothing of that is ever said otherwise.
    """
    path = supervisor.config.state / name
    supervisor._take_requests(1.0)
    path.rename(path.with_name("elsewhere"))
    path.touch()

    with pytest.raises(SetupError, match="removed or replaced"):
        supervisor._take_requests(2.0)


def test_a_reload_that_meets_a_broken_profile_keeps_the_look_and_says_so(supervisor, tmp_path):
    """
    Also where the fault is in a file that the profile extends.
    """
    config, ledger = supervisor.config, supervisor._ledger

    def active_contrast():
        active = profiles.active(ledger)
        return active and active.render.contrast

    config.path.write_text(config_text({"inbox": config.inboxes, "outbox": config.outbox, "state": config.state}))
    base, mine = tmp_path / "base.toml", tmp_path / "mine.toml"
    base.write_text("[render]\ncontrast = 1.4\n")
    mine.write_text("extends = 'base.toml'\n")
    choose_profile(ledger, config, str(mine), *load_with_text(mine))
    base.write_text("[render]\ncontrast = 14\n")

    supervisor._reload()

    assert supervisor._trouble.event == "config.refused"
    assert "base.toml, line 2, column 12: [render] contrast must lie in" in supervisor._trouble.problem
    assert active_contrast() == 1.4

    base.write_text("[render]\ncontrast = 1.5\n")
    supervisor._reload()

    assert active_contrast() == 1.5
