"""Copies of a Postgres: made by its own ``pg_dump``, brought back by ``pg_restore``, which must be installed.

A copy has our tables and views only, of one instant, whatever else is in the database. A sealed one passes between tool
and file in memory, and is plain on no disk. A copy is read to its end before anything is changed, and once more while
it is loaded, in a transaction that counts only when all of it has come.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from proxy.cli.bar import Bar
from proxy.cli.postgres_tools import Feeding, Listening, Process, environment_of, failure, tool
from proxy.errors import NotAllowedError, NotFoundError, StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.copies.backup import Tell, silent
from proxy.store.copies.placing import placed
from proxy.store.copies.sealed_file import POSTGRES, SealingFile, heading_of, opened
from proxy.store.upkeep.postgres_objects import drops_of_ours, other_sessions, our_relations

_DUMPING = "dumping contents of table"
_SQLITE_FILE = b"SQLite format 3\x00"
_OURS = "give a copy that dashcam db backup has made"
_PIECE = 1 << 20
_LAST_OF_HEADING = b"\nSET client_encoding = "
_NEWER = b"SET transaction_timeout = 0;"
_WHERE_KNOWN = b"SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';"
"""The tools of Postgres 17 and later begin a script with a setting that a server before 17 does not know."""
_PIPE = subprocess.PIPE


def dump(database: DatabaseSettings, target: Path, master: bytes | None, bar: Bar) -> int:
    """Write a copy, sealed where there is a key; return its bytes.

    Raises ``StoreError`` when that fails, and leaves nothing then.
    """
    program, relations = tool("pg_dump"), our_relations(database)
    command = [program, "--format=custom", "--no-owner", "--no-privileges", "--verbose"]
    command += [f"--table={name}" for name in relations]
    with placed(target) as part:
        if master is None:
            command.append(f"--file={part}")
        environment = environment_of(database)
        with (
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=_PIPE, stderr=_PIPE) as process,
            Listening(process, _progress(bar, len(relations))) as listening,
        ):
            is_whole = _seal(process, part, master)
        if process.returncode or not is_whole:
            raise failure("copying", database, listening.said)
    return target.stat().st_size


def _seal(process: Process, part: Path, master: bytes | None) -> bool:
    """Seal what a tool writes, where there is a key; the end is written only when the tool has ended well."""
    assert process.stdout is not None
    if master is None:
        return True
    try:
        with part.open("wb") as file:
            sealing = SealingFile(file, POSTGRES, master)
            while piece := process.stdout.read(_PIECE):
                sealing.write(piece)
            is_whole = process.wait() == 0
            if is_whole:
                sealing.finish()
    finally:
        # A tool that still writes ends by that, and with it what listens to it.
        process.stdout.close()
    return is_whole


def _progress(bar: Bar, tables: int) -> Callable[[str], None]:
    done = 0

    def hear(line: str) -> None:
        nonlocal done
        done += _DUMPING in line
        bar.tell("copied", min(done, tables), tables)

    return hear


def look_at(copy: Path, masters: Sequence[bytes], bar: Bar) -> None:
    """Read a copy to its end; ``StoreError`` when it is no copy with our tables, or a sealed one that does not open."""
    if not copy.is_file():
        raise NotFoundError(f"there is no file {copy}", hint=_OURS)
    command = [tool("pg_restore"), "--list"]
    with (
        subprocess.Popen(command, stdin=_PIPE, stdout=_PIPE, stderr=subprocess.DEVNULL) as process,
        Feeding(process, _pieces(copy, masters, bar.tell)) as feeding,
    ):
        assert process.stdout is not None
        listed = process.stdout.read()
        trouble = feeding.outcome()
    _check_read(copy, trouble)
    if process.returncode or b" TABLE " not in listed or b" interaction " not in listed:
        raise StoreError(f"{copy} is no copy of our tables", hint=_OURS)


def _check_read(copy: Path, trouble: StoreError | OSError | None) -> None:
    if isinstance(trouble, OSError):
        raise StoreError(f"{copy} cannot be read: {trouble.strerror}", hint="take another copy") from trouble
    if trouble is not None:
        raise trouble


def _pieces(copy: Path, masters: Sequence[bytes], tell: Tell = silent) -> Iterator[bytes]:
    """Yield what is in a copy, sealed or not."""
    heading, total, done = heading_of(copy), copy.stat().st_size, 0
    if heading is not None and heading.kind != POSTGRES:
        raise _of_sqlite(copy)
    for piece in _plain(copy) if heading is None else opened(copy, masters):
        yield piece
        done += len(piece)
        tell("looked at", min(done, total), total)


def _plain(copy: Path) -> Iterator[bytes]:
    with copy.open("rb") as file:
        piece = file.read(_PIECE)
        if piece.startswith(_SQLITE_FILE):
            raise _of_sqlite(copy)
        while piece:
            yield piece
            piece = file.read(_PIECE)


def _of_sqlite(copy: Path) -> StoreError:
    return StoreError(
        f"{copy} is a copy of a SQLite database, and the database here is a Postgres",
        hint="restore it in a data folder without a database address, then: dashcam db copy --from … --to …",
    )


def check_alone(database: DatabaseSettings) -> None:
    """Raise ``NotAllowedError`` while a Dashcam, on any host, has the database open."""
    found = other_sessions(database)
    if found:
        raise NotAllowedError(f"a running Dashcam has the database open ({'; '.join(found)})",
                              hint="stop it first, then restore, then start it again")  # fmt: skip


def load(database: DatabaseSettings, copy: Path, masters: Sequence[bytes], bar: Bar) -> None:
    """Put a copy in the place of our tables, in one transaction; after a ``StoreError`` all is as it was.

    What others have made of our tables (a view of their own) is never dropped: then it is refused.
    """
    environment = environment_of(database)
    reading = [tool("pg_restore"), "--no-owner", "--no-privileges", "--file=-"]
    writing = [tool("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    drops, size = drops_of_ours(database), copy.stat().st_size
    with (
        subprocess.Popen(reading, env=environment, stdin=_PIPE, stdout=_PIPE, stderr=_PIPE) as source,
        subprocess.Popen(writing, env=environment, stdin=_PIPE, stdout=subprocess.DEVNULL, stderr=_PIPE) as sink,
        Listening(source) as reader,
        Listening(sink) as writer,
        Feeding(source, _pieces(copy, masters)) as feeding,
    ):
        is_whole = _pour(source, sink, feeding, drops, size, bar)
    _check_read(copy, feeding.outcome())
    if source.returncode or sink.returncode or not is_whole:
        raise failure("restoring", database, reader.said + writer.said)


def for_any_server(beginning: bytes) -> bytes:
    """Return the beginning of a script as an older server takes it, too; what comes behind the heading is as it was."""
    heading, mark, rest = beginning.partition(_LAST_OF_HEADING)
    return heading.replace(_NEWER, _WHERE_KNOWN) + mark + rest


def _pour(source: Process, sink: Process, feeding: Feeding, before: str, size: int, bar: Bar) -> bool:
    """Hand the script on within a transaction, which is committed only when all of it has come."""
    assert source.stdout is not None
    assert sink.stdin is not None
    done = 0
    try:
        sink.stdin.write(f"BEGIN;\n{before}".encode())
        while part := source.stdout.read(_PIECE):
            # The script's heading is in its first piece, and whole: a pipe that is buffered is read until it is full.
            sink.stdin.write(part if done else for_any_server(part))
            done += len(part)
            bar.tell(f"restored {done / 1e6:,.1f} MB, of a copy of {size / 1e6:,.1f} MB", 0, 0)
        is_whole = source.wait() == 0 and feeding.outcome() is None
        if is_whole:
            sink.stdin.write(b"\nCOMMIT;\n")
            sink.stdin.flush()
    except BrokenPipeError:
        # It has said why on its standard error; what was not committed never was.
        return False
    finally:
        # Both end by that, whatever they are at, and with them what listens to them.
        source.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            sink.stdin.close()
    return is_whole
