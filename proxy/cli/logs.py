"""``dashcam logs`` and ``dashcam tail``: calls in a table, in tab-separated lines or as JSON."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from proxy.cli.terminal import duration, json_text, local_time, money, on_one_line, paint, tokens
from proxy.domain.identity import id_time_ns, parse_id
from proxy.domain.outcome import Outcome
from proxy.errors import UsageError
from proxy.settings.values import Settings
from proxy.store.reading import Filters, Reader, Row
from proxy.store.rows import COLUMNS

_SPAN = re.compile(r"(\d+)\s*([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DEFAULT = ("started_at", "id", "model", "outcome", "http_status", "tokens", "cost_usd", "duration_ms", "ttft_ms")
_HEADINGS = {
    "started_at": "TIME", "id": "ID", "model": "MODEL", "outcome": "OUTCOME", "http_status": "STATUS",
    "tokens": "TOKENS", "cost_usd": "COST", "duration_ms": "TIME TAKEN", "ttft_ms": "FIRST TOKEN",
}  # fmt: skip
_COLOURS = {Outcome.COMPLETED: "green", Outcome.CLIENT_GONE: "yellow"}
_POLL_SECONDS = 0.4
_LATEST = 253_402_300_799_999  # the last millisecond of the year 9999, behind which no date has a text


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
    if listing.follow and listing.form == "json":
        raise UsageError("--json is one document, and with --follow it never ends; use --jsonl")
    filters = _filters(listing)
    columns = tuple(listing.fields.split(",")) if listing.fields else _DEFAULT
    _check_columns(columns)
    reader = Reader(settings.database_path)
    seen = reader.last_recorded()
    rows = list(reversed(reader.list_interactions(filters, listing.limit + 1)))
    _print(rows[-listing.limit :], columns, listing, heads=listing.has_headers)
    if listing.follow:
        _follow(reader, filters, columns, listing, seen)
    elif listing.form == "table" and sys.stdout.isatty():
        _hint(len(rows), listing.limit)


def _hint(found: int, limit: int) -> None:
    if not found:
        print("No calls match. Point OPENAI_BASE_URL at Dashcam, or see: dashcam try", file=sys.stderr)
    elif found > limit:
        print(f"Older calls match too. See more with: dashcam logs -n {min(limit * 5, 100_000)}", file=sys.stderr)


def _follow(reader: Reader, filters: Filters, columns: Sequence[str], listing: Listing, seen: int) -> None:
    """Go on in the order of recording: a long call is recorded after younger ones."""
    while True:
        time.sleep(_POLL_SECONDS)
        rows, seen = reader.recorded_after(seen, filters, 500)
        if rows:
            _print(rows, columns, listing, heads=False)


def _filters(listing: Listing) -> Filters:
    outcomes = [item.value for item in Outcome]
    if listing.outcome is not None and listing.outcome not in outcomes:
        raise UsageError(f"--outcome: {listing.outcome!r} is none; use one of {', '.join(outcomes)}")
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
    try:
        return min(max(0, _milliseconds(text)), _LATEST)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{flag}: {text[:80]!r} is no time; use 7d, 3h, 2026-11-01 or an id") from error


def _milliseconds(text: str) -> int:
    span = _SPAN.match(text)
    if span:
        return time.time_ns() // 1_000_000 - timedelta(**{_UNITS[span[2]]: int(span[1])}) // timedelta(milliseconds=1)
    with contextlib.suppress(ValueError):
        return id_time_ns(parse_id(text)) // 1_000_000
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _check_columns(columns: Sequence[str]) -> None:
    unknown = [name for name in columns if name not in COLUMNS and name != "tokens"]
    if unknown:
        known = ", ".join(["tokens", *COLUMNS])
        raise UsageError(f"--fields: {', '.join(unknown)} is no column; the columns are {known}")


def _print(rows: Sequence[Row], columns: Sequence[str], listing: Listing, *, heads: bool) -> None:
    if listing.form == "json":
        sys.stdout.write(json_text(list(rows), orjson.OPT_INDENT_2) + "\n")
    elif listing.form == "jsonl":
        sys.stdout.writelines(json_text(row) + "\n" for row in rows)
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
        print("\t".join("" if value is None else _plain(value) for value in values))


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
    return "-" if value is None else _plain(value)[:60]


def _plain(value: Any) -> str:
    return on_one_line(json_text(value) if isinstance(value, list | dict) else value)
