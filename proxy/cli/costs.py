"""``dashcam costs``: where the money went, by model or by whatever else calls are counted by."""

from __future__ import annotations

import sys

from proxy.cli.database import calls
from proxy.cli.figures import Asked, drawn, read_by_people, record, tell
from proxy.cli.logs import suggestion
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.terminal import money
from proxy.errors import UsageError
from proxy.settings.values import Settings
from proxy.store.reading.analytics import BY_HOUR, BY_SUBJECT, TIMES, Grouping
from proxy.store.reading.summaries import rows, series

BY = (*BY_HOUR, *BY_SUBJECT)
_EVERY = 1_000_000
"""More hours than a century has."""


def costs(settings: Settings, asked: Asked, by: str) -> None:
    """Print them, the dearest first; of hours and days the latest, in their order."""
    if by not in BY:
        raise UsageError(f"--by: {by[:40]!r} is none{suggestion(by, BY)}; use one of {', '.join(BY)}")
    with record(settings) as reader:
        span = asked.span(reader)
        is_time = by in TIMES
        top = _EVERY if is_time else asked.limit + 1
        wanted = Grouping(by=(by,), span=span, sort=by if is_time else "cost_usd", top=top)
        found = rows(reader, wanted)
        every = next(iter(rows(reader, Grouping(span=span))), None)
        times = series(reader, span) if sys.stdout.isatty() else []
    total = every["cost_usd"] if every else None
    told = [
        {**row, "share": _share(row["cost_usd"], total)}
        for row in (found[-asked.limit :] if is_time else found[: asked.limit])
    ]
    columns: dict[str, Show] = {
        by: shown, "calls": number, "input_tokens": number, "output_tokens": number, "cost_usd": money,
        "share": _percent, "unpriced_calls": number,
    }  # fmt: skip
    if told or asked.as_json or not sys.stdout.isatty():
        shed = ("unpriced_calls", "output_tokens", "input_tokens", "share")
        print_rows(read_by_people(told, as_json=asked.as_json), columns, as_json=asked.as_json, shed=shed)
    if every is None or not told:
        tell(f"Nothing is counted by {by} {asked.words}. Look further back with: dashcam costs --days 365")
        return
    summed = f"{money(read_by_people([every])[0]['cost_usd'])} in all {asked.words}  "
    tell(f"{summed}{drawn(times, 'cost_usd', span, len(summed))}".rstrip())
    if every["unpriced_calls"]:
        tell(f"{calls(every['unpriced_calls'])} without a price: dashcam prices unpriced")
    if len(found) > asked.limit:
        what = f"There are earlier {by}s" if is_time else "There is more"
        tell(f"{what}; see {'them' if is_time else 'it'} with: -n {min(asked.limit * 5, 100_000)}")


def _share(cost: float | None, total: float | None) -> float | None:
    return None if cost is None or not total else round(cost / total, 6)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
