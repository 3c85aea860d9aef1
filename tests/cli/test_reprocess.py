"""`flexispd reprocess`: pictures again, with the old ones kept."""

import time
from datetime import datetime

import pytest
import typer
from ledger_making import publish_one
from studio_making import Studio

from flexispd.cli.reprocess import moment


def test_it_says_how_many_and_how_long_and_queues_new_versions(studio: Studio) -> None:
    """
    Every capture with a picture, behind everything else; the time is that of the pictures before.
    """
    for name in ("a.NEF", "b.NEF"):
        studio.publish(name)
    studio.arrive("c.NEF", "c")

    code, out = studio.run("reprocess", "--profile", "Vivid Night")

    assert code == 0
    assert out.splitlines() == ["2 captures, about 4 s", "2 captures queued again"]
    rows = studio.json("ls", "--state", "queued")
    assert [(row["version"], row["profile"], row["folder"]) for row in rows] == [
        (1, "natural", "."),
        (2, "vivid-night", "."),
        (2, "vivid-night", "."),
    ]


def test_old_pictures_stay_and_new_ones_have_names_of_their_own(studio: Studio) -> None:
    """
    Also under the same profile.
    """
    studio.publish("a.NEF")
    studio.run("reprocess", "--yes")
    publish_one(studio.ledger, studio.outbox, 2000.0)

    assert sorted(path.name for path in studio.outbox.glob("*.jpg")) == ["a.natural.2.jpg", "a.natural.jpg"]
    assert studio.run("verify")[0] == 0
    assert [row["state"] for row in studio.json("ls", "--state", "superseded")] == ["superseded"]


def test_a_dry_run_changes_nothing(studio: Studio) -> None:
    """
    It only says what would be done.
    """
    studio.publish("a.NEF")

    told = studio.json("reprocess", "--dry-run")

    assert told == {"captures": 1, "about_s": 2.0, "queued": 0, "ids": [1]}
    assert studio.run("reprocess", "--dry-run") == (0, "1 capture, about 2 s\n")
    assert studio.json("status")["todo"] == 0


def test_only_pictures_since_a_time_are_made_again(studio: Studio) -> None:
    """
    The time is when the picture was made.
    """
    studio.publish("a.NEF", at_s=time.time() - 7200)
    studio.publish("b.NEF", at_s=time.time() - 60)

    assert studio.json("reprocess", "--since", "1h", "--dry-run")["ids"] == [2]
    assert studio.json("reprocess", "--since", "1d", "--dry-run")["ids"] == [1, 2]


def test_nothing_to_do_is_no_error(studio: Studio) -> None:
    """
    And nobody is asked anything.
    """
    assert studio.run("reprocess") == (0, "0 captures\n")


def test_a_wrong_profile_is_refused_before_anything_is_queued(studio: Studio) -> None:
    """
    With the nearest name.
    """
    studio.publish("a.NEF")

    assert studio.run("reprocess", "--profile", "vivid-nigth")[0] == 78
    assert "Did you mean vivid-night?" in studio.error
    assert studio.json("status")["todo"] == 0


@pytest.mark.parametrize(("text", "ago_s"), [("90s", 90), ("30min", 1800), ("2h", 7200), ("1.5 d", 129600)])
def test_a_time_may_be_so_long_ago(text: str, ago_s: float) -> None:
    """
    As people say it.
    """
    assert moment(text, 1_000_000.0) == 1_000_000.0 - ago_s


@pytest.mark.parametrize("text", ["2026-05-31", "2026-05-31T21:30", "2026-05-31 21:30:05"])
def test_a_time_may_be_a_date(text: str) -> None:
    """
    In local time, as clocks on walls show it.
    """
    assert moment(text, 0.0) == datetime.fromisoformat(text).timestamp()


def test_a_date_may_name_its_zone() -> None:
    """
    Then that counts.
    """
    assert moment("1970-01-02T00:00:00+00:00", 0.0) == 86400.0


@pytest.mark.parametrize("text", ["yesterday", "2", "2 weeks", "99999999999999999999d", "2026-13-01", "-1h", "nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """
    With examples of what is.
    """
    with pytest.raises(typer.BadParameter, match="2h"):
        moment(text, 0.0)


def test_ctrl_c_at_the_question_is_no_bug(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing is queued, and the exit code is that of Ctrl-C.
    """
    studio.publish("a.NEF")

    def interrupted(*_words: object, **_options: object) -> None:
        raise typer.Abort

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", interrupted)

    code, out = studio.run("reprocess")

    assert code == 130
    assert out == "1 capture, about 2 s\n"
    assert "bug" not in studio.error
    assert studio.json("ls", "--state", "queued") == []
