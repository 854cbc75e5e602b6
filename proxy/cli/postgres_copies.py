"""Copies of a Postgres: made by its own ``pg_dump``, brought back by ``pg_restore``, which must be installed.

A copy has our tables and views only, of one instant, whatever else is in the database. No password is on a command
line: the tools get what they need by their environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from proxy.cli.bar import Bar
from proxy.errors import NotAllowedError, NotFoundError, StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.postgres_objects import connection_environment, drops_of_ours, other_sessions, our_relations

_DUMPING = "dumping contents of table"
_VERSIONS = re.compile(r"server version: (?P<server>[\d.]+).*; pg_\w+ version: (?P<tool>[\d.]+)")
_WORDS = 300
_PIECE = 1 << 20
Process = subprocess.Popen[bytes]


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
    """Put a copy in the place of our tables, in one transaction; after a ``StoreError`` all is as it was.

    What others have made of our tables (a view of their own) is never dropped: then it is refused.
    """
    environment = _environment(database)
    reading = [_tool("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(copy)]
    writing = [_tool("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with (
        subprocess.Popen(reading, env=environment, stdin=quiet, stdout=pipe, stderr=pipe) as source,
        subprocess.Popen(writing, env=environment, stdin=pipe, stdout=quiet, stderr=pipe) as sink,
    ):
        is_whole = _pour(source, sink, drops_of_ours(database), copy.stat().st_size, bar)
        said = b"".join(process.stderr.read() for process in (source, sink) if process.stderr)
    if source.returncode or sink.returncode or not is_whole:
        raise _failure("restoring", database, said.decode("utf-8", "replace").splitlines())


def _pour(source: Process, sink: Process, before: str, size: int, bar: Bar) -> bool:
    """Hand the script on within a transaction, which is committed only when all of it has come."""
    assert source.stdout is not None
    assert sink.stdin is not None
    done = 0
    try:
        sink.stdin.write(f"BEGIN;\n{before}".encode())
        while part := source.stdout.read(_PIECE):
            sink.stdin.write(part)
            done += len(part)
            bar.tell(f"restored {done / 1e6:,.1f} MB, of a copy of {size / 1e6:,.1f} MB", 0, 0)
        is_whole = source.wait() == 0
        if is_whole:
            sink.stdin.write(b"\nCOMMIT;\n")
        sink.stdin.close()
    except BrokenPipeError:
        # It has said why on its standard error; what was not committed never was.
        return False
    return is_whole


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StoreError(f"{name} is not installed here, which makes and reads copies of a Postgres",
                         hint="install the client tools (Debian, Ubuntu: apt install postgresql-client)")  # fmt: skip
    return found


def _run(command: list[str], database: DatabaseSettings, bar: Bar, tables: int) -> None:
    done, said = 0, []
    environment = _environment(database)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line.decode("utf-8", "replace").strip())
            done += _DUMPING in said[-1]
            bar.tell("copied", min(done, tables), tables)
    if process.returncode:
        raise _failure("copying", database, said)


def _environment(database: DatabaseSettings) -> dict[str, str]:
    return {**os.environ, **connection_environment(database)}  # noqa: TID251 - handed on


def _failure(what: str, database: DatabaseSettings, said: list[str]) -> StoreError:
    """Return what a tool said last of an error, without what it says beside, which may quote rows."""
    mismatch = next((found for line in said if (found := _VERSIONS.search(line))), None)
    if mismatch:
        server, tool = mismatch["server"], mismatch["tool"]
        return StoreError(
            f"{what} failed: the tools here are of PostgreSQL {tool}, and the server is {server}",
            hint=f"install the client tools of version {server.partition('.')[0]} (postgresql-client-"
            f"{server.partition('.')[0]}) and put them first on PATH",
        )
    words = [line for line in said if "error:" in line.lower() or "fatal:" in line.lower()]
    reason = words[0].partition("rror:")[2] or words[0].partition("ROR:")[2] or words[0] if words else "no reason given"
    return StoreError(f"{what} failed: {database.scrubbed(reason.strip())[:_WORDS]}", hint="nothing was changed")
