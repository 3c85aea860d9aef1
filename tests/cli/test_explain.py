"""`flexispd explain`: the whole history of a capture, why it is where it is, and what would change that."""

from itertools import pairwise

import pytest
from ledger_making import publish_one
from studio_making import Studio

from flexispd.capture.pair import Reason
from flexispd.ledger import arrivals, work
from flexispd.presence import hold


def test_a_finished_capture_is_told_with_its_receipt(studio: Studio) -> None:
    """
    Every state that it was in, its files, its pictures, and what the receipt says of the rendering.
    """
    studio.publish("night/DSC1.NEF")

    told = studio.json("explain", "1")

    (capture,) = told["captures"]
    (version,) = capture["versions"]
    assert capture["path"] == str(studio.inbox / "night/DSC1.NEF")
    assert [entry["state"] for entry in version["history"]] == ["queued", "running", "done"]
    assert version["files"] == [{"role": "raw", "path": capture["path"], "size_bytes": len("night/DSC1.NEF")}]
    assert version["rendering"]["white_balance"] == {"source": "auto", "cct_k": 3100.4}
    assert version["rendering"]["device"] == "cpu"
    assert version["rendering"]["rule"] == {"number": 2, "when": "iso > 1600", "use": "vivid-night"}
    code, out = studio.run("explain", "1")
    assert code == 0
    for part in (
        "is done: rendered.",
        "on cpu in 2,000 ms",
        "auto, 3100 K",
        "2, iso > 1600: the look of vivid-night",
        "The lens is unknown.",
        "arrived",
    ):
        assert part in out


@pytest.mark.parametrize(
    "wanted",
    ["1", "{inbox}/night/DSC1.NEF", "DSC1.NEF", "dsc1", "DSC1.natural.jpg", "{outbox}/night/DSC1.natural.json"],
)
def test_a_capture_is_found_by_every_name_that_people_have_for_it(studio: Studio, wanted: str) -> None:
    """
    Id, path, file name, stem, or the name of a picture of it.
    """
    studio.publish("night/DSC1.NEF")
    studio.publish("DSC10.NEF")

    told = studio.json("explain", wanted.format(inbox=studio.inbox, outbox=studio.outbox))

    assert [capture["versions"][0]["id"] for capture in told["captures"]] == [1]


def test_all_versions_are_told_the_newest_first(studio: Studio) -> None:
    """
    A newer one says why it came to be; the older one's pictures are still named.
    """
    studio.publish("DSC1.NEF", "one")
    studio.arrive("DSC1.NEF", "another")
    publish_one(studio.ledger, studio.outbox, 2000.0)

    code, out = studio.run("explain", "DSC1")

    assert code == 0
    order = [
        "is done: rendered.",
        "\nversion 2",
        "DSC1.natural.2.jpg",
        "DSC1.NEF changed",
        "\nversion 1",
        "superseded:",
    ]
    assert all(out.index(before) < out.index(after) for before, after in pairwise(order))


def test_two_captures_of_one_name_are_both_told(studio: Studio) -> None:
    """
    Two cameras count alike.
    """
    studio.arrive("a/DSC1.NEF", "a")
    studio.arrive("b/DSC1.NEF", "b")

    assert len(studio.json("explain", "DSC1")["captures"]) == 2


def change(studio: Studio) -> str:
    """What would change the state of the only capture."""
    return str(studio.json("explain", "1")["captures"][0]["versions"][-1]["would_change"])


def test_what_would_change_a_queue_depends_on_what_keeps_it(studio: Studio) -> None:
    """
    No daemon, a pause, or only its turn.
    """
    studio.arrive("a.NEF", "a")

    assert "`flexispd run` renders it" in change(studio)
    held = hold(studio.state)
    assert "when its turn comes" in change(studio)
    studio.run("pause")
    assert "`flexispd resume`" in change(studio)
    held.release()


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("whole file", "tried again at"),
        ("file access", "make it readable"),
        ("outbox", "goes on by itself"),
        ("volume", "--accept-volumes"),
    ],
)
def test_every_cause_of_waiting_has_its_own_remedy(studio: Studio, cause: work.Cause, expected: str) -> None:
    """
    So that nobody has to look it up.
    """
    id_ = studio.arrive("a.NEF", "a")
    work.claim(studio.ledger, 1000.0, idle=True)
    work.wait(studio.ledger, id_, cause, "not now", 1000.0, due_s=1010.0)

    assert expected in change(studio)


def test_every_other_state_has_its_own_remedy(studio: Studio) -> None:
    """
    Waiting for metadata, running without a daemon, quarantined, vanished, duplicate.
    """
    id_ = studio.arrive("a.png", "a", doubt="waiting for a.json")
    assert "a.json" in change(studio)
    work.quarantine(studio.ledger, id_, "it is broken", 1000.0)
    assert "`flexispd retry 1`" in change(studio)
    studio.run("retry", "1")
    work.claim(studio.ledger, 1000.0, idle=True)
    assert "takes it up again" in change(studio)
    work.vanished(studio.ledger, id_, 1000.0)
    assert "comes back" in change(studio)
    studio.publish("b.NEF", "same")
    assert "new version" in studio.run("explain", "b.NEF")[1]
    studio.publish("c.NEF", "same")
    assert "same bytes" in studio.run("explain", "c.NEF")[1]


def test_tries_in_vain_are_told_once(studio: Studio) -> None:
    """
    A file that stays cut off for a night would fill the screen; JSON has every entry.
    """
    id_ = studio.arrive("a.NEF", "a")
    for number in range(50):
        work.claim(studio.ledger, 1000.0 + number, idle=True)
        work.wait(studio.ledger, id_, "whole file", "it is cut off.", 1000.0 + number, due_s=1001.0 + number)
        work.wake(studio.ledger, 1001.0 + number)

    _, out = studio.run("explain", "1")

    assert out.count("it is cut off") == 1
    assert "the same 49 times more" in out
    assert len(studio.json("explain", "1")["captures"][0]["versions"][0]["history"]) == 151


def test_a_file_that_is_no_capture_is_explained_too(studio: Studio) -> None:
    """
    Somebody who asks about a sidecar gets the reason why it is left over.
    """
    arrivals.list_leftovers(studio.ledger, studio.inbox, {studio.inbox / "DSC9.json": Reason.NO_PICTURE})

    assert Reason.NO_PICTURE.value in studio.run("explain", "DSC9.json")[1]
    assert studio.json("explain", "DSC9")["leftovers"][0]["reason"] == "no_picture"


def test_a_part_of_a_name_gets_the_names_that_have_it(studio: Studio) -> None:
    """
    However short it is beside them.
    """
    studio.arrive("kodak_dc50_street_at_night.kdc", "a")

    studio.run("explain", "Kodak")

    assert "Did you mean kodak_dc50_street_at_night.kdc?" in studio.error


def test_a_mistyped_name_gets_the_nearest_ones(studio: Studio) -> None:
    """
    With exit code 1.
    """
    studio.arrive("DSC_0001.NEF", "a")

    code, out = studio.run("explain", "DSC_001.NEF")

    assert (code, out) == (1, "")
    assert "Did you mean DSC_0001.NEF?" in studio.error


def test_a_receipt_that_cannot_be_read_is_said_and_no_error(studio: Studio) -> None:
    """
    The ledger still knows the rest.
    """
    studio.publish("a.NEF")
    (studio.outbox / "a.natural.json").write_text("{")

    assert "cannot be read" in studio.run("explain", "1")[1]
    assert studio.json("explain", "1")["captures"][0]["versions"][0]["rendering"] is None
