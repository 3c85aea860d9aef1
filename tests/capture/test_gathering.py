"""Captures arrive when their files are still, with what belongs to them, once for every change."""

from pathlib import Path, PurePath

from flexispd.capture.gathering import Gathering
from flexispd.capture.listing import Seen
from flexispd.capture.pair import Reason
from flexispd.capture.records import Arrival, Observation
from flexispd.config import ArrivalParams

INBOX = Path("/in")


class Bench:
    """A gathering whose files are looked at whenever they are due."""

    def __init__(self, **params: object) -> None:
        self.gathering = Gathering(INBOX, ArrivalParams(**{"quiet_s": 2.0, "pair_wait_s": 10.0, **params}))  # type: ignore[arg-type]
        self.files: dict[str, Observation] = {}
        self.now_s = 100.0

    def write(self, *names: str, size_bytes: int = 9) -> None:
        for name in names:
            self.files[f"/in/{name}"] = Observation(size_bytes, 0, 0)
            self._see(f"/in/{name}")

    def delete(self, *names: str) -> None:
        for name in names:
            del self.files[f"/in/{name}"]
            self._see(f"/in/{name}")

    def _see(self, path: str) -> None:
        self.gathering.see(Seen(path, self.files.get(path), self.now_s))

    def after(self, seconds: float) -> list[Arrival]:
        """What arrives within so many seconds."""
        arrivals = []
        for _ in range(round(10 * seconds)):
            self.now_s = round(self.now_s + 0.1, 6)
            for path in self.gathering.settler.due(self.now_s):
                self._see(path)
            arrivals += self.gathering.arrivals(self.now_s, 1000)
        return arrivals


def names(arrivals: list[Arrival]) -> list[list[str]]:
    return [[path.name for path in arrival.capture.files()] for arrival in arrivals]


def test_a_raw_arrives_once_when_it_is_still() -> None:
    """
    With its folder below the inbox and how it looked.
    """
    bench = Bench()
    bench.write("2026/DSC1.NEF")

    assert bench.after(1.9) == []
    (arrival,) = bench.after(0.3)
    assert arrival.folder == PurePath("2026")
    assert arrival.inbox == INBOX
    assert arrival.observed == {Path("/in/2026/DSC1.NEF"): Observation(9, 0, 0)}
    assert arrival.doubt is None
    assert bench.after(60) == []
    assert bench.gathering.settling == 0


def test_a_capture_waits_for_the_last_of_its_files() -> None:
    """
    But not for its companion, which joins when it is still.
    """
    bench = Bench()
    bench.write("DSC1.NEF")
    bench.after(1)
    bench.write("DSC1.json")
    bench.after(1)
    bench.write("DSC1.JPG")

    assert names(bench.after(1.5)) == [["DSC1.NEF", "DSC1.json"]]
    assert names(bench.after(1.5)) == [["DSC1.NEF", "DSC1.json", "DSC1.JPG"]]


def test_a_raw_waits_for_the_sidecars_that_its_neighbours_had() -> None:
    """
    Of their kind, in their folder, and not for ever.
    """
    bench = Bench()
    bench.write("a/DSC1.NEF", "a/DSC1.xmp", "b/DSC1.NEF")
    assert len(bench.after(3)) == 2

    bench.write("a/DSC2.NEF", "b/DSC2.NEF", "a/DSC3.NEF")
    assert names(bench.after(3)) == [["DSC2.NEF"]]  # of b
    assert bench.gathering.settling == 2

    bench.write("a/DSC2.xmp")
    assert names(bench.after(2.2)) == [["DSC2.NEF", "DSC2.xmp"]]
    assert names(bench.after(5)) == []
    assert names(bench.after(3)) == [["DSC3.NEF"]]
    assert bench.gathering.settling == 0


def test_after_three_captures_without_sidecars_none_is_expected() -> None:
    """
    The session goes on without them.
    """
    bench = Bench()
    bench.write("DSC0.NEF", "DSC0.json")
    bench.after(3)
    for number in (1, 2, 3):
        bench.write(f"DSC{number}.NEF")
        assert bench.after(4) == []
        assert len(bench.after(9)) == 1
    bench.write("DSC4.NEF")

    assert len(bench.after(2.2)) == 1


def test_sidecars_may_always_or_never_be_expected() -> None:
    """
    Whatever the neighbours had.
    """
    always, never = Bench(sidecars="always"), Bench(sidecars="never")
    for bench in (always, never):
        bench.write("DSC1.NEF", "DSC1.xmp")
        assert len(bench.after(3)) == 1
        bench.write("DSC2.NEF")

    assert always.after(11) == []
    assert len(always.after(2)) == 1
    assert len(never.after(3)) == 1


def test_a_sidecar_that_comes_or_goes_later_tells_the_capture_again() -> None:
    """
    At once, because its raw has been told before.
    """
    bench = Bench()
    bench.write("DSC1.NEF")
    bench.after(3)

    bench.write("DSC1.NEF.json")
    assert names(bench.after(3)) == [["DSC1.NEF", "DSC1.NEF.json"]]
    bench.delete("DSC1.NEF.json")
    assert names(bench.after(0.1)) == [["DSC1.NEF"]]


def test_a_raw_that_changes_is_told_again_when_it_is_still() -> None:
    """
    It was taken too early, or the camera began to count anew.
    """
    bench = Bench()
    bench.write("DSC1.NEF")
    bench.after(3)

    bench.write("DSC1.NEF", size_bytes=20)
    assert bench.after(1.9) == []
    (arrival,) = bench.after(0.3)
    assert arrival.observed == {Path("/in/DSC1.NEF"): Observation(20, 0, 0)}


def test_a_mosaic_without_its_json_is_told_with_a_doubt() -> None:
    """
    And without one as soon as it can be read.
    """
    bench = Bench()
    bench.write("night\n.png")
    (arrival,) = bench.after(3)
    assert arrival.doubt == r"waiting for night\n.json"
    assert bench.gathering.take_leftovers() is None

    bench.write("night\n.json")
    (arrival,) = bench.after(3)
    assert arrival.doubt is None
    assert names([arrival]) == [["night\n.png", "night\n.json"]]


def test_a_png_that_turns_out_to_be_a_preview_is_no_capture_any_more() -> None:
    """
    Its raw came later.
    """
    bench = Bench()
    bench.write("DSC1.png")
    bench.after(3)
    bench.write("DSC1.NEF")
    bench.after(6)

    assert bench.gathering.take_gone(bench.now_s) == [Path("/in/DSC1.png")]
    assert bench.gathering.take_leftovers() == {Path("/in/DSC1.png"): Reason.FINISHED}


def test_what_is_missing_for_a_while_is_gone() -> None:
    """
    Pictures only; a file that is written anew in between is not.
    """
    bench = Bench()
    bench.write("DSC1.NEF", "DSC2.NEF", "DSC3.json")
    bench.after(3)
    bench.delete("DSC1.NEF", "DSC2.NEF", "DSC3.json")
    assert bench.gathering.take_gone(bench.now_s) == []

    bench.after(1)
    bench.write("DSC1.NEF")
    assert len(bench.after(4)) == 1
    assert bench.gathering.take_gone(bench.now_s) == [Path("/in/DSC2.NEF")]
    assert bench.gathering.take_gone(bench.now_s) == []


def test_files_of_an_inbox_that_was_away_are_not_gone() -> None:
    """
    Nobody deleted them.
    """
    bench = Bench()
    bench.write("DSC1.NEF")
    bench.after(3)
    bench.delete("DSC1.NEF")
    bench.gathering.forgive()
    bench.after(9)

    assert bench.gathering.take_gone(bench.now_s) == []


def test_somebody_who_knows_ends_all_waiting() -> None:
    """
    For the file and what belongs to it, and for sidecars that have not come.
    """
    bench = Bench(sidecars="always")
    bench.write("DSC1.NEF", "DSC1.JPG")

    assert bench.gathering.submit("/in/DSC1.NEF")
    assert names(bench.after(0.1)) == [["DSC1.NEF", "DSC1.JPG"]]
    assert not bench.gathering.submit("/in/DSC2.NEF")
    assert bench.after(20) == []


def test_leftovers_are_told_when_they_change() -> None:
    """
    All of them, once they are still.
    """
    bench = Bench()
    bench.write("DSC1.json", "notes.txt")
    bench.after(1)
    assert bench.gathering.take_leftovers() is None
    bench.after(2)
    assert bench.gathering.take_leftovers() == {
        Path("/in/DSC1.json"): Reason.NO_PICTURE,
        Path("/in/notes.txt"): Reason.UNKNOWN,
    }
    assert bench.gathering.take_leftovers() is None

    bench.write("DSC1.NEF")
    bench.delete("notes.txt")
    bench.after(3)
    assert bench.gathering.take_leftovers() == {}


def test_many_captures_come_in_portions() -> None:
    """
    So that one step does not take long, and nothing is forgotten.
    """
    bench = Bench()
    bench.write(*(f"DSC{number}.NEF" for number in range(25)))
    bench.now_s += 2.0
    for path in bench.gathering.settler.due(bench.now_s):
        bench._see(path)

    sizes = []
    while True:
        sizes.append(len(bench.gathering.arrivals(bench.now_s, 10)))
        if not bench.gathering.backlog:
            break
        assert bench.gathering.settling > 0

    assert sizes == [10, 10, 5]


def test_pictures_are_all_that_are_there() -> None:
    """
    Still or not.
    """
    bench = Bench()
    bench.write("DSC1.NEF", "DSC1.json", "a/x.png", "y.jpg")

    assert bench.gathering.pictures() == {Path("/in/DSC1.NEF"), Path("/in/a/x.png")}
