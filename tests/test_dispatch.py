"""What follows from what a worker says, and from how it ends."""

import errno
import multiprocessing
import signal
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from flexispd.capture.records import Arrival, Capture, Observation
from flexispd.config import parse_config
from flexispd.dispatch import Dispatcher
from flexispd.errors import ConfigError
from flexispd.failures import Failures
from flexispd.jobs import (
    Drop,
    Failed,
    Finished,
    Go,
    Hashed,
    Job,
    Named,
    OutputWritten,
    Ready,
    Stage,
    Taken,
    Unready,
    WorkerOptions,
)
from flexispd.ledger import Ledger, LedgerError, Record, State, arrivals, profiles, reports, work
from flexispd.outbox import Outbox
from flexispd.profile import load_with_text, parse_profile
from flexispd.workers import Worker

MINUTE = 60.0


class Bench:
    """A dispatcher with one worker, whose part the test speaks; its process does nothing but live."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.inbox, self.outbox = folder / "in", folder / "out"
        for made in (self.inbox, self.outbox):
            made.mkdir()
        text = f'inbox = "{self.inbox}"\noutbox = "{self.outbox}"\nstate = "{folder / "state"}"\n{settings}'
        self.config = parse_config(text, folder / "config.toml")
        self.ledger = Ledger.create(self.config.state)
        profile, text = load_with_text("natural")
        profiles.set_active(self.ledger, profile, text)
        self.gate = Outbox(self.outbox, 0, None, lambda: None)
        self.gate.problem = None
        self.present, self.gone = True, False
        failures = Failures(self.config, self.ledger, self.gate, lambda _: self.present, lambda *_: self.gone)
        self.dispatch = Dispatcher(self.config, self.ledger, self.gate, failures)
        context = multiprocessing.get_context("spawn")
        ours, self.pipe = context.Pipe()
        process = context.Process(target=signal.pause, daemon=True)
        process.start()
        options = WorkerOptions("auto", profile, 1, 1 << 20)
        self.worker = Worker(options, process, ours, 0.0)
        self.dispatch.workers.append(self.worker)
        self.now_s, self.at_s = 0.0, 1_000_000.0
        self.say(Ready("cpu", ("cpu",), 1.0))

    def arrive(self, *names: str, live: bool = True) -> None:
        """Captures, in this order."""
        for name in names:
            raw = self.inbox / name
            arrival = Arrival(self.inbox, PurePath(), Capture(raw), {raw: Observation(1, 2, 3)})
            arrivals.record(self.ledger, [arrival], self.at_s, arrivals.LIVE if live else arrivals.BACKLOG)

    def say(self, *messages: object) -> None:
        """The worker, which has been given what there was, says something, and is heard."""
        self.step()
        for message in messages:
            self.pipe.send(message)
        self.step()

    def step(self, *, hand_out: bool = True, later_s: float = 0.0) -> None:
        """One turn, some time later."""
        self.now_s += later_s
        self.at_s += later_s
        self.dispatch.step(self.now_s, self.at_s, hand_out=hand_out)

    def heard(self) -> list[object]:
        """What the worker was told since the last time."""
        told = []
        while self.pipe.poll():
            told.append(self.pipe.recv())
        return told

    def record(self, id_: int) -> Record:
        record = work.get(self.ledger, id_)
        assert record is not None
        return record

    def state(self, id_: int) -> State:
        return self.record(id_).state

    def die(self) -> None:
        """The worker's process ends, and that is noticed."""
        self.dispatch.workers[0].process.kill()
        self.dispatch.workers[0].process.join()
        self.dispatch._start_due_s = float("inf")  # nobody takes its place: these tests need no second process
        self.dispatch._look_after(self.worker, self.now_s, self.at_s)

    def close(self) -> None:
        for worker in self.dispatch.workers:
            worker.process.kill()
            worker.process.join()
        self.gate.close()
        self.ledger.close()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def start_idle(device: str) -> Worker:
    """A worker that is not ready, and whose process does nothing but live."""
    context = multiprocessing.get_context("spawn")
    ours, _ = context.Pipe()
    process = context.Process(target=signal.pause, daemon=True)
    process.start()
    return Worker(WorkerOptions(device, load_with_text("natural")[0], 1, 1 << 20), process, ours, 0.0)


def jobs(told: list[object]) -> list[str]:
    return [message.capture.raw.name for message in told if isinstance(message, Job)]


def test_one_job_is_read_while_another_is_on_the_device(bench):
    """
    Two at a time; a third when one is only being written.
    """
    bench.arrive("a.nef", "b.nef", "c.nef", "d.nef", live=False)
    bench.step()
    assert jobs(bench.heard()) == ["a.nef", "b.nef"]

    bench.say(Stage(1, "publish"))
    bench.step()
    assert jobs(bench.heard()) == ["c.nef"]


def test_nothing_is_handed_out_while_nothing_can_be_written(bench):
    """
    A picture that nobody could keep is not worth rendering.
    """
    bench.gate.problem = "full"
    bench.arrive("a.nef")
    bench.step()

    assert bench.heard() == []
    assert bench.state(1) is State.QUEUED


def test_a_name_is_given_and_kept(bench):
    """
    The bytes are asked about first; a job that is tried again keeps its name.
    """
    bench.arrive("a.nef")
    bench.say(Hashed(1, "raw", "all"))
    assert bench.heard()[1:] == [Go(1, bench.outbox / "a.natural")]

    bench.say(Failed(1, "transient", "I/O error.", "Try."))
    bench.step(later_s=5 * MINUTE)
    bench.step()
    bench.say(Hashed(1, "raw", "all"))
    assert bench.heard()[-1] == Go(1, bench.outbox / "a.natural")


def test_a_name_that_is_taken_makes_room_for_another(bench):
    """
    A file of somebody else's is left alone, and the picture gets its raw's whole name.
    """
    bench.arrive("a.nef")
    bench.say(Hashed(1, "raw", "all"), Taken(1))

    assert bench.heard()[-1] == Go(1, bench.outbox / "a.nef.natural")


def test_a_name_that_needs_the_shot_is_asked_for_twice(tmp_path):
    """
    A template with the date in it waits until the file has been read.
    """
    bench = Bench(tmp_path, '[output]\nname = "{date}/{camera}/{stem}"\n')
    bench.arrive("a.nef")
    bench.say(Hashed(1, "raw", "all"))
    assert bench.heard()[-1] == Go(1, None)

    bench.say(Named(1, "2026:11:22 21:05:06", "Canon EOS D30"))
    assert bench.heard()[-1] == Go(1, bench.outbox / "2026-11-22" / "Canon-EOS-D30" / "a")

    bench.say(Taken(1))
    assert bench.heard()[-1] == Go(1, bench.outbox / "2026-11-22" / "Canon-EOS-D30" / "a.nef")
    bench.close()


def test_the_same_bytes_are_rendered_once(bench):
    """
    The second capture is closed as a duplicate and dropped.
    """
    bench.arrive("a.nef", "b.nef", live=False)
    bench.say(Hashed(1, "raw", "all"), Hashed(2, "raw", "all"))

    assert Drop(2) in bench.heard()
    assert bench.state(2) is State.DUPLICATE
    assert list(bench.worker.tasks) == [1]


def test_what_was_published_is_in_the_ledger(bench):
    """
    The outputs' names are kept relative to the outbox, with their hashes.
    """
    bench.arrive("a.nef")
    target = bench.outbox / "a.natural"
    written = OutputWritten(target.with_name("a.natural.jpg"), "f" * 64, 10)
    receipt = target.with_name("a.natural.json")
    bench.say(Hashed(1, "raw", "all"))
    bench.say(Finished(1, receipt, (written,), False, (), {"decode": 5.0}, "cpu", "Canon", None))

    record = bench.record(1)
    assert (record.state, record.receipt) == (State.DONE, PurePath("a.natural.json"))
    assert record.outputs == (("a.natural.jpg", "f" * 64, 10),)
    assert bench.worker.tasks == {}


def test_a_worker_that_dies_with_one_job_has_its_job_blamed(bench):
    """
    Three such ends, and the capture is quarantined.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.die()

    record = bench.record(1)
    assert (record.state, record.failures, record.suspect) == (State.QUEUED, 1, True)
    assert "SIGKILL" in record.reason


def test_a_worker_that_dies_with_several_blames_nobody(bench):
    """
    Each will be tried alone, so that the guilty one is found and the others are rendered.
    """
    bench.arrive("a.nef", "b.nef")
    bench.step()
    bench.die()

    for id_ in (1, 2):
        record = bench.record(id_)
        assert (record.state, record.failures, record.suspect) == (State.QUEUED, 0, True)


def test_a_suspect_is_alone_in_its_worker(bench):
    """
    Nothing is handed out beside it, however much is queued.
    """
    bench.arrive("a.nef", "b.nef", "c.nef", live=False)
    work.put_back(bench.ledger, [2], "a worker died", bench.at_s, suspect=True)
    bench.step()
    assert jobs(bench.heard()) == ["b.nef"]

    bench.step()
    assert bench.heard() == []


def test_a_job_that_hangs_is_blamed_and_its_neighbour_is_not(bench):
    """
    The step that is running too long tells who it is.
    """
    bench.arrive("a.nef", "b.nef", live=False)
    bench.step()
    bench.say(Stage(1, "develop"))
    bench.step(later_s=bench.config.worker.job_timeout_s + 1)
    assert "no progress" in bench.worker.condemned
    bench.die()

    assert bench.record(1).failures == 1
    neighbour = bench.record(2)
    assert (neighbour.failures, neighbour.suspect) == (0, False)


def test_a_device_that_fails_costs_the_worker_and_one_try_of_the_frame(bench):
    """
    What a poisoned device gives is not trusted: its process ends.
    """
    bench.arrive("a.nef", "b.nef", live=False)
    bench.say(Failed(1, "device", "CUDA error.", "Replace."))
    assert bench.worker.condemned is not None
    bench.die()

    assert bench.record(1).failures == 1
    assert bench.record(2).failures == 0


def test_an_incomplete_file_waits_and_is_quarantined_only_when_it_stays_so(bench):
    """
    It is tried again, more and more rarely, until it is time to say that nothing more is coming.
    """
    bench.arrive("a.nef")
    bench.step()
    tries = 0
    started_s = bench.at_s
    while bench.state(1) is not State.QUARANTINED:
        bench.say(Failed(1, "incomplete", "It ends in the middle.", "Copy it again."))
        tries += 1
        if bench.state(1) is State.QUARANTINED:
            break
        record = bench.record(1)
        assert (record.state, record.cause) == (State.WAITING, "whole file")
        bench.step(later_s=record.due_s - bench.at_s)
        bench.step()

    assert bench.at_s - started_s == pytest.approx(bench.config.arrival.incomplete_s)
    assert 5 < tries < 15


def test_a_file_that_cannot_be_read_is_never_given_up(bench):
    """
    A network may be away for hours; the file is tried again every five minutes at least.
    """
    bench.arrive("a.nef")
    bench.step()
    for _ in range(40):
        bench.say(Failed(1, "transient", "Stale file handle.", "Wait."))
        record = bench.record(1)
        assert (record.state, record.cause) == (State.WAITING, "file access")
        assert record.due_s - bench.at_s <= 300
        bench.step(later_s=record.due_s - bench.at_s)
        bench.step()


def test_a_capture_whose_sidecar_was_removed_is_rendered_without(bench):
    """
    Its raw is there: it has not vanished, and what nobody can bring back is not waited for.
    """
    bench.arrive("a.nef", "b.png")
    raw, png = bench.inbox / "a.nef", bench.inbox / "b.png"
    for capture in (Capture(raw, xmp=raw.with_suffix(".xmp")), Capture(png, json=png.with_suffix(".json"))):
        observed = {path: Observation(1, 2, 3) for path in capture.files()}
        arrivals.record(bench.ledger, [Arrival(bench.inbox, PurePath(), capture, observed)], bench.at_s, arrivals.LIVE)
    bench.dispatch.failures._gone = lambda _, path: path.suffix in (".xmp", ".json")

    bench.say(Failed(1, "vanished", "a.xmp does not exist.", "Look."))
    bench.say(Failed(2, "vanished", "b.json does not exist.", "Look."))

    assert bench.record(1).capture == Capture(raw)
    assert [entry.reason for entry in reports.history(bench.ledger, 1)][-2:] == ["a.xmp went away", "given to a worker"]
    assert (bench.state(2), bench.record(2).cause) == (State.WAITING, "metadata")
    assert bench.record(2).reason == "waiting for b.json"


def test_a_file_that_is_gone_has_vanished_unless_its_volume_has(bench):
    """
    An absent volume is waited for; a file that nobody finds for a minute is not.
    """
    bench.arrive("a.nef", "b.nef", live=False)
    bench.step()
    bench.present = False
    bench.say(Failed(1, "vanished", "Gone.", "Look."))
    assert bench.record(1).cause == "volume"

    bench.present = True
    started_s = bench.at_s
    while bench.state(2) is not State.VANISHED:
        bench.say(Failed(2, "vanished", "Gone.", "Look."))
        bench.step(later_s=max(bench.record(2).due_s - bench.at_s, 0.0))
        bench.step()
    assert MINUTE <= bench.at_s - started_s <= 3 * MINUTE


def test_a_volume_that_goes_before_its_inbox_notices_has_taken_no_capture_with_it(bench):
    """
    Files that come back as they were are no news to an inbox, so a capture must not end because of a short absence.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.say(Failed(1, "vanished", "Gone.", "Look."))
    assert (bench.state(1), bench.record(1).cause) == (State.WAITING, "file access")

    bench.step(later_s=bench.record(1).due_s - bench.at_s)
    assert bench.state(1) is State.RUNNING


def test_a_full_disk_closes_the_outbox_for_everybody(bench):
    """
    The frame waits without blame, and nothing else is handed out until there is room.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.arrive("b.nef", "c.nef")
    bench.heard()
    bench.say(Failed(1, "blocked", "There is no space left.", "Make room."))

    record = bench.record(1)
    assert (record.state, record.cause, record.failures) == (State.WAITING, "outbox", 0)
    assert "no space" in bench.gate.problem

    work.release(bench.ledger, "outbox", bench.at_s, "there is room")
    assert bench.state(1) is State.QUEUED


def test_a_bug_in_one_frame_is_counted_and_the_worker_goes_on(bench):
    """
    After three tries the capture is put aside with the reason.
    """
    bench.arrive("a.nef")
    bench.step()
    for _ in range(3):
        bench.say(Failed(1, "bug", "IndexError", "Report it.", "Traceback ..."))

    assert bench.state(1) is State.QUARANTINED
    assert bench.worker.condemned is None
    assert bench.dispatch.failures.quarantined == 1


def test_a_raw_that_can_never_be_rendered_is_put_aside_at_once(bench):
    """
    Waiting would not help.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.say(Failed(1, "unsupported", "X-Trans.", "Use another program."))

    assert bench.state(1) is State.QUARANTINED
    assert "X-Trans" in bench.record(1).reason


def test_new_settings_replace_the_workers_after_what_they_hold(bench):
    """
    A worker under the old settings gets nothing more, and ends when it is empty.
    """
    bench.arrive("a.nef")
    bench.step()
    changed = replace(bench.config, worker=replace(bench.config.worker, threads=2))
    bench.dispatch.replace_all(changed)
    bench.dispatch._start_due_s = float("inf")
    bench.arrive("b.nef")
    bench.heard()
    bench.step()
    assert bench.heard() == []
    assert bench.worker.condemned is None

    bench.say(Failed(1, "unsupported", "X-Trans.", "Use another program."))
    assert bench.worker.condemned == "the settings changed"


def test_stopping_puts_back_what_was_in_flight(bench):
    """
    Without blame: the frame had nothing to do with it.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.dispatch.stop(bench.now_s, bench.at_s)

    record = bench.record(1)
    assert (record.state, record.failures, record.suspect) == (State.QUEUED, 0, False)
    assert not bench.worker.process.is_alive()


def test_a_ledger_that_fails_while_a_capture_is_handed_out_leaves_it_in_the_queue(bench, monkeypatch):
    """
    Nothing counts as running that no worker has: only a restart would find it again.
    """

    def blocked(*_):
        raise LedgerError("disk I/O error", remedy="Wait.")

    bench.arrive("a.nef")
    with monkeypatch.context() as patched:
        patched.setattr(profiles, "snapshot", blocked)
        with pytest.raises(LedgerError):
            bench.step()
    assert bench.state(1) is State.QUEUED

    bench.step()
    assert jobs(bench.heard()) == ["a.nef"]


def test_a_worker_that_dies_before_it_is_ready_is_why_nothing_is_rendered(bench):
    """
    It has said nothing about itself, for example because a library is broken; whoever waits for it has to know.
    """
    bench.worker.device = None
    bench.die()
    assert "SIGKILL" in (bench.dispatch.problem or "")


def test_one_device_that_fails_is_no_reason_while_another_works(bench):
    """
    Pictures appear all the same.
    """
    second = start_idle("cuda:1")
    bench.dispatch.workers.append(second)
    second.process.kill()
    second.process.join()
    bench.dispatch._look_after(second, bench.now_s, bench.at_s)

    assert bench.dispatch.problem is None
    assert bench.dispatch.ready


def test_a_worker_that_the_system_has_no_room_for_is_tried_again(bench, monkeypatch):
    """
    No memory for a process today is no reason to end the daemon.
    """

    def full(*_):
        raise OSError(errno.EAGAIN, "no more processes")

    bench.die()
    monkeypatch.setattr("flexispd.dispatch.start_worker", full)
    bench.dispatch._start_due_s = 0.0
    bench.step()
    assert "cannot be started" in (bench.dispatch.problem or "")
    assert bench.dispatch._start_due_s > bench.now_s


def test_a_capture_for_which_no_name_is_left_is_put_aside_and_the_next_one_rendered(bench, monkeypatch):
    """
    An outbox full of strange files must not end the daemon, again and again.
    """
    monkeypatch.setattr(work, "NAMES_MAX", 0)
    bench.arrive("a.nef")
    bench.step()
    bench.heard()
    bench.say(Hashed(1, "raw", "content"))

    assert bench.state(1) is State.QUARANTINED
    assert bench.heard() == [Drop(1)]


def test_a_device_that_fails_with_one_capture_after_another_is_ill_itself(bench):
    """
    Nobody but the first is blamed, and the device gets more and more time between two tries until it renders something.
    """
    bench.arrive("a.nef", "b.nef", live=False)
    bench.say(Failed(1, "device", "CUDA error.", "Replace."), Failed(2, "device", "CUDA error.", "Replace."))

    assert (bench.record(1).failures, bench.record(2).failures) == (1, 0)
    assert bench.state(2) is State.QUEUED
    assert "CUDA error" in bench.dispatch.failures.ill_device

    bench.dispatch.failures.rendered()
    assert bench.dispatch.failures.ill_device is None


def test_missing_networks_are_waited_for(bench):
    """
    A profile whose networks are gone is no fault of its captures.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.say(Failed(1, "setup", "The networks are missing.", "Import them."))

    assert (bench.state(1), bench.record(1).cause) == (State.WAITING, "networks")
    assert bench.record(1).due_s > bench.at_s


def test_networks_that_are_not_what_they_should_be_end_the_start(bench):
    """
    Starting again would not help, so it is an error of the configuration; later it would be a pause.
    """
    bench.say(Unready("denoise.safetensors is no network.", "Install again.", weights=True))

    with pytest.raises(ConfigError, match="no network"):
        bench.die()


def test_a_file_that_its_inbox_knows_to_be_gone_is_not_looked_for(bench):
    """
    It has vanished at once; should it come back, it arrives again.
    """
    bench.arrive("a.nef")
    bench.step()
    bench.gone = True
    bench.say(Failed(1, "vanished", "Gone.", "Look."))

    assert bench.state(1) is State.VANISHED


def test_what_a_dead_worker_left_half_written_is_removed_from_every_folder_of_its_look(bench):
    """
    Its exports may have folders of their own, beside the receipt; what others have there stays.
    """
    text = "[[export]]\n[[export]]\nfolder = 'web'\n"
    profiles.set_active(bench.ledger, parse_profile(text, "two-sizes"), text)
    bench.arrive("a.nef")
    bench.step()
    bench.say(Hashed(1, "1" * 64, "2" * 64))
    left = [bench.outbox / ".flexispd-0123456789abcdef.tmp", bench.outbox / "web" / ".flexispd-0123456789abcdef.tmp"]
    (bench.outbox / "web").mkdir()
    for path in (*left, bench.outbox / "web" / "mine.jpg"):
        path.write_bytes(b"half")

    assert bench.dispatch.folders(bench.record(1)) == (bench.outbox, bench.outbox / "web")
    bench.die()
    bench.gate.settle(10.0)

    assert not any(path.exists() for path in left)
    assert (bench.outbox / "web" / "mine.jpg").exists()
