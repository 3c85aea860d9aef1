"""`flexispd status`: how it goes, with a daemon and without."""

import time

import pytest
from studio_making import Studio

from flexispd.cli.status import follow, lines, read
from flexispd.config import load_config
from flexispd.ledger import work
from flexispd.presence import hold, running, write_status


def daemon_says(studio: Studio, **said: object) -> None:
    """A status file of the daemon that this process is."""
    daemon = running(studio.state)
    assert daemon is not None
    write_status(studio.state, {"at_s": time.time(), "pid": daemon.pid, "phase": "working", **said})


def test_without_a_daemon_it_tells_what_the_ledger_knows(studio: Studio) -> None:
    """
    Counts, profile, disk; and that nothing runs, with the command that starts it.
    """
    studio.publish("a.NEF")
    studio.arrive("b.NEF", "b")

    code, out = studio.run("status")

    assert code == 0
    assert "not running; `flexispd run` starts it" in out
    assert "1 queued, 1 done" in out
    assert "natural" in out
    assert "GB free" in out


def test_json_has_a_number_for_everything(studio: Studio) -> None:
    """
    Every state is counted, also those that no capture is in.
    """
    studio.publish("a.NEF", at_s=time.time())
    studio.arrive("b.NEF", "b")

    told = studio.json("status")

    assert told["daemon"] is None
    assert told["phase"] == "not running"
    assert told["profile"]["name"] == "natural"
    assert told["captures"]["done"] == told["captures"]["queued"] == told["todo"] == 1
    assert told["captures"]["settling"] == told["captures"]["vanished"] == 0
    assert told["images_per_minute"] > 0
    assert told["frame_s"] == 2.0
    assert told["done_in_min"] > 0
    assert told["full_in_min"] > 0
    assert told["free_bytes"] > 0
    assert told["last_error"] is None


def test_a_daemon_adds_what_only_it_knows(studio: Studio) -> None:
    """
    Who it is, its workers and inboxes, what blocks it, and what went wrong last.
    """
    held = hold(studio.state)
    daemon_says(
        studio,
        phase="blocked",
        inboxes=[{"path": str(studio.inbox), "mode": "events", "absent": None, "settling": 3}],
        blocked={"cause": "outbox", "reason": "The disk is full. Make room."},
        workers=[{"device": "cuda:0", "state": "working", "in_flight": 2, "rss_mb": 1500}],
        free_bytes=5_000_000_000,
        last_error={"at_s": 1000.0, "event": "capture.quarantined", "problem": "It is broken.", "remedy": "Mend it."},
    )

    told = studio.json("status")
    code, out = studio.run("status")
    held.release()

    assert code == 0
    assert told["daemon"]["pid"] == running_pid(out)
    assert told["captures"]["settling"] == told["todo"] == 3
    for part in (
        "blocked    The disk is full. Make room.",
        "cuda:0: working, 2 in work, 1,500 MB",
        f"{studio.inbox}: events, 3 settling",
        "5.0 GB free",
        "It is broken. Mend it.",
    ):
        assert part in out


def running_pid(out: str) -> int:
    """The process that the first line names."""
    return int(out.split("process ")[1].split()[0])


def test_what_a_dead_daemon_said_is_not_told_as_if_it_were_so(studio: Studio) -> None:
    """
    Its last error is still worth knowing; its workers are gone.
    """
    held = hold(studio.state)
    trouble = {"at_s": 1000.0, "event": "x", "problem": "It is broken."}
    daemon_says(studio, workers=[{"device": "cpu", "state": "idle", "in_flight": 0, "rss_mb": 1}], last_error=trouble)
    held.release()

    told = studio.json("status")

    assert told["daemon"] is None
    assert told["workers"] == []
    assert told["last_error"] == trouble
    assert "It is broken." in studio.run("status")[1]


def test_a_daemon_that_has_not_said_anything_yet_is_starting(studio: Studio) -> None:
    """
    What an earlier daemon left in the status file is not taken for its word.
    """
    write_status(studio.state, {"pid": 1, "phase": "idle"})
    held = hold(studio.state)

    told = studio.json("status")
    held.release()

    assert told["phase"] == "starting"


def test_an_absent_inbox_and_a_pause_are_told(studio: Studio) -> None:
    """
    Both explain why nothing happens.
    """
    studio.run("pause")
    held = hold(studio.state)
    absent = {"path": str(studio.inbox), "mode": "scan", "absent": "its volume is not mounted", "settling": 0}
    daemon_says(studio, phase="paused", inboxes=[absent])

    _, out = studio.run("status")
    held.release()

    assert "its volume is not mounted" in out
    assert "`flexispd resume` goes on" in out


def test_waiting_captures_are_told_by_what_they_wait_for(studio: Studio) -> None:
    """
    Twelve that wait for metadata are another matter than twelve on a volume that is gone.
    """
    studio.arrive("a.png", "a", doubt="waiting for a.json")

    assert studio.json("status")["waiting_for"] == {"metadata": 1}
    assert "1 for metadata" in studio.run("status")[1]


def test_watching_a_pipe_prints_a_line_for_each_change(studio: Studio) -> None:
    """
    Nothing is said twice; a number that always differs, such as the pace, is no change.
    """
    config = load_config(studio.folder / "config.toml")
    first = read(config, studio.ledger, 2000.0)
    studio.arrive("a.NEF", "a")
    second = read(config, studio.ledger, 2001.0)
    work.claim(studio.ledger, 2002.0, idle=True)
    third = read(config, studio.ledger, 2002.0)

    follow([first, first, second, second, third], as_json=False, redraw=False)

    printed = studio.capsys.readouterr().out.splitlines()
    assert [line.split(" ", 2)[2] for line in printed] == [
        "not running: no captures yet, natural",
        "not running: 1 queued, natural",
        "not running: 1 running, natural",
    ]


def test_watching_a_terminal_draws_the_whole_status_anew(studio: Studio) -> None:
    """
    In place of the one before.
    """
    told = read(load_config(studio.folder / "config.toml"), studio.ledger, 2000.0)

    follow([told, told], as_json=False, redraw=True)

    assert studio.capsys.readouterr().out == 2 * ("\033[H\033[2J" + "\n".join(lines(told)) + "\n")


def test_ctrl_c_is_the_way_to_end_watching(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It is no interruption, and no error.
    """

    def pressed(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pressed)

    code, out = studio.run("status", "--watch", "--json")

    assert (code, studio.error) == (0, "")
    assert out.count("\n") == 1


def test_a_full_disk_is_foretold_when_it_is_near(studio: Studio) -> None:
    """
    That it is full in a month is no news; the room that is left alone counts as full.
    """
    told = {**read(load_config(studio.folder / "config.toml"), studio.ledger, 2000.0), "free_bytes": 5_000_000_000}

    assert "full in about 22 min at this rate" in "\n".join(lines({**told, "full_in_min": 22.0}))
    assert "at this rate" not in "\n".join(lines({**told, "full_in_min": 40_000.0}))
    assert "free space unknown" in "\n".join(lines({**told, "free_bytes": None}))


def test_a_worker_that_starts_has_no_device_yet(studio: Studio) -> None:
    """
    Until it has loaded the networks nobody knows where it will run.
    """
    held = hold(studio.state)
    daemon_says(studio, workers=[{"device": None, "state": "starting", "in_flight": 0, "rss_mb": 220}])

    _, out = studio.run("status")
    held.release()

    assert "worker     starting, 220 MB\n" in out


WRONG = {
    "an unknown key": 'profil = "natural"\n',
    "no TOML": "[arrival]\nquiet_s = two\n",
    "a broken line": 'profile = "natural\n',
    "a value out of range": "[arrival]\nquiet_s = 0\n",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_configuration_that_is_wrong_hides_nothing(studio: Studio, wrong: str) -> None:
    """
    The daemon goes on with what it read before, and who has just made a typing error wants to see that.
    """
    id_ = studio.publish("a.NEF")
    with (studio.folder / "config.toml").open("a") as file:
        file.write(wrong)

    told = studio.json("status")
    _, out = studio.run("status")

    assert told["captures"]["done"] == 1
    assert told["outbox"] == str(studio.outbox)
    assert "config.toml" in told["configuration"]["problem"]
    assert f"warning    {told['configuration']['problem']}" in out

    assert [row["id"] for row in studio.json("ls")] == [id_]
    assert f"warning: {told['configuration']['problem']}" in studio.error
    assert studio.json("explain", "a")["configuration"] == told["configuration"]
    assert "warning: " in studio.error
    assert studio.run("verify")[0] == 0
    assert "warning: " in studio.error


@pytest.mark.parametrize("lost", ["outbox", "state"])
def test_a_configuration_that_names_no_ledger_is_an_error_as_ever(
    studio: Studio, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without a state folder or an outbox there is nothing to look at, and the reason is the typing error.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(studio.folder))
    path = studio.folder / "config.toml"
    path.write_text(path.read_text().replace(f"{lost} =", f"{lost}s ="))

    code, out = studio.run("status")

    assert (code, out) == (78, "")
    assert f"there is no key {lost}s" in studio.error


@pytest.mark.parametrize("phase", ["blocked", "paused"])
def test_nobody_is_told_when_work_that_stands_still_is_done(studio: Studio, phase: str) -> None:
    """
    However fast it went before; a little room is told in megabytes.
    """
    studio.publish("a.NEF", at_s=time.time())
    studio.arrive("b.NEF", "b")
    held = hold(studio.state)
    daemon_says(studio, phase=phase, free_bytes=60_000_000)

    _, out = studio.run("status")
    held.release()

    assert "1 capture to do\n" in out
    assert f"outbox     {studio.outbox}: 60.0 MB free\n" in out
