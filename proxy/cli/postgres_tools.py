"""Running Postgres' own tools: where they are, what they get, what they say, and what it means when they fail.

Their pipes are served by a thread each, so that no full pipe can stop a tool that waits for another one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.copies.placing import ROOM
from proxy.store.upkeep.postgres_objects import connection_environment

Process = subprocess.Popen[bytes]
_VERSIONS = re.compile(r"server version: (?P<server>[\d.]+).*; pg_\w+ version: (?P<tool>[\d.]+)")
_WORDS = 300


def tool(name: str) -> str:
    """Return where a tool is; ``StoreError`` when it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise StoreError(f"{name} is not installed here, which makes and reads copies of a Postgres",
                         hint="install the client tools (Debian, Ubuntu: apt install postgresql-client)")  # fmt: skip
    return found


def environment_of(database: DatabaseSettings) -> dict[str, str]:
    """Return what a tool gets to reach a database; the password is in no command line."""
    return {**os.environ, **connection_environment(database)}  # noqa: TID251 - handed on


class Listening(threading.Thread):
    """Takes what a tool says on its standard error, line by line; ``with`` ends when it has said all."""

    def __init__(self, process: Process, hear: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(name="listening", daemon=True)
        self._process = process
        self._hear = hear
        self.said: list[str] = []

    def __enter__(self) -> Listening:
        self.start()
        return self

    def __exit__(self, *_reason: object) -> None:
        self.join()

    def run(self) -> None:
        """Read until the tool has closed it."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.decode("utf-8", "replace").strip())
            self._hear(self.said[-1])


class Feeding(threading.Thread):
    """Hands pieces to a tool's standard input; ``outcome`` waits for the end and says whether all of them came.

    They are read to their end also where the tool has enough: whether a sealed copy is whole is known there only.
    """

    def __init__(self, process: Process, pieces: Iterable[bytes]) -> None:
        super().__init__(name="feeding", daemon=True)
        self._process = process
        self._pieces = pieces
        self._error: StoreError | OSError | None = None

    def __enter__(self) -> Feeding:
        self.start()
        return self

    def __exit__(self, *_reason: object) -> None:
        self.join()

    def run(self) -> None:
        """Hand on until the pieces end."""
        assert self._process.stdin is not None
        is_open = True
        try:
            for piece in self._pieces:
                is_open = is_open and self._hand_on(piece)
        except (StoreError, OSError) as error:
            self._error = error
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def outcome(self) -> StoreError | OSError | None:
        """Return what kept the pieces from coming to their end, None when all have come."""
        self.join()
        return self._error

    def _hand_on(self, piece: bytes) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(piece)
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True


def failure(what: str, database: DatabaseSettings, said: list[str]) -> StoreError:
    """Return what a tool said last of an error, without what it says beside, which may quote rows."""
    mismatch = next((found for line in said if (found := _VERSIONS.search(line))), None)
    if mismatch:
        server, program = mismatch["server"], mismatch["tool"]
        return StoreError(
            f"{what} failed: the tools here are of PostgreSQL {program}, and the server is {server}",
            hint=f"install the client tools of version {server.partition('.')[0]} (postgresql-client-"
            f"{server.partition('.')[0]}) and put them first on PATH",
        )
    words = [line for line in said if "error:" in line.lower() or "fatal:" in line.lower()]
    reason = words[0].partition("rror:")[2] or words[0].partition("ROR:")[2] or words[0] if words else "no reason given"
    return StoreError(f"{what} failed: {database.scrubbed(reason.strip())[:_WORDS]}", hint=_next(what, reason))


def _next(what: str, reason: str) -> str:
    if "permission denied" in reason or "privilege" in reason or "must be owner" in reason:
        return f"{what} needs rights on all of our tables and sequences: do it as their owner (DASHCAM_DATABASE_URL)"
    if "No space left" in reason:
        return ROOM
    return "nothing was changed; dashcam doctor looks at the database"
