"""Which kind of file system a folder is on: locks that do not hold over a network lose calls, so there it is refused.

The kernel's table of mounts says it (Linux); where there is none, ``mount`` of macOS is not asked and nothing is
refused. Sandboxes and virtual machines share folders by 9p and FUSE as well; of FUSE only the kinds that are a network.
"""

from __future__ import annotations

import re
from pathlib import Path

NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "9p", "afs", "ceph", "glusterfs", "lustre",
        "beegfs", "gpfs", "ocfs2", "gfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone",
        "fuse.gcsfuse", "fuse.goofys", "fuse.davfs2", "davfs", "fuse.curlftpfs", "fuse.smbnetfs", "fuse.mfs",
    }
)  # fmt: skip
_MOUNTS = Path("/proc/self/mounts")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_kind(folder: Path, mounts: str | None = None) -> str | None:
    """Return the kind of network file system that a folder is (or will be) on; None for any other."""
    try:
        table = _MOUNTS.read_text(encoding="utf-8", errors="replace") if mounts is None else mounts
    except OSError:
        return None
    kind = _kind_of(folder.resolve(), table)
    return kind if kind in NETWORK else None


def _kind_of(folder: Path, table: str) -> str | None:
    """Return the kind of the mount that is nearest above a folder; of two at one place the later one counts."""
    found, depth = None, -1
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[1]))
        if (folder == place or place in folder.parents) and len(place.parts) >= depth:
            found, depth = fields[2], len(place.parts)
    return found
