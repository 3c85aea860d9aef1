"""A worker in a process of its own: what it says about each capture, and that it may be killed at any moment."""

import dataclasses
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flexispd.export.publish import remove_stale_temporaries
from flexispd.export.receipt import read_receipt, sha256_of
from flexispd.jobs import (
    Drop,
    Failed,
    Finished,
    Go,
    Hashed,
    Job,
    Named,
    Ready,
    Stage,
    Taken,
    Unready,
    WorkerOptions,
)
from flexispd.profile import ExportParams, Profile, load_profile
from flexispd.training.dng import write_dng
from flexispd.types import CFA, Capture, ColorMatrix, Mosaic, ShotInfo
from flexispd.weights import MANIFEST, SHIPPED, model_set, write_manifest
from flexispd.worker import serve

CAMERA = ColorMatrix(np.array([[0.7, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]]), 6504.0)
SHOT = ShotInfo("Maker", "Body", taken_at="2026:01:02 03:04:05", color_matrices=(CAMERA,))
ANSWER_S_MAX = 60.0


class Worker:
    """The supervisor's end of a worker, with a little of its manners."""

    def __init__(self, profile: Profile, target: Callable[..., None] = serve, **options: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        settings = {"device": "cpu", "threads": 1, "queue_bytes": 1 << 20, **options}
        self.process = context.Process(target=target, args=(theirs, WorkerOptions(profile=profile, **settings)))
        self.process.start()
        theirs.close()
        self.profile = profile
        self.heard: list[Any] = []

    def hear(self, *kinds: type[Any], job: int | None = None) -> Any:
        """The next message of one of these kinds (about this job); the others are kept in `heard`."""
        end_s = time.monotonic() + ANSWER_S_MAX
        while self.pipe.poll(max(0.0, end_s - time.monotonic())):
            message = self.pipe.recv()
            self.heard.append(message)
            if isinstance(message, kinds) and (job is None or message.job == job):
                return message
        raise TimeoutError(f"no {kinds} after {self.heard}")

    def give(self, id_: int, raw: Path, target: Path | None, profile: Profile | None = None) -> None:
        sidecar = raw.with_suffix(".json")
        capture = Capture(raw, json=sidecar if sidecar.exists() else None)
        self.pipe.send(Job(id_, capture, profile or self.profile, target))

    def render(self, id_: int, raw: Path, target: Path, profile: Profile | None = None) -> Any:
        """Finished, Failed or Taken of a job for which nothing else is asked."""
        self.give(id_, raw, target, profile)
        if isinstance(message := self.hear(Hashed, Failed, job=id_), Failed):
            return message
        self.pipe.send(Go(id_, target))
        return self.hear(Finished, Failed, Taken, job=id_)

    def stages(self, id_: int) -> list[str | None]:
        return [message.name for message in self.heard if isinstance(message, Stage) and message.job == id_]

    def close(self) -> None:
        self.pipe.close()
        self.process.join(ANSWER_S_MAX)
        self.process.kill()
        self.process.join()


@pytest.fixture(scope="module")
def natural() -> Profile:
    return load_profile("natural")


@pytest.fixture(scope="module")
def shared_worker(natural: Profile) -> Iterator[Worker]:
    worker = Worker(natural)
    assert isinstance(worker.hear(Ready, Unready), Ready)
    yield worker
    worker.close()


@pytest.fixture
def worker(shared_worker: Worker) -> Worker:
    """Warm, and at work for one test after the other, as in life."""
    shared_worker.heard.clear()
    return shared_worker


def mosaic_of(seed: int, edge: int = 64) -> Mosaic:
    values = np.random.default_rng(seed).normal(3000, 300, (edge, edge)).astype(np.uint16)
    return Mosaic(values, CFA.RGGB, (512.0,) * 4, (16383.0,) * 4, SHOT)


def raw_of(folder: Path, name: str = "DSC1.dng", seed: int = 1, edge: int = 64) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_dng(mosaic_of(seed, edge)))
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_capture_goes_all_the_way(worker: Worker, tmp_path: Path) -> None:
    """
    Picture and receipt lie under the target's name, and the supervisor is told everything that its ledger keeps.
    """
    raw, target = raw_of(tmp_path / "in"), tmp_path / "out" / "2026" / "DSC1.natural"

    done = worker.render(1, raw, target)

    assert isinstance(done, Finished), done
    assert names(tmp_path / "out") == ["2026/DSC1.natural.jpg", "2026/DSC1.natural.json"]
    (output,) = done.outputs
    assert (output.path, output.sha256) == (target.with_name("DSC1.natural.jpg"), sha256_of(output.path))
    assert output.size_bytes == output.path.stat().st_size
    assert done.receipt == target.with_name("DSC1.natural.json")
    assert (done.camera, done.taken_at, done.device, done.up_to_date) == ("Body", "2026:01:02 03:04:05", "cpu", False)
    assert {"hash", "decode", "render", "encode", "publish"} <= done.steps_ms.keys()
    steps = [stage for stage in worker.stages(1) if stage is not None]
    assert list(dict.fromkeys(steps)) == ["read", "decode", "develop", "publish"]
    assert read_receipt(done.receipt) is not None


def test_what_a_crash_left_is_adopted_or_completed(worker: Worker, natural: Profile, tmp_path: Path) -> None:
    """
    The ledger did not learn of it: whole outputs are found up to date by their hashes, half a set is made whole.
    """
    profile = dataclasses.replace(natural, export=(ExportParams(), ExportParams("png")))
    raw, target = raw_of(tmp_path / "in"), tmp_path / "out" / "DSC1.natural"
    first = worker.render(1, raw, target, profile)
    stamp = first.outputs[0].path.stat().st_mtime_ns

    again = worker.render(2, raw, target, profile)

    assert again.up_to_date
    assert again.outputs == first.outputs
    assert (again.camera, again.taken_at) == (first.camera, first.taken_at)
    assert first.outputs[0].path.stat().st_mtime_ns == stamp
    assert "decode" not in worker.stages(2)
    first.outputs[1].path.unlink()
    completed = worker.render(3, raw, target, profile)
    assert not completed.up_to_date
    assert len(names(tmp_path / "out")) == 3


def test_frames_overlap(worker: Worker, tmp_path: Path) -> None:
    """
    The next frame is read while another is on the device; all of them come to their end.
    """
    for id_ in range(1, 7):
        worker.give(id_, raw_of(tmp_path / "in", f"{id_}.dng", id_, edge=400), tmp_path / "out" / f"{id_}.natural")
    finished: set[int] = set()
    while len(finished) < 6:
        message = worker.hear(Hashed, Finished, Failed)
        assert not isinstance(message, Failed), message
        if isinstance(message, Finished):
            finished.add(message.job)
        else:
            worker.pipe.send(Go(message.job, tmp_path / "out" / f"{message.job}.natural"))

    begun = [(message.job, message.name) for message in worker.heard if isinstance(message, Stage)]
    published = [job for job, name in begun if name == "publish"]
    assert published == [1, 2, 3, 4, 5, 6]
    assert any(begun.index((job + 1, "read")) < begun.index((job, "publish")) for job in range(1, 6))
    assert len(names(tmp_path / "out")) == 12


def test_a_worker_with_nothing_to_do_gives_memory_back(worker: Worker, tmp_path: Path) -> None:
    """
    What a frame has needed is kept for the next one, but only while one is waiting.
    """
    raw, target = raw_of(tmp_path / "in", edge=2400), tmp_path / "out" / "DSC1.natural"

    done = worker.render(1, raw, target)

    assert isinstance(done, Finished), done
    end_s = time.monotonic() + ANSWER_S_MAX
    while memory_mib(worker, "VmHWM") - memory_mib(worker, "VmRSS") < 150:
        assert time.monotonic() < end_s, "what the frame needed is still held"


def memory_mib(worker: Worker, kind: str) -> int:
    """What a worker holds, VmRSS, or has held at most, VmHWM."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(kind))) // 1024


def test_a_duplicate_is_dropped_and_forgotten(worker: Worker, tmp_path: Path) -> None:
    """
    The same bytes under another name have the same hash; what is dropped is not rendered, and the next job is taken.
    """
    one, other = raw_of(tmp_path / "in", "1.dng"), raw_of(tmp_path / "in", "2.dng")
    worker.give(1, one, tmp_path / "out" / "1")
    first = worker.hear(Hashed)
    worker.pipe.send(Drop(1))
    worker.give(2, other, tmp_path / "out" / "2")
    second = worker.hear(Hashed)
    worker.pipe.send(Go(2, tmp_path / "out" / "2"))

    assert isinstance(worker.hear(Finished, Failed), Finished)
    assert (first.raw_sha256, first.content_sha256) == (second.raw_sha256, second.content_sha256)
    assert first.raw_sha256 == sha256_of(one)
    assert names(tmp_path / "out") == ["2.jpg", "2.json"]


def test_a_name_may_need_what_the_file_says(worker: Worker, tmp_path: Path) -> None:
    """
    Without a target the file is opened first, and the name asked for with date and camera.
    """
    worker.give(1, raw_of(tmp_path / "in"), None)
    worker.hear(Hashed)
    worker.pipe.send(Go(1, None))
    named = worker.hear(Named, Failed)
    worker.pipe.send(Go(1, tmp_path / "out" / "2026-01-02"))

    assert (named.taken_at, named.camera) == ("2026:01:02 03:04:05", "Body")
    assert isinstance(worker.hear(Finished, Failed), Finished)
    assert names(tmp_path / "out") == ["2026-01-02.jpg", "2026-01-02.json"]


def test_a_name_that_is_taken_is_given_back(worker: Worker, tmp_path: Path) -> None:
    """
    By a stranger's file, and by the picture of another photograph: both stay, and another name is asked for.
    """
    out = tmp_path / "out"
    out.mkdir()
    (out / "1.jpg").write_bytes(b"somebody's")
    worker.render(1, raw_of(tmp_path / "in", "other.dng", seed=9), out / "2")
    before = sha256_of(out / "2.jpg")

    assert isinstance(worker.render(2, raw_of(tmp_path / "in"), out / "1"), Taken)
    worker.pipe.send(Go(2, out / "2"))
    assert isinstance(worker.hear(Taken, Finished, Failed, job=2), Taken)
    worker.pipe.send(Go(2, out / "3"))

    assert isinstance(worker.hear(Taken, Finished, Failed, job=2), Finished)
    assert (out / "1.jpg").read_bytes() == b"somebody's"
    assert sha256_of(out / "2.jpg") == before
    assert names(out) == ["1.jpg", "2.jpg", "2.json", "3.jpg", "3.json"]


def test_each_failure_says_what_kind_it_is(worker: Worker, tmp_path: Path) -> None:
    """
    Half a raw and half a JSON file may still become whole; a picture that is no raw never will; what is away is away.
    """
    whole = raw_of(tmp_path / "in").read_bytes()
    (tmp_path / "in" / "half.dng").write_bytes(whole[:3000])
    (tmp_path / "in" / "jpeg.dng").write_bytes(b"\xff\xd8\xff\xe0" + bytes(1000))
    (tmp_path / "in" / "folder.dng").mkdir()
    target = tmp_path / "out" / "x"

    kinds = {
        name: worker.render(id_, tmp_path / "in" / name, target).kind
        for id_, name in enumerate(("half.dng", "jpeg.dng", "gone.dng", "folder.dng"), 1)
    }
    long = worker.render(9, tmp_path / "in" / "DSC1.dng", tmp_path / "out" / ("n" * 255))

    assert kinds == {
        "half.dng": "incomplete",
        "jpeg.dng": "unsupported",
        "gone.dng": "vanished",
        "folder.dng": "transient",
    }
    assert long.kind == "unsupported"
    assert isinstance(worker.render(10, tmp_path / "in" / "DSC1.dng", target), Finished)


def test_half_a_sidecar_is_not_all_there_yet(worker: Worker, tmp_path: Path) -> None:
    """
    A PNG mosaic cannot be read without its JSON file, which may be on its way.
    """
    import cv2

    cv2.imwrite(str(tmp_path / "DSC1.png"), mosaic_of(1).values)
    (tmp_path / "DSC1.json").write_text('{"black_level": 5')

    failed = worker.render(1, tmp_path / "DSC1.png", tmp_path / "out" / "x")

    assert (failed.kind, bool(failed.problem), bool(failed.remedy)) == ("incomplete", True, True)


def test_a_bug_costs_only_the_frame_that_brings_it_out(worker: Worker, natural: Profile, tmp_path: Path) -> None:
    """
    The traceback is told, and the next capture is rendered.
    """
    broken = dataclasses.replace(natural, export=(dataclasses.replace(ExportParams(), format="gif"),))  # type: ignore[arg-type]

    failed = worker.render(1, raw_of(tmp_path / "in"), tmp_path / "out" / "x", broken)

    assert failed.kind == "bug"
    assert "Traceback" in failed.details
    assert isinstance(worker.render(2, raw_of(tmp_path / "in"), tmp_path / "out" / "x"), Finished)


def test_networks_that_are_missing_concern_every_capture_of_that_profile(
    worker: Worker, natural: Profile, tmp_path: Path
) -> None:
    """
    They are loaded when a job first asks for them; the profile that the worker knows goes on.
    """
    other = dataclasses.replace(natural, name="other", model="no-such-set")

    assert worker.render(1, raw_of(tmp_path / "in"), tmp_path / "out" / "x", other).kind == "setup"
    assert isinstance(worker.render(2, raw_of(tmp_path / "in"), tmp_path / "out" / "x"), Finished)


def test_an_outbox_that_is_in_trouble_is_not_the_captures_fault(worker: Worker, tmp_path: Path) -> None:
    """
    Where nothing can be written, whichever capture it is, the supervisor has to wait, not to give up.
    """
    (tmp_path / "out").write_bytes(b"a file where the folder should be")

    assert worker.render(1, raw_of(tmp_path / "in"), tmp_path / "out" / "x").kind == "blocked"


def test_signals_are_left_to_the_supervisor(worker: Worker, tmp_path: Path) -> None:
    """
    Ctrl-C and systemd's SIGTERM reach every process; the frame in flight must not die of them.
    """
    assert worker.process.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(worker.process.pid, number)

    assert isinstance(worker.render(1, raw_of(tmp_path / "in"), tmp_path / "out" / "x"), Finished)


def test_a_worker_that_nobody_listens_to_ends(natural: Profile, tmp_path: Path) -> None:
    """
    The supervisor is gone, and with it the end of the pipe; a job in the middle changes nothing.
    """
    worker = Worker(natural)
    worker.hear(Ready)
    worker.give(1, raw_of(tmp_path, edge=1000), tmp_path / "out" / "x")
    worker.hear(Hashed)
    worker.pipe.send(Go(1, tmp_path / "out" / "x"))
    worker.pipe.close()

    worker.process.join(ANSWER_S_MAX)

    assert worker.process.exitcode == 0
    assert names(tmp_path / "out") == []


SUPERVISOR = """
import multiprocessing, sys
from pathlib import Path
from flexispd.jobs import WorkerOptions
from flexispd.profile import load_profile
from flexispd.worker import serve

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    options = WorkerOptions("cpu", load_profile("natural"), 1, 1)
    process = context.Process(target=serve, args=(theirs, options))
    process.start()
    if sys.argv[1] == "ready":
        ours.recv()
    print(process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("when", ["at once", "ready"])
def test_a_worker_dies_with_its_supervisor(when: str, tmp_path: Path) -> None:
    """
    kill -9 of the daemon leaves no process that holds the device.
    """
    (tmp_path / "supervisor.py").write_text(SUPERVISOR)
    command = [sys.executable, str(tmp_path / "supervisor.py"), when]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        worker = os.pidfd_open(int(supervisor.stdout.readline()))
        supervisor.kill()
        ended = select.poll()
        ended.register(worker, select.POLLIN)

        assert ended.poll(1000 * ANSWER_S_MAX)
        os.close(worker)


def copied_set(name: str, folder: Path, *, altered: str | None = None) -> None:
    """The shipped networks under another name; in the file of one stage a bit is not what it was."""
    entries = [dataclasses.replace(entry, model=name, folder=folder / name) for entry in model_set(SHIPPED).entries]
    (folder / name).mkdir()
    for entry, shipped in zip(entries, model_set(SHIPPED).entries, strict=True):
        data = bytearray(shipped.path.read_bytes())
        data[-1] ^= entry.stage == altered
        entry.path.write_bytes(data)
    write_manifest(folder / name / MANIFEST, entries)


def test_altered_weights_are_refused(natural: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One bit is enough. The worker does not start under such a profile, and renders no capture that asks for it later,
    while networks that are as they should be are loaded when they are first asked for.
    """
    monkeypatch.setenv("FLEXISPD_WEIGHTS", str(tmp_path))
    copied_set("twin", tmp_path)
    copied_set("altered", tmp_path, altered="demosaic")
    altered, twin = (dataclasses.replace(natural, model=model) for model in ("altered", "twin"))

    refused = Worker(altered)
    unready = refused.hear(Ready, Unready)
    refused.process.join(ANSWER_S_MAX)

    assert isinstance(unready, Unready)
    assert "SHA-256" in unready.problem
    assert refused.process.exitcode == 0
    worker = Worker(natural)
    worker.hear(Ready)
    assert worker.render(1, raw_of(tmp_path / "in"), tmp_path / "out" / "x", altered).kind == "setup"
    assert isinstance(worker.render(2, raw_of(tmp_path / "in"), tmp_path / "out" / "x", twin), Finished)
    worker.close()


def test_a_device_that_is_not_there_is_named(natural: Profile) -> None:
    """
    The supervisor waits for it, or the operator chooses another.
    """
    worker = Worker(natural, device="cuda:63")

    assert "CUDA" in (unready := worker.hear(Ready, Unready)).problem or "cuda:63" in unready.problem
    worker.close()


def serve_and_stop_in(step: str, connection: Connection, options: WorkerOptions) -> None:
    """A worker that stops for ever at one call of the operating system, and says so."""

    def stop(*_: object) -> None:
        connection.send(step)
        threading.Event().wait()

    setattr(os, step, stop)
    serve(connection, options)


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_killed_worker_leaves_nothing_to_be_seen(step: str, natural: Profile, tmp_path: Path) -> None:
    """
    Only hidden files of our own form, which are held until it is dead and can be removed then.
    """
    worker, out = Worker(natural, partial(serve_and_stop_in, step)), tmp_path / "out"
    out.mkdir()
    worker.hear(Ready)
    worker.give(1, raw_of(tmp_path / "in"), out / "x")
    worker.hear(Hashed)
    worker.pipe.send(Go(1, out / "x"))
    worker.hear(str)

    left = names(out)
    assert left
    assert all(name.startswith(".flexispd-") for name in left)
    assert remove_stale_temporaries(out, time.time()) == 0
    worker.process.kill()
    worker.process.join()
    assert remove_stale_temporaries(out, time.time()) == len(left)
    assert names(out) == []


def serve_on_a_failing_device(connection: Connection, options: WorkerOptions) -> None:
    """A worker whose device fails at the first frame after the warm-up."""
    from flexispd import pipeline

    develop, calls = pipeline._develop, []

    def fail(*arguments: Any) -> Any:
        calls.append(True)
        if len(calls) > 1:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA")
        return develop(*arguments)

    pipeline._develop = fail  # type: ignore[assignment]
    serve(connection, options)


def test_a_device_that_failed_is_never_used_again(natural: Profile, tmp_path: Path) -> None:
    """
    Such errors of CUDA stay until the process has ended, so it tells and ends.
    """
    worker = Worker(natural, serve_on_a_failing_device)
    worker.hear(Ready)

    failed = worker.render(1, raw_of(tmp_path / "in"), tmp_path / "out" / "x")
    worker.process.join(ANSWER_S_MAX)

    assert failed.kind == "device"
    assert "illegal memory access" in failed.problem
    assert worker.process.exitcode == 1
    assert names(tmp_path / "out") == []


def serve_beside_a_stranger(connection: Connection, options: WorkerOptions) -> None:
    """A worker in whose outbox somebody takes a name after it was found free."""
    from flexispd import pipeline, stages

    def late(planned: Any, *rest: Any) -> Any:
        for path in planned.targets:
            if path.stem == "wanted":
                path.parent.mkdir()
                path.write_bytes(b"somebody's")
        return pipeline.publish(planned, *rest)

    stages.publish = late  # type: ignore[assignment, attr-defined]
    serve(connection, options)


def test_a_name_that_is_taken_while_the_frame_is_developed_is_given_back_too(natural: Profile, tmp_path: Path) -> None:
    """
    The frame is published under the next name, without being developed again.
    """
    worker, out = Worker(natural, serve_beside_a_stranger), tmp_path / "out"
    worker.hear(Ready)

    assert isinstance(worker.render(1, raw_of(tmp_path / "in"), out / "wanted"), Taken)
    worker.pipe.send(Go(1, out / "next"))

    assert isinstance(worker.hear(Taken, Finished, Failed), Finished)
    assert names(out) == ["next.jpg", "next.json", "wanted.jpg"]
    assert (out / "wanted.jpg").read_bytes() == b"somebody's"
    assert worker.stages(1).count("develop") == 1
    worker.close()


def test_pictures_in_folders_of_their_own_are_told_and_adopted(
    worker: Worker, natural: Profile, tmp_path: Path
) -> None:
    """
    Several files of one format: the receipt lies above their folders, and what a crash left is found there.
    """
    wide = ExportParams("png", color_space="display-p3", folder="p3")
    profile = dataclasses.replace(natural, export=(ExportParams(), ExportParams(folder="web", edge_px=32), wide))
    raw, target = raw_of(tmp_path / "in"), tmp_path / "out" / "2026" / "DSC1.natural"

    done = worker.render(1, raw, target, profile)

    assert isinstance(done, Finished), done
    assert names(tmp_path / "out" / "2026") == [
        "DSC1.natural.jpg",
        "DSC1.natural.json",
        "p3/DSC1.natural.png",
        "web/DSC1.natural.jpg",
    ]
    assert [str(output.path.relative_to(target.parent)) for output in done.outputs] == [
        "DSC1.natural.jpg",
        "web/DSC1.natural.jpg",
        "p3/DSC1.natural.png",
    ]
    again = worker.render(2, raw, target, profile)
    assert again.up_to_date
    assert again.outputs == done.outputs


def test_a_stranger_in_the_folder_of_an_export_keeps_his_file(worker: Worker, natural: Profile, tmp_path: Path) -> None:
    """
    The name is taken, so the supervisor is asked for another.
    """
    profile = dataclasses.replace(natural, export=(ExportParams(folder="web"),))
    raw, target = raw_of(tmp_path / "in"), tmp_path / "out" / "DSC1.natural"
    stranger = target.parent / "web" / "DSC1.natural.jpg"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"mine")

    assert isinstance(worker.render(1, raw, target, profile), Taken)
    assert stranger.read_bytes() == b"mine"
    worker.pipe.send(Drop(1))
