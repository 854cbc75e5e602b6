"""Copies of a Postgres: made by its own ``pg_dump``, brought back by ``pg_restore``, which must be installed.

A copy has our tables and views only, of one instant, whatever else is in the database. No password is on a command
line: the tools get what they need by their environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from proxy.cli.bar import Bar
from proxy.errors import NotAllowedError, NotFoundError, StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.postgres_objects import connection_environment, other_sessions, our_relations

_DUMPING = "dumping contents of table"
_WORDS = 300


def dump(database: DatabaseSettings, target: Path, bar: Bar) -> int:
    """Write a copy; return its bytes. Raises ``StoreError`` when that fails, and leaves nothing then."""
    if target.exists():
        raise StoreError(f"{target} is there already", hint="choose another name, or move it away")
    tool, relations = _tool("pg_dump"), our_relations(database)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    command = [tool, "--format=custom", "--no-owner", "--no-privileges", "--verbose", f"--file={part}"]
    try:
        _run([*command, *(f"--table={name}" for name in relations)], database, bar, len(relations))
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def look_at(copy: Path) -> None:
    """Raise ``StoreError`` when a file is no copy with our tables."""
    if not copy.is_file():
        raise NotFoundError(f"there is no file {copy}", hint="give a copy that dashcam db backup has made")
    found = subprocess.run([_tool("pg_restore"), "--list", str(copy)], capture_output=True, check=False)
    if found.returncode or b" TABLE " not in found.stdout or b" interaction " not in found.stdout:
        raise StoreError(f"{copy} is no copy of our tables", hint="give a copy that dashcam db backup has made")


def check_alone(database: DatabaseSettings) -> None:
    """Raise ``NotAllowedError`` while a Dashcam, on any host, has the database open."""
    found = other_sessions(database)
    if found:
        raise NotAllowedError(f"a running Dashcam has the database open ({', '.join(found)})",
                              hint="stop it first, then restore, then start it again")  # fmt: skip


def load(database: DatabaseSettings, copy: Path, bar: Bar) -> None:
    """Put a copy in the place of our tables, in one transaction; after a ``StoreError`` all is as it was."""
    command = [_tool("pg_restore"), "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction"]
    name = connection_environment(database)["PGDATABASE"]
    _run([*command, "--exit-on-error", "--verbose", f"--dbname={name}", str(copy)], database, bar, 0)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StoreError(f"{name} is not installed here, which makes and reads copies of a Postgres",
                         hint="install the client tools (Debian, Ubuntu: apt install postgresql-client)")  # fmt: skip
    return found


def _run(command: list[str], database: DatabaseSettings, bar: Bar, tables: int) -> None:
    environment = {**os.environ, **connection_environment(database)}  # noqa: TID251 - handed on
    done, said = 0, ""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        for line in process.stderr:
            text = line.decode("utf-8", "replace").strip()
            done += _DUMPING in text
            said = text if "error:" in text or "FATAL" in text else said
            bar.tell("copied" if tables else "restored", min(done, tables), tables)
    if process.returncode:
        tool = Path(command[0]).name
        reason = database.scrubbed(said.partition("error:")[2].strip() or said or f"it ended with {process.returncode}")
        raise StoreError(f"{tool}: {reason[:_WORDS]}", hint="dashcam doctor")
