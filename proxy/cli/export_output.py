"""Where an export goes: standard output, or a file that takes its name when it is whole.

Beside ``FILE.part`` stands ``FILE.part.note``, which says how far it is; what the file has beyond that was not noted,
and is written anew. One export at a time writes a file, and only its owner may read it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from proxy.cli.database import calls, size
from proxy.cli.room import told
from proxy.errors import UsageError


@dataclass
class Note:
    """How far an export is: calls written and left out, the place of the last one, and bytes of the file.

    ``since`` and ``until`` are Unix milliseconds, as what was ``asked`` meant them when the export began.
    """

    asked: Mapping[str, Any]
    since: int | None
    until: int
    after: tuple[str, str] | None = None
    size: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """Calls looked at."""
        return self.written + self.left_out.total()

    @property
    def told(self) -> str:
        """How much was written, in words."""
        return f"{calls(self.written)}, {size(self.size)}"


class Output:
    """Takes bytes and keeps the note; without a path it is standard output, which nothing goes on with."""

    def __init__(self, stream: BinaryIO, path: Path | None = None) -> None:
        self._stream = stream
        self._path = path

    def put(self, data: bytes, note: Note) -> None:
        """Write, and then note that it is written."""
        self.end(data)
        note.size += len(data)
        if self._path is not None:
            with told(self._path):
                _save(note, self._path)

    def end(self, data: bytes) -> None:
        """Write what is not to be noted: an export that is broken off behind it ends once more."""
        with told(self._path or "standard output", *(() if self._path else (None,))):
            self._stream.write(data)
            self._stream.flush()


@contextlib.contextmanager
def opened(target: Path | None, note: Note, *, is_replacing: bool) -> Iterator[tuple[Output, Note]]:
    """Open what is written to, with the note of an export that was broken off; a file is whole at the end."""
    if target is None:
        yield Output(sys.stdout.buffer), note
        return
    if target.exists() and not is_replacing:
        raise UsageError(f"{target} is there already", hint="name another file, or add --replace")
    part = target.with_name(f"{target.name}.part")
    with _locked(part) as stream:
        note = _continued(stream, part, note)
        yield Output(stream, part), note
        with told(part):
            os.fsync(stream.fileno())
            part.replace(target)
            _note_path(part).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    try:
        stream = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    except OSError as error:
        missing = part.parent if not part.parent.exists() else None
        hint = f"make its folder: mkdir -p {shlex.quote(str(missing))}" if missing else "name another file with --to"
        raise UsageError(f"{part} cannot be written: {error.strerror}", hint=hint) from error
    with _closed_whatever_is_left(stream):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another export writes {part}", hint="wait for it, or name another file") from error
        yield stream


@contextlib.contextmanager
def _closed_whatever_is_left(stream: BinaryIO) -> Iterator[None]:
    """Close a file at the end; what a full disk has left in its buffer was not noted, and is written anew."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def _continued(stream: BinaryIO, part: Path, fresh: Note) -> Note:
    """Return where to go on, and put the stream there; from the beginning where other calls were asked for."""
    note = _load(part) or fresh
    if note.asked != fresh.asked or os.fstat(stream.fileno()).st_size < note.size:
        note = fresh
    elif note.size:
        print(f"going on behind {note.told}", file=sys.stderr)
    stream.truncate(note.size)
    stream.seek(note.size)
    return note


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.note")


def _save(note: Note, part: Path) -> None:
    path = _note_path(part)
    waiting = path.with_name(f"{path.name}.new")
    waiting.write_bytes(orjson.dumps(note))
    waiting.replace(path)


def _load(part: Path) -> Note | None:
    try:
        values = orjson.loads(_note_path(part).read_bytes())
        after = values["after"] and (str(values["after"][0]), str(values["after"][1]))
        return Note(
            values["asked"], values["since"], int(values["until"]), after,
            int(values["size"]), int(values["written"]), Counter(values["left_out"]),
        )  # fmt: skip
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError):
        # None, or not ours: then the file is written from its beginning.
        return None
