"""How the spool is doing, in words: mode, troubles, how large it is and may be, what in it is left alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from proxy.settings.values import Settings
from proxy.spool.ceilings import Ceilings
from proxy.spool.inventory import Stray, strays
from proxy.spool.trouble import meanings

IN_MEMORY = (
    "recording.mode is 'memory': the spool lies in RAM. "
    "What is not in the database yet is lost when the machine or its container stops."
)
_SHOWN = 50
_LOOK_SECONDS = 10.0


class SpoolState:
    """Looks at the files now and then only; reads them, so not for the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looked_at = float("-inf")
        self._strays: list[Stray] = []

    def of(self, pages: Sequence[Mapping[str, int]]) -> dict[str, object]:
        """Return what the pages of the gateways and the files tell."""
        recording = self._settings.recording
        ceilings = Ceilings.of(recording)
        # Each gateway has looked at all of the spool.
        seen = {name: max((page.get(name, 0) for page in pages), default=0) for name in ("spool_bytes", "spool_files")}
        slowest = {
            name: max((page.get(name, 0) for page in pages), default=0) for name in ("fsync_ns_p99", "fsync_ns_max")
        }
        waiting, failures = (sum(page.get(name, 0) for page in pages) for name in ("waiting_bytes", "fsync_failures"))
        return {
            "mode": recording.mode,
            "sealed": recording.seal,
            "warnings": [IN_MEMORY] if recording.mode == "memory" else [],
            "troubles": [
                {"name": item.name, "text": item.text, "hint": item.hint}
                for item in meanings(page.get("trouble", 0) for page in pages)
            ],
            "spool": {
                "bytes": seen["spool_bytes"], "max_bytes": ceilings.max_bytes,
                "files": seen["spool_files"], "max_files": ceilings.max_files,
                "waiting_bytes": waiting, "waiting_max_bytes": recording.waiting_max_bytes,
            },
            "sync": {
                "p99_ms": slowest["fsync_ns_p99"] / 1e6, "max_ms": slowest["fsync_ns_max"] / 1e6, "failures": failures,
            },
            "left_alone": [{"path": item.path, "reason": item.reason} for item in self._look()],
        }  # fmt: skip

    def _look(self) -> list[Stray]:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            found: list[Stray] = []
            for root in (self._settings.spool_dir, self._settings.other_spool_dir):
                try:
                    found += strays(root, _SHOWN - len(found))
                except OSError as error:
                    found.append(Stray(str(root), f"cannot be looked at: {error.strerror}"))
            self._strays = found
        return self._strays
