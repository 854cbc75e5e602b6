"""The first recorded call is announced in the terminal: one line that says it works, and what to type next."""

from __future__ import annotations

from proxy.domain.cost import from_pico
from proxy.domain.interaction import Interaction
from proxy.telemetry.logs import clean

_LONGEST_NAME = 60


def announcement(item: Interaction) -> str:
    """Return the line, without its end."""
    return f"  First call recorded: {line(item)} · see it with: dashcam show last"


def line(item: Interaction) -> str:
    """Return one call on one line: model, how it ended, tokens, cost, time."""
    status = item.outcome.value if item.http_status is None else f"{item.outcome.value} {item.http_status}"
    name = "".join([char if char.isprintable() else "?" for char in item.model or item.operation])
    parts = [clean(name)[:_LONGEST_NAME], status]
    if item.input_tokens is not None or item.output_tokens is not None:
        mark = "~" if item.usage_source.is_estimate else ""
        parts.append(f"{mark}{_count(item.input_tokens)} + {_count(item.output_tokens)} tokens")
    if item.cost_pico_usd:
        parts.append(f"${from_pico(item.cost_pico_usd).normalize():f}")
    if item.duration_ms is not None:
        parts.append(f"{item.duration_ms:,.0f} ms")
    return " · ".join(parts)


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)
