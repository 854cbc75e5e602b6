"""How fast the record answers while it grows: every view, lists, facets and commands, at 10 k, 100 k and a million.

Each question is asked over a new connection, as a command does, and each figure is the slowest of its kind at the 95th
percentile: a view, list or facet that is slow is not hidden among quick ones. ``slowest`` says which it was.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from bench.filling import DAYS, common_word, fill
from bench.relaying import Figures
from proxy.domain.outcome import Outcome
from proxy.query.parsing import parse
from proxy.settings.database import DatabaseSettings
from proxy.store.care.text_indexing import index_next
from proxy.store.engines.engine import backend_of
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import WHOLE, Filters, Order, Section
from proxy.store.reading import analytics, summaries
from proxy.store.reading.analytics import BY_HOUR, BY_SUBJECT, Grouping, Span, grouped
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS
from proxy.store.upkeep.figures import view_names
from proxy.store.writing.writer import StoreWriter

SIZES = {10_000: "10k", 100_000: "100k", 1_000_000: "million"}
WORD = common_word()
LOOKS = 20
PAGE = 50
_HOUR = 3_600_000
Ask = Callable[[Reader], object]
_WHOLE = ("v_sessions", "v_daily_use", "prompt_history")
"""Views with a row for each session, day and name, or call: nobody reads them but by the page."""
_NEWEST = {"v_sessions": "last_seen", "v_daily_use": "day", "prompt_history": '"timestamp"'}


def measure(database: DatabaseSettings, label: str, *, million: bool) -> Figures:
    """Fill a database that has our tables, and ask at each size."""
    figures: Figures = {}
    have, end = 0, time.time_ns() // 1_000_000
    for seed, (size, name) in enumerate(SIZES.items()):
        if size == max(SIZES) and not million:
            break
        with contextlib.closing(StoreWriter(database)) as writer:
            fill(writer, size - have, seed=seed, end_ms=end)
            began = time.perf_counter()
            while _index(writer):
                pass
            rate = (size - have) / (time.perf_counter() - began)
            writer.maintain("analyze")
        have = size
        figures |= {f"indexed_rows_per_s_{label}_{name}": rate}
        figures |= _asked(database, f"{label}_{name}", end)
    return figures


def _index(writer: StoreWriter) -> bool:
    with writer.transaction() as connection:
        return index_next(connection) is not None


def _asked(database: DatabaseSettings, label: str, now: int) -> Figures:
    figures: Figures = {}
    kinds = (
        ("view", _views(database)), ("list", _lists(now)), ("facet", _facets(now)), ("answer", _answers(now)),
        ("search", _searches(now)),
    )  # fmt: skip
    for kind, asked in kinds:
        slowest = {name: _p95(database, ask) for name, ask in asked}
        worst = max(slowest, key=slowest.__getitem__)
        figures[f"{kind}_p95_ms_{label}"] = slowest[worst]
        figures[f"{kind}_slowest_{label}"] = worst
    (sessions,) = (_p95(database, ask) for name, ask in _views(database, by_page=False) if name == "v_sessions")
    return figures | {f"all_sessions_p95_ms_{label}": sessions}


def _p95(database: DatabaseSettings, ask: Ask) -> float:
    taken = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        with contextlib.closing(Reader(database)) as reader:
            ask(reader)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[math.ceil(len(taken) * 0.95) - 1] * 1e3


def _views(database: DatabaseSettings, *, by_page: bool = True) -> Iterator[tuple[str, Ask]]:
    engine = backend_of(database).reader()
    with engine.connect() as connection:
        names = view_names(connection)
    engine.dispose()
    for name in names:
        sql = f"SELECT * FROM {name}"
        if by_page and name in _WHOLE:
            sql += f" ORDER BY {_NEWEST[name]} DESC LIMIT {PAGE}"
        yield name, lambda reader, sql=sql: reader.answer((sql, ()))  # type: ignore[misc]


def _lists(now: int) -> Iterator[tuple[str, Ask]]:
    """A first page of every filter, those that few calls match among them, and what is the largest first."""
    middle = now - DAYS * 24 * _HOUR // 2
    pages = {
        "newest": Filters(), "model": Filters(model="gpt-4o-mini"), "models": Filters(model="gpt-*"),
        "provider": Filters(provider="groq"), "outcome": Filters(outcome=Outcome.UPSTREAM_ABORTED),
        "user": Filters(user="user-3"), "rare user": Filters(user="user-490"), "app": Filters(app="app-4"),
        "session": Filters(session="s-120"), "no user": Filters(user="nobody"),
        "prompt": Filters(prompt="classify"), "version": Filters(prompt="support-reply@4"),
        "an hour": Filters(since=middle, until=middle + _HOUR), "long ago": Filters(until=now - 25 * 24 * _HOUR),
        "both": Filters(user="user-3", outcome=Outcome.TIMED_OUT),
    }  # fmt: skip
    for name, filters in pages.items():
        yield name, lambda reader, filters=filters: reader.list_interactions(filters, PAGE)  # type: ignore[misc]
    for column in ("duration_ms", "cost_pico_usd"):
        order = Order(column)
        yield f"by {column}", lambda reader, order=order: reader.list_interactions(Filters(), PAGE, order)  # type: ignore[misc]


def _facets(now: int) -> Iterator[tuple[str, Ask]]:
    """What calls can be counted by, of all of them and of a week."""
    for days in (DAYS, 7):
        span = Span(now - days * 24 * _HOUR, now)
        for name in (*BY_HOUR, *BY_SUBJECT):
            question = grouped(Grouping(by=(name,), span=span))
            yield f"{name} of {days} days", lambda reader, asked=question: reader.answer(asked)  # type: ignore[misc]
    yield "summary of a week", lambda reader: reader.summary(now - 7 * 24 * _HOUR, now)
    yield "models", lambda reader: reader.models("", 100)


def _answers(now: int) -> Iterator[tuple[str, Ask]]:
    """What commands and the API ask: pages by a query, summaries, failures, sessions, what took longest."""
    week, month = (Span(now - days * 24 * _HOUR, now) for days in (7, DAYS))
    queries = (
        "status:error since:1d", "latency:>2s model:gpt-*", "latency:>40s", "cost:>0.1",
        "outcome:timed_out,client_gone",
        "tool:search user:user-3", "-model:gpt-*",
    )  # fmt: skip
    for text in queries:
        filters = filters_of(parse(text).terms, now)
        yield text, lambda reader, filters=filters: reader.section(filters, WHOLE, PAGE, COLUMNS)  # type: ignore[misc]
    yield "a page in the middle", lambda reader: _page_in_the_middle(reader, now)
    yield "count of errors", lambda reader: reader.count(filters_of(parse("status:error").terms, now), 10_001)
    yield "summary of a week", lambda reader: summaries.summary(reader, week)
    yield "summary of a month", lambda reader: summaries.summary(reader, month)
    yield "failures of a month", lambda reader: reader.answer(analytics.failures(month, 100))
    yield "sessions", lambda reader: reader.answer(analytics.sessions(Span(), PAGE))
    yield "slowest", lambda reader: reader.answer(analytics.slowest(PAGE))


def _searches(now: int) -> Iterator[tuple[str, Ask]]:
    """A first page of words that one call in 100,000 has, in 500, in five, most of them; as a list and as a search."""
    queries = (
        "zanzibar", "refund", '"want a refund"', "refund since:1d", "refund status:error", "refund -zahler", "zahler",
        "refun*", "退款", "款", WORD, f"{WORD} refund", f"{WORD} status:error", f"{WORD}*", f"{WORD} user:user-490",
        "nowhere",
    )  # fmt: skip
    for text in queries:
        filters = filters_of(parse(text).terms, now)
        yield text, lambda reader, filters=filters: reader.search(filters, None, PAGE)  # type: ignore[misc]
        yield f"list of {text}", lambda reader, filters=filters: reader.section(filters, WHOLE, PAGE, COLUMNS)  # type: ignore[misc]
    for word in ("refund", WORD):
        filters = filters_of(parse(word).terms, now)
        yield f"count of {word}", lambda reader, filters=filters: reader.count(filters, 10_001)  # type: ignore[misc]


def _page_in_the_middle(reader: Reader, now: int) -> object:
    (row,) = reader.list_interactions(Filters(until=now - DAYS * 12 * _HOUR), 1)
    return reader.section(Filters(), Section(below=(row["started_at"], row["id"])), PAGE, COLUMNS)
