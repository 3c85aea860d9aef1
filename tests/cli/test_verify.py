"""`flexispd verify`: every picture is still what was written, and every capture is accounted for."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ledger_making import publish_one
from studio_making import Studio

from flexispd.ledger import work


def faults(studio: Studio) -> list[tuple[str, str]]:
    """What is wrong, as kind and file name, when the exit code is 1."""
    code, out = studio.run("verify", "--json")
    assert code == 1
    found: list[dict[str, Any]] = json.loads(out)["faults"]
    return [(fault["kind"], Path(fault["file"]).name) for fault in found]


def test_a_whole_session_is_counted(studio: Studio) -> None:
    """
    What arrived, what was verified, and what somebody has to look after.
    """
    for name in ("a.NEF", "b.NEF"):
        studio.publish(name)
    id_ = studio.arrive("c.NEF", "c")
    work.quarantine(studio.ledger, id_, "it is broken", 1000.0)
    studio.publish("d.NEF", "a.NEF")

    code, out = studio.run("verify")

    assert code == 0
    assert out.splitlines() == [
        "3 c.NEF is quarantined: it is broken",
        "4 arrived, 2 verified, 1 duplicate, 1 quarantined",
    ]
    assert studio.json("verify")["others"] == {"duplicate": 1, "quarantined": 1}


def test_nothing_has_arrived_yet(studio: Studio) -> None:
    """
    That is all there is to say, and no fault.
    """
    assert studio.run("verify") == (0, "0 arrived, 0 verified\n")


def test_a_picture_that_is_missing_or_altered_is_found(studio: Studio) -> None:
    """
    Also when it has its old size.
    """
    for name in ("a.NEF", "b.NEF", "c.NEF"):
        studio.publish(name)
    (studio.outbox / "a.natural.jpg").unlink()
    (studio.outbox / "b.natural.jpg").write_bytes(b"Picture of 2")
    (studio.outbox / "c.natural.jpg").write_bytes(b"short")

    assert faults(studio) == [
        ("missing", "a.natural.jpg"),
        ("altered", "b.natural.jpg"),
        ("altered", "c.natural.jpg"),
    ]
    assert "3 arrived, 0 verified, 3 damaged" in studio.run("verify")[1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "flexispd-receipt/1"}', '{"schema": 7, "outputs": []}'])
def test_a_receipt_that_is_none_is_found(studio: Studio, text: str) -> None:
    """
    Half a file, or somebody else's.
    """
    studio.publish("a.NEF")
    (studio.outbox / "a.natural.json").write_text(text)

    assert faults(studio) == [("receipt", "a.natural.json")]


def test_a_receipt_that_is_missing_or_names_another_picture_is_found(studio: Studio) -> None:
    """
    Receipt, ledger and file must agree, all three.
    """
    for name in ("a.NEF", "b.NEF"):
        studio.publish(name)
    (studio.outbox / "a.natural.json").unlink()
    receipt = studio.outbox / "b.natural.json"
    receipt.write_text(receipt.read_text().replace('"sha256": "', '"sha256": "0'))

    assert faults(studio) == [("missing", "a.natural.json"), ("receipt", "b.natural.json")]


def test_older_versions_are_verified_too(studio: Studio) -> None:
    """
    They were promised to stay.
    """
    studio.publish("a.NEF", "one")
    studio.arrive("a.NEF", "another")
    publish_one(studio.ledger, studio.outbox, 2000.0)
    (studio.outbox / "a.natural.jpg").unlink()

    assert faults(studio) == [("missing", "a.natural.jpg")]
    assert "1 arrived, 1 verified" in studio.run("verify")[1]


def test_a_volume_that_is_not_there_is_not_a_thousand_missing_pictures(studio: Studio) -> None:
    """
    It is one error with a remedy.
    """
    studio.publish("a.NEF")
    shutil.rmtree(studio.outbox)

    code, out = studio.run("verify")

    assert (code, out) == (1, "")
    assert "is not there" in studio.error


def test_pictures_in_folders_of_their_own_are_verified_too(studio: Studio) -> None:
    """
    An export may have a folder beside the receipt; the ledger and the receipt name the picture with it.
    """
    studio.publish("a.NEF", folder="web")
    picture = studio.outbox / "web" / "a.natural.jpg"

    assert studio.run("verify") == (0, "1 arrived, 1 verified\n")
    assert studio.json("ls")[0]["outputs"] == [str(picture)]
    assert str(picture) in studio.run("explain", "a.natural.jpg")[1]
    picture.write_bytes(b"retouched")
    assert faults(studio) == [("altered", "a.natural.jpg")]
    picture.unlink()
    assert faults(studio) == [("missing", "a.natural.jpg")]
