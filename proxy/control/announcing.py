"""The first recorded call is announced in the terminal: one line that says it works, and what to type next."""

from __future__ import annotations

import sys

from proxy.domain.cost import from_pico
from proxy.domain.interaction import Entry, Interaction
from proxy.settings.values import Settings
from proxy.telemetry.logs import clean


def announce(entry: Entry, settings: Settings) -> None:
    """Say that a call is on record."""
    if settings.log.format == "json":
        return
    sys.stderr.write(f"\n  First call recorded: {line(entry.interaction)}\n  See it with: dashcam show last\n\n")
    sys.stderr.flush()


def line(item: Interaction) -> str:
    """Return one call on one line: model, how it ended, tokens, cost, time."""
    parts = [clean(item.model or item.operation), item.outcome.value]
    if item.input_tokens is not None or item.output_tokens is not None:
        parts.append(f"{item.input_tokens or 0} + {item.output_tokens or 0} tokens")
    if item.cost_pico_usd:
        parts.append(f"${from_pico(item.cost_pico_usd).normalize():f}")
    if item.duration_ms is not None:
        parts.append(f"{item.duration_ms:,.0f} ms")
    return " · ".join(parts)
