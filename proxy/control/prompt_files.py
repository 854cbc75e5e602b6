"""What versions of prompts say, as files that gateways read: one for each content, named by its hash, never changed.

They are there before a snapshot names them, so that a gateway never looks for one that is still to come. Those that no
catalogue of late has named are removed after a day: a gateway may go on with an older snapshot for a while. One that
does not say what its name promises any more counts as missing; each is read once, and again when it looks changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from proxy.prompting.version import canonical

_SUFFIX = ".json"
_KEPT_SECONDS = 86_400.0
_MARK_SECONDS = 3600.0
_AT_ONCE = 16


class PromptFiles:
    """The folder of one host; for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: dict[str, tuple[int, int, int]] = {}

    def __repr__(self) -> str:
        return f"<PromptFiles {self._folder}>"

    def path_of(self, sha256: str) -> Path:
        """Return where a content is."""
        return self._folder / f"{sha256}{_SUFFIX}"

    def missing(self, hashes: Collection[str]) -> set[str]:
        """Return the hashes of which there is no file, or none that holds what it should."""
        return {name for name in hashes if not self._is_sound(name)}

    def _is_sound(self, sha256: str) -> bool:
        path = f"{self._folder}/{sha256}{_SUFFIX}"
        try:
            status = os.stat(path)
            identity = status.st_ino, status.st_size, status.st_mtime_ns
            if self._sound.get(sha256) == identity:
                return True
            is_sound = hashlib.sha256(canonical(orjson.loads(Path(path).read_bytes()))).hexdigest() == sha256
        except (OSError, orjson.JSONDecodeError):
            is_sound = False
        if is_sound:
            self._sound[sha256] = identity
        return is_sound

    def write(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        """Write contents by their hash; the folder is synced once for all of them. ``OSError`` when that fails."""
        if not contents:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Each waits for the disk: together they do once what they would do one after the other.
        with ThreadPoolExecutor(min(len(contents), _AT_ONCE)) as pool:
            list(pool.map(self._write_one, contents.keys(), contents.values()))
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _write_one(self, sha256: str, content: Mapping[str, Any]) -> None:
        path, data = self.path_of(sha256), orjson.dumps(dict(content))
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
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    age = now - entry.stat(follow_symlinks=False).st_mtime
                    if entry.name.removesuffix(_SUFFIX) in hashes:
                        if age > _MARK_SECONDS:
                            os.utime(entry.path, (now, now))
                    elif age > _KEPT_SECONDS:
                        os.unlink(entry.path)
