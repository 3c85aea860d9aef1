"""What has to hold after every scenario, whatever went wrong in it."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from faults_studio import IDLE, Studio, wait_for
from PIL import Image

from flexispd.export.receipt import read_receipt
from flexispd.ledger import Record, State

REASONED = (State.WAITING, State.QUARANTINED, State.DUPLICATE, State.SUPERSEDED, State.VANISHED)


def assert_invariant(studio: Studio, *, idle: bool = True, rerun: bool = True) -> None:
    """
    Nothing is lost, nothing is half, and nothing is said that is not so.

    Args:
        studio: As the scenario left it.
        idle: Nobody has work left. False where a scenario ends in the middle of it.
        rerun: The daemon is stopped, and a run over the same folders has to change nothing.
    """
    assert studio.alive() == studio.expected_running, studio.said()
    if idle:
        studio.wait_idle()
    _originals_are_untouched(studio)
    records = studio.records()
    _each_capture_is_in_one_state(studio, records, idle=idle)
    _outbox_is_whole(studio, records, idle=idle)
    _status_tells_the_truth(studio, records, idle=idle)
    if idle and rerun:
        if studio.alive():
            assert studio.stop() == 0, studio.said()
        _a_second_run_changes_nothing(studio)


def _originals_are_untouched(studio: Studio) -> None:
    """Byte for byte and second for second what was put there, and nothing beside it."""
    for path, original in studio.originals.items():
        there = studio.seen(path)
        assert hashlib.sha256(there.read_bytes()).hexdigest() == original.sha256, path
        assert there.stat().st_mtime_ns == original.mtime_ns, path
    inbox = studio.seen(studio.inbox)
    if inbox.is_dir():
        listed = {studio.inbox / path.relative_to(inbox) for path in _files_below(inbox)}
        assert listed <= studio.originals.keys(), listed - studio.originals.keys()


def _each_capture_is_in_one_state(studio: Studio, records: list[Record], *, idle: bool) -> None:
    versions: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        versions[record.capture.raw].append(record)
        if record.state in REASONED:
            assert record.reason, record
        assert record.state in IDLE or not idle, record
    missing = studio.raws - versions.keys()
    assert not missing, missing
    for path, rows in versions.items():
        current = [row for row in rows if row.state is not State.SUPERSEDED]
        assert len({row.version for row in rows}) == len(rows), path
        assert len(current) == 1 or not idle, (path, current)
        assert max(row.version for row in rows) == current[-1].version, path


def _outbox_is_whole(studio: Studio, records: list[Record], *, idle: bool) -> None:
    """Each visible file belongs to exactly one row, is complete, and is what its receipt says."""
    claimed: list[Path] = []
    for record in records:
        assert bool(record.outputs) == (record.receipt is not None), record
        if record.state is State.DONE:
            assert record.outputs, record
        if record.receipt is None:
            continue
        receipt_path = studio.outbox / record.receipt
        receipt = read_receipt(studio.seen(receipt_path))
        assert receipt is not None, receipt_path
        named = {output.name: output.sha256 for output in receipt.outputs}
        claimed.append(receipt_path)
        for name, sha256, size_bytes in record.outputs:
            data = studio.seen(receipt_path.with_name(name)).read_bytes()
            assert len(data) == size_bytes, name
            assert hashlib.sha256(data).hexdigest() == sha256 == named[name], name
            _decodes(data)
            claimed.append(receipt_path.with_name(name))
    assert max(Counter(claimed).values(), default=1) == 1, Counter(claimed).most_common(3)
    latest = studio.seen(studio.latest)
    if latest.exists():
        _decodes(latest.read_bytes())
    if idle:
        with suppress(AssertionError):  # latest.jpg may be on its way for a moment after the last picture is done
            wait_for(lambda: set(studio.outbox_files()) - studio.foreign == set(claimed), 3)
        there = set(studio.outbox_files()) - studio.foreign
        assert there == set(claimed), (there - set(claimed), set(claimed) - there)
    latest = studio.outbox / "latest.jpg"
    if latest not in studio.foreign and studio.seen(latest).exists():
        _decodes(studio.seen(latest).read_bytes())


def _decodes(data: bytes) -> None:
    """A whole picture that is not all of one colour."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert np.asarray(picture).std() > 0


def _status_tells_the_truth(studio: Studio, records: list[Record], *, idle: bool) -> None:
    done = studio.cli("status", "--json")
    assert "Traceback" not in done.stderr, done.stderr
    status = json.loads(done.stdout)
    if idle:
        found = Counter(str(record.state) for record in records)
        assert {state: n for state, n in status["captures"].items() if n and state != "settling"} == found, status


def _a_second_run_changes_nothing(studio: Studio) -> None:
    before = _everything(studio)

    done = studio.once()

    assert done.returncode == 0, done.stdout + done.stderr
    after = _everything(studio)
    assert after == before, _differences(before, after)


def _everything(studio: Studio) -> dict[str, Any]:
    """All of the outbox and of the ledger that may not differ after a second run; attempts of what waits may."""
    found: dict[str, Any] = {}
    for path in studio.outbox_files():
        there = studio.seen(path)
        found[os.fsdecode(path)] = (hashlib.sha256(there.read_bytes()).hexdigest(), there.stat().st_mtime_ns)
    for record in studio.records():
        waiting = record.state is State.WAITING
        found[f"row {record.id}"] = (
            *(os.fsdecode(record.capture.raw), record.version, record.state, record.target, record.outputs),
            *(() if waiting else (record.reason, record.attempts, record.changed_s)),
        )
    return found


def _differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}


def _files_below(folder: Path) -> list[Path]:
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]
