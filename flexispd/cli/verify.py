"""`flexispd verify`: whether every picture is still what was written, and whether every capture has one."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flexispd.cli.captures import file_json, looked_into, print_wrong, read_receipt, receipt_of, shown_name
from flexispd.cli.output import ConfigOption, JsonOption, counted, print_json
from flexispd.errors import BlockedError, displayable

if TYPE_CHECKING:
    from flexispd.ledger import Record


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is not as it was when it was written: the file, and in which way."""

    record: Record
    file: Path
    kind: str  # missing | altered | unreadable | receipt
    text: str


def verify(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """
    Compare every picture with its receipt and the ledger, and count what has arrived against what is there.

    Reads every byte of every picture, those of older versions too. Exit code 1 when a picture or a receipt is missing,
    altered or unreadable; a capture that has no picture yet is listed with the reason, and is no fault.
    """
    from flexispd.ledger import reports

    with looked_into(config) as (settings, ledger, wrong):
        print_wrong(wrong)
        published = list(reports.published(ledger))
        newest = {record.capture.raw: record for record in reports.listed(ledger)}
    if published and not settings.outbox.is_dir():
        raise BlockedError(
            f"The outbox {displayable(settings.outbox)} is not there.", remedy="Mount its volume, then verify again."
        )
    faults: list[Fault] = []
    verified: set[int] = set()
    with _progress(published) as following:
        for record in following:
            found = list(_faults(record, settings.outbox))
            faults += found
            if not found:
                verified.add(record.id)
    told = _summary(list(newest.values()), verified, faults)
    if as_json:
        print_json({**told, "pictures": sum(len(record.outputs) for record in published)})
    else:
        typer.echo("\n".join(_lines(told)))
    if faults:
        raise typer.Exit(1)


def _faults(record: Record, outbox: Path) -> Iterator[Fault]:
    """All that is wrong with the files of one version."""
    receipt = receipt_of(record, outbox)
    assert receipt is not None  # it is published
    document = read_receipt(receipt)
    named = {} if document is None else _named(document)
    if document is None:
        there = os.path.lexists(receipt)
        yield Fault(record, receipt, "receipt" if there else "missing", "is no receipt" if there else "is not there")
    elif named is None:
        yield Fault(record, receipt, "receipt", "does not say what it should")
    for name, sha256, size_bytes in record.outputs:
        path = receipt.parent / name
        try:
            if not path.is_file():
                yield Fault(record, path, "missing", "is not there")
                continue
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            yield Fault(record, path, "unreadable", f"cannot be read: {error.strerror}")
            continue
        if size != size_bytes:
            yield Fault(record, path, "altered", f"has {counted(size, 'byte')} and was written with {size_bytes}")
        elif actual != sha256:
            yield Fault(record, path, "altered", f"has SHA-256 {actual[:12]}… and was written with {sha256[:12]}…")
        if named and named.get(os.fsencode(name)) != sha256:
            yield Fault(record, receipt, "receipt", f"does not name {displayable(name)} as it was written")


def _named(document: Mapping[str, Any]) -> dict[bytes, str] | None:
    """Exact name -> SHA-256 of what a receipt says was written; None when it is not as a receipt should be."""
    try:
        return {
            base64.b64decode(entry["path_base64"]) if "path_base64" in entry else entry["path"].encode(): entry[
                "sha256"
            ]
            for entry in document["outputs"]
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _summary(newest: Sequence[Record], verified: set[int], faults: Sequence[Fault]) -> dict[str, Any]:
    """Arrived against verified; what lies between them, one by one, with the reason."""
    lacking = [record for record in newest if record.id not in verified]
    states = Counter("damaged" if record.state.value == "done" else record.state.value for record in lacking)
    return {
        "arrived": len(newest),
        "verified": len(newest) - len(lacking),
        "others": dict(sorted(states.items())),
        "faults": [{"id": f.record.id, "kind": f.kind, **file_json("file", f.file), "problem": f.text} for f in faults],
        "unverified": [
            {
                "id": record.id,
                **file_json("path", record.capture.raw),
                "name": shown_name(record),
                "state": record.state.value,
                "reason": record.reason,
            }
            for record in lacking
        ],
    }


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    for capture in told["unverified"]:
        if capture["state"] not in ("done", "duplicate"):  # told as faults, and nothing that anybody has to look after
            yield f"{capture['id']} {capture['name']} is {capture['state']}: {displayable(capture['reason'])}"
    for fault in told["faults"]:
        yield f"{fault['file']} {fault['problem']} ({fault['kind']}, capture {fault['id']})"
    others = "".join(f", {number:,} {state}" for state, number in told["others"].items())
    yield f"{told['arrived']:,} arrived, {told['verified']:,} verified{others}"
    if told["faults"]:
        yield "`flexispd reprocess` renders damaged pictures again, under names of their own"


@contextmanager
def _progress(records: Sequence[Record]) -> Iterator[Iterable[Record]]:
    """The records, with a bar where somebody waits for it."""
    if not sys.stderr.isatty() or len(records) < 100:
        yield records
        return
    with typer.progressbar(records, show_pos=True, file=sys.stderr) as bar:
        yield bar
