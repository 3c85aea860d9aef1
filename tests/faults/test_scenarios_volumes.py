"""Scenarios 12 to 17: disks that are absent, full, read-only or forbidden make it wait, and never lose anything."""

import os
import time
from pathlib import Path
from typing import Any

from faults_invariant import assert_invariant
from faults_manager import Manager
from faults_namespace import Namespace
from faults_raws import raw_bytes
from faults_studio import Studio, wait_for

from flexispd.ledger import State
from flexispd.presence import read_status

NO_PRIVILEGES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
"""Root may do everything, everywhere; without these two it is a user like others."""


def status(studio: Studio) -> dict[str, Any]:
    return read_status(studio.seen(studio.state)) or {}


def blocked(studio: Studio) -> str:
    """What the daemon says keeps it from working."""
    said = status(studio).get("blocked")
    return "" if said is None else str(said["reason"])


def absent(studio: Studio) -> str:
    """What the daemon says of its first inbox."""
    inboxes = status(studio).get("inboxes") or [{}]
    return str(inboxes[0].get("absent") or "")


def fill(disk: Path, left_bytes: int) -> Path:
    """Fill a disk up to so much."""
    filler = disk / "filler"
    room = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(b"\1" * max(room.f_bavail * room.f_frsize - left_bytes, 0))
    return filler


def test_scenario_12_an_inbox_that_is_unmounted_is_absent_and_not_empty(inside: Studio, namespace: Namespace) -> None:
    """
    Nothing is marked deleted, there is no storm of errors, and when it returns with new files they are rendered.
    """
    namespace.mount(inside.inbox)
    first = inside.drop("first.dng", raw_bytes(120))
    inside.start()
    inside.wait_state(first, State.DONE)
    inside.pause()
    queued = inside.drop("queued.dng", raw_bytes(121))
    inside.wait_state(queued, State.QUEUED)

    namespace.unmount(inside.inbox)
    kept = dict(inside.originals)
    inside.originals.clear()
    wait_for(lambda: absent(inside), 10, "the inbox is said to be absent")
    events = len(inside.events())
    time.sleep(3)  # scan_s is 1: time for a storm
    assert len(inside.events()) - events <= 3
    record = inside.record(queued)
    assert record is not None
    assert record.state is not State.VANISHED
    assert_invariant(inside, idle=False)

    namespace.mount(inside.inbox)
    for number, path in enumerate(kept):
        data = raw_bytes(120 + number)
        inside.drop(path.name, data)
    third = inside.drop("third.dng", raw_bytes(122))
    assert inside.cli("resume").returncode == 0
    for path in (first, queued, third):
        inside.wait_state(path, State.DONE)
    wait_for(lambda: not absent(inside), 5, "the status says that it is there")
    assert all(record.state is not State.VANISHED for record in inside.records())
    assert_invariant(inside)


def test_scenario_13_a_mount_point_without_its_volume_is_not_written_to(inside: Studio, namespace: Namespace) -> None:
    """
    At the start neither the inbox's nor the outbox's volume is there: it waits, and puts nothing on the disk below.
    """
    namespace.mount(inside.inbox)
    namespace.mount(inside.outbox, "4m")
    first = inside.drop("first.dng", raw_bytes(130))
    inside.start()
    inside.wait_state(first, State.DONE)
    assert inside.stop() == 0
    namespace.unmount(inside.inbox)
    namespace.unmount(inside.outbox)

    inside.start()
    wait_for(lambda: absent(inside) and blocked(inside), 10, "both volumes are said to be absent")

    record = inside.record(first)
    assert record is not None
    assert record.state is State.DONE
    assert list(inside.outbox.iterdir()) == []
    namespace.mount(inside.inbox)
    namespace.mount(inside.outbox, "4m")
    inside.originals.clear()
    second = inside.drop("second.dng", raw_bytes(131))
    inside.wait_state(second, State.DONE)
    assert list(inside.outbox.iterdir()) == []
    assert inside.stop() == 0


def test_scenario_13_an_outbox_that_goes_while_it_runs_is_not_written_to(inside: Studio, namespace: Namespace) -> None:
    """
    Not even by the capture that arrives in the next moment: its picture would be out of sight when the volume returns.
    """
    namespace.mount(inside.outbox, "4m")
    inside.start()
    first = inside.drop("first.dng", raw_bytes(132))
    inside.wait_state(first, State.DONE)

    namespace.unmount(inside.outbox)
    second = inside.drop("second.dng", raw_bytes(133))
    wait_for(lambda: "not mounted" in blocked(inside), 20, "the volume is missed")

    record = inside.record(second)
    assert record is not None
    assert record.state in (State.WAITING, State.QUEUED)
    assert list(inside.outbox.iterdir()) == []
    namespace.mount(inside.outbox, "4m")
    inside.wait_state(second, State.DONE)
    assert list(inside.outbox.iterdir()) == []
    assert inside.stop() == 0


def test_scenario_14_an_outbox_that_fills_up_pauses_and_goes_on(inside: Studio, namespace: Namespace) -> None:
    """
    In the middle of writing: no temporary is left, the status says so, and with space again the frame is rendered once.
    """
    namespace.mount(inside.outbox)
    inside.start()
    filler = fill(inside.seen(inside.outbox), left_bytes=12 << 10)
    inside.foreign.add(inside.outbox / "filler")
    frame = inside.drop("frame.dng", raw_bytes(140, edge_px=400))

    wait_for(lambda: "space" in blocked(inside), 20, "the status says that the disk is full")

    record = inside.record(frame)
    assert record is not None
    assert record.state in (State.WAITING, State.QUEUED)
    assert [path for path in inside.outbox_files() if path.name != "filler"] == []
    filler.unlink()
    inside.wait_state(frame, State.DONE, deadline_s=40)
    wait_for(lambda: not blocked(inside), 5, "the status says that all is well")
    assert_invariant(inside)


def test_scenario_15_an_outbox_that_turns_read_only_pauses_and_goes_on(inside: Studio, namespace: Namespace) -> None:
    """
    Captures are still found and listed, and rendered when it can be written to again.
    """
    namespace.mount(inside.outbox, "4m")
    inside.start()
    # A second mount on top, because the first has a log file open for writing and could not be turned.
    namespace.run("mount", "--bind", str(inside.outbox), str(inside.outbox))
    namespace.run("mount", "-o", "remount,bind,ro", str(inside.outbox))
    frames = [inside.drop(f"frame{number}.dng", raw_bytes(150 + number)) for number in range(3)]

    wait_for(lambda: "ead-only" in blocked(inside), 20, "the status says that it is read-only")

    for frame in frames:
        record = inside.wait_state(frame, State.WAITING, State.QUEUED)
        assert record.outputs == ()
    namespace.unmount(inside.outbox)
    for frame in frames:
        inside.wait_state(frame, State.DONE, deadline_s=40)
    assert_invariant(inside)


def test_scenario_16_an_outbox_without_permission_pauses_and_says_so_once(studio: Studio) -> None:
    """
    One message a minute at most, whatever is queued.
    """
    studio.start(wrapper=NO_PRIVILEGES)
    studio.outbox.chmod(0)
    try:
        frames = [studio.drop(f"frame{number}.dng", raw_bytes(160 + number)) for number in range(5)]
        wait_for(lambda: "ermission" in blocked(studio) or "ermitted" in blocked(studio), 20, "the status says so")
        time.sleep(6)  # several tries
        assert len([event for event in studio.events() if event["event"] == "outbox.blocked"]) <= 2
    finally:
        studio.outbox.chmod(0o755)

    for frame in frames:
        studio.wait_state(frame, State.DONE, deadline_s=40)
    assert_invariant(studio)


def test_scenario_16_a_quota_that_is_used_up_pauses_and_goes_on(studio: Studio) -> None:
    """
    The reason is the quota, nothing half-written is left, and it goes on by itself.
    """
    studio.inject("quota-used-up:2")
    studio.start()
    frame = studio.drop("frame.dng", raw_bytes(169))

    waiting = studio.wait_state(frame, State.WAITING)
    assert waiting.cause == "outbox"
    assert "quota" in waiting.reason
    studio.wait_state(frame, State.DONE, deadline_s=40)
    assert_invariant(studio)


def test_scenario_17_when_the_disk_of_the_ledger_is_full_nothing_is_published(
    inside: Studio, namespace: Namespace, manager: Manager
) -> None:
    """
    What the ledger cannot remember does not appear; the service's status says why; with space it goes on by itself.
    """
    namespace.mount(inside.state, "2m")
    inside.environment = {"NOTIFY_SOCKET": str(manager.path)}
    inside.start()
    inside.wait_state(inside.drop("before.dng", raw_bytes(170)), State.DONE)
    filler = fill(inside.seen(inside.state), left_bytes=0)
    frames = [inside.drop(f"frame{number}.dng", raw_bytes(171 + number)) for number in range(4)]

    wait_for(lambda: inside.events("ledger.blocked"), 30, "the ledger's disk is full")
    wait_for(lambda: any("STATUS=" in line and "full" in line for line in manager.lines()), 10, "STATUS says so")

    time.sleep(2)
    assert len(inside.outputs()) <= 1 + len(frames)
    assert len(inside.events("ledger.blocked")) <= 2
    filler.unlink()
    for frame in frames:
        inside.wait_state(frame, State.DONE, deadline_s=40)
    assert_invariant(inside)


def test_the_inbox_is_never_written_to(studio: Studio) -> None:
    """
    Everything works where the folder and the files of the inbox may only be read.
    """
    path = studio.drop("sub/frame.dng", raw_bytes(180))
    for place in (path, path.parent, studio.inbox):
        place.chmod(0o555)
    try:
        studio.start(wrapper=NO_PRIVILEGES)
        studio.wait_state(path, State.DONE)
        assert_invariant(studio)
    finally:
        for place in (studio.inbox, path.parent):
            place.chmod(0o755)


def test_a_read_only_card_is_rendered(inside: Studio, namespace: Namespace) -> None:
    """
    An inbox on a medium that takes no write, as from a card reader with its lock set.
    """
    namespace.mount(inside.inbox)
    path = inside.drop("frame.dng", raw_bytes(181))
    namespace.remount(inside.inbox, "ro")
    inside.start()

    inside.wait_state(path, State.DONE)
    assert_invariant(inside)
