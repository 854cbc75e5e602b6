"""``dashcam errors``: what failed, by kind, with a call of each to look at."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from proxy.cli.figures import Asked, record, tell
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.terminal import local_time, short_id
from proxy.settings.values import Settings
from proxy.store.reading.analytics import failures

_COLUMNS = ("calls", "share", "provider", "model", "outcome", "http_status", "error_type", "error_code", "last_seen",
            "sample_id")  # fmt: skip


def errors(settings: Settings, asked: Asked) -> None:
    """Print them, the most frequent first."""
    with record(settings) as reader:
        found = reader.answer(failures(asked.span(reader), asked.limit + 1))
    told = [
        {**{name: row[name] or None for name in _COLUMNS}, "share": round(float(row["share"]), 6)}
        for row in found[: asked.limit]
    ]
    special: dict[str, Show] = {
        "calls": number, "share": lambda share: f"{share:.1%}", "sample_id": short_id,
        "last_seen": partial(local_time, is_utc=asked.is_utc),
    }  # fmt: skip
    if told or asked.as_json or not sys.stdout.isatty():
        columns = {name: special.get(name, shown) for name in _COLUMNS}
        rows = told if asked.as_json or not sys.stdout.isatty() else [_with_a_code(row) for row in told]
        shed = ("error_type", "provider", "share", "last_seen", "outcome", "http_status")
        print_rows(rows, columns, as_json=asked.as_json, shed=shed)
    if not told:
        tell(f"Nothing failed {asked.words}. What went on: dashcam stats{asked.flag}")
        return
    tell(f"See one with: dashcam show {short_id(told[0]['sample_id'])}; list them: dashcam logs status:error")
    if len(found) > asked.limit:
        tell(f"There are more kinds; see them with: -n {min(asked.limit * 5, 100_000)}")


def _with_a_code(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a terminal, which first has no room for the type: it stands for a code that nobody gave."""
    return {**row, "error_code": row["error_code"] or row["error_type"]}
