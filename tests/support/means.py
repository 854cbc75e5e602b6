"""What faults need of the machine: root, a compiler, ``strace`` and the like. Where one is missing a test says so.

This is the one place that passes a test over. It never hides a defect: what is missing is the machine's, named in the
report, and the table in ``tests/faults/README.md`` says which faults then go unproven.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

PROGRAMS = {
    "pgbouncer": "PgBouncer",
    "cc": "a C compiler",
    "strace": "strace",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "mount": "mount",
    "datasette": "Datasette",
}


def _is_there(name: str) -> bool:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _has_namespaces() -> bool:
    tried = subprocess.run(["ip", "netns", "list"], capture_output=True, check=False) if _is_there("ip") else None
    return tried is not None and tried.returncode == 0 and os.geteuid() == 0


CGROUP = Path("/sys/fs/cgroup/memory")
MEANS: dict[str, Callable[[], bool]] = {
    "linux": lambda: sys.platform == "linux",
    "Postgres of our own": lambda: not os.environ.get("TEST_DATABASE_URL"),
    "root": lambda: os.geteuid() == 0,
    "netns": _has_namespaces,
    "cgroup": lambda: (CGROUP / "memory.limit_in_bytes").exists() and os.access(CGROUP, os.W_OK),
    **{name: partial(_is_there, name) for name in PROGRAMS},
}


def require(*names: str) -> None:
    """Go on where the machine has all of this; else pass the test over, with the reason."""
    missing = [PROGRAMS.get(name, name) for name in names if not MEANS[name]()]
    if missing:
        pytest.skip(f"this machine has no {', '.join(missing)}")
