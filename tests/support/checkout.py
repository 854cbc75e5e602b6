"""The files of this checkout as git knows them; a source archive without git is read from the disk."""

from __future__ import annotations

import fnmatch
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

_NOT_OURS = {".git", ".venv", "node_modules", "dist", "build", "bench-results", "__pycache__"}


def tracked(pattern: str = "*") -> list[Path]:
    """Return the tracked (or soon to be tracked) files whose name matches."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in set(paths) if path.is_file() and fnmatch.fnmatch(path.name, pattern))
