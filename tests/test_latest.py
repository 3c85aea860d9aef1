"""Which capture is the newest, who is asked to show it, and whose file latest.jpg is."""

from pathlib import Path, PurePath

import pytest
from test_dispatch import Bench

from flexispd.capture.records import Arrival, Capture, Observation
from flexispd.config import parse_config
from flexispd.dispatch import Dispatcher
from flexispd.failures import Failures
from flexispd.jobs import Finished, Hashed, Job, OutputWritten, Permit, Show, Showable, Shown
from flexispd.latest import OURS_MAX, SETTING
from flexispd.ledger import Record, arrivals, work


class Viewer(Bench):
    """A dispatcher whose captures arrive while somebody watches."""

    def arrive(self, *names: str, live: bool = True) -> None:
        """A burst: all in one turn. `a.nef+` comes with its companion."""
        self.observe([(name, 1) for name in names], live=live)

    def observe(self, files: list[tuple[str, int]], *, live: bool = True, sidecar: str | None = None) -> None:
        """Captures with a size, as an inbox tells of them."""
        found = []
        for name, size_bytes in files:
            raw = self.inbox / name.removesuffix("+")
            companion = raw.with_suffix(".JPG") if name.endswith("+") else None
            capture = Capture(raw, xmp=raw.with_suffix(sidecar) if sidecar else None, companion=companion)
            observed = {file: Observation(size_bytes if file == raw else 1, 2, 3) for file in capture.files()}
            found.append(Arrival(self.inbox, PurePath(), capture, observed))
        recorded = arrivals.record(self.ledger, found, self.at_s, arrivals.LIVE if live else arrivals.BACKLOG)
        if live:
            self.dispatch.latest.arrived(found, recorded)

    def finish(self, id_: int, name: str, *extensions: str) -> None:
        """The worker has rendered this one, each file larger than the one before."""
        pictures = tuple(
            OutputWritten(self.outbox / f"{name}.natural{extension}", "f" * 64, size_bytes)
            for size_bytes, extension in enumerate(extensions or (".jpg",), start=10)
        )
        receipt = self.outbox / f"{name}.natural.json"
        self.say(Hashed(id_, f"raw {id_}", f"all {id_}"))
        self.say(Finished(id_, receipt, pictures, False, (), {}, "cpu", None, None))

    def shows(self) -> list[Show]:
        """What the worker was asked to show since the last time."""
        self.step()
        return [message for message in self.heard() if isinstance(message, Show)]

    def permit(self, number: int, sha256: str, standing: str | None) -> bool:
        """Whether it may."""
        self.say(Showable(number, sha256, standing))
        (permit,) = (message for message in self.heard() if isinstance(message, Permit))
        assert permit.number == number
        return permit.granted

    def ours(self) -> list[str]:
        found: list[str] = self.ledger.setting(SETTING)
        return found

    def record(self, id_: int) -> Record:
        """One row."""
        record = work.get(self.ledger, id_)
        assert record is not None
        return record

    def restart(self) -> None:
        """Another daemon with the same ledger; the worker stays, for it is not the point."""
        failures = Failures(self.config, self.ledger, self.gate, lambda _: self.present, lambda *_: False)
        self.dispatch = Dispatcher(self.config, self.ledger, self.gate, failures)
        self.dispatch.workers.append(self.worker)


@pytest.fixture
def viewer(tmp_path):
    viewer = Viewer(tmp_path)
    yield viewer
    viewer.close()


def seen(shows: list[Show]) -> list[tuple[str, str | None]]:
    return [(show.capture.raw.name, show.picture.name if show.picture else None) for show in shows]


def test_of_a_burst_the_newest_is_shown_at_once(viewer):
    """
    Before it is rendered, and before the others.
    """
    viewer.arrive("a.nef", "b.nef", "c.nef+")
    (show,) = viewer.shows()

    assert (show.capture.raw, show.capture.companion) == (viewer.inbox / "c.nef", viewer.inbox / "c.JPG")
    assert (show.target, show.picture) == (viewer.outbox / "latest.jpg", None)
    assert viewer.shows() == []


def test_a_worker_that_is_busy_is_asked_all_the_same(viewer):
    """
    It has a thread for that; a backlog delays nothing.
    """
    viewer.arrive("a.nef", "b.nef", "c.nef", "d.nef", live=False)
    viewer.step()
    assert not viewer.worker.has_room
    viewer.heard()
    viewer.arrive("e.nef")

    assert seen(viewer.shows()) == [("e.nef", None)]


def test_the_picture_follows_when_it_is_finished_and_still_the_newest(viewer):
    """
    Then it is better than the preview.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.finish(1, "a")

    assert seen(viewer.shows()) == [("a.nef", "a.natural.jpg")]


def test_a_copy_of_a_finished_capture_looks_like_that_one(viewer):
    """
    It is never rendered itself, and a preview would stay for ever.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.finish(1, "a")
    viewer.arrive("copy.nef")
    viewer.shows()
    viewer.say(Hashed(2, "raw 1", "all 1"))

    assert seen(viewer.shows()) == [("copy.nef", "a.natural.jpg")]


def test_a_copy_of_a_capture_that_is_being_rendered_waits_for_it(viewer):
    """
    Its preview is as good until then.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.say(Hashed(1, "raw 1", "all 1"))
    viewer.arrive("copy.nef")
    viewer.shows()
    viewer.say(Hashed(2, "raw 1", "all 1"))
    assert viewer.shows() == []
    viewer.finish(1, "a")

    assert seen(viewer.shows()) == [("copy.nef", "a.natural.jpg")]


def test_the_picture_of_an_older_capture_is_not_shown(viewer):
    """
    Nobody looks back while shooting.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.arrive("b.nef")
    viewer.shows()
    viewer.finish(1, "a")

    assert viewer.shows() == []


def test_of_several_jpegs_the_largest_is_shown(viewer):
    """
    A profile may write a small one for the web first; a copy of the capture is shown the same.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.finish(1, "a", ".web.jpg", ".jpg", ".tif")
    assert seen(viewer.shows()) == [("a.nef", "a.natural.jpg")]

    viewer.arrive("copy.nef")
    viewer.shows()
    viewer.say(Hashed(2, "raw 1", "all 1"))
    assert seen(viewer.shows()) == [("copy.nef", "a.natural.jpg")]


def test_a_picture_that_is_no_jpeg_is_not_shown(viewer):
    """
    The preview stays.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.finish(1, "a", ".tif")

    assert viewer.shows() == []


def test_backlog_is_not_shown(viewer):
    """
    What was there when the daemon started has not just been taken.
    """
    viewer.arrive("a.nef", live=False)

    assert viewer.shows() == []
    viewer.finish(1, "a")
    assert viewer.shows() == []


def test_a_companion_that_comes_after_its_raw_is_shown(viewer):
    """
    The raw may have no preview inside.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.arrive("a.nef+")
    assert [show.capture.companion for show in viewer.shows()] == [viewer.inbox / "a.JPG"]

    viewer.finish(1, "a")
    viewer.shows()
    viewer.arrive("a.nef+")
    assert viewer.shows() == []


def test_a_sidecar_that_joins_an_older_capture_makes_it_no_newer(viewer):
    """
    Its new version is rendered, but the shot is the old one.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.finish(1, "a")
    viewer.arrive("b.nef")
    viewer.shows()
    viewer.observe([("a.nef", 1)], sidecar=".xmp")

    assert viewer.record(3).version == 2
    assert viewer.shows() == []


def test_a_raw_that_is_written_anew_is_the_newest(viewer):
    """
    Cameras count from 9999 to 0001, and some programs write every frame to the same name.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.finish(1, "a")
    viewer.arrive("b.nef")
    viewer.shows()
    viewer.observe([("a.nef", 77)])

    assert seen(viewer.shows()) == [("a.nef", None)]


def test_nothing_is_shown_while_nothing_can_be_written(viewer):
    """
    Afterwards the newest is.
    """
    viewer.gate.problem = "full"
    viewer.arrive("a.nef")
    viewer.arrive("b.nef")
    assert viewer.shows() == []

    viewer.gate.problem = None
    assert seen(viewer.shows()) == [("b.nef", None)]


def test_nothing_is_shown_while_a_person_has_paused(viewer):
    """
    The outbox may be on its way to another disk.
    """
    viewer.arrive("a.nef")
    viewer.step(hand_out=False)
    assert viewer.heard() == []

    assert seen(viewer.shows()) == [("a.nef", None)]


def test_it_can_be_switched_off_and_on(viewer):
    """
    On reload.
    """
    text = f'inbox = "{viewer.inbox}"\noutbox = "{viewer.outbox}"\nstate = "{viewer.config.state}"\n'
    off = parse_config(f"{text}[output]\nlatest = false\n", viewer.config.path)
    viewer.dispatch.replace_all(off)
    viewer.arrive("a.nef")
    assert viewer.shows() == []

    viewer.dispatch.replace_all(viewer.config)
    assert seen(viewer.shows()) == [("a.nef", None)]


def test_what_will_be_written_is_ours_before_it_is_there(viewer):
    """
    Whether a worker died before it wrote or after, the next one may go on; a restart changes nothing.
    """
    assert viewer.permit(1, "first", None)
    assert viewer.ours() == ["first"]
    assert viewer.permit(2, "second", "first")
    assert viewer.ours() == ["first", "second"]

    viewer.restart()
    assert viewer.permit(1, "third", "first")
    assert viewer.permit(2, "fourth", "third")


def test_somebody_elses_file_is_left_alone(viewer):
    """
    Also one that took the place of ours; when it is moved away, all goes on.
    """
    assert viewer.permit(1, "first", None)
    assert not viewer.permit(2, "second", "theirs")
    assert not viewer.permit(3, "third", "")
    assert viewer.ours() == ["first"]
    assert viewer.permit(4, "fourth", None)


def test_the_hashes_that_are_kept_are_few(viewer):
    """
    The one that stands there is always among them.
    """
    viewer.permit(1, "standing", None)
    for number in range(2, 100):
        assert viewer.permit(number, f"failed {number}", "standing")

    assert len(viewer.ours()) == OURS_MAX + 2
    assert viewer.ours()[-2:] == ["standing", "failed 99"]


def test_a_worker_that_dies_over_a_preview_takes_nobody_down(viewer):
    """
    The job beside it is not blamed, and the preview not asked for again.
    """
    viewer.arrive("a.nef")
    assert seen(viewer.shows()) == [("a.nef", None)]
    viewer.die()

    record = viewer.record(1)
    assert (record.failures, record.suspect) == (0, True)
    assert not viewer.dispatch.latest._wanted


def test_a_worker_that_has_shown_it_is_blamed_as_before(viewer):
    """
    Its end has another cause.
    """
    viewer.arrive("a.nef")
    viewer.shows()
    viewer.say(Shown(1, Path("/in/a.nef"), None))
    viewer.die()

    assert viewer.record(1).failures == 1


def test_a_wish_waits_until_there_is_a_worker(viewer):
    """
    And the newest of them is the one that is fulfilled.
    """
    viewer.worker.device = None
    viewer.arrive("a.nef")
    viewer.arrive("b.nef")
    assert viewer.shows() == []

    viewer.worker.device = "cpu"
    viewer.step()
    shown, *jobs = viewer.heard()
    assert isinstance(shown, Show)  # before any job
    assert shown.capture.raw.name == "b.nef"
    assert [type(message) for message in jobs] == [Job, Job]
