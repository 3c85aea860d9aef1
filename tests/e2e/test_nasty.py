"""A whole folder of broken, hostile and mislabelled files in one run of the command line."""

import json
import subprocess
import sys
import time
from pathlib import Path

from flexispd.capture.formats import Kind, kind_of

RENDER_AND_MEASURE = """
import resource, subprocess, sys

done = subprocess.run([sys.executable, "-m", "flexispd", "render", *sys.argv[1:]], stdout=subprocess.PIPE)
sys.stdout.buffer.write(done.stdout)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""

WALL_LIMIT_S = 60
PEAK_LIMIT_KB = 1024 * 1024


def test_a_folder_of_nasty_files_ends_in_an_error_for_each_and_no_picture(shared_data: Path, tmp_path: Path) -> None:
    """
    Exit code 1; every raw by name gets a problem and a remedy, every other file is named as left over; nothing lies
    in the outbox; neither time nor memory runs away.
    """
    nasty, outbox = shared_data / "nasty", tmp_path / "outbox"
    files = {path for path in nasty.rglob("*") if path.is_file()}
    raws = {path for path in files if kind_of(path) in (Kind.RAW, Kind.PNG)}
    started = time.perf_counter()

    done = subprocess.run(
        [sys.executable, "-c", RENDER_AND_MEASURE, str(nasty), "--outbox", str(outbox), "--device", "cpu", "--json"],
        capture_output=True,
        text=True,
        timeout=WALL_LIMIT_S,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    printed, _, peak_kb = done.stdout.strip().rpartition("\n")
    assert int(peak_kb) < PEAK_LIMIT_KB
    assert time.perf_counter() - started < WALL_LIMIT_S
    answer = json.loads(printed)
    assert (answer["done"], answer["failed"]) == (0, len(raws))
    failed = {Path(capture["input"]): capture["error"] for capture in answer["captures"]}
    assert set(failed) == raws
    assert len(raws) >= 64
    for path, error in failed.items():
        assert error["kind"] in ("CorruptRawError", "UnsupportedRawError"), path
        assert str(path) in error["problem"], path
        assert error["problem"].endswith("."), path
        assert error["remedy"].endswith("."), path
    assert {Path(left["path"]) for left in answer["leftovers"]} == files - raws
    assert [path for path in outbox.rglob("*") if path.is_file()] == []
    assert "Traceback" not in done.stderr
