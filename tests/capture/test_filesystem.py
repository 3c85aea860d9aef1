"""On which file system a folder lies, and whether changes there are told."""

import os
from pathlib import Path

import pytest

from flexispd.capture.filesystem import MOUNTS, events_work, mount_of, reason
from flexispd.capture.volume import Volume

TABLE = rb"""
20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 20 0:40 / /mnt rw,relatime shared:7 master:2 - autofs systemd-1 rw,fd=43
32 31 0:41 / /mnt/nas rw - nfs4 server:/export/a\040b rw,vers=4.2
33 20 8:17 / /mnt/nas\040two rw - vfat /dev/sdb1 rw
34 20 0:50 / /run/user/1000/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw
35 20 8:33 / /media/card rw - vfat /dev/sdc1 rw
36 20 8:49 / /media/card rw - exfat /dev/sdd1 rw
37 20 8:49 / /media/x\134\011\012y rw - xfs /dev/sde1 rw
broken line
38 20 8:49
"""


@pytest.mark.parametrize(
    ("path", "point", "fstype", "source"),
    [
        ("/", "/", "ext4", "/dev/sda1"),
        ("/mntx/a", "/", "ext4", "/dev/sda1"),
        ("/mnt/other", "/mnt", "autofs", "systemd-1"),
        ("/mnt/nas", "/mnt/nas", "nfs4", "server:/export/a b"),
        ("/mnt/nas/2026/x", "/mnt/nas", "nfs4", "server:/export/a b"),
        ("/mnt/nas two/x", "/mnt/nas two", "vfat", "/dev/sdb1"),
        ("/media/card/DCIM", "/media/card", "exfat", "/dev/sdd1"),
        ("/media/x\\\t\ny/z", "/media/x\\\t\ny", "xfs", "/dev/sde1"),
    ],
)
def test_the_mount_of_a_path_is_the_deepest_that_holds_it(path: str, point: str, fstype: str, source: str) -> None:
    """
    Whole folder names count, blanks in them are escaped in the table, and the later of two mounts covers the earlier.
    """
    mount = mount_of(Path(path), TABLE)

    assert (mount.point, mount.fstype, mount.source) == (Path(point), fstype, source)


def test_links_lead_to_where_a_folder_really_is(tmp_path: Path) -> None:
    """
    An inbox is often a link to a card.
    """
    (tmp_path / "inbox").symlink_to("/media/card/DCIM")

    assert mount_of(tmp_path / "inbox" / "100", TABLE).fstype == "exfat"


def test_a_name_that_is_no_text_is_found() -> None:
    """
    Mount points are bytes.
    """
    table = b"20 1 8:1 / / rw - ext4 a rw\n21 20 8:2 / /caf\xe9 rw - vfat b rw\n"

    assert mount_of(Path(os.fsdecode(b"/caf\xe9/x")), table).point == Path(os.fsdecode(b"/caf\xe9"))


def test_an_empty_table_is_no_error() -> None:
    """
    Nothing is known then.
    """
    assert mount_of(Path("/x"), b"").fstype == ""
    assert not events_work("")


def test_this_machine_has_mounts() -> None:
    """
    The kernel's own table can be read.
    """
    assert mount_of(Path("/proc/self")).fstype == "proc"
    assert MOUNTS.exists()


@pytest.mark.parametrize(
    "fstype", ["ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs", "vfat", "exfat", "ntfs3", "ext3", "bcachefs"]
)
def test_local_file_systems_tell_of_changes(fstype: str) -> None:
    """
    Only this machine's kernel writes to them.
    """
    assert events_work(fstype)
    assert reason(fstype) == f"{fstype} tells of every change"


@pytest.mark.parametrize(
    ("fstype", "words"),
    [
        ("nfs", "other machines"),
        ("nfs4", "other machines"),
        ("cifs", "other machines"),
        ("smb3", "other machines"),
        ("9p", "other machines"),
        ("ceph", "other machines"),
        ("fuse", "kernel"),
        ("fuse.sshfs", "kernel"),
        ("fuseblk", "kernel"),
        ("overlay", "layers"),
        ("autofs", "not known"),
        ("brandnewfs", "not known"),
    ],
)
def test_others_are_listed_again_and_again(fstype: str, words: str) -> None:
    """
    Remote, in layers, in user space, or unknown.
    """
    assert not events_work(fstype)
    assert words in reason(fstype)
    assert fstype in reason(fstype)


def test_a_folder_whose_volume_is_where_it_was_is_there(tmp_path: Path) -> None:
    """
    And it is known then where that is.
    """
    volume = Volume(tmp_path, None)

    assert volume.absence() is None
    assert volume.home == mount_of(tmp_path)


def test_a_mount_point_without_its_volume_is_no_empty_inbox(tmp_path: Path) -> None:
    """
    The folder is there, and the volume that lay on it in an earlier life is not.
    """
    volume = Volume(tmp_path, tmp_path)

    assert volume.absence() == f"The volume that holds {tmp_path} is not mounted at {tmp_path}."
    assert volume.home is None


def test_a_volume_that_appears_below_the_expected_one_is_welcome() -> None:
    """
    A card was put in where there was a folder before.
    """
    assert Volume(Path("/proc/self"), Path("/")).absence() is None


@pytest.mark.parametrize("name", ["missing", "missing/inbox", "file/inbox", "file", "loop"])
def test_what_is_not_a_folder_is_absent(name: str, tmp_path: Path) -> None:
    """
    With a sentence that names it.
    """
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")

    absence = Volume(tmp_path / name, None).absence()

    assert absence is not None
    assert str(tmp_path / name) in absence
    assert absence.endswith(".")
