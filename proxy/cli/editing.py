"""A text in the person's own editor: ``$VISUAL``, ``$EDITOR``, else vi; what is saved there is what comes back.

What then cannot be taken is not lost: it stays in a file of the person's, and what went wrong names it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import DashcamError, UsageError


def edited(text: str, name: str, suffix: str) -> bytes:
    """Return what a text has become; ``UsageError`` when the editor cannot be started, or ends with an error.

    ``name`` is what a file is called by that keeps what such an editor has left behind.
    """
    command = _command()
    with tempfile.TemporaryDirectory(prefix="dashcam-") as folder:
        path = Path(folder) / f"{name}{suffix}"
        path.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*command, str(path)], check=False).returncode
            data = path.read_bytes()
        except FileNotFoundError as error:
            if error.filename == str(path):
                raise UsageError(f"the editor {command[0]!r} has removed the file; nothing was saved") from error
            raise _not_started(command, error) from error
        except OSError as error:
            raise _not_started(command, error) from error
    if code != 0:
        hint = _way_on(data, name, suffix) if data != text.encode() else None
        raise UsageError(f"the editor {command[0]!r} ended with {code}; nothing was saved", hint=hint)
    return data


def _not_started(command: list[str], error: OSError) -> UsageError:
    hint = "set EDITOR to one that is installed"
    return UsageError(f"the editor {command[0]!r} cannot be started: {error.strerror}", hint=hint)


def _command() -> list[str]:
    said = os.getenv("VISUAL") or os.getenv("EDITOR") or "vi"
    try:
        return shlex.split(said) or ["vi"]
    except ValueError as error:
        raise UsageError(f"EDITOR is no command: {error}", hint="set it to such as: vi") from error


@contextlib.contextmanager
def kept_where_refused(data: bytes, name: str, suffix: str) -> Iterator[None]:
    """Keep what was written in a file where the block fails; the error names it, and how to go on from there."""
    try:
        yield
    except BaseException as error:
        hint = _way_on(data, name, suffix)
        if isinstance(error, DashcamError):
            error.hint = hint
        else:
            print(f"dashcam: {hint}", file=sys.stderr)
        raise


def _way_on(data: bytes, name: str, suffix: str) -> str:
    """Keep what was written where only this person reads it; return how to go on."""
    descriptor, path = tempfile.mkstemp(prefix=f"{name}-", suffix=suffix)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return f"what was written is in {path}; mend it, then: dashcam prompts create {name} {path}"
