"""A text in the person's own editor: ``$VISUAL``, ``$EDITOR``, else vi; what is saved there is what comes back.

What then cannot be taken is not lost: it stays in a file of the person's, and what went wrong names it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import DashcamError, UsageError


def edited(text: str, suffix: str) -> bytes:
    """Return what a text has become; ``UsageError`` when the editor cannot be started, or ends with an error."""
    with tempfile.TemporaryDirectory(prefix="dashcam-") as folder:
        path = Path(folder) / f"prompt{suffix}"
        path.write_text(text, encoding="utf-8")
        command = _command()
        try:
            code = subprocess.run([*command, str(path)], check=False).returncode
            if code == 0:
                return path.read_bytes()
        except OSError as error:
            hint = "set EDITOR to one that is installed"
            raise UsageError(f"the editor {command[0]!r} cannot be started: {error.strerror}", hint=hint) from error
        raise UsageError(f"the editor {command[0]!r} ended with {code}; nothing was saved")


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
    except DashcamError as error:
        descriptor, path = tempfile.mkstemp(prefix=f"{name}-", suffix=suffix)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        error.hint = f"what was written is in {path}; mend it, then: dashcam prompts create {name} {path}"
        raise
