"""`flexispd retry`, `pause`, `resume`, `submit`: what people ask of the daemon."""

import json
from pathlib import Path

import pytest
from studio_making import Studio

from flexispd.ledger import requests, work


def test_retry_queues_what_was_put_aside(studio: Studio) -> None:
    """
    By id, or everything that is quarantined; its failures are forgotten.
    """
    for name in ("a.NEF", "b.NEF"):
        id_ = studio.arrive(name, name)
        work.claim(studio.ledger, 1000.0, idle=True)
        work.blame(studio.ledger, id_, "it is broken", 1000.0, failures_max=1)

    assert studio.run("retry", "1") == (0, "1 capture queued again\n")
    assert [row["id"] for row in studio.json("retry", "--failed")["queued"]] == [2]
    assert [(row["state"], row["failures"]) for row in studio.json("ls")] == [("queued", 0), ("queued", 0)]


def test_retry_says_what_stays_where_it_is(studio: Studio) -> None:
    """
    A finished capture is not rendered again by accident, and a mosaic still needs its metadata.
    """
    studio.publish("a.NEF")
    studio.arrive("b.png", "b", doubt="waiting for b.json")

    code, out = studio.run("retry", "1", "2")

    assert code == 0
    assert out.splitlines() == [
        "0 captures queued again",
        "1 a.NEF stays done: rendered",
        "2 b.png stays waiting: waiting for b.json",
    ]


def test_retry_of_nothing_or_of_nobody_is_refused(studio: Studio) -> None:
    """
    Before anything is changed.
    """
    assert studio.run("retry")[0] == 2
    assert studio.run("retry", "1", "--failed")[0] == 2
    assert studio.run("retry", "7")[0] == 1
    assert "There is no capture 7." in studio.error


def test_pause_stays_until_resume(studio: Studio) -> None:
    """
    Pausing twice keeps the time of the first.
    """
    first = studio.json("pause")["paused"]

    assert studio.json("pause")["paused"] == first == studio.ledger.setting("paused")
    assert studio.run("resume") == (0, "rendering goes on\n")
    assert studio.ledger.setting("paused") is None
    assert studio.run("resume") == (0, "it was not paused\n")


def test_resume_can_take_other_volumes_for_the_right_ones(studio: Studio) -> None:
    """
    Only when that is asked for.
    """
    studio.ledger.set_setting("mounts", {"/inbox": "/dev/sda1"})

    studio.run("resume")
    assert studio.ledger.setting("mounts") is not None
    studio.run("resume", "--accept-volumes")
    assert studio.ledger.setting("mounts") is None


def test_submitted_files_reach_the_daemon_as_it_knows_them(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Relative to where the caller stands, or through a link that leads into the inbox.
    """
    (studio.inbox / "a.NEF").write_text("a")
    (studio.inbox / "b.NEF").write_text("b")
    (tmp_path / "link").symlink_to(studio.inbox)
    monkeypatch.chdir(studio.inbox)

    assert studio.run("submit", "a.NEF", str(tmp_path / "link" / "b.NEF")) == (0, "2 files submitted\n")
    assert requests.submitted(studio.ledger) == [studio.inbox / "a.NEF", studio.inbox / "b.NEF"]


def test_what_is_in_no_inbox_is_refused_and_nothing_is_submitted(studio: Studio, tmp_path: Path) -> None:
    """
    With exit code 2 where the command line is wrong, 1 where the file is missing.
    """
    (studio.inbox / "a.NEF").write_text("a")
    (tmp_path / "elsewhere.NEF").write_text("e")

    assert studio.run("submit", str(studio.inbox / "a.NEF"), str(tmp_path / "elsewhere.NEF"))[0] == 2
    assert "does not lie in an inbox" in studio.error
    assert studio.run("submit", str(studio.inbox))[0] == 2
    code, out = studio.run("submit", str(studio.inbox / "gone.NEF"), "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "VanishedError"
    assert requests.submitted(studio.ledger) == []
