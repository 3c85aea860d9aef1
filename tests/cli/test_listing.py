"""`flexispd ls`: what there is, in which state, and why."""

import os
from dataclasses import replace
from pathlib import Path

from studio_making import Studio

from flexispd.capture.pair import Reason
from flexispd.cli import listing
from flexispd.cli.listing import leftover_reason
from flexispd.ledger import arrivals


def test_every_capture_has_a_line_with_its_state_and_the_reason(studio: Studio) -> None:
    """
    In the order of arrival, in columns.
    """
    studio.publish("night/DSC1.NEF")
    studio.arrive("DSC22.NEF", "other")

    code, out = studio.run("ls")

    assert code == 0
    assert out.splitlines() == [
        "1  done    night/DSC1.NEF  v1  natural  rendered",
        "2  queued  DSC22.NEF       v1  natural  arrived",
    ]


def test_nothing_yet_is_nothing(studio: Studio) -> None:
    """
    An empty ledger is no error.
    """
    assert studio.run("ls") == (0, "")
    assert studio.json("ls") == []


def test_a_very_long_name_moves_its_own_line_only(studio: Studio) -> None:
    """
    The others still fit on a screen.
    """
    studio.arrive("a.NEF", "a")
    studio.arrive(f"{'x' * 200}.NEF", "x")

    _, out = studio.run("ls")

    short, long = out.splitlines()
    assert len(short) < 80
    assert f"{'x' * 200}.NEF  v1  natural" in long


def test_captures_of_several_inboxes_say_which(studio: Studio) -> None:
    """
    Two bodies count from the same number.
    """
    studio.arrive("DSC1.NEF", "one")
    other = replace(studio, folder=studio.folder / "second")
    other.arrive("DSC1.NEF", "another")

    _, out = studio.run("ls")
    assert [line.split()[2] for line in out.splitlines()] == [f"{one.inbox}/DSC1.NEF" for one in (studio, other)]

    assert listing._prefixes({"/srv/body-a", "/srv/body-b"}) == {"/srv/body-a": "body-a/", "/srv/body-b": "body-b/"}


def test_json_says_where_pictures_and_receipts_are(studio: Studio) -> None:
    """
    Absolute paths, so that a script need not know the outbox.
    """
    studio.publish("night/DSC1.NEF", at_s=1000.0)

    (row,) = studio.json("ls")

    assert row == {
        "id": 1,
        "path": str(studio.inbox / "night/DSC1.NEF"),
        "folder": "night",
        "version": 1,
        "shot": 1,
        "state": "done",
        "reason": "rendered",
        "cause": "",
        "profile": "natural",
        "arrived_s": 1000.0,
        "changed_s": 1000.0,
        "attempts": 1,
        "failures": 0,
        "outputs": [str(studio.outbox / "night/DSC1.natural.jpg")],
        "receipt": str(studio.outbox / "night/DSC1.natural.json"),
        "twin": None,
    }


def test_a_state_and_a_number_narrow_the_list(studio: Studio) -> None:
    """
    The last ones that arrived, or those of one state.
    """
    studio.publish("a.NEF")
    for name in ("b.NEF", "c.NEF"):
        studio.arrive(name, name)

    assert [row["id"] for row in studio.json("ls", "--state", "queued")] == [2, 3]
    assert [row["id"] for row in studio.json("ls", "--limit", "1")] == [3]
    assert studio.run("ls", "--state", "nowhere")[0] == 2
    assert studio.run("ls", "--limit", "0")[0] == 2


def test_names_that_are_no_text_are_shown_and_can_be_had_exactly(studio: Studio) -> None:
    """
    A name of bytes stays on one line, and JSON has its bytes.
    """
    name = os.fsdecode(b"caf\xe9\n.NEF")
    studio.publish(name, "content")

    code, out = studio.run("ls")
    assert code == 0
    assert r"caf\xe9\n.NEF" in out
    assert len(out.splitlines()) == 1
    (row,) = studio.json("ls")
    assert row["path"].endswith(r"caf\xe9\n.NEF")
    assert {"path_base64", "outputs_base64", "receipt_base64"} <= set(row)


def test_files_that_are_no_capture_are_listed_with_the_reason(studio: Studio) -> None:
    """
    A sidecar whose picture never came is not forgotten.
    """
    orphan = studio.inbox / "DSC9.json"
    arrivals.list_leftovers(studio.ledger, studio.inbox, {orphan: Reason.NO_PICTURE})

    assert studio.run("ls", "--leftovers")[1] == f"{orphan}: {Reason.NO_PICTURE.value}\n"
    assert studio.json("ls", "--leftovers") == [
        {"path": str(orphan), "reason": "no_picture", "why": Reason.NO_PICTURE.value}
    ]
    assert studio.run("ls", "--leftovers", "--limit", "3")[0] == 2


def test_a_mistyped_state_folder_makes_no_ledger(studio: Studio, tmp_path: Path) -> None:
    """
    The error says where there is none, and the folder stays absent.
    """
    text = (tmp_path / "config.toml").read_text().replace("/state", "/typo")
    (tmp_path / "config.toml").write_text(text)

    code, out = studio.run("ls")

    assert (code, out) == (1, "")
    assert "There is no ledger in" in studio.error
    assert not (tmp_path / "typo").exists()


def test_a_reason_names_a_command_that_helps() -> None:
    """
    The daemon cannot be told to take a PNG that lies beside a raw; `flexispd render` can.
    """
    assert "`flexispd render`" in leftover_reason("beside_raw")
