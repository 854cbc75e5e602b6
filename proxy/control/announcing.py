"""The first recorded call is announced in the terminal: one line that says it works, and what to type next."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from proxy.domain.cost import from_pico
from proxy.domain.interaction import Interaction
from proxy.settings.private_file import replace_file
from proxy.telemetry.logs import clean

_LONGEST_NAME = 60
_MARK = "first-call"


def is_first(run_dir: Path) -> bool:
    """Return True once in the life of a supervisor, whose child we are: a restarted control does not say it again."""
    mark, supervisor = run_dir / _MARK, str(os.getppid())
    with contextlib.suppress(OSError):
        if mark.read_text() == supervisor:
            return False
    with contextlib.suppress(OSError):
        replace_file(mark, supervisor.encode(), is_lasting=False)
    return True


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
