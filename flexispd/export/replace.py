"""
Whether an output may be written where it would go. Nothing of a photographer's own is ever replaced.

A file is ours when it is a regular file whose content is exactly what a receipt beside it names. A picture that was
retouched under our name is therefore no longer ours, and neither is a JPEG that a camera or another program happened
to call `DSC1.natural.jpg`.

    at the target's name                            never           stale           always
    nothing                                         written         written         written
    ours, same ingredients and settings             up to date, left alone          replaced
    ours, other profile, weights or metadata        refused         replaced        replaced
    ours, but of another photograph                 refused         refused         refused
    not ours, or changed since                      refused         refused         refused
    a folder, a link, anything but a regular file   refused         refused         refused

"never" is `flexispd render`, and "always" the same with --overwrite. For these another photograph is one whose raw
differs in content and in path: cameras count from 9999 to 0001, and the second DSC_0001 must not take the place of the
first. A raw that was merely moved, or copied again to the same place, is the same photograph.

"stale" is the service, which keeps an earlier picture when a raw is written anew: there another content is another
photograph. What a crash left between publishing and the ledger is adopted when it is up to date, completed when it is
half there, and made anew when the profile has changed meanwhile.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flexispd.errors import CaptureError, NameTakenError, TransientError, displayable
from flexispd.export.publish import Anchor, outbox_error, publish_together
from flexispd.export.receipt import (
    Ingredients,
    OutputFile,
    Receipt,
    name_beside,
    read_receipt,
    receipt_bytes,
    sha256_of,
)
from flexispd.profile import ExportParams

Replacing = Literal["never", "stale", "always"]
"""Which of our own files may be replaced, by the table above."""

_ELSEWHERE = "Move it away, or choose another outbox."


@dataclass(frozen=True, slots=True, eq=False)
class Clearance:
    """
    What may be done about the outputs of one capture under one profile.

    Attributes:
        up_to_date: All is there already; there is nothing to do.
        replacing: The files, receipt included, that exist and are to be replaced.
        previous: The receipt as it stands, reduced to the files that are still there and unchanged.
    """

    up_to_date: bool
    replacing: tuple[Path, ...]
    previous: Receipt | None


def may_replace(
    targets: Mapping[Path, ExportParams], receipt_path: Path, ingredients: Ingredients, mode: Replacing
) -> Clearance:
    """
    Decide by the table above, for all targets of one capture and profile together; they lie beside the receipt, or in
    folders that do.

    The receipt counts as an output: under "never" it is not replaced by one of other ingredients, as long as anything
    it describes is there. Targets of which some are missing are an interrupted run, and may be completed.

    Raises:
        NameTakenError: A name belongs to something that is not ours, or to another photograph.
        CaptureError: It is ours and `mode` says that it stays, or the name is too long.
        BlockedError, TransientError: The outbox cannot be looked at.
    """
    taken = [path for path in (*targets, receipt_path) if _exists(path)]
    standing = _standing(receipt_path)
    ours = set[str]() if standing is None else {receipt_path.name, *_names(standing.outputs, standing.earlier_outputs)}
    for path in taken:
        if name_beside(receipt_path, path) not in ours:
            raise NameTakenError(
                f"{displayable(path)} already exists and is not ours, or was changed since.", remedy=_ELSEWHERE
            )
    if standing is None:
        return Clearance(up_to_date=False, replacing=(), previous=None)
    if len(ours) > 1:
        _refuse_another_photograph(standing, ingredients, mode)
    made = {output.name: output.export for output in standing.outputs} if standing.made_of(ingredients) else {}
    names = {target: name_beside(receipt_path, target) for target in targets}
    current = {t for t, params in targets.items() if names[t] in made and _same_export(made[names[t]], params)}
    if mode == "never":
        stale = [t for t in targets if t in taken and t not in current]
        orphaned = [receipt_path.parent / name for name in sorted(_names(standing.outputs) - made.keys())]
        if stale or orphaned:
            raise CaptureError(
                f"{displayable([*stale, *orphaned][0])} already exists, made with other settings, weights or metadata.",
                remedy="Give --overwrite to replace it.",
            )
    complete = len(current) == len(targets) and mode != "always"
    return Clearance(up_to_date=complete, replacing=tuple(taken), previous=standing)


def publish_with_receipt(
    receipt: Receipt, receipt_path: Path, pictures: Mapping[Path, bytes], taken: Clearance, anchor: Anchor | None = None
) -> None:
    """
    Write the pictures and their receipt, all or none; `anchor` and errors as `publish_together`.

    The receipt appears first. Were it last, a power cut between the two would leave a picture that nobody can prove to
    be ours, and no later run could replace it.
    """
    files = [(receipt_path, receipt_bytes(receipt)), *pictures.items()]
    try:
        publish_together(files, replacing=taken.replacing, anchor=anchor)
    except NameTakenError as error:
        if isinstance(error.__cause__, FileExistsError):
            _refuse_a_race(Path(error.__cause__.filename), receipt_path)
        raise


def _refuse_a_race(target: Path, receipt_path: Path) -> None:
    """The name was free a moment ago: a TransientError if another run of ours took it."""
    standing = _standing(receipt_path)
    if standing is not None and (
        target == receipt_path or name_beside(receipt_path, target) in _names(standing.outputs)
    ):
        raise TransientError(
            f"Another run of flexispd wrote {displayable(target)} just now.", remedy="Run this again."
        ) from None


def _standing(receipt_path: Path) -> Receipt | None:
    """The receipt without the files that are gone or were changed."""
    with _looking_at(receipt_path):
        receipt = read_receipt(receipt_path)
    if receipt is None:
        return None
    names = _names(receipt.outputs, receipt.earlier_outputs)
    contents = {name: _content(receipt_path.parent / name) for name in names}
    return dataclasses.replace(
        receipt,
        outputs=tuple(o for o in receipt.outputs if contents[o.name] == o.sha256),
        earlier_outputs=tuple(o for o in receipt.earlier_outputs if contents[o.name] == o.sha256),
    )


def _names(*outputs: Iterable[OutputFile]) -> set[str]:
    return {output.name for group in outputs for output in group}


def _content(path: Path) -> str | None:
    """SHA-256 of a regular file; None where there is none, or none that we may read."""
    with _looking_at(path):
        try:
            return sha256_of(path) if stat.S_ISREG(path.lstat().st_mode) else None
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None


def _exists(path: Path) -> bool:
    """Whether there is a regular file. NameTakenError for anything else that has the name."""
    with _looking_at(path):
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return False
    if stat.S_ISREG(mode):
        return True
    kind = "a folder" if stat.S_ISDIR(mode) else "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
    raise NameTakenError(f"{displayable(path)} is {kind}, where an output should go.", remedy=_ELSEWHERE)


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise outbox_error(path, error) from error


def _refuse_another_photograph(standing: Receipt, ingredients: Ingredients, mode: Replacing) -> None:
    before, now = standing.raw, ingredients.raw
    same_place = mode != "stale" and os.fsencode(before.path) == os.fsencode(now.path)
    if before.sha256 != now.sha256 and not same_place:
        name = min(_names(standing.outputs, standing.earlier_outputs))
        raise NameTakenError(
            f"{displayable(name)} in the outbox is the picture of another photograph, {displayable(before.path)}.",
            remedy="Choose another outbox, or delete it first.",
        )


def _same_export(one: ExportParams, other: ExportParams) -> bool:
    if other.format != "jpeg":  # quality and chroma mean nothing to the others
        one = dataclasses.replace(one, quality=other.quality, chroma=other.chroma)
    return one == other
