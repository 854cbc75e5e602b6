"""Which file system a folder is on, by the kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.file_systems import network_kind

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /srv/shared nfs4 rw,vers=4.2 0 0
tmpfs /srv/shared/memory tmpfs rw 0 0
//nas/home /srv/my\\040share cifs rw 0 0
user@host:/ /srv/ssh fuse.sshfs rw 0 0
overlay /srv/over overlay rw 0 0
/dev/vdb /srv/over ext4 rw 0 0
drive /srv/windows 9p rw 0 0
/dev/sdb1 /srv/stick fuseblk rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/data/dashcam", None),
        ("/srv/shared", "nfs4"),
        ("/srv/shared/deep/below", "nfs4"),
        ("/srv/sharedness", None),
        ("/srv/shared/memory/x", None),
        ("/srv/my share/dashcam", "cifs"),
        ("/srv/ssh/d", "fuse.sshfs"),
        ("/srv/over/d", None),
        ("/srv/windows/d", "9p"),
        ("/srv/stick/d", None),
    ],
)
def test_the_nearest_mount_counts(folder: str, kind: str | None) -> None:
    assert network_kind(Path(folder), MOUNTS) == kind


def test_this_machines_own_table_is_read() -> None:
    assert network_kind(Path("/proc")) is None


def test_without_a_table_nothing_is_known() -> None:
    assert network_kind(Path("/srv"), "") is None
