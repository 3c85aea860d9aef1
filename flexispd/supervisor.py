"""
The daemon's main process: inboxes -> ledger -> workers -> systemd, in one loop that never waits for any of them.

    signals     what somebody wants: stop, reload
    inboxes     what has arrived, changed or gone, written into the ledger
    requests    what the command line wrote into the ledger
    workers     what they said, who died, what is next
    people      status file, systemd, log

The loop sleeps until a worker, a watched folder or a signal wakes it, or the next deadline. It touches no pixel, and
no file of an inbox or outbox: threads and workers of their own do that, because a network folder may never answer.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

from flexispd.capture.inbox import Inbox, Step
from flexispd.config import Config, load_config
from flexispd.dispatch import Dispatcher
from flexispd.errors import ConfigError, FlexispError, displayable
from flexispd.failures import Failures, Trouble
from flexispd.intake import Intake
from flexispd.ledger import Ledger, LedgerError, State, arrivals, reports, requests, work
from flexispd.log import close_file, log, open_file, to_service
from flexispd.outbox import Outbox
from flexispd.presence import Hold, write_status
from flexispd.readiness import set_profile
from flexispd.signals import Signals
from flexispd.status import Status, describe
from flexispd.systemd import Notifier

MOUNTS = "mounts"
"""Setting: folder -> where its volume was mounted when it was last seen."""

PAUSED = "paused"
LOGS = "logs"

TURN_S_MAX = 1.0
LEDGER_S_MAX = 60.0
"""So long a drain waits for a ledger that cannot be written; the daemon waits for ever."""

REQUESTS_S = 0.5
TELL_S = 1.0
"""Between two tellings of how it goes: a service manager that does not listen must not slow the pictures."""

WARN_FULL_MIN = 30.0
"""A warning is due when the disk will be full so soon."""


class Supervisor:
    """
    The loop. `run` returns when it was told to stop, or, with `once`, when there is nothing left to do.

    Raises ConfigError, SetupError and LedgerError before anything is started, and SetupError when its own files are
    taken away.
    """

    def __init__(self, config: Config, ledger: Ledger, lock: Hold, signals: Signals, *, once: bool = False) -> None:
        self.config = config
        self._ledger = ledger
        self._lock = lock
        self._signals = signals
        self._once = once
        self._notifier = Notifier()
        self._mounts: dict[str, str] = ledger.setting(MOUNTS, {})
        self._outbox = Outbox(config.outbox, config.output.free_min_mb, self._mount(config.outbox), signals.wake)
        self._inboxes = [self._watch(root) for root in config.inboxes]
        self._steps: dict[Path, Step] = {}  # the last of each inbox
        self._reconciled: set[Path] = set()
        failures = Failures(config, ledger, self._outbox, self._present, self._gone)
        self._dispatch = Dispatcher(config, ledger, self._outbox, failures)
        self._intake = Intake(ledger, self._dispatch.latest)
        self._ledger_problem: LedgerError | None = None
        self._ledger_since_s = 0.0
        self._trouble: Trouble | None = None
        self._reconcile: dict[str, object] | None = None
        self._ready = False
        self._ledger_version = -1
        self._requests_due_s = 0.0
        self._tell_due_s = 0.0
        self._paused = False

    def run(self) -> int:
        """Work until told to stop. Returns the exit status: 0, or with `once` 1 if something could not be done."""
        at_s = time.time()
        log.info(
            "service.starting", pid=os.getpid(), profile=self.config.profile, outbox=displayable(self.config.outbox)
        )
        self._outbox.clean(self.config.outbox, at_s)
        for record in work.recover(self._ledger, at_s):
            for folder in self._dispatch.folders(record):
                self._outbox.clean(folder, at_s)
        # Also what waited for an inbox that the configuration does not name any more.
        work.release(self._ledger, "volume", at_s, "the daemon was started")
        try:
            while not self._signals.stop:
                now_s = time.monotonic()
                self._turn(now_s, time.time())
                if self._once and self._drained():
                    break
                self._sleep(now_s)
            return self._end()
        finally:
            self._dispatch.kill_all()  # whatever happened: a process does not end before its children

    def _turn(self, now_s: float, at_s: float) -> None:
        """Everything that can be done now; what the ledger did not take is tried again in the next turn."""
        if self._signals.take_reload():
            self._reload()
        for inbox in self._inboxes:
            self._take_step(inbox, inbox.step(now_s))
        if self._outbox.step(now_s):
            self._outbox_changed(at_s)
        try:
            # What was there at the start is backlog; nobody has just pressed the shutter for it.
            self._intake.write(at_s, arrivals.LIVE if self._ready else arrivals.BACKLOG)
            self._take_requests(now_s)
            self._release_waiting(at_s)
            self._remember_mounts()
            self._dispatch.step(now_s, at_s, hand_out=not self._paused)
        except LedgerError as error:
            self._ledger_failed(error, at_s)
        else:
            if self._ledger_problem is not None:
                self._ledger_problem = None
                log.info("ledger.back")
        self._tell(now_s, at_s)

    def _sleep(self, now_s: float) -> None:
        """Until somebody has something to say, or the next thing is due."""
        dues = [inbox.next_due_s() for inbox in self._inboxes]
        dues += [self._outbox.next_due_s(), self._dispatch.next_due_s(now_s), self._requests_due_s]
        due_s = min([due for due in dues if due is not None], default=now_s + TURN_S_MAX)
        pause_s = min(max(due_s - time.monotonic(), 0.0), TURN_S_MAX)
        if self._ledger_problem is not None:
            pause_s = TURN_S_MAX  # what workers said stays unanswered, and must not wake us again and again
            time.sleep(pause_s)
        else:
            wait([self._signals.descriptor, *self._dispatch.waitables()], pause_s)
        self._signals.drain()

    # Inboxes.

    def _watch(self, root: Path) -> Inbox:
        return Inbox(root, self.config.arrival, self.config.ignore, self._signals.wake, self._mount(root))

    def _take_step(self, inbox: Inbox, step: Step) -> None:
        """Log what the inbox noticed, and keep what is for the ledger."""
        self._steps[inbox.root] = step
        for note in step.notes:
            getattr(log, note.level)(note.event, inbox=displayable(inbox.root), **note.fields)
            if note.event == "reconcile":
                self._reconcile = {"at_s": time.time(), **note.fields}
            elif note.event == "inbox.unreadable":
                problem = f"{note.fields['folder']} cannot be read: {note.fields['problem']}."
                self._trouble = Trouble(time.time(), note.event, problem)
        if step.listed or step.absent is not None:
            self._reconciled.add(inbox.root)
        self._intake.take(step)

    def _gone(self, root: Path, file: Path) -> bool:
        """Whether an inbox has been listed and does not hold this file; should it come back, it arrives again."""
        step = self._steps.get(root)
        inbox = next((inbox for inbox in self._inboxes if inbox.root == root), None)
        return inbox is not None and step is not None and step.listed and not inbox.knows(file)

    def _present(self, root: Path) -> bool:
        """Whether an inbox's volume is there."""
        step = self._steps.get(root)
        return step is None or step.absent is None

    # Requests, pauses, volumes.

    def _take_requests(self, now_s: float) -> None:
        """What the command line wrote, looked for only when somebody else has written."""
        if now_s < self._requests_due_s:
            return
        self._requests_due_s = now_s + REQUESTS_S
        self._lock.check()
        self._ledger.check_file()
        self._ledger.sync()  # rarely, so that no picture waits for the disk a second time
        version = self._ledger.data_version()
        if version == self._ledger_version:
            return
        for path in requests.submitted(self._ledger):
            for inbox in self._inboxes:
                if path.is_relative_to(inbox.root):
                    inbox.submit(path, now_s)
            log.info("capture.submitted", capture=displayable(path))
        paused = self._ledger.setting(PAUSED) is not None
        if paused != self._paused:
            self._paused = paused
            log.info("service.paused" if paused else "service.resumed")
        if self._mounts and self._ledger.setting(MOUNTS) is None:
            self._accept_volumes()
        self._ledger_version = version

    def _outbox_changed(self, at_s: float) -> None:
        if self._outbox.problem is None:
            open_file(self.config.log, self.config.outbox / LOGS)
            log.info("outbox.open", free_mb=(self._outbox.free_bytes or 0) >> 20)
        else:
            close_file()
            log.warning("outbox.blocked", problem=self._outbox.problem)
            self._trouble = Trouble(at_s, "outbox.blocked", self._outbox.problem)

    def _accept_volumes(self) -> None:
        """Somebody said that the folders are right as they are now, whatever was mounted there before."""
        self._mounts = {}
        self._outbox.mount = None
        for inbox in self._inboxes:
            inbox.close()
        self._inboxes = [self._watch(root) for root in self.config.inboxes]
        log.info("volumes.accepted")

    def _mount(self, folder: Path) -> Path | None:
        return Path(point) if (point := self._mounts.get(str(folder))) is not None else None

    def _remember_mounts(self) -> None:
        """Where volumes are, so that after a restart an empty mount point is not taken for an empty folder."""
        seen = {str(inbox.root): inbox.mount for inbox in self._inboxes}
        seen[str(self.config.outbox)] = self._outbox.mount
        found = {**self._mounts, **{folder: str(mount) for folder, mount in seen.items() if mount is not None}}
        if found != self._mounts:
            self._ledger.set_setting(MOUNTS, found)
            self._mounts = found

    def _release_waiting(self, at_s: float) -> None:
        """What waited for a volume or for space, which is there again."""
        if self._outbox.recovered:
            work.release(self._ledger, "outbox", at_s, "the outbox can be written to")
            self._outbox.recovered = False
        for inbox in self._inboxes:
            if self._present(inbox.root):
                work.release(self._ledger, "volume", at_s, "the inbox is there", inbox.root)

    # Settings.

    def _reload(self) -> None:
        """Take the configuration and the active profile anew, or refuse and keep what was."""
        self._notifier.reloading()
        try:
            config = load_config(self.config.path)
            self._refuse_moves(config)
            set_profile(self._ledger, config, again=True)
        except FlexispError as error:
            log.error("config.refused", problem=error.problem, remedy=error.remedy)
            self._trouble = Trouble(time.time(), "config.refused", error.problem)
        else:
            self._apply(config)
            log.info("config.reloaded", path=displayable(config.path))
        if self._ready:
            self._notifier.ready()

    def _refuse_moves(self, config: Config) -> None:
        for key in ("state", "outbox"):
            if getattr(config, key) != getattr(self.config, key):
                raise ConfigError(f"A new {key} takes a restart.", remedy="Stop flexispd and start it again.")

    def _apply(self, config: Config) -> None:
        watching = (self.config.arrival, self.config.ignore) == (config.arrival, config.ignore)
        self.config = config
        kept = [inbox for inbox in self._inboxes if watching and inbox.root in config.inboxes]
        for inbox in self._inboxes:
            if inbox not in kept:
                inbox.close()
                self._steps.pop(inbox.root, None)
        roots = [inbox.root for inbox in kept]
        self._inboxes = kept + [self._watch(root) for root in config.inboxes if root not in roots]
        self._outbox.free_min_mb = config.output.free_min_mb
        self._dispatch.replace_all(config)
        to_service(config.log, config.outbox / LOGS if self._outbox.problem is None else None)

    # People.

    def _ledger_failed(self, error: LedgerError, at_s: float) -> None:
        if self._ledger_problem is None:
            self._ledger_since_s = time.monotonic()
            log.error("ledger.blocked", problem=error.problem, remedy=error.remedy)
        self._ledger_problem = error
        self._trouble = Trouble(at_s, "ledger.blocked", error.problem)

    def _tell(self, now_s: float, at_s: float) -> None:
        """Say how it goes: READY once, WATCHDOG while no frame is stuck, STATUS and the status file now and then."""
        listed = self._reconciled.issuperset(self.config.inboxes) and self._intake.empty
        if not self._ready and self._dispatch.ready and listed:
            self._ready = True
            self._notifier.ready()
            log.info("service.ready", inboxes=len(self._inboxes))
        if now_s < self._tell_due_s:
            return
        self._tell_due_s = now_s + TELL_S
        if not self._ready:
            self._notifier.extend_timeout(30)
        stuck = [w for w in self._dispatch.workers if w.stuck(now_s, 2 * self.config.worker.job_timeout_s)]
        # While the ledger is blocked nobody listens to the workers, so what is known of them is old.
        if not stuck or self._ledger_problem is not None:
            self._notifier.watchdog()
        self._tell_status(at_s, "working")

    def _tell_status(self, at_s: float, phase: str) -> None:
        with suppress(LedgerError):
            status = self._status(at_s, phase)
            write_status(self.config.state, status.as_json())
            self._notifier.status(status.sentence())
            if status.full_in_min is not None and status.full_in_min < WARN_FULL_MIN:
                log.warning("outbox.filling", full_in_min=status.full_in_min, free_mb=(status.free_bytes or 0) >> 20)

    def _status(self, at_s: float, phase: str) -> Status:
        return describe(
            phase if self._ready or phase != "working" else "starting",
            at_s,
            self._ledger,
            self._steps,
            self._dispatch,
            self._outbox,
            problem=self._problem(),
            paused=self._paused,
            trouble=max(
                [t for t in (self._trouble, self._dispatch.failures.trouble) if t], key=lambda t: t.at_s, default=None
            ),
            reconcile=self._reconcile,
        )

    def _problem(self) -> tuple[str, str] | None:
        """What keeps all captures from being rendered: a word for it, and the sentence."""
        if self._ledger_problem is not None:
            return "ledger", f"{self._ledger_problem.problem} {self._ledger_problem.remedy}"
        if self._outbox.problem is not None:
            return "outbox", self._outbox.problem
        if self._dispatch.problem is not None:
            return "device", self._dispatch.problem
        return None

    # The end.

    def _drained(self) -> bool:
        """Whether nothing is left that could be done now."""
        if not self._reconciled.issuperset(self.config.inboxes) or not self._intake.empty or self._dispatch.in_flight:
            return False
        if self._ledger_problem is not None:
            return time.monotonic() - self._ledger_since_s > LEDGER_S_MAX
        if any(step.settling for step in self._steps.values()):
            return False
        if not self._outbox.known:
            return False
        try:
            counts = reports.counts(self._ledger)
        except LedgerError:
            return False  # the next turn says so
        if counts[State.RUNNING]:
            return False
        return not counts[State.QUEUED] or self._paused or self._problem() is not None

    def _end(self) -> int:
        """Finish what is in flight, unless somebody is in a hurry, and put back the rest."""
        log.info("service.stopping", in_flight=self._dispatch.in_flight)
        self._notifier.stopping()
        deadline_s = time.monotonic() + self.config.worker.job_timeout_s
        while self._dispatch.in_flight and not self._signals.hurry and time.monotonic() < deadline_s:
            now_s, at_s = time.monotonic(), time.time()
            try:
                self._dispatch.step(now_s, at_s, hand_out=False)
            except LedgerError as error:
                self._ledger_failed(error, at_s)
                break
            self._notifier.extend_timeout(30)
            self._notifier.watchdog()
            wait([self._signals.descriptor, *self._dispatch.waitables()], TURN_S_MAX)
            self._signals.drain()
        undone = self._undone()
        for inbox in self._inboxes:
            inbox.close()
        with suppress(LedgerError):  # then the next start puts them back
            self._dispatch.stop(time.monotonic(), time.time())
            self._ledger.sync()
        self._outbox.settle(5.0)
        self._outbox.close()
        self._tell_status(time.time(), "stopped")
        log.info("service.stopped")
        return 1 if self._once and undone else 0

    def _undone(self) -> bool:
        """Whether something could not be done, by a fault of its own or of what it lies on."""
        blind = self._trouble is not None and self._trouble.event == "inbox.unreadable"
        if self._problem() is not None or self._paused or blind or self._dispatch.failures.quarantined:
            return True
        try:
            waiting = reports.waiting_for(self._ledger)
        except LedgerError:
            return True
        # Of captures that wait for their metadata there is nothing to be done.
        return bool(waiting.keys() - {"metadata"}) or not all(map(self._present, self.config.inboxes))
