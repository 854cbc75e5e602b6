"""The usage of a stored call, put together again from its columns and the provider's own object.

The columns are what was counted and say so first; what has no column (which part of the audio was input, how long cache
writes live) is read from the object once more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.domain.outcome import UsageSource
from proxy.domain.usage import QUANTITIES, Usage
from proxy.protocol.usage import read_usage
from proxy.store.schema.decoding import Row

_COLUMNS = (
    "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
)  # fmt: skip


def usage_of(row: Row) -> Usage:
    """Return the usage that a row was priced with."""
    quantities = row.get("quantities") or {}
    found: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    found.update({name: int(quantities[name]) for name in QUANTITIES if name in quantities})
    # A call that only read an answer again keeps the object, and counts nothing.
    is_counted = row["input_tokens"] is not None or row["output_tokens"] is not None
    return replace(
        read_usage(row["usage_raw"]) if is_counted else Usage(raw=row["usage_raw"]),
        source=UsageSource(row["usage_source"]),
        **found,
    )
