"""A file is published whole, durably, and never over somebody else's; a disk in trouble leaves nothing behind."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flexispd.errors import BlockedError, CaptureError, NameTakenError, TransientError
from flexispd.export.publish import STALE_AFTER_S, Anchor, publish, publish_together, remove_stale_temporaries

TEMPORARY = ".flexispd-0000000000000000.tmp"
LONGEST_NAME = "n" * 251 + ".jpg"


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "name",
    [b"DSC1.natural.jpg", b"caf\xe9.jpg", b"two\nlines.jpg", b"-rf.jpg", "🌃.jpg".encode(), LONGEST_NAME.encode()],
)
def test_any_name_that_a_folder_can_hold_is_published(name: bytes, tmp_path: Path) -> None:
    """
    Latin-1, a newline, a leading dash, an emoji, all 255 bytes; and nothing but the file remains.
    """
    target = tmp_path / os.fsdecode(name)

    publish(b"picture", target)

    assert target.read_bytes() == b"picture"
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [name]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """
    Sub-folders of the inbox are mirrored in the outbox.
    """
    publish(b"picture", tmp_path / "a" / "b" / "c.jpg")

    assert everything_below(tmp_path) == ["a", "a/b", "a/b/c.jpg"]


def test_an_earlier_version_is_replaced(tmp_path: Path) -> None:
    """
    The old content is there until the new is complete; a reader that has it open keeps the old.
    """
    target = tmp_path / "DSC1.jpg"
    publish(b"old", target)

    with target.open("rb") as reader:
        publish(b"new", target)
        assert reader.read() == b"old"

    assert target.read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    """
    Others may read the outputs if the umask lets them: a temporary file's own 0600 must not stay.
    """
    publish(b"picture", tmp_path / "ours.jpg")
    (tmp_path / "plain.jpg").write_bytes(b"")

    assert (tmp_path / "ours.jpg").stat().st_mode == (tmp_path / "plain.jpg").stat().st_mode


def test_all_files_appear_or_none(tmp_path: Path) -> None:
    """
    One name that is taken stops the whole set, and what appeared before it goes away again.
    """
    (tmp_path / "b.jpg").write_bytes(b"somebody else's")

    with pytest.raises(NameTakenError, match="already exists"):
        publish_together([(tmp_path / "a.json", b"{}"), (tmp_path / "b.jpg", b"ours")])

    assert everything_below(tmp_path) == ["b.jpg"]
    assert (tmp_path / "b.jpg").read_bytes() == b"somebody else's"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("elsewhere")], ids=["folder", "link"])
def test_only_a_regular_file_is_ever_replaced(make: object, tmp_path: Path) -> None:
    """
    A folder or a link at the target's name stays as it is.
    """
    target = tmp_path / "DSC1.jpg"
    make(target)  # type: ignore[operator]

    with pytest.raises(CaptureError):
        publish(b"picture", target)

    assert everything_below(tmp_path) == ["DSC1.jpg"]


def test_a_name_that_is_too_long_is_not_tried_again(tmp_path: Path) -> None:
    """
    Waiting does not make a name shorter.
    """
    with pytest.raises(CaptureError, match="name") as caught:
        publish(b"picture", tmp_path / ("n" * 256))

    assert caught.value.remedy
    assert everything_below(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    """
    The user can move it away, so the capture is postponed, not given up.
    """
    (tmp_path / "outbox").write_bytes(b"")

    with pytest.raises(BlockedError, match="not a folder"):
        publish(b"picture", tmp_path / "outbox" / "DSC1.jpg")


def test_folders_made_in_vain_are_removed(tmp_path: Path) -> None:
    """
    Nothing left behind includes the folders.
    """
    with pytest.raises(CaptureError):
        publish(b"picture", tmp_path / "a" / "b" / ("n" * 256))

    assert everything_below(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *((number, BlockedError) for number in (errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO)),
        (errno.ENOMEM, TransientError),
        (errno.EILSEQ, CaptureError),
    ],
)
def test_errors_that_no_test_can_cause_are_sorted_too(
    number: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A used-up quota and a failing disk stop every capture, and may pass; a name that is not UTF-8 on a file system that
    wants it will not.
    """

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(kind) as caught:
        publish(b"picture", tmp_path / "DSC1.jpg")
    assert type(caught.value) is kind

    assert everything_below(tmp_path) == []


def test_a_file_system_without_hard_links_is_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    FAT has none, so there a free name is checked and then taken by renaming.
    """

    def refuse(*_: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    publish_together([(tmp_path / "a.jpg", b"ours")])

    assert (tmp_path / "a.jpg").read_bytes() == b"ours"
    with pytest.raises(CaptureError):
        publish_together([(tmp_path / "a.jpg", b"again")])
    assert (tmp_path / "a.jpg").read_bytes() == b"ours"
    assert everything_below(tmp_path) == ["a.jpg"]


KILLED_WHILE_WRITING = """
import os, sys
from pathlib import Path
from flexispd.export.publish import publish_together

def stop(*_):
    print("here", flush=True)
    sys.stdin.read()

setattr(os, sys.argv[2], stop)
folder = Path(sys.argv[1])
publish_together([(folder / "DSC1.json", b"{}"), (folder / "DSC1.jpg", b"picture")])
"""


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_what_a_killed_run_left_is_removed_at_once_and_not_before(step: str, tmp_path: Path) -> None:
    """
    A temporary file that a process still holds stays, however old it is; kill -9 lets go of it.
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path), step],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"here\n"
        count = len(everything_below(tmp_path))
        assert count == {"fsync": 1, "link": 2}[step]
        assert remove_stale_temporaries(tmp_path, now_s=time.time() + 2 * STALE_AFTER_S) == 0
        assert len(everything_below(tmp_path)) == count
        writer.kill()

    assert remove_stale_temporaries(tmp_path, now_s=time.time()) == count
    assert everything_below(tmp_path) == []


def test_the_second_name_that_a_crash_leaves_is_removed(tmp_path: Path) -> None:
    """
    Between the link and the end of the temporary name both are there; the published file stays.
    """
    (tmp_path / "DSC1.jpg").write_bytes(b"picture")
    os.link(tmp_path / "DSC1.jpg", tmp_path / TEMPORARY)

    assert remove_stale_temporaries(tmp_path, now_s=0) == 1

    assert everything_below(tmp_path) == ["DSC1.jpg"]


def test_only_files_with_a_name_of_ours_are_removed(tmp_path: Path) -> None:
    """
    What only looks alike is not ours: other names, folders, links, and FIFOs, which must not block either.
    """
    (tmp_path / ".flexispd-notes.tmp").write_bytes(b"")
    (tmp_path / "DSC1.tmp").write_bytes(b"")
    (tmp_path / TEMPORARY).mkdir()
    (tmp_path / TEMPORARY.replace("0", "1")).symlink_to("DSC1.tmp")
    os.mkfifo(tmp_path / TEMPORARY.replace("0", "2"))

    assert remove_stale_temporaries(tmp_path, now_s=time.time() + 2 * STALE_AFTER_S) == 0
    assert len(everything_below(tmp_path)) == 5


def test_without_locks_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Some network file systems have none: files are published all the same, and a young temporary file may be in use.
    """

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    publish(b"picture", tmp_path / "DSC1.jpg")
    stale, young = tmp_path / TEMPORARY, tmp_path / TEMPORARY.replace("0", "1")
    for path, age in ((stale, 0), (young, STALE_AFTER_S)):
        path.write_bytes(b"")
        os.utime(path, (age, age))

    assert remove_stale_temporaries(tmp_path, now_s=STALE_AFTER_S + 1) == 1
    assert everything_below(tmp_path) == [young.name, "DSC1.jpg"]


def test_a_clean_up_that_is_faster_than_the_lock_takes_an_empty_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Between making a temporary file and locking it, another process may find it unheld; the writer makes another.
    """
    lock = fcntl.flock
    removed: list[bool] = []

    def late(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append(True)
            assert remove_stale_temporaries(tmp_path, now_s=0) == 1
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    publish(b"picture", tmp_path / "DSC1.jpg")

    assert removed
    assert everything_below(tmp_path) == ["DSC1.jpg"]
    assert (tmp_path / "DSC1.jpg").read_bytes() == b"picture"


ON_A_SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path
from flexispd.errors import BlockedError
from flexispd.export.publish import publish, publish_together

disk, trouble = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
publish(b"old", disk / "kept.jpg")
if trouble == "read-only":
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
for attempt in (
    lambda: publish(os.urandom(2 << 20), disk / "kept.jpg"),
    lambda: publish(os.urandom(2 << 20), disk / "a" / "b" / "new.jpg"),
    lambda: publish_together([(disk / "new.json", b"{}"), (disk / "new.tif", os.urandom(2 << 20))]),
):
    try:
        attempt()
    except BlockedError as error:
        print(error.problem)
    else:
        sys.exit("no error")
    assert sorted(str(path) for path in disk.rglob("*")) == [str(disk / "kept.jpg")], list(disk.rglob("*"))
    assert (disk / "kept.jpg").read_bytes() == b"old"
"""


@pytest.mark.parametrize(("trouble", "words"), [("full", "no space left"), ("read-only", "read-only")])
def test_a_full_or_read_only_disk_leaves_everything_as_it_was(trouble: str, words: str, tmp_path: Path) -> None:
    """
    On a real file system of one megabyte: the error says that trying again may help, the old file is whole, and there
    is no temporary file and no folder that was not there before.
    """
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not permitted here")
    command = [unshare, "-rm", sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path), trouble]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert result.returncode == 0, result.stderr
    assert [words in line for line in result.stdout.splitlines()] == [True, True, True]


IN_A_LOCKED_FOLDER = """
import sys
from pathlib import Path
from flexispd.errors import BlockedError
from flexispd.export.publish import publish

try:
    publish(b"x", Path(sys.argv[1]) / "a.jpg")
except BlockedError as error:
    print(error.problem)
"""


def test_a_folder_without_permission_is_worth_another_try(tmp_path: Path) -> None:
    """
    EACCES: permissions can be given while flexispd waits.
    """
    setpriv = shutil.which("setpriv")
    command = [sys.executable, "-c", IN_A_LOCKED_FOLDER, str(tmp_path)]
    if os.geteuid() == 0:  # root may write anywhere, unless it gives that up
        if setpriv is None:
            pytest.skip("root cannot be refused here")
        command = [setpriv, "--bounding-set=-all", "--inh-caps=-all", *command]
    tmp_path.chmod(0o555)

    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        tmp_path.chmod(0o755)

    assert "not permitted" in result.stdout, result.stderr
    assert everything_below(tmp_path) == []


def test_nothing_is_written_into_a_folder_that_took_the_place_of_another(tmp_path: Path) -> None:
    """
    When the outbox's volume goes, an empty folder shows in its place; what was written there would be out of sight.
    """
    outbox = tmp_path / "out"
    outbox.mkdir()
    anchor = Anchor.of(outbox)
    publish_together([(outbox / "a.jpg", b"a")], anchor=anchor)
    outbox.rename(tmp_path / "unmounted")
    outbox.mkdir()

    with pytest.raises(BlockedError, match="another folder"):
        publish_together([(outbox / "2026" / "b.jpg", b"b")], anchor=anchor)
    assert list(outbox.iterdir()) == []

    outbox.rmdir()
    with pytest.raises(BlockedError):
        publish_together([(outbox / "b.jpg", b"b")], anchor=anchor)
    assert not outbox.exists()


def test_a_folder_is_durable_before_anything_appears_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A receipt comes first, its pictures may lie in folders beside it: no power cut leaves a picture without a receipt.
    """
    receipt, picture = tmp_path / "a.json", tmp_path / "web" / "a.jpg"
    synced: list[tuple[str, bool, bool]] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        if place.is_dir():
            synced.append((place.name, receipt.exists(), picture.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    publish_together([(receipt, b"{}"), (picture, b"picture")])

    outbox = tmp_path.name
    assert synced == [
        (outbox, False, False),  # the folder `web` was made
        (outbox, True, False),
        (outbox, True, True),
        ("web", True, True),
    ]


def test_a_set_in_several_folders_appears_or_none_of_it(tmp_path: Path) -> None:
    """
    Also the folder that was made for it goes away again.
    """
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.jpg").write_bytes(b"somebody else's")
    files = [tmp_path / "a.json", tmp_path / "web" / "a.jpg", tmp_path / "full" / "a.jpg"]

    with pytest.raises(NameTakenError):
        publish_together([(path, b"ours") for path in files])

    assert everything_below(tmp_path) == ["full", "full/a.jpg"]
