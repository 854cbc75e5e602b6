"""The stored prompts of a snapshot: found by name, read from files once, compiled.

A version's content never changes, so what was read is kept, also over snapshots; what one includes is found anew with
each snapshot, since a label may have moved.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import orjson

from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.snapshot import Snapshot
from proxy.gateway.asks import split
from proxy.prompting.checking import read_version
from proxy.prompting.rendering import CompiledPrompt
from proxy.prompting.version import PromptVersion, texts_of

_MOST_KEPT = 512


class AbsentError(Exception):
    """A prompt, or a version of it, that there is not; ``code`` and the message are for the caller.

    ``is_version``: there is the prompt.
    """

    def __init__(self, code: str, message: str, *, is_version: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.is_version = is_version


class Ready(NamedTuple):
    """A prompt as it is asked for: compiled, what is recorded of it, and what the reply says."""

    compiled: CompiledPrompt
    name: str
    version: int
    label: str | None
    told: tuple[bytes, ...]


class PublishedPrompts:
    """``folder`` holds the contents; ``by_name`` are those of the snapshot in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.by_name: dict[str, PublishedPrompt] = {}
        self._versions: dict[str, PromptVersion] = {}
        self._compiled: dict[tuple[str, int], CompiledPrompt] = {}
        self._ready: dict[str, Ready] = {}

    def __repr__(self) -> str:
        return f"<PublishedPrompts {len(self.by_name)} read={len(self._versions)}>"

    def use(self, snapshot: Snapshot) -> None:
        """Take up a snapshot's prompts."""
        self.by_name = {item.name: item for item in snapshot.prompts}
        self._compiled.clear()
        self._ready.clear()

    def known(self, reference: str) -> Ready | None:
        """Return what "name" or "name@wanted" has been found to be, None where nobody has asked for it yet."""
        return self._ready.get(reference)

    def ready(self, name: str, wanted: str) -> Ready:
        """Find and compile what is asked for in these words; as long as the snapshot holds, it stays that.

        ``AbsentError`` where there is none.
        """
        reference = f"{name}@{wanted}" if wanted else name
        found = self._ready.get(reference)
        if found is None:
            if len(self._ready) >= _MOST_KEPT:
                self._ready.clear()
            found = self._ready[reference] = self._made_ready(name, wanted)
        return found

    def _made_ready(self, name: str, wanted: str) -> Ready:
        version = self._find(name, wanted)
        compiled = self._compiled_version(name, version)
        label = wanted if wanted and not wanted.isdigit() and wanted != version.name else None
        told = (b"x-dashcam-prompt", b": ", f"{name}@{version.number}".encode(), b"\r\n")
        return Ready(compiled, name, version.number, label, told)

    def _find(self, name: str, wanted: str) -> PublishedVersion:
        published = self.by_name.get(name)
        if published is None:
            listed = "dashcam prompts list shows those that there are" if self.by_name else "none is published yet"
            raise AbsentError("prompt_not_found", f"There is no prompt {name[:100]!r}; {listed}.")
        version = published.find(wanted)
        if version is None:
            there = [str(item.number) for item in published.versions[-10:]] + [label for label, _ in published.labels]
            message = f"The prompt {name!r} has no version or label {wanted[:40]!r}; there are: {', '.join(there)}."
            raise AbsentError("prompt_version_not_found", message, is_version=True)
        return version

    def _compiled_version(self, name: str, version: PublishedVersion) -> CompiledPrompt:
        key = name, version.number
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _MOST_KEPT:
                self._compiled.pop(next(iter(self._compiled)))
            title = f"{name}@{version.number}"
            found = self._compiled[key] = CompiledPrompt(self._read(title, version.sha256), title, self._partial)
        return found

    def _read(self, title: str, sha256: str) -> PromptVersion:
        found = self._versions.get(sha256)
        if found is not None:
            return found
        try:
            version, problems = read_version(orjson.loads((self._folder / f"{sha256}.json").read_bytes()))
        except (OSError, orjson.JSONDecodeError):
            version, problems = PromptVersion(messages=(), parameters={}), []
        if problems or version.sha256 != sha256:
            message = f"The content of the prompt {title} cannot be read on this host; dashcam doctor says more."
            raise AbsentError("prompt_unavailable", message)
        if len(self._versions) >= _MOST_KEPT:
            self._versions.pop(next(iter(self._versions)))
        self._versions[sha256] = version
        return version

    def _partial(self, reference: str) -> str | None:
        """Return what another prompt gives where it is included: the text of its first message."""
        name, wanted = split(reference)
        try:
            version = self._find(name, wanted)
            return next(iter(texts_of(self._read(reference, version.sha256)).values()), None)
        except AbsentError:
            return None
