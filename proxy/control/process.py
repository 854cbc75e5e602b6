"""The control process, from its settings to its end.

It listens on the run folder's socket only. SIGTERM ends it after the loader's batch, as does its supervisor's going; a
second SIGTERM ends it at once, which loses nothing: the spool has it all.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import uvicorn

from proxy.control.app import build
from proxy.settings.values import settings_from_mapping
from proxy.telemetry.logs import configure


class ControlServer(uvicorn.Server):
    """Uvicorn without its signal handlers: ours decide, and the parent's pipe. ``at_leaving`` is called first."""

    def __init__(self, config: uvicorn.Config, parent_fd: int, at_leaving: Sequence[Callable[[], None]] = ()) -> None:
        super().__init__(config)
        self._parent_fd = parent_fd
        self._was_told = False
        self._at_leaving = at_leaving

    async def run_to_the_end(self, listening: socket.socket) -> None:
        """Serve until told to leave."""
        loop = asyncio.get_running_loop()
        # Ctrl+C and a closed terminal reach the whole group; they are the supervisor's to hear.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        loop.add_signal_handler(signal.SIGTERM, self._leave)
        os.set_blocking(self._parent_fd, False)
        loop.add_reader(self._parent_fd, self._parent_spoke)
        await self._serve([listening])

    def _leave(self) -> None:
        if self._was_told:
            os._exit(1)
        self._was_told = True
        self._end()

    def _parent_spoke(self) -> None:
        if not os.read(self._parent_fd, 64):
            asyncio.get_running_loop().remove_reader(self._parent_fd)
            self._end()

    def _end(self) -> None:
        for tell in self._at_leaving:
            tell()
        self.should_exit = True


def listen(path: Path) -> socket.socket:
    """Bind the Unix socket, for its owner only; uvicorn itself would open it to everybody."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)
    return listening


def run(run_dir: Path, parent_fd: int) -> None:
    """Serve with the settings that a run folder has, until told to leave or the parent's pipe is closed."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = settings_from_mapping(orjson.loads((run_dir / "settings.json").read_bytes()))
    sink = configure(settings.log, process="control")
    if failpoints := os.getenv("DASHCAM_FAILPOINTS"):
        from proxy.failpoints import arm

        arm(failpoints, "control")
    at_leaving: list[Callable[[], None]] = []
    config = uvicorn.Config(
        build(settings, sink.write, at_leaving.append),
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
        proxy_headers=False,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(ControlServer(config, parent_fd, at_leaving).run_to_the_end(listen(settings.control_socket)))
    sink.close()
