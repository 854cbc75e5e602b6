"""Where the data and the run folder are, where nothing is said: the user's own for data, a short one for a socket."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from proxy.errors import ConfigurationError

_SOCKET_ROOM = 90
"""So long may the path of a run folder be, at most: a socket in it has some hundred characters."""


def data_folder(configured: str) -> Path:
    """Return the data folder: as configured, else the user's own for such files."""
    if configured:
        return _folder(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dashcam"
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "dashcam"


def run_folder(configured: str, data_dir: Path) -> Path:
    """Return the run folder: one per data folder, short enough for a socket's path."""
    if configured:
        return _folder(configured)
    mark = hashlib.sha256(str(data_dir).encode()).hexdigest()[:10]
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(base) and Path(base).is_dir() and len(base) < _SOCKET_ROOM - 40:
        return Path(base) / "dashcam" / mark
    return Path(tempfile.gettempdir()) / f"dashcam-{os.getuid()}-{mark}"


def _folder(configured: str) -> Path:
    try:
        return Path(configured).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{configured!r} is no folder: {error}") from error
