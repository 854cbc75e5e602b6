"""``dashcam logs`` and ``dashcam tail``: calls in a table, in tab-separated lines or as JSON."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from proxy.cli.terminal import duration, harmless, local_time, money, paint, tokens
from proxy.domain.identity import id_time_ns, parse_id
from proxy.domain.outcome import Outcome
from proxy.errors import ConfigurationError
from proxy.settings.values import Settings
from proxy.store.reading import Filters, Reader, Row

_SPAN = re.compile(r"(\d+)\s*([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DEFAULT = ("started_at", "id", "model", "outcome", "http_status", "tokens", "cost_usd", "duration_ms", "ttft_ms")
_HEADINGS = {
    "started_at": "TIME", "id": "ID", "model": "MODEL", "outcome": "OUTCOME", "http_status": "STATUS",
    "tokens": "TOKENS", "cost_usd": "COST", "duration_ms": "TIME TAKEN", "ttft_ms": "FIRST TOKEN",
}  # fmt: skip
_COLOURS = {Outcome.COMPLETED: "green", Outcome.CLIENT_GONE: "yellow"}
_POLL_SECONDS = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What to list and how."""

    since: str | None = None
    until: str | None = None
    model: str | None = None
    outcome: str | None = None
    provider: str | None = None
    limit: int = 20
    fields: str | None = None
    form: str = "table"
    has_headers: bool = True
    is_utc: bool = False
    follow: bool = False


def list_calls(settings: Settings, listing: Listing) -> None:
    """Print what is asked for, the newest last."""
    filters = _filters(listing)
    columns = tuple(listing.fields.split(",")) if listing.fields else _DEFAULT
    reader = Reader(settings.database_path)
    rows = list(reversed(reader.list_interactions(filters, listing.limit)))
    _check_columns(columns, rows)
    _print(rows, columns, listing, heads=listing.has_headers)
    if not listing.follow and not rows and listing.form == "table" and sys.stdout.isatty():
        print("No calls match. Point OPENAI_BASE_URL at Dashcam, or see: dashcam try", file=sys.stderr)
    if listing.follow:
        _follow(reader, filters, columns, listing, rows[-1]["id"] if rows else None)


def _follow(reader: Reader, filters: Filters, columns: Sequence[str], listing: Listing, last: str | None) -> None:
    while True:
        time.sleep(_POLL_SECONDS)
        newer = Filters(
            model=filters.model, provider=filters.provider, outcome=filters.outcome, after_id=last, newest_first=False
        )
        rows = reader.list_interactions(newer, 500)
        if rows:
            last = rows[-1]["id"]
            _print(rows, columns, listing, heads=False)


def _filters(listing: Listing) -> Filters:
    outcomes = [item.value for item in Outcome]
    if listing.outcome is not None and listing.outcome not in outcomes:
        raise ConfigurationError(f"--outcome: {listing.outcome!r} is none; use one of {', '.join(outcomes)}")
    return Filters(
        since=instant_of(listing.since, "--since"),
        until=instant_of(listing.until, "--until"),
        model=listing.model,
        outcome=listing.outcome,
        provider=listing.provider,
    )


def instant_of(text: str | None, flag: str) -> int | None:
    """Return Unix milliseconds of a span back from now, a date, an instant or an id."""
    if text is None:
        return None
    span = _SPAN.match(text)
    if span:
        back = timedelta(**{_UNITS[span[2]]: int(span[1])})
        return time.time_ns() // 1_000_000 - int(back.total_seconds() * 1000)
    try:
        return id_time_ns(parse_id(text)) // 1_000_000
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {text!r} is no time; use 7d, 3h, 2026-11-01 or an id") from error
    return int(instant.astimezone().timestamp() * 1000)


def _check_columns(columns: Sequence[str], rows: Sequence[Row]) -> None:
    known = set(rows[0]) | {"tokens"} if rows else None
    unknown = [name for name in columns if known is not None and name not in known]
    if unknown:
        raise ConfigurationError(f"--fields: {', '.join(unknown)} is no column; see: dashcam show last --json")


def _print(rows: Sequence[Row], columns: Sequence[str], listing: Listing, *, heads: bool) -> None:
    if listing.form == "json":
        sys.stdout.write(orjson.dumps(list(rows), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif listing.form == "jsonl":
        sys.stdout.writelines(orjson.dumps(row).decode() + "\n" for row in rows)
    elif sys.stdout.isatty():
        _print_table(rows, columns, listing, heads=heads)
    else:
        _print_tabs(rows, columns, heads=heads)
    sys.stdout.flush()


def _print_tabs(rows: Sequence[Row], columns: Sequence[str], *, heads: bool) -> None:
    if heads:
        print("\t".join(columns))
    for row in rows:
        values = [tokens(row) if name == "tokens" else row[name] for name in columns]
        print("\t".join("" if value is None else " ".join(harmless(value).split()) for value in values))


def _print_table(rows: Sequence[Row], columns: Sequence[str], listing: Listing, *, heads: bool) -> None:
    cells = [[_cell(row, name, listing) for name in columns] for row in rows]
    headings = [_HEADINGS.get(name, name.upper()) for name in columns]
    widths = [max(len(line[index]) for line in [headings, *cells]) for index in range(len(columns))]
    if heads and cells:
        print(paint("  ".join(text.ljust(width) for text, width in zip(headings, widths, strict=True)), "dim"))
    for row, line in zip(rows, cells, strict=True):
        padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        if "outcome" in columns:
            index = list(columns).index("outcome")
            padded[index] = paint(padded[index], _COLOURS.get(row["outcome"], "red"))
        print("  ".join(padded).rstrip())


def _cell(row: Row, name: str, listing: Listing) -> str:
    value: Any = row.get(name)
    if name == "tokens":
        return tokens(row)
    if name in ("started_at", "completed_at"):
        return local_time(value, is_utc=listing.is_utc)
    if name.endswith("_usd") and "pico" not in name:
        return money(value)
    if name.endswith("_ms"):
        return duration(value)
    if name == "id":
        return str(value)[:13]
    return "-" if value is None else harmless(value)[:60]
