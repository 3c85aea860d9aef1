"""Scenarios 7, 9 to 11 and 36: watching fails in every way that it can, and nothing is missed."""

import shutil
import signal
import time
from pathlib import Path

import pytest
from faults_invariant import assert_invariant
from faults_namespace import Namespace
from faults_raws import raw_bytes
from faults_studio import Studio, wait_for

from flexispd.ledger import State, reports

REARM_S = 5.0


def reconciled(studio: Studio, *reasons: str) -> bool:
    return any(event.get("reason") in reasons for event in studio.events("reconcile"))


def test_scenario_07_sixty_thousand_creates_in_a_burst_are_all_known(studio: Studio) -> None:
    """
    The kernel's queue of events overflows, which is noticed, and the listing that follows finds everything.

    They are empty, so the scenario ends before each of them has been tried.
    """
    studio.configure(arrival={"scan_s": 600.0})
    studio.start()
    studio.wait_state(studio.drop("burst/IMG_first.nef", b"no raw"), State.WAITING)  # now the folder is watched
    studio.signal(signal.SIGSTOP)  # or the daemon reads the events as fast as they come
    for number in range(60_000):
        studio.drop(f"burst/IMG_{number:05}.nef", b"")
    studio.signal(signal.SIGCONT)

    def known() -> int:
        with studio.ledger() as ledger:
            assert ledger is not None
            return sum(reports.counts(ledger).values())

    wait_for(lambda: known() == 60_001, 240, "all of them in the ledger")

    assert reconciled(studio, "overflow"), studio.events("reconcile")
    resident_kb = int(Path(f"/proc/{studio.main_pid()}/status").read_text().split("VmHWM:")[1].split()[0])
    assert resident_kb < 400_000
    assert studio.stop() == 0
    assert_invariant(studio, idle=False)


def test_scenario_09_when_watches_run_out_it_scans_and_says_so(inside: Studio, namespace: Namespace) -> None:
    """
    10 watches for 31 folders: a warning names the sysctl and the number that is needed, and all 30 are rendered.
    """
    namespace.run("sh", "-c", "echo 10 > /proc/sys/user/max_inotify_watches")
    for number in range(30):
        inside.drop(f"folder{number:02}/frame.dng", raw_bytes(900 + number))
    inside.start()

    inside.wait_idle(120)

    assert [record.state for record in inside.records()] == [State.DONE] * 30
    warnings = [e for e in inside.events() if e.get("level") == "warning" and "max_user_watches" in str(e)]
    assert len(warnings) == 1, warnings
    assert "31" in str(warnings[0])
    later = inside.drop("folder29/deep/later.dng", raw_bytes(999))
    inside.wait_state(later, State.DONE)
    assert_invariant(inside)


def test_scenario_10_a_root_that_is_deleted_and_made_again_is_watched_again(studio: Studio) -> None:
    """
    Within 5 s, although the next scan is a minute away; what was rendered before stays as it is.
    """
    studio.configure(arrival={"scan_s": 60.0})
    studio.start()
    before = studio.drop("before.dng", raw_bytes(100))
    studio.wait_state(before, State.DONE)

    shutil.rmtree(studio.inbox)
    studio.inbox.mkdir()
    studio.originals.clear()
    wait_for(lambda: reconciled(studio, "root_recreated", "mount"), REARM_S, "watched again")
    after = studio.drop("after.dng", raw_bytes(101))

    studio.wait_state(after, State.DONE, deadline_s=REARM_S + 5)
    kept = studio.record(before)
    assert kept is not None
    assert kept.state is State.DONE
    assert_invariant(studio)


def test_scenario_11_a_renamed_root_is_forgotten_and_the_new_one_watched(studio: Studio) -> None:
    """
    What happens in the renamed folder is not the inbox's any more.
    """
    studio.configure(arrival={"scan_s": 60.0})
    studio.start()
    before = studio.drop("before.dng", raw_bytes(110))
    studio.wait_state(before, State.DONE)

    elsewhere = studio.folder / "elsewhere"
    studio.inbox.rename(elsewhere)
    studio.inbox.mkdir()
    studio.originals.clear()
    (elsewhere / "stranger.dng").write_bytes(raw_bytes(111))
    wait_for(lambda: reconciled(studio, "root_recreated", "mount"), REARM_S, "watched again")
    after = studio.drop("after.dng", raw_bytes(112))

    studio.wait_state(after, State.DONE, deadline_s=REARM_S + 5)
    assert {record.capture.raw.name for record in studio.records()} == {"before.dng", "after.dng"}
    assert_invariant(studio)


@pytest.mark.parametrize("fault", ["watch-handler-raises", "emitter-dies"])
def test_scenario_36_a_watcher_that_breaks_is_set_up_again(studio: Studio, fault: str) -> None:
    """
    Its callback raises, or its thread dies: everything is listed at once, and later files are noticed as before.
    """
    studio.configure(arrival={"scan_s": 60.0})
    studio.inject(fault)
    studio.start()

    first = studio.drop("first.dng", raw_bytes(360))

    studio.wait_state(first, State.DONE, deadline_s=20)
    assert studio.struck()
    assert reconciled(studio, "handler_error"), studio.events("reconcile")
    started = time.monotonic()
    second = studio.drop("deeper/second.dng", raw_bytes(361))
    studio.wait_state(second, State.DONE, deadline_s=20)
    assert time.monotonic() - started < 20
    assert_invariant(studio)
