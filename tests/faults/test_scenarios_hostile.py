"""
Scenarios 22 to 25: damaged files, metadata that bites, names and file types that nobody expects.

One daemon has to live through all of it; a good frame at the end of each shows that it goes on.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_invariant import assert_invariant
from faults_raws import cut, raw_bytes
from faults_studio import Studio

from flexispd.ledger import State

INCOMPLETE_S = 3.0


@pytest.fixture(scope="module")
def studio(shared_studio: Studio) -> Iterator[Studio]:
    shared_studio.configure(
        arrival={"incomplete_s": INCOMPLETE_S, "sidecars": "never"},
        worker={"job_timeout_s": 15.0, "memory_max_mb": 1500},
    )
    shared_studio.start()
    yield shared_studio
    assert_invariant(shared_studio)


def good_frame(studio: Studio, seed: int) -> None:
    """The daemon still does its work."""
    studio.wait_state(studio.drop(f"good-{seed}.dng", raw_bytes(seed)), State.DONE)


def test_scenario_22_truncated_and_mislabelled_raws_end_in_quarantine_with_the_cause(
    studio: Studio, shared_data: Path
) -> None:
    """
    Cut at 0, 2, 50 and 99 %, and a text that is called a CR3: each is put aside after tries, the others go on.
    """
    data = raw_bytes(220)
    bad = [studio.drop(f"cut/at{percent:02}.dng", cut(data, percent / 100)) for percent in (0, 2, 50, 99)]
    bad.append(studio.drop("cut/letter.CR3", b"Dear photographer, this is no picture.\n" * 20))
    bad.append(studio.drop("cut/real.nef", (shared_data / "nasty" / "scanner_stack_no_cfa.nef").read_bytes()))

    records = [studio.wait_state(path, State.QUARANTINED, deadline_s=INCOMPLETE_S + 25) for path in bad]

    assert all(record.reason and not record.outputs for record in records)
    for path, record in zip(bad, records, strict=True):
        told = studio.cli("explain", str(path))
        assert told.returncode == 0, told.stderr
        assert record.reason.split(".")[0][:40] in told.stdout.replace("\n", " "), (record.reason, told.stdout)
    good_frame(studio, 221)
    assert_invariant(studio, rerun=False)


def exif_bomb() -> bytes:
    """A maker note that says it is 4 GB long, whose directory points at itself."""
    data = bytearray(raw_bytes(230))
    (entries,) = struct.unpack_from("<H", data, 8)
    for at in range(10, 10 + 12 * entries, 12):
        (tag,) = struct.unpack_from("<H", data, at)
        if tag == 34665:  # the EXIF directory: now it is the first one again, for ever
            struct.pack_into("<I", data, at + 8, 8)
        if tag == 306:  # DateTime, of a length that no file has
            struct.pack_into("<I", data, at + 4, 0xFFFFFFF0)
    return bytes(data)


BILLION_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">
%s]><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>&t9;</rdf:RDF></x:xmpmeta>""" % b"\n".join(
    b'<!ENTITY t%d "%s">' % (depth, b"&%s;" % (b"a" if depth == 0 else b"t%d" % (depth - 1)) * 10)
    for depth in range(10)
)

JSONS = {
    "huge": b"",  # a gigabyte of nothing, made as a sparse file
    "nan": b'{"iso": NaN, "orientation": 1}',
    "twice": b'{"iso": 100, "iso": 200}',
    "types": b'{"iso": {"a": []}, "orientation": "sideways", "make": [[[[1]]]]}',
    "deep": b"[" * 100_000,
    "binary": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("kind", JSONS)
def test_scenario_23_json_that_bites_ends_in_a_picture_or_a_reason(studio: Studio, kind: str) -> None:
    """
    A gigabyte, NaN, keys twice, wrong types, endless nesting: no crash, no memory, and the reason is written down.
    """
    json_path = studio.drop(f"json/{kind}.json", JSONS[kind], raw=False)
    if kind == "huge":
        with json_path.open("wb") as file:
            file.truncate(1 << 30)
        studio.originals.pop(json_path)
    path = studio.drop(f"json/{kind}.dng", raw_bytes(231 + list(JSONS).index(kind)))

    record = studio.wait_state(path, State.DONE, State.QUARANTINED, deadline_s=INCOMPLETE_S + 30)

    if record.state is State.DONE:
        assert record.receipt is not None
        receipt = json.loads((studio.outbox / record.receipt).read_bytes())
        assert kind == "twice" or receipt["warnings"] or kind in str(receipt["metadata"]), receipt
    else:
        assert json_path.name in record.reason
    if kind == "huge":
        studio.remove(json_path)
    assert_invariant(studio, rerun=False)


@pytest.mark.parametrize("kind", ["exif", "xmp"])
def test_scenario_23_metadata_bombs_are_survived(studio: Studio, kind: str) -> None:
    """
    A directory that contains itself, and entities that grow to gigabytes: the next source is used, or the reason told.
    """
    if kind == "xmp":
        studio.drop("bomb/xmp.xmp", BILLION_LAUGHS, raw=False)
    path = studio.drop(f"bomb/{kind}.dng", exif_bomb() if kind == "exif" else raw_bytes(239))

    record = studio.wait_state(path, State.DONE, State.QUARANTINED, deadline_s=INCOMPLETE_S + 30)

    assert record.state is State.DONE or record.reason
    good_frame(studio, 2400 + len(kind))
    assert_invariant(studio, rerun=False)


NAMES: list[bytes] = [
    b"caf\xe9.dng",  # Latin-1
    b"two\nlines.dng",
    b"tab\there.dng",
    b"-rf.dng",
    b"n" * 251 + b".dng",  # 255 bytes
    "🌃 night.dng".encode(),
    "e\u0301tude.dng".encode(),  # NFD
    "\u00e9tude.dng".encode(),  # NFC: the same to the eye
    b";rm -rf $HOME `id`.dng",
    "\u202egnd.dng".encode(),  # right to left from here on
    b'quote".dng',
    b"percent%s%n{stem}.dng",
    b"CON.dng",
    b"trailing .dng",
]


def test_scenario_24_names_of_every_kind_are_rendered_or_put_aside_and_the_log_stays_one_line_an_event(
    studio: Studio,
) -> None:
    """
    Bytes that are no text, newlines, dashes, 255 bytes, twins to the eye, commands, text that turns around.
    """
    paths = [studio.drop(b"names/" + name, raw_bytes(240 + number)) for number, name in enumerate(NAMES)]

    records = [studio.wait_state(path, State.DONE, State.QUARANTINED, deadline_s=60) for path in paths]

    done = [path for path, record in zip(paths, records, strict=True) if record.state is State.DONE]
    put_aside = {path: record.reason for path, record in zip(paths, records, strict=True) if path not in done}
    assert all(len(os.fsencode(path.name)) > 240 for path in put_aside), put_aside
    for line in studio.stdout_path.read_bytes().splitlines():
        assert line.startswith(b"{"), line
        json.loads(line)
    for path in paths[:4]:
        told = studio.cli("explain", str(path))
        assert told.returncode == 0, told.stderr
    assert studio.cli("ls").returncode == 0
    assert json.loads(studio.cli("ls", "--json").stdout)
    assert_invariant(studio, rerun=False)


def test_scenario_25_only_regular_files_are_captures_and_links_lead_nowhere_twice(
    studio: Studio, tmp_path: Path
) -> None:
    """
    Links to files, to parents and to nothing, a FIFO, a socket: nobody waits for them, and loops are not followed.
    """
    folder = studio.inbox / "types"
    folder.mkdir()
    before = {record.capture.raw for record in studio.records()}
    inside = studio.drop("types/real.dng", raw_bytes(260))
    studio.wait_state(inside, State.DONE)  # or the link, which is newer, may be rendered first
    outside = tmp_path / "outside.dng"
    outside.write_bytes(raw_bytes(261))
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "treasure.dng").write_bytes(raw_bytes(262))
    links = {
        "to-file.dng": inside,
        "to-outside.dng": outside,
        "dangling.dng": folder / "nothing.dng",
        "circle.dng": folder / "circle.dng",
        "parent": studio.inbox,
        "tree": tree,
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.dng")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket may be a hundred bytes long
        try:
            listening.bind("socket.dng")
        finally:
            os.chdir(here)
        good_frame(studio, 263)
    found = {record.capture.raw for record in studio.records()} - before

    assert {path.name for path in found} <= {"real.dng", "to-file.dng", "to-outside.dng", "good-263.dng"}
    for name in (*links, "pipe.dng", "socket.dng"):
        (folder / name).unlink()
    assert_invariant(studio, rerun=False)
