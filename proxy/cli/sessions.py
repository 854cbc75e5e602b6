"""``dashcam sessions``: what belongs together by its session, the last seen first."""

from __future__ import annotations

import sys
from functools import partial

from proxy.cli.figures import Asked, read_by_people, record, tell
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.terminal import local_time, money, on_one_line
from proxy.settings.values import Settings
from proxy.store.reading import analytics


def sessions(settings: Settings, asked: Asked) -> None:
    """Print them."""
    with record(settings) as reader:
        found = reader.answer(analytics.sessions(asked.span(reader), asked.limit + 1))
    rows = [{**row, "cost_usd": None if row["cost_usd"] is None else float(row["cost_usd"])} for row in found]
    when = partial(local_time, is_utc=asked.is_utc)
    columns: dict[str, Show] = {
        "session_id": shown, "calls": number, "errors": number, "total_tokens": number, "cost_usd": money,
        "first_seen": when, "last_seen": when,
    }  # fmt: skip
    if rows or asked.as_json or not sys.stdout.isatty():
        shed = ("first_seen", "total_tokens", "errors")
        print_rows(
            read_by_people(rows[: asked.limit], as_json=asked.as_json), columns, as_json=asked.as_json, shed=shed
        )
    if not rows:
        tell(f"No sessions {asked.words}. Calls have one where they say it: x-dashcam-session: ID")
        return
    tell(f"Calls of one: dashcam logs --session {on_one_line(rows[0]['session_id'])}")
    if len(rows) > asked.limit:
        tell(f"There are more; see them with: -n {min(asked.limit * 5, 100_000)}")
