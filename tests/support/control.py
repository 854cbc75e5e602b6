"""The control process as the supervisor starts it, with a pipe for a parent."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson

from proxy.settings.values import Settings
from tests.support.processes import ROOT

LOOPBACK = {"x-dashcam-peer": "127.0.0.1:5000;http;public"}


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("control", timeout=10)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


class RunningControl:
    """One control process and the pipe that holds it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        run_dir = Path(settings.run_dir)
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / "settings.json").write_bytes(orjson.dumps(settings.to_mapping()))
        read_end, self._parent = os.pipe()
        self.log = run_dir / "control.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "proxy.control", "--run-dir", settings.run_dir, "--parent-fd", str(read_end)],
                cwd=ROOT, pass_fds=(read_end,), stdin=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        os.close(read_end)

    def __repr__(self) -> str:
        return f"<RunningControl pid={self.process.pid}>"

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] = LOOPBACK
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Ask; status, headers and body. ``OSError`` while nobody listens."""
        connection = UnixConnection(self.settings.control_socket)
        try:
            connection.request(method, path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def answers(self) -> bool:
        """Return True once the socket answers."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("/healthz")[0] == 200
        except OSError:
            return False

    def ledger(self) -> dict[str, object]:
        """Return the account."""
        found: dict[str, object] = orjson.loads(self.ask("/api/v1/recorder")[2])
        return found

    def abandon(self) -> None:
        """Be a supervisor that is gone."""
        if self._parent >= 0:
            os.close(self._parent)
            self._parent = -1

    def end(self) -> int:
        """Let go of it, and wait; return the exit code."""
        self.abandon()
        return self.process.wait(15)
