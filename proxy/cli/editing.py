"""A text in the person's own editor: ``$VISUAL``, ``$EDITOR``, else vi; what is saved there is what comes back."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from proxy.errors import UsageError


def edited(text: str, suffix: str) -> str:
    """Return what a text has become; ``UsageError`` when the editor cannot be started, or ends with an error."""
    command = shlex.split(os.getenv("VISUAL") or os.getenv("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="dashcam-") as folder:
        path = Path(folder) / f"prompt{suffix}"
        path.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*command, str(path)], check=False).returncode
        except OSError as error:
            hint = "set EDITOR to one that is installed"
            raise UsageError(f"the editor {command[0]!r} cannot be started: {error.strerror}", hint=hint) from error
        if code != 0:
            raise UsageError(f"the editor {command[0]!r} ended with {code}; nothing was saved")
        return path.read_text(encoding="utf-8")
