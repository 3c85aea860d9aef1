"""What a worker writes to latest.jpg, and what it leaves alone."""

import hashlib
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from preview_making import jpeg, red_corner, with_preview

from flexispd.jobs import Permit, Show, Showable, Shown
from flexispd.showing import Showing
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Capture, Mosaic, ShotInfo

ANSWER_S_MAX = 30.0


class Screen:
    """The supervisor's end of it: an outbox, and a capture in an inbox."""

    def __init__(self, folder: Path) -> None:
        self.inbox, self.outbox = folder / "in", folder / "out"
        for made in (self.inbox, self.outbox):
            made.mkdir()
        self.target = self.outbox / "latest.jpg"
        self.said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.showing = Showing(self.said.put)
        self.number = 0

    def start(self) -> None:
        threading.Thread(target=self.showing.show_all, daemon=True).start()

    def wish(self, capture: Capture, picture: Path | None = None) -> None:
        self.number += 1
        self.showing.take(Show(self.number, capture, self.target, picture))

    def hear(self) -> Any:
        return self.said.get(timeout=ANSWER_S_MAX)

    def end(self, *, granted: bool = True) -> Shown:
        """How a wish ended that was permitted, or was not."""
        message = self.hear()
        if isinstance(message, Showable):
            self.showing.take(Permit(message.number, granted))
            message = self.hear()
        assert isinstance(message, Shown)
        return message

    def show(self, capture: Capture, picture: Path | None = None) -> Shown:
        self.wish(capture, picture)
        return self.end()

    def capture(
        self, name: str = "DSC1", companion: bytes | None = None, embedded: bytes | None = None, orientation: int = 1
    ) -> Capture:
        values = np.random.default_rng(1).normal(3000, 300, (64, 96)).astype(np.uint16)
        shot = ShotInfo("Maker", "Body", orientation=orientation)
        dng = write_dng(Mosaic(values, CFA.RGGB, (512.0,) * 4, (16383.0,) * 4, shot))
        raw, beside = self.inbox / f"{name}.dng", self.inbox / f"{name}.JPG"
        raw.write_bytes(dng if embedded is None else with_preview(dng, embedded))
        if companion is not None:
            beside.write_bytes(companion)
        return Capture(raw, companion=None if companion is None else beside)


@pytest.fixture
def screen(tmp_path):
    screen = Screen(tmp_path)
    screen.start()
    return screen


def test_the_jpeg_beside_the_raw_is_shown_as_it_is(screen):
    """
    It is the largest that there is, and has its orientation in its EXIF.
    """
    capture = screen.capture(companion=jpeg(1, orientation=6), embedded=jpeg(2))

    assert screen.show(capture) == Shown(1, capture.companion, None)
    assert screen.target.read_bytes() == jpeg(1, orientation=6)


@pytest.mark.parametrize("companion", [None, b"\xff\xd8 half a JPEG", jpeg(1, size=(400, 300))[:5000]])
def test_else_the_one_inside_is_shown_upright(screen, companion):
    """
    Also where the one beside is broken.
    """
    capture = screen.capture(companion=companion, embedded=jpeg(2), orientation=6)

    assert screen.show(capture).source == capture.raw
    assert red_corner(screen.target.read_bytes()) == (0, 1)


def test_a_bitmap_inside_is_shown(screen, shared_data):
    """
    A few pixels are better than the capture before.
    """
    assert screen.show(Capture(shared_data / "raw" / "kodak_dc50.kdc")).problem is None
    assert screen.target.read_bytes().startswith(b"\xff\xd8")


def test_a_picture_takes_the_place_of_the_preview(screen):
    """
    The bytes of the finished JPEG.
    """
    picture = screen.outbox / "DSC1.natural.jpg"
    picture.write_bytes(jpeg(3))
    capture = screen.capture(embedded=jpeg(2))
    screen.show(capture)

    assert screen.show(capture, picture).source == picture
    assert screen.target.read_bytes() == jpeg(3)
    assert sorted(path.name for path in screen.outbox.iterdir()) == ["DSC1.natural.jpg", "latest.jpg"]


@pytest.mark.parametrize("embedded", [None, b"\xff\xd8\xff\xe0 nothing to see", jpeg(2, size=(400, 300))[:5000]])
def test_a_raw_without_a_preview_that_is_whole_changes_nothing(screen, embedded):
    """
    What was shown before stays, and the next wish is fulfilled.
    """
    screen.show(screen.capture("a", companion=jpeg(1)))

    assert screen.show(screen.capture("b", embedded=embedded)).source is None
    assert screen.target.read_bytes() == jpeg(1)
    assert screen.show(screen.capture("c", companion=jpeg(3))).problem is None


def test_files_that_are_gone_are_told(screen):
    """
    A card may be pulled out at any moment.
    """
    ended = screen.show(Capture(screen.inbox / "gone.dng", companion=screen.inbox / "gone.JPG"))

    assert ended.source is None
    assert "gone.JPG" in ended.problem


def test_of_several_wishes_the_last_one_is_begun(tmp_path):
    """
    What nobody has begun when something newer comes would be on the screen for a blink.
    """
    screen = Screen(tmp_path)
    for name in "abc":
        screen.wish(screen.capture(name, companion=jpeg(ord(name))))
    screen.start()

    assert screen.end() == Shown(3, screen.inbox / "c.JPG", None)
    assert screen.said.empty()


def test_nothing_appears_before_it_is_permitted(screen):
    """
    The hash of what would appear is told first, and of what stands there.
    """
    screen.show(screen.capture("a", companion=jpeg(1)))
    screen.wish(screen.capture("b", companion=jpeg(2)))
    message = screen.hear()
    first, second = (hashlib.sha256(jpeg(seed)).hexdigest() for seed in (1, 2))
    assert message == Showable(2, second, first)
    assert screen.target.read_bytes() == jpeg(1)

    screen.showing.take(Permit(2, granted=False))
    assert screen.hear().source is None
    assert screen.target.read_bytes() == jpeg(1)


def test_a_file_that_comes_at_the_last_moment_is_left_alone(screen):
    """
    Between the permission and the writing too.
    """
    for there in (False, True):
        screen.wish(screen.capture(companion=jpeg(1)))
        message = screen.hear()
        assert isinstance(message, Showable)
        screen.target.write_bytes(b"somebody's, %d" % there)
        screen.showing.take(Permit(message.number, granted=True))

        assert "just now" in screen.hear().problem
        assert screen.target.read_bytes() == b"somebody's, %d" % there


def test_what_is_no_regular_file_is_told_as_nothing_of_ours(screen, tmp_path):
    """
    A link or a folder could lead anywhere.
    """
    (tmp_path / "elsewhere.jpg").write_bytes(jpeg(1))
    screen.target.symlink_to(tmp_path / "elsewhere.jpg")
    screen.wish(screen.capture(companion=jpeg(2)))

    assert screen.hear().standing == ""


def test_an_outbox_that_is_gone_is_not_made(screen):
    """
    Its volume may come back, and would hide what was written below it.
    """
    screen.outbox.rmdir()

    assert screen.show(screen.capture(companion=jpeg(1))).source is None
    assert not screen.outbox.exists()
