"""Finding a running Dashcam, or starting one for the time being."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from proxy.cli.serve import prepare, supervisor_command
from proxy.errors import UnreachableError
from proxy.settings.values import Settings
from proxy.supervisor.binding import running_instance

_READY_SECONDS = 15.0
_RECORDED_SECONDS = 2.0


def is_ready(url: str) -> bool:
    """Return True when something at the address says it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2.0) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def find(settings: Settings) -> str | None:
    """Return the URL of the instance that serves this data folder, None when none runs."""
    running = running_instance(Path(settings.run_dir))
    url = str(running.get("url")) if running else None
    return url if url and is_ready(url) else None


def wait_until_recorded(url: str) -> None:
    """Give the recorder a moment to write what has just been answered; a summary is worth that, and no more."""
    deadline = time.monotonic() + _RECORDED_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/v1/recorder", timeout=1.0) as answer:  # noqa: S310 - our own address
                if json.load(answer)["pending"] == 0:
                    return
        except (OSError, ValueError, KeyError):
            # Not for us to read without a token, or control restarts: the summary is made of what is there.
            return
        time.sleep(0.05)


class TemporaryInstance:
    """A Dashcam for the length of a block; uses the running one when there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> str:
        url = find(self._settings)
        if url:
            return url
        prepare(self._settings)
        log = Path(self._settings.run_dir) / "supervisor.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                supervisor_command(self._settings), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        return self._wait(log)

    def _wait(self, log: Path) -> str:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            url = find(self._settings)
            if url:
                return url
            assert self._process is not None
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.__exit__()
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = said[-1] if said else "no reason given"
        raise UnreachableError(f"Dashcam did not start: {reason}", hint="dashcam doctor")

    def __exit__(self, *_reason: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
