"""Finding a running Dashcam, or starting one for the time being."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from proxy.cli.local_servers import with_local_servers
from proxy.cli.serve import prepare, supervisor_command
from proxy.errors import UnreachableError
from proxy.settings.credentials import read_secret
from proxy.settings.values import Settings
from proxy.supervisor import instance

_READY_SECONDS = 15.0
_RECORDED_SECONDS = 10.0
_NOT_FOR_US = (401, 403, 429)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def open_own(request: str | urllib.request.Request, seconds: float) -> Any:
    """Open one of our own addresses, past whatever HTTP_PROXY says: no proxy knows this machine's loopback."""
    return _DIRECT.open(request, timeout=seconds)


def fetch(request: str | urllib.request.Request, seconds: float) -> bytes:
    """Return what one of our own addresses answers; ``OSError`` when it does not, or not in HTTP."""
    try:
        with open_own(request, seconds) as answer:
            return bytes(answer.read())
    except http.client.HTTPException as error:
        raise ConnectionError(f"what answers there does not speak HTTP ({type(error).__name__})") from error


def ask_recorder(url: str, seconds: float) -> dict[str, Any]:
    """Return the recorder's account, with the admin token when we have it; errors as ``fetch``, or ``ValueError``."""
    token = read_secret("DASHCAM_ADMIN_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    ledger = json.loads(fetch(urllib.request.Request(f"{url}/api/v1/recorder", headers=headers), seconds))  # noqa: S310 - our own address
    if not isinstance(ledger, dict):
        raise ValueError("its account is no JSON object")
    return ledger


def refusal(error: urllib.error.HTTPError) -> str:
    """Return what an answer of ours that is an error says in words; its status line where it says nothing."""
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return str(error)


def is_ready(url: str) -> bool:
    """Return True when something at the address says it is ready."""
    try:
        fetch(f"{url}/readyz", 2.0)
    except (OSError, ValueError):
        return False
    return True


def find(settings: Settings) -> str | None:
    """Return the URL of the instance that serves this data folder, None when none runs."""
    running = instance.find(Path(settings.data_dir))
    url = running.get("url") if running else None
    return url if isinstance(url, str) and is_ready(url) else None


def wait_until_recorded(url: str) -> None:
    """Give the recorder a moment to write what has just been answered, and to make a database where there is none."""
    deadline = time.monotonic() + _RECORDED_SECONDS
    while time.monotonic() < deadline:
        try:
            ledger = ask_recorder(url, 1.0)
            if ledger["is_open"] and ledger["pending"] == 0:
                return
        except urllib.error.HTTPError as error:
            # A short program is over before control has started; without its token we may not ask at all.
            if error.code in _NOT_FOR_US:
                return
        except (OSError, ValueError, KeyError):
            return
        time.sleep(0.05)


def wait_until_open(url: str) -> None:
    """Give a Dashcam that has just been started a moment to open its database; what is wrong is told by who asks."""
    deadline = time.monotonic() + _RECORDED_SECONDS
    while time.monotonic() < deadline:
        try:
            ledger = ask_recorder(url, 1.0)
            # With an error it is not about to be open.
            if ledger["is_open"] or ledger["last_error"]:
                return
        except urllib.error.HTTPError as error:
            if error.code in _NOT_FOR_US:
                return
        except (OSError, ValueError, KeyError):
            return
        time.sleep(0.05)


class TemporaryInstance:
    """A Dashcam for the length of a block; uses the running one when there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._handlers: dict[int, Any] = {}
        self.is_shared = False

    def __enter__(self) -> str:
        # By default these end Python on the spot, and what was started would stay behind; nohup's choice is kept.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, _leave)
        url = find(self._settings)
        if url:
            self.is_shared = True
            return url
        log = Path(self._settings.run_dir) / "supervisor.log"
        self._process = self._start(prepare(with_local_servers(self._settings)), log)
        try:
            return self._wait(self._process, log)
        except BaseException:
            # Also at Ctrl+C: it has a session of its own and would stay behind.
            self.__exit__()
            raise

    def _start(self, locks: list[int], log: Path) -> subprocess.Popen[bytes]:
        """Start a supervisor, to which the locks belong from then on."""
        try:
            with log.open("wb") as output:
                return subprocess.Popen(
                    [*supervisor_command(self._settings, locks), "--temporary"], pass_fds=locks,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
        finally:
            for descriptor in locks:
                os.close(descriptor)

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> str:
        deadline = time.monotonic() + _READY_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            url = find(self._settings)
            if url:
                return url
            time.sleep(0.05)
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = said[-1].removeprefix("dashcam: ") if said else "no reason given"
        what = "did not start" if process.poll() is not None else f"is not ready after {_READY_SECONDS:.0f} s"
        raise UnreachableError(f"Dashcam {what}: {reason}", hint="dashcam doctor")

    def __exit__(self, *_reason: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
