"""One watched folder, from files on a disk to arrivals; the clock is the test's, and errands are done at once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flexispd.capture import watch as watching
from flexispd.capture.errands import Errands
from flexispd.capture.inbox import HANGING_S, Inbox, Step
from flexispd.capture.listing import Listing, Survey
from flexispd.capture.pair import Reason
from flexispd.capture.watch import Watch
from flexispd.config import ArrivalParams


class AtOnce(Errands[Survey | None]):
    """Errands that are done when they are sent for, or not at all while the disk hangs."""

    def __init__(self) -> None:
        self.hangs = False
        self._job: Callable[[], Survey | None] | None = None
        self._since_s: float | None = None

    def send(self, job: Callable[[], Survey | None], now_s: float) -> None:
        assert self._job is None
        self._job, self._since_s = job, now_s

    def answer(self) -> Survey | BaseException | None:
        if self.hangs or self._job is None:
            return None
        job, self._job, self._since_s = self._job, None, None
        try:
            return job()
        except Exception as error:
            return error

    def close(self) -> None:
        pass


class Bench:
    """An inbox in a folder, and everything that it tells."""

    def __init__(self, root: Path, mount: Path | None = None, ignore: tuple[str, ...] = (), **params: Any) -> None:
        self.root = root
        self.now_s = 1000.0
        self.errands = AtOnce()
        self.steps: list[Step] = []
        arrival = ArrivalParams(**{"watch": "scan", **params})
        self.inbox = Inbox(root, arrival, ignore, lambda: None, mount, clock=lambda: self.now_s, errands=self.errands)

    def run(self, seconds: float) -> None:
        """Let time pass, from one thing that is due to the next."""
        end_s = self.now_s + seconds
        while True:
            self.steps.append(self.inbox.step(self.now_s))
            due_s = self.inbox.next_due_s()
            if self.errands.since_s is not None and not self.errands.hangs:
                continue  # it is done by now, and the thread would wake us
            if due_s is None or due_s > end_s:
                break
            self.now_s = max(due_s, self.now_s + 0.001)
        self.now_s = end_s

    def taken(self) -> "Taken":
        """What was told since the last call."""
        steps, self.steps = self.steps, []
        return Taken(self.root, steps)


class Taken:
    def __init__(self, root: Path, steps: list[Step]) -> None:
        arrivals = [arrival for step in steps for arrival in step.arrivals]
        self.arrivals = sorted(str(arrival.capture.raw.relative_to(root)) for arrival in arrivals)
        self.doubts = [arrival.doubt for arrival in arrivals if arrival.doubt]
        self.gone = sorted(str(path.relative_to(root)) for step in steps for path in step.gone)
        self.present = [step.present for step in steps if step.present is not None]
        self.leftovers = [step.leftovers for step in steps if step.leftovers is not None]
        self.notes = [(note.event, note.fields) for step in steps for note in step.notes]
        self.reasons = [fields["reason"] for event, fields in self.notes if event == "reconcile"]
        self.absent = steps[-1].absent
        self.last = steps[-1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    root.mkdir()
    return root


@pytest.fixture
def bench(root: Path) -> Iterator[Bench]:
    bench = Bench(root)
    yield bench
    bench.inbox.close()


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")


def test_what_was_there_before_arrives(root: Path, bench: Bench) -> None:
    """
    All of it, once, with what is left over; and all pictures are named at first.
    """
    fill(root, "DSC1.NEF", "a/DSC2.dng", "a/DSC2.json", "night.png", "orphan.json")
    bench.run(5)
    taken = bench.taken()

    assert taken.arrivals == ["DSC1.NEF", "a/DSC2.dng", "night.png"]
    assert taken.doubts == ["waiting for night.json"]
    assert taken.present == [{root / "DSC1.NEF", root / "a/DSC2.dng", root / "night.png"}]
    assert taken.leftovers == [{root / "orphan.json": Reason.NO_PICTURE}]
    assert taken.reasons[0] == "startup"
    assert taken.last.settling == 0
    assert taken.last.listed
    assert bench.inbox.mount is not None

    bench.run(500)
    taken = bench.taken()
    assert (taken.arrivals, taken.gone, taken.present, taken.leftovers) == ([], [], [], [])
    assert set(taken.reasons) == {"timer"}


def test_listings_find_everything_without_any_hint(root: Path, bench: Bench) -> None:
    """
    New trees, changed files, and what has gone.
    """
    bench.run(5)
    fill(root, "card/DCIM/DSC1.NEF", "DSC2.NEF")
    bench.run(8)
    assert bench.taken().arrivals == ["DSC2.NEF", "card/DCIM/DSC1.NEF"]

    (root / "DSC2.NEF").write_bytes(b"longer")
    shutil.rmtree(root / "card")
    bench.run(12)
    taken = bench.taken()
    assert taken.arrivals == ["DSC2.NEF"]
    assert taken.gone == ["card/DCIM/DSC1.NEF"]


def test_a_file_that_grows_is_taken_when_it_is_whole(root: Path, bench: Bench) -> None:
    """
    However slowly it is written.
    """
    raw = root / "DSC1.NEF"
    for length in range(1, 8):
        raw.write_bytes(b"x" * length)
        bench.run(1.5)
    assert bench.taken().arrivals == []

    bench.run(4)
    assert bench.taken().arrivals == ["DSC1.NEF"]


def test_listing_takes_a_bounded_share_of_the_time(root: Path) -> None:
    """
    Every `scan_s` where changes are told, else every two seconds.
    """
    scan, events = Bench(root), Bench(root, watch="events")
    for bench in (scan, events):
        bench.run(301)
        bench.inbox.close()

    assert 140 <= len(scan.taken().reasons) <= 152
    assert events.taken().reasons == ["startup", *["timer"] * 10]


def test_a_long_listing_comes_less_often(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    At most a two hundredth of the time is spent on them, however many files there are.
    """
    bench = Bench(root, watch="events")
    scan = bench.inbox._lookout.scan

    def slow(anew: bool) -> Survey:
        survey = scan(anew)
        survey.ended_s = survey.began_s + 0.5
        return survey

    monkeypatch.setattr(bench.inbox._lookout, "scan", slow)
    bench.run(301)
    bench.inbox.close()

    assert bench.taken().reasons == ["startup", "timer", "timer", "timer"]


def test_events_only_hurry(root: Path) -> None:
    """
    A hint leads to a look long before the next listing, and a doubt to a listing at once.
    """
    bench = Bench(root, watch="events")
    bench.run(3)
    assert bench.taken().last.mode == "events: the configuration says so"

    fill(root, "DSC1.NEF")
    hint(bench, root / "DSC1.NEF")
    bench.run(2.5)
    taken = bench.taken()
    assert taken.arrivals == ["DSC1.NEF"]
    assert taken.reasons == []

    for doubt in ("overflow", "handler_error"):
        watch_of(bench).doubt(doubt)
        bench.run(0.5)
        assert bench.taken().reasons == [doubt]
        assert watch_of(bench).armed
    bench.inbox.close()


def test_hints_that_come_while_the_disk_is_silent_are_kept_and_limited(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Too many become a listing.
    """
    monkeypatch.setattr(watching, "HINTS_MAX", 10)
    bench = Bench(root, watch="events")
    bench.run(3)
    bench.taken()
    bench.errands.hangs = True
    bench.inbox.submit(root / "x.NEF", bench.now_s)
    for number in range(30):
        fill(root, f"DSC{number}.NEF")
        hint(bench, root / f"DSC{number}.NEF")
        bench.run(0.1)
        assert len(bench.inbox._hints) <= 10
    bench.errands.hangs = False
    bench.run(3)
    taken = bench.taken()

    assert taken.reasons == ["overflow"]
    assert len(taken.arrivals) == 30
    bench.inbox.close()


def test_a_root_that_is_made_again_is_watched_anew_and_nothing_is_gone(root: Path) -> None:
    """
    Its captures were not deleted by anybody who meant them.
    """
    bench = Bench(root, watch="events")
    fill(root, "DSC1.NEF")
    bench.run(5)
    bench.taken()

    root.rename(root.with_name("old"))
    root.mkdir()
    fill(root, "DSC2.NEF")
    bench.run(10)
    taken = bench.taken()

    assert taken.reasons == ["root_recreated"]
    assert taken.arrivals == ["DSC2.NEF"]
    assert taken.gone == []
    bench.inbox.close()


def test_an_absent_inbox_is_said_once_and_awaited(root: Path, bench: Bench) -> None:
    """
    Nothing is gone meanwhile, and nothing is told twice when it comes back.
    """
    fill(root, "DSC1.NEF", "DSC2.NEF")
    bench.run(5)
    bench.taken()

    root.rename(root.with_name("away"))
    bench.run(60)
    taken = bench.taken()
    assert taken.absent == f"{root} is not there."
    assert [event for event, _ in taken.notes if event != "reconcile"] == ["inbox.absent"]
    assert (taken.gone, taken.arrivals) == ([], [])

    root.with_name("away").rename(root)
    fill(root, "DSC3.NEF")
    (root / "DSC2.NEF").unlink()
    bench.run(6)
    taken = bench.taken()
    assert taken.absent is None
    assert taken.reasons[0] == "mount"
    assert taken.arrivals == ["DSC3.NEF"]
    assert taken.gone == []


def test_a_mount_point_without_its_volume_is_not_believed(root: Path) -> None:
    """
    It is known from an earlier life that something was mounted there.
    """
    bench = Bench(root, mount=root)
    fill(root, "DSC1.NEF")
    bench.run(10)
    taken = bench.taken()

    assert taken.absent == f"The volume that holds {root} is not mounted at {root}."
    assert (taken.arrivals, taken.present, taken.last.listed) == ([], [], False)
    assert bench.inbox.mount is None


def test_a_disk_that_does_not_answer_holds_nobody_up(root: Path, bench: Bench) -> None:
    """
    It is said, and when it answers all goes on.
    """
    bench.run(3)
    bench.errands.hangs = True
    fill(root, "DSC1.NEF")
    bench.run(HANGING_S + 5)
    taken = bench.taken()
    assert taken.absent == f"{root} does not answer; its file system may hang."
    assert [event for event, _ in taken.notes].count("inbox.absent") == 1

    bench.errands.hangs = False
    bench.run(6)
    taken = bench.taken()
    assert taken.absent is None
    assert taken.arrivals == ["DSC1.NEF"]


def test_a_slow_disk_is_not_a_silent_one(bench: Bench) -> None:
    """
    A long listing answers all the time.
    """
    bench.run(3)
    bench.errands.hangs = True
    for _ in range(4):
        bench.run(HANGING_S - 1)
        bench.inbox._lookout._listing.answered_s = bench.now_s

    assert bench.taken().absent is None


def test_a_submitted_file_arrives_at_once_with_what_belongs_to_it(root: Path, bench: Bench) -> None:
    """
    Also when nobody has seen it before.
    """
    bench.run(3)
    bench.taken()
    fill(root, "new/DSC1.NEF", "new/DSC1.json", "DSC2.NEF")

    bench.inbox.submit(root / "new/DSC1.NEF", bench.now_s)
    bench.run(0.1)
    assert bench.taken().arrivals == ["new/DSC1.NEF"]

    bench.inbox.submit(root / "missing.NEF", bench.now_s)
    bench.run(0.1)
    assert ("inbox.not_submitted", {"file": f"{root}/missing.NEF"}) in bench.taken().notes


def test_a_listing_may_be_asked_for(root: Path, bench: Bench) -> None:
    """
    It begins at once, and names all pictures again.
    """
    fill(root, "DSC1.NEF")
    bench.run(5)
    bench.taken()

    bench.inbox.rescan("manual", bench.now_s)
    bench.run(0.1)
    taken = bench.taken()
    assert taken.reasons == ["manual"]
    assert taken.present == [{root / "DSC1.NEF"}]


def test_the_users_patterns_are_ignored(root: Path) -> None:
    """
    Besides the usual ones.
    """
    bench = Bench(root, ignore=("*_proxy.*",))
    fill(root, "DSC1.NEF", "DSC1_proxy.NEF", "DSC2.NEF.part")
    bench.run(5)

    assert bench.taken().arrivals == ["DSC1.NEF"]


def test_a_fault_in_the_thread_is_told_once_and_tried_again(
    root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With everything that was known, and whatever was asked.
    """
    fill(root, "DSC1.NEF")
    bench.run(1)
    bench.taken()
    with monkeypatch.context() as broken:
        broken.setattr(Listing, "scan", fault)
        broken.setattr(Listing, "look", fault)
        bench.run(60)
    taken = bench.taken()
    assert [event for event, _ in taken.notes] == ["inbox.failed"]

    bench.run(30)
    assert bench.taken().arrivals == ["DSC1.NEF"]


def test_running_out_of_watches_is_told_with_the_setting_and_the_number(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The folder is listed often instead, and after a while watching is tried again.
    """
    fill(root, "a/DSC1.NEF", "b/DSC2.NEF")
    add = Watch.add

    def none_left(watch: Watch, folder: str) -> None:
        if folder != str(root):
            watch.disarm()
            watch.doubt("watch_limit")
        else:
            add(watch, folder)

    with monkeypatch.context() as limited:
        limited.setattr(Watch, "add", none_left)
        bench = Bench(root, watch="events")
        bench.run(5)
        taken = bench.taken()
        assert ("watch.limit", {"setting": "fs.inotify.max_user_watches", "folders": 3}) in taken.notes
        assert taken.reasons[:2] == ["startup", "watch_limit"]
        assert taken.last.mode == "scan: fs.inotify.max_user_watches is too low"
        assert taken.arrivals == ["a/DSC1.NEF", "b/DSC2.NEF"]
        bench.run(100)
        assert len(bench.taken().reasons) > 40

    bench.inbox.close()
    bench = Bench(root, watch="events")
    bench.run(3)
    assert bench.taken().last.mode.startswith("events")
    bench.inbox.close()


def test_nothing_in_an_inbox_is_touched(root: Path, bench: Bench) -> None:
    """
    Neither content nor times nor names.
    """
    fill(root, "DSC1.NEF", "a/DSC1.json", "x.part")
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in sorted(root.rglob("*"))}
    bench.run(60)

    assert {path: (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in sorted(root.rglob("*"))} == before


def test_the_thread_answers_and_wakes() -> None:
    """
    With what was found or what went wrong, in the order of the errands.
    """
    wakes: list[int] = []
    errands: Errands[int] = Errands(lambda: wakes.append(1), "errands")

    def fail() -> int:
        raise KeyError

    answers: list[object] = []
    for job in (lambda: 7, fail):
        errands.send(job, 5.0)
        assert errands.since_s == 5.0
        while (answer := errands.answer()) is None:
            pass
        answers.append(answer)
        assert errands.since_s is None
    errands.close()

    assert answers[0] == 7
    assert isinstance(answers[1], KeyError)


def fault(*_: object) -> None:
    raise KeyError("a fault")


def watch_of(bench: Bench) -> Watch:
    return bench.inbox._watch


def hint(bench: Bench, path: Path) -> None:
    watch_of(bench).hint(str(path))
