"""What versions of prompts say, as files that gateways read: one for each content, named by its hash, never changed.

They are there before a snapshot names them, so that a gateway never looks for one that is still to come. Those that no
catalogue of late has named are removed after a day: a gateway may go on with an older snapshot for a while.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import orjson

_SUFFIX = ".json"
_KEPT_SECONDS = 86_400.0


class PromptFiles:
    """The folder of one host; for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"<PromptFiles {self._folder}>"

    def missing(self, hashes: Collection[str]) -> set[str]:
        """Return the hashes of which there is no file."""
        try:
            there = {name.removesuffix(_SUFFIX) for name in os.listdir(self._folder)}
        except FileNotFoundError:
            there = set()
        return set(hashes) - there

    def write(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        """Write contents by their hash; the folder is synced once for all of them. ``OSError`` when that fails."""
        if not contents:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for sha256, content in contents.items():
            self._write_one(self._folder / f"{sha256}{_SUFFIX}", orjson.dumps(dict(content)))
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _write_one(self, path: Path, data: bytes) -> None:
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def keep(self, hashes: Collection[str]) -> None:
        """Mark these as in use, and remove what has not been for a day."""
        now = time.time()
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                path = self._folder / name
                with contextlib.suppress(OSError):
                    if name.removesuffix(_SUFFIX) in hashes:
                        os.utime(path, (now, now))
                    elif path.stat().st_mtime < now - _KEPT_SECONDS:
                        path.unlink()
