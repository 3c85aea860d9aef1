"""Whatever happens, in whatever order: the rules that the ledger never breaks."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ledger_making import INBOX, OUTBOX, arrival, finished, names, new_ledger, sha256

from flexispd.ledger import Record, State, arrivals, reports, requests, work

CAPTURES = st.sampled_from(["a/DSC1.NEF", "b/DSC1.NEF", "c.NEF"])
CONTENTS = st.sampled_from(["one", "two"])
LANES = st.sampled_from([arrivals.LIVE, arrivals.BACKLOG])


class LedgerMachine(RuleBasedStateMachine):
    """
    An inbox whose files come, change and go, workers that end in every way, and people who ask for things.

    `disk` is what the inbox holds: name -> (content, how often it was written).
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = new_ledger(Path(self.folder.name))
        self.disk: dict[str, tuple[str, int]] = {}
        self.written = 0
        self.at_s = 1000.0
        self.hashed: dict[int, str] = {}

    def teardown(self) -> None:
        """Close what was opened."""
        self.ledger.close()
        self.folder.cleanup()

    def running(self) -> list[Record]:
        """What workers have in their hands."""
        return list(reports.listed(self.ledger, State.RUNNING))

    @rule(name=CAPTURES, content=CONTENTS, lane=LANES, sidecar=st.booleans())
    def a_file_is_written_and_noticed(self, name: str, content: str, lane: int, sidecar: bool) -> None:
        """New, changed, or only touched."""
        self.written += 1
        self.disk[name] = (content, self.written)
        xmp = Path(name).with_suffix(".xmp").name
        found = arrival(name, changed=self.written, xmp=xmp) if sidecar else arrival(name, changed=self.written)
        arrivals.record(self.ledger, [found], self.at_s, lane)

    @rule()
    def the_inbox_is_scanned(self) -> None:
        """What is not there any more is noticed, and what is there is reported again."""
        arrivals.vanish(self.ledger, INBOX, self.at_s, self.is_gone)
        found = [arrival(name, changed=written) for name, (_, written) in self.disk.items()]
        arrivals.record(self.ledger, found, self.at_s, arrivals.BACKLOG)

    def is_gone(self, raw: Path) -> bool:
        """Whether a raw is not in the inbox."""
        return raw.relative_to(INBOX).as_posix() not in self.disk

    @rule(name=CAPTURES)
    def a_file_is_deleted(self, name: str) -> None:
        """Nobody notices until a scan or a worker does."""
        self.disk.pop(name, None)

    @rule(idle=st.booleans())
    def a_worker_takes_a_capture(self, idle: bool) -> None:
        """Its file may have changed or gone since it was recorded."""
        record = work.claim(self.ledger, self.at_s, idle=idle)
        if record is not None:
            assert record.state is State.RUNNING
            self.hashed.pop(record.id, None)

    @precondition(lambda self: bool(self.running()))
    @rule(data=st.data())
    def a_worker_reads_a_capture(self, data: st.DataObject) -> None:
        """Hashed, recognised, named; or found gone."""
        record = data.draw(st.sampled_from(self.running()))
        if self.is_gone(record.capture.raw):
            work.vanished(self.ledger, record.id, self.at_s)
            return
        content = self.disk[record.capture.raw.relative_to(INBOX).as_posix()][0]
        held = sha256(f"{content} {record.capture.xmp is not None}")
        if work.recognise(self.ledger, record.id, held, held, self.at_s) is None:
            work.name(self.ledger, record.id, names(record))
            self.hashed[record.id] = held

    @precondition(lambda self: bool(self.running()))
    @rule(data=st.data())
    def a_worker_finishes(self, data: st.DataObject) -> None:
        """Only what was hashed can be finished."""
        ready = [record for record in self.running() if record.id in self.hashed]
        if ready:
            record = data.draw(st.sampled_from(ready))
            assert record.target is not None
            work.finish(self.ledger, finished(record, record.target), OUTBOX, self.at_s)

    @precondition(lambda self: bool(self.running()))
    @rule(data=st.data(), end=st.sampled_from(["put back", "blame", "wait", "quarantine", "taken"]))
    def a_worker_does_not_finish(self, data: st.DataObject, end: str) -> None:
        """Every other end that work can have."""
        record = data.draw(st.sampled_from(self.running()))
        if end == "put back":
            work.put_back(self.ledger, [record.id], "the worker was replaced", self.at_s, suspect=True)
        elif end == "blame":
            work.blame(self.ledger, record.id, "it kills workers", self.at_s, failures_max=2)
        elif end == "wait":
            work.wait(self.ledger, record.id, "whole file", "it is cut off", self.at_s, due_s=self.at_s + 10)
        elif end == "quarantine":
            work.quarantine(self.ledger, record.id, "it is no raw", self.at_s)
        elif record.target is not None:
            work.name(self.ledger, record.id, names(record), another=True)

    @rule()
    def the_daemon_dies_and_starts(self) -> None:
        """Everything that was running is queued."""
        work.recover(self.ledger, self.at_s)
        assert not self.running()

    @rule(step_s=st.sampled_from([1.0, 20.0, 100.0]))
    def time_passes(self, step_s: float) -> None:
        """What waited is tried again."""
        self.at_s += step_s
        work.wake(self.ledger, self.at_s)

    @rule()
    def somebody_retries(self) -> None:
        """All that is quarantined."""
        requests.retry(self.ledger, None, self.at_s)

    @rule()
    def somebody_reprocesses(self) -> None:
        """All that has a picture."""
        requests.reprocess(self.ledger, requests.reprocessable(self.ledger), None, self.at_s)

    @invariant()
    def every_capture_has_one_current_version(self) -> None:
        """
        The latest; older ones are history, or are still on their way there.

        An older version can only be in the queue or with a worker while the newer one's bytes are not known, or until
        it has its own turn; a picture is never current beside a newer picture.
        """
        done = Counter(record.capture.raw for record in reports.listed(self.ledger, State.DONE))
        assert all(number == 1 for number in done.values()), done
        latest: dict[Path, Record] = {}
        for record in reports.listed(self.ledger):
            before = latest.get(record.capture.raw)
            if before is None or before.version < record.version:
                latest[record.capture.raw] = record
        for row in self.ledger.rows("select path, max(version) as version from capture group by path"):
            assert latest[Path(row["path"].decode())].version == row["version"]

    @invariant()
    def no_name_is_used_twice(self) -> None:
        """Also by versions that are history; a disk may be blind to case."""
        rows = self.ledger.rows("select target from capture where target is not null")
        targets = [row["target"].lower() for row in rows]
        assert len(targets) == len(set(targets))

    @invariant()
    def what_is_done_has_a_picture_and_a_duplicate_has_somebody_who_is_rendered(self) -> None:
        """A duplicate never waits for bytes that nobody renders."""
        twins = {record.id: record for state in State for record in reports.listed(self.ledger, state)}
        for record in twins.values():
            if record.state is State.DONE:
                assert record.outputs
                assert record.receipt is not None
            if record.state is State.DUPLICATE:
                assert record.twin is not None
                twin = twins[record.twin]
                assert twin.receipt is not None or twin.state not in (
                    State.VANISHED,
                    State.SUPERSEDED,
                    State.DUPLICATE,
                ), twin

    @invariant()
    def the_last_line_of_every_history_is_the_state(self) -> None:
        """So that what is told is what happened."""
        last = "select state from history where capture = capture.id order by history.id desc limit 1"
        rows = self.ledger.rows(f"select capture.state, ({last}) as told from capture")
        assert all(row["state"] == row["told"] for row in rows)


LedgerMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgerMachine = LedgerMachine.TestCase
