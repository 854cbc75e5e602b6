"""Tokens are counted against the limits of keys and providers once their call is stored: nobody knows them before.

Counted is only for whom a gateway of this host counts already, that is, who has limits; and only what was used in the
last minutes: calls that waited long for their database belong to minutes that are over. While the database is away no
tokens are counted, and requests and calls at once alone are limited.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from proxy.domain.interaction import Entry, Interaction
from proxy.protocol.endpoints import operation_named
from proxy.spool.tallies import Tallies, subject_of

_LOOK_SECONDS = 1.0
_FRESH_SECONDS = 120.0


class Charging:
    """For the loader's thread. ``clock`` tells Unix time."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._tallies = Tallies(folder, f"control-{os.getpid()}")
        self._clock = clock
        self._look_at = 0.0

    def __repr__(self) -> str:
        return f"<Charging {self._tallies!r}>"

    def look(self) -> None:
        """Find the gateways' tables, once a second; to be called often."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._tallies.look()

    def charge(self, entries: Sequence[Entry]) -> None:
        """Count the tokens of calls that have just been stored."""
        now = self._clock()
        for entry in entries:
            tokens = _tokens_of(entry.interaction)
            if tokens and _ended_at(entry.interaction) > now - _FRESH_SECONDS:
                self.look()
                self._count("key", entry.interaction.key_id, tokens, now)
                self._count("provider", entry.interaction.provider, tokens, now)

    def _count(self, kind: str, name: str | None, tokens: int, now: float) -> None:
        if name is not None and self._tallies.is_counted(number := subject_of(kind, name)):
            self._tallies.own.count(number, now, tokens=tokens)

    def close(self) -> None:
        """Let go of the tables."""
        self._tallies.close()


def _tokens_of(interaction: Interaction) -> int:
    if operation_named(interaction.operation).repeats:
        return 0
    if interaction.total_tokens is not None:
        return interaction.total_tokens
    return (interaction.input_tokens or 0) + (interaction.output_tokens or 0)


def _ended_at(interaction: Interaction) -> float:
    return (interaction.completed_at or interaction.started_at) / 1000
