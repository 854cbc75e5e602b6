"""The child processes: started with fixed arguments, watched, restarted with a growing pause.

A child that ran for half a minute starts its next life with the shortest pause again. Each inherits the read end of a
pipe whose write end only the supervisor holds: end of file tells it that the supervisor is gone, however it went.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_HEALTHY_SECONDS = 30.0
_DYING_SECONDS = 5.0


@dataclass(slots=True)
class Child:
    """One process to keep alive. ``arguments`` follow the interpreter; ``descriptors`` are inherited.

    ``environment`` is what it has beside ours, which stands above that.
    """

    name: str
    arguments: Sequence[str]
    descriptors: Sequence[int]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    pause: float = _FIRST_PAUSE

    def start(self, now: float) -> None:
        """Start the process."""
        self.process = subprocess.Popen(
            [sys.executable, "-P", *self.arguments],
            pass_fds=tuple(self.descriptors),
            stdin=subprocess.DEVNULL,
            env={**self.environment, **os.environ},  # noqa: TID251 - handed on, not read
        )
        self.started_at = now

    def watch(self, now: float) -> int | None:
        """Start it first; note a death and plan the restart; restart when due. Returns a fresh death's exit status."""
        if self.process is None:
            return self._restart(now) if now >= self.restart_at else None
        status = self.process.poll()
        if status is None:
            return None
        if now - self.started_at > _HEALTHY_SECONDS:
            self.pause = _FIRST_PAUSE
        self._plan(now)
        self.process = None
        return status

    def _restart(self, now: float) -> int | None:
        try:
            self.start(now)
        except OSError:
            # No memory or no process to be had: the others live on, and it is tried again.
            self._plan(now)
            return os.EX_OSERR
        return None

    def _plan(self, now: float) -> None:
        self.restart_at = now + self.pause
        self.pause = min(_LONGEST_PAUSE, self.pause * 2)

    def terminate(self) -> None:
        """Ask the process to leave."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        """Wait for the process to leave; kill it at the deadline (monotonic seconds)."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                # A process that hangs in a dead disk cannot even be killed; we leave all the same.
                self.process.wait(_DYING_SECONDS)


def reap_strangers(own: set[int]) -> None:
    """As PID 1: collect orphans that ended, leaving our own children to their owners."""
    if os.getpid() != 1:
        return
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in own:
            return
        os.waitpid(found.si_pid, 0)
