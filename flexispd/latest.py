"""
The newest capture on the screen: OUTBOX/latest.jpg, which any viewer may show that reloads a file when it changes.

    recorded while somebody watches  ->  the camera's own preview, at once, however much there is to render
    rendered, and still the newest   ->  the finished JPEG

A worker writes it, beside its jobs. This is the supervisor's side: which capture is the newest, and whether the file
that stands there is ours. It is, if the ledger knows its SHA-256; what will be written is noted there before it
appears, so that no crash in between makes us take our own file for somebody else's. Anybody else's is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flexispd.capture.records import Arrival, Capture
from flexispd.config import Config
from flexispd.errors import displayable
from flexispd.jobs import Finished, Permit, Show, Showable, Shown
from flexispd.ledger import Ledger, Record, State
from flexispd.ledger.arrivals import Recorded
from flexispd.log import log
from flexispd.outbox import Outbox
from flexispd.workers import Worker

NAME = "latest.jpg"

SETTING = "latest"
"""Setting: list of the SHA-256 that what we wrote to `NAME` may have, the last one written at the end."""

OURS_MAX = 8
"""Several, because a worker may have died before or after it wrote what it was permitted to."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest capture: its row, and what there is to see of it."""

    id: int
    capture: Capture
    picture: Path | None = None


class Latest:
    """
    What latest.jpg shows. A wish that nobody can fulfil now waits, until a newer one takes its place.

    Attributes:
        config: Its outbox, and whether anything is to be shown at all.
    """

    def __init__(self, config: Config, ledger: Ledger, outbox: Outbox) -> None:
        self.config = config
        self._ledger = ledger
        self._outbox = outbox
        self._ours: list[str] = ledger.setting(SETTING, [])
        self._newest: _Newest | None = None
        self._wanted = False  # `_newest` was not asked for yet
        self._number = 0
        self._asked: Worker | None = None  # who owes us the end of the wish `_number`
        self._refused = False

    def arrived(self, arrivals: Sequence[Arrival], recorded: Sequence[Recorded]) -> None:
        """Captures have just been recorded, the newest of them last; a sidecar that joins makes none newer."""
        for change in recorded:
            newer = change.version == 1 and (self._newest is None or change.id >= self._newest.id)
            if change.state is State.QUEUED and (change.new_raw or newer):
                self._want(_Newest(change.id, change.arrival.capture))
        newest = self._newest
        if newest is None or newest.picture is not None or newest.capture.companion is not None:
            return
        for arrival in arrivals:
            if arrival.capture.raw == newest.capture.raw and arrival.capture.companion is not None:
                self._want(_Newest(newest.id, arrival.capture))  # the camera wrote it after the raw

    def rendered(self, finished: Finished) -> None:
        """A picture is finished; if it is the newest capture's, and a JPEG, it is better than the preview."""
        jpeg = _largest_jpeg((output.path, output.size_bytes) for output in finished.outputs)
        if self._newest is not None and self._newest.id == finished.job and jpeg is not None:
            self._want(_Newest(finished.job, self._newest.capture, jpeg))

    def twin(self, id_: int, record: Record | None) -> None:
        """A capture has the bytes of another, this record; if it is the newest, it is shown as that one looks."""
        if self._newest is None or self._newest.id != id_ or record is None:
            return
        self._newest = _Newest(record.id, self._newest.capture)  # which may not be rendered yet
        jpeg = _largest_jpeg((Path(name), size_bytes) for name, _, size_bytes in record.outputs)
        if record.receipt is not None and jpeg is not None:
            picture = self.config.outbox / record.receipt.parent / jpeg
            self._want(_Newest(record.id, self._newest.capture, picture))

    def step(self, workers: Sequence[Worker]) -> None:
        """Ask a worker for what is wanted, if one can."""
        worker = next((worker for worker in workers if worker.fit), None)
        if self._newest is None or not self._wanted or worker is None or not self.config.output.latest:
            return
        self._wanted = False
        self._number += 1
        self._asked = worker
        worker.send(Show(self._number, self._newest.capture, self.config.outbox / NAME, self._newest.picture))

    def hear(self, worker: Worker, message: Showable | Shown) -> None:
        """Answer a worker that is about to show something, or has."""
        if isinstance(message, Showable):
            granted = message.standing is None or message.standing in self._ours
            if granted:
                self._remember(message)
            elif not self._refused:
                log.warning("latest.refused", file=displayable(self.config.outbox / NAME))
            self._refused = not granted
            worker.send(Permit(message.number, granted, self._outbox.anchor))
            return
        if message.number == self._number:
            self._asked = None
        if message.source is not None:
            log.debug("latest.shown", source=displayable(message.source))
        else:
            log.debug("latest.not_shown", problem=message.problem)

    def occupies(self, worker: Worker) -> bool:
        """Whether a worker is busy here, and not with its jobs alone."""
        return self._asked is worker

    def lost(self, worker: Worker, at_s: float) -> None:
        """A worker has died. Nobody is asked the same again."""
        if self.occupies(worker):
            self._asked = None
            self._outbox.clean(self.config.outbox, at_s)

    def _want(self, newest: _Newest) -> None:
        self._newest, self._wanted = newest, True

    def _remember(self, message: Showable) -> None:
        """From now on what is written is ours, and so is what stands there until then."""
        kept = [sha256 for sha256 in self._ours if sha256 not in (message.standing, message.sha256)]
        standing = [] if message.standing is None else [message.standing]
        ours = [*kept[-OURS_MAX:], *standing, message.sha256]
        self._ledger.set_setting(SETTING, list(dict.fromkeys(ours)))
        self._ours = ours


def _largest_jpeg(outputs: Iterable[tuple[Path, int]]) -> Path | None:
    """Of outputs and their sizes: a profile may write a small JPEG for the web beside the one for a screen."""
    sizes = {path: size_bytes for path, size_bytes in outputs if path.suffix == ".jpg"}
    return max(sizes, key=sizes.__getitem__, default=None)
