"""What figures of many calls have in common as commands: a span of time, a reader that does not wait for ever, words.

They come from the rollups, whose hours and days are whole, and read the record with or without a running Dashcam.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from proxy.cli.instants import check_span, instant_of, now, spoken
from proxy.cli.sparkline import sparkline
from proxy.settings.values import Settings
from proxy.store.reading.analytics import Span
from proxy.store.reading.reader import Reader

SECONDS = 30.0
"""So long may one question take."""
_HOURS_SHOWN = 10_000
_LEAST_BARS, _MOST_BARS = 8, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every one of these commands takes; without ``since`` it is ``usual``."""

    since: str | None = None
    until: str | None = None
    limit: int = 20
    as_json: bool = False
    is_utc: bool = False
    usual: str | None = None

    @property
    def words(self) -> str:
        """Return the span as a person would say it."""
        said = self.since or self.usual
        told = spoken(said) if said else "on record"
        return f"{told} until {self.until}" if self.until else told

    @property
    def flag(self) -> str:
        """Return what asks another command for the same span."""
        said = self.since or self.usual
        return f" --since {said}" if said else ""

    def span(self, reader: Reader) -> Span:
        """Return the span; it always has an end, so that what is drawn has one."""
        since, until = (instant_of(self.since, "--since", reader), instant_of(self.until, "--until", reader))
        check_span(since, until)
        if self.since is None:
            since = instant_of(self.usual, "--since", reader)
        return Span(since, until or now() + 1)


@contextlib.contextmanager
def record(settings: Settings) -> Iterator[Reader]:
    """Lend a reader whose every question ends in time."""
    with contextlib.closing(Reader(settings.database, seconds=SECONDS)) as reader:
        yield reader


def read_by_people(rows: Sequence[Mapping[str, Any]], *, as_json: bool = False) -> list[dict[str, Any]]:
    """Return sums as a terminal shows them: that some calls cost nothing does not say what those without a price cost.

    Other programs get the sum of what is known, and how many calls are not in it.
    """
    is_read = sys.stdout.isatty() and not as_json
    return [
        {**row, "cost_usd": None if is_read and not row["cost_usd"] and row["unpriced_calls"] else row["cost_usd"]}
        for row in rows
    ]


def tell(text: str) -> None:
    """Say on standard error what is not part of the answer, where a person looks on."""
    if sys.stdout.isatty():
        print(text, file=sys.stderr)


def drawn(series: Sequence[Mapping[str, Any]], name: str, span: Span, beside: int = 0) -> str:
    """Return a measure over the hours or days of a span as a row of bars; what is left out is none.

    ``beside`` columns of the terminal are taken by what stands before it.
    """
    by_time = {row["at"]: float(row[name] or 0) for row in series}
    room = shutil.get_terminal_size().columns - beside
    return sparkline([by_time.get(at, 0.0) for at in _times(series, span)], max(_LEAST_BARS, min(_MOST_BARS, room)))


def _times(series: Sequence[Mapping[str, Any]], span: Span) -> list[str]:
    """Return every hour or day from the first to the last one."""
    if not series:
        return []
    is_hourly = "T" in series[0]["at"]
    step, form = (timedelta(hours=1), "%Y-%m-%dT%H") if is_hourly else (timedelta(days=1), "%Y-%m-%d")
    last = (span.hours() if is_hourly else span.days())[1] or series[-1]["at"]
    at = datetime.strptime(series[0]["at"], form).replace(tzinfo=UTC)
    found: list[str] = []
    while len(found) < _HOURS_SHOWN and (text := at.strftime(form)) <= last:
        found.append(text)
        at += step
    return found
