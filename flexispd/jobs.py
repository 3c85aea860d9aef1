"""
What the supervisor and a worker say to one another, through a pipe, pickled.

    supervisor                                worker
                          <---------------    Ready, or Unready when its device or its weights are not to be had
    Job                   --------------->
                          <---------------    Stage      a step begins: what a stuck worker is known by
                          <---------------    Hashed     what are these bytes to you?
    Go | Drop             --------------->
                          <---------------    Named      asked only when the name needs what the file says of itself
    Go | Drop             --------------->
                          <---------------    Taken      that name belongs to somebody else; give another
    Go | Drop             --------------->
                          <---------------    Finished | Failed

    Show                  --------------->    beside all that: what OUTBOX/latest.jpg is to show now
                          <---------------    Showable   may these bytes take the place of those?
    Permit                --------------->
                          <---------------    Shown

A worker holds several jobs at once: one is read while another is on the device and a third is being written. Every
job that a worker was given ends with one Finished, one Failed, one Drop, or the worker's death. Of several Shows that
came while another was under way, only the last is begun; each that was begun ends with one Shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flexispd.capture.records import Capture
from flexispd.export.publish import Anchor
from flexispd.profile import Profile


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """
    How a worker is to run.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        profile: What to warm up with; its networks are loaded before the worker is ready.
        threads: For the networks on a processor; 0 leaves it to torch.
        queue_bytes: Most that may lie decoded or rendered between two of the worker's threads.
    """

    device: str
    profile: Profile
    threads: int
    queue_bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """
    One capture to render under one profile.

    Attributes:
        id: The ledger's.
        target: Where the outputs go, absolute and without extension; None until a name has been given.
    """

    id: int
    capture: Capture
    profile: Profile
    target: Path | None


@dataclass(frozen=True, slots=True)
class Ready:
    """A frame has been rendered for warming up. `devices`: all that this machine has, in the form of WorkerOptions."""

    device: str
    devices: tuple[str, ...]
    warm_up_ms: float


@dataclass(frozen=True, slots=True)
class Unready:
    """The worker cannot work, and ends: the device is absent, or the weights are not as they should be."""

    problem: str
    remedy: str
    weights: bool = False  # which is not mended by trying again


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a job begins, and no other is running; None: it lies between two threads, and nobody works on it."""

    job: int
    name: Literal["read", "decode", "develop", "publish"] | None


@dataclass(frozen=True, slots=True)
class Hashed:
    """The capture's content: SHA-256 of the raw, and of everything that decides the picture (raw, JSON, XMP)."""

    job: int
    raw_sha256: str
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Named:
    """What a naming template may want to know. None: no source had it."""

    job: int
    taken_at: str | None  # "YYYY:MM:DD HH:MM:SS"
    camera: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """The target's name belongs to a file that is not this capture's."""

    job: int


@dataclass(frozen=True, slots=True)
class Go:
    """Carry on, with this target, None when the name needs what `Named` tells, in the outbox as it is now."""

    job: int
    target: Path | None
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave this job; no answer is expected."""

    job: int


@dataclass(frozen=True, slots=True)
class OutputWritten:
    """One file that a job wrote, absolute."""

    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """
    Everything is whole and durable.

    Attributes:
        up_to_date: It was there already, made from the same ingredients.
        taken_at: As in Named; for the difference between the camera's clock and ours.
    """

    job: int
    receipt: Path
    outputs: tuple[OutputWritten, ...]
    up_to_date: bool
    warnings: tuple[str, ...]
    steps_ms: Mapping[str, float]
    device: str
    camera: str | None
    taken_at: str | None


FailureKind = Literal["incomplete", "unsupported", "vanished", "blocked", "transient", "setup", "device", "bug"]
"""
incomplete: damaged, or not all there yet. unsupported: whole, and never to be rendered. blocked: nothing can be written
there. transient: reading failed. setup: what every capture needs is missing. device: the worker must be replaced.
"""


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing of this job was published. `details`: a traceback, where it is a bug."""

    job: int
    kind: FailureKind
    problem: str
    remedy: str
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Show:
    """
    Let people see this capture now, as well as it can be done at once.

    Attributes:
        number: Of this wish; a later one has a higher number.
        target: The file that viewers look at.
        picture: The finished JPEG, which is to be copied; None before there is one, then the camera's own preview is.
    """

    number: int
    capture: Capture
    target: Path
    picture: Path | None


@dataclass(frozen=True, slots=True)
class Showable:
    """
    A JPEG is ready to appear.

    Attributes:
        sha256: Of what would appear.
        standing: Of what lies there now; None if nothing does, empty if it is nothing that we could have written.
    """

    number: int
    sha256: str
    standing: str | None


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether it may appear, in the outbox as it is now."""

    number: int
    granted: bool
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """How it ended: the file that people see now, or why they do not."""

    number: int
    source: Path | None
    problem: str | None
