"""Sources that cannot be read now: a bad sector, a lost right, a key that is not ours. The other sources go on.

Each is tried again every second, told once in the log, and shown for as long as it lasts, with what to do about it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from proxy.spool.sealing import SealedError

log = structlog.get_logger("loader")

_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    since: float
    again_at: float
    reason: str
    hint: str


class Unreadable:
    """What is wrong with which source; times are monotonic. Read from any thread."""

    def __init__(self) -> None:
        self._troubles: dict[str, _Trouble] = {}

    def __repr__(self) -> str:
        return f"<Unreadable {sorted(self._troubles)}>"

    def may_try(self, name: str, now: float) -> bool:
        """Return True where it can be read, or may be by now."""
        trouble = self._troubles.get(name)
        return trouble is None or now >= trouble.again_at

    def failed(self, name: str, folder: Path, now: float, error: OSError | SealedError) -> None:
        """Note that nothing was read from a source in this folder."""
        known = self._troubles.get(name)
        hint = (isinstance(error, SealedError) and error.hint) or f"look at its disk and rights: ls -la {folder}"
        if known is None:
            log.error("source_unreadable", source=name, reason=str(error), hint=hint)
        reason = f"the spool of {name} cannot be read: {error}"
        self._troubles[name] = _Trouble(now if known is None else known.since, now + _PAUSE, reason, hint)

    def succeeded(self, name: str) -> None:
        """It was read."""
        self._troubles.pop(name, None)

    @property
    def first(self) -> tuple[str | None, str | None]:
        """Return what is wrong with one of them and what to do, Nones when all can be read."""
        return next(((item.reason, item.hint) for item in list(self._troubles.values())), (None, None))

    @property
    def seconds(self) -> float:
        """For how long the first of them has not been read."""
        return max((time.monotonic() - item.since for item in list(self._troubles.values())), default=0.0)
