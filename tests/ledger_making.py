"""Ledgers for tests, and captures that arrive and are rendered without a pixel."""

import hashlib
import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePath

from flexispd.capture.records import Arrival, Capture, Observation
from flexispd.jobs import Finished, OutputWritten
from flexispd.ledger import Ledger, Record, arrivals, profiles, work
from flexispd.ledger.arrivals import Recorded
from flexispd.profile import parse_profile

INBOX = Path("/inbox")
OUTBOX = Path("/outbox")
WARM = "description = 'warm'\n[white_balance]\nwarmth_mired = 5\n"


def new_ledger(state: Path) -> Ledger:
    """A ledger as a daemon has it that has just started."""
    ledger = Ledger.create(state)
    profiles.set_active(ledger, parse_profile("", "natural"), "")
    return ledger


def arrival(name: str, *, changed: int = 1, doubt: str | None = None, inbox: Path = INBOX, **sidecars: str) -> Arrival:
    """A capture below the inbox; `changed` stands for everything that `stat` says; sidecars by role."""
    raw = inbox / name
    beside = {role: raw.with_name(sidecar) for role, sidecar in sidecars.items()}
    observed = {path: Observation(1000, changed, changed) for path in (raw, *beside.values())}
    return Arrival(inbox, PurePath(name).parent, Capture(raw, **beside), observed, doubt)


def record_one(ledger: Ledger, arrived: Arrival, at_s: float = 0.0, lane: int = arrivals.LIVE) -> Recorded | None:
    """What the ledger made of one arrival, None when nothing about it was new."""
    recorded = arrivals.record(ledger, [arrived], at_s, lane)
    return recorded[0] if recorded else None


def claimed(ledger: Ledger, at_s: float = 0.0, *, idle: bool = True) -> Record:
    """The next capture, which must exist."""
    record = work.claim(ledger, at_s, idle=idle)
    assert record is not None
    return record


def state_of(ledger: Ledger, id_: int) -> str:
    """Where a row stands."""
    record = work.get(ledger, id_)
    assert record is not None
    return record.state.value


def sha256(content: str) -> str:
    """Stands for a file of this content."""
    return hashlib.sha256(os.fsencode(content)).hexdigest()


def names(record: Record) -> Iterator[PurePath]:
    """STEM.PROFILE, then with a number."""
    stem = record.folder / f"{record.capture.raw.stem}.{record.profile}"
    yield stem
    yield from (stem.with_name(f"{stem.name}.{number}") for number in count(2))


def finished(
    record: Record, target: PurePath, outbox: Path = OUTBOX, picture: bytes = b"picture", folder: str = ""
) -> Finished:
    """What a worker says when it has rendered a capture, into a folder beside the receipt if one is named."""
    base = outbox / target
    output = OutputWritten(base.parent / folder / f"{base.name}.jpg", hashlib.sha256(picture).hexdigest(), len(picture))
    return Finished(
        job=record.id,
        receipt=Path(f"{base}.json"),
        outputs=(output,),
        up_to_date=False,
        warnings=(),
        steps_ms={"decode": 500.0, "render": 1500.0},
        device="cpu",
        camera="Canon",
        taken_at="2026:01:01 20:00:00",
    )


def render_one(ledger: Ledger, at_s: float = 0.0, content: str | None = None) -> Record:
    """
    Claim the next capture and take it to its end, as worker and supervisor do together; its row as it then stands.

    `content` is what its files hold; left out, no other capture holds the same.
    """
    record = claimed(ledger, at_s)
    held = sha256(content or f"{record.capture.raw} {record.observed}")
    if work.recognise(ledger, record.id, held, held, at_s) is None:
        target = work.name(ledger, record.id, names(record))
        work.finish(ledger, finished(record, target), OUTBOX, at_s)
    return work.get(ledger, record.id) or record


def publish_one(ledger: Ledger, outbox: Path, at_s: float = 0.0, folder: str = "") -> Record:
    """The same with files in an outbox: a picture, in `folder` there, and a receipt that names it."""
    record = claimed(ledger, at_s)
    held = hashlib.sha256(record.capture.raw.read_bytes()).hexdigest()
    if work.recognise(ledger, record.id, held, held, at_s) is None:
        target = work.name(ledger, record.id, names(record))
        picture = f"picture of {record.id}".encode()
        done = finished(record, target, outbox, picture, folder)
        done.outputs[0].path.parent.mkdir(parents=True, exist_ok=True)
        done.outputs[0].path.write_bytes(picture)
        done.receipt.write_text(json.dumps(_receipt(record, done)))
        work.finish(ledger, done, outbox, at_s)
    return work.get(ledger, record.id) or record


def _receipt(record: Record, done: Finished) -> dict[str, object]:
    """As much of a receipt as commands read."""
    return {
        "schema": "flexispd-receipt/1",
        "profile": {"name": record.profile, "sha256": record.profile_sha256},
        "development": {
            "device": done.device,
            "illuminant": {"source": "auto", "cct_k": 3100.4},
            "rule": {"number": 2, "when": "iso > 1600", "use": "vivid-night"},
            "milliseconds": dict(done.steps_ms),
        },
        "warnings": ["The lens is unknown."],
        "outputs": [
            {"path": str(output.path.relative_to(done.receipt.parent)), "sha256": output.sha256}
            for output in done.outputs
        ],
    }
