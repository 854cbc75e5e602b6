"""Who has a port that we want: another Dashcam, by its own word, and which one where the same user runs it.

Whoever listens is asked for ``/healthz``, where a Dashcam says that it is one. Its data folder is not told over the
network; run folders of the same user lie side by side and hold the settings of each.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

from proxy.supervisor import instance
from proxy.supervisor.binding import STRANGER

_SECONDS = 1.0
_LARGEST = 4096


def who_listens(host: str, port: int, run_dir: Path) -> str | None:
    """Return who listens at an address in words, None when nobody does."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - compared with
    connection = http.client.HTTPConnection(name, port, timeout=_SECONDS)
    try:
        connection.connect()
    except OSError:
        return None
    try:
        if not _is_dashcam(connection):
            return STRANGER
    finally:
        connection.close()
    folder = _data_dir_at(port, run_dir)
    return f"another Dashcam, which serves {folder}" if folder else "another Dashcam, with another data folder"


def _is_dashcam(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/healthz")
        said = json.loads(connection.getresponse().read(_LARGEST))
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return isinstance(said, dict) and said.get("service") == "dashcam"


def _data_dir_at(port: int, run_dir: Path) -> str | None:
    """Return the data folder of the instance at this port, if its run folder lies beside ours."""
    for path in sorted(run_dir.parent.glob("*/settings.json")):
        try:
            folder = json.loads(path.read_text(encoding="utf-8"))["data_dir"]
            running = instance.find(Path(folder)) or {}
            if urlsplit(str(running.get("url"))).port == port:
                return str(folder)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
