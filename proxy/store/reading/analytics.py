"""Questions about many calls at once, answered from rollups: sums by whatever is counted, percentiles, failures.

Pure: each function gives a statement and its values, for ``Reader.answer``, the same on both engines. Spans are whole
hours or days, as the rollups are. A sum of cost is that of the calls whose cost is known, and NULL where none is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.query.terms import Text
from proxy.store.filters.terms import any_text
from proxy.store.reading.counted_in import DAYS, Part, hours, parts
from proxy.store.schema.columns import day_text, hour_text

Question = tuple[str, tuple[Any, ...]]
Only = Mapping[str, Sequence[Text]]
"""Values of which things must have one: as they are, or what begins so."""
BY_HOUR = {
    "hour": "hour", "day": "day", "provider": "provider", "model": "model", "route": "route",
    "prompt": "prompt_name", "prompt_version": "prompt_version", "outcome": "outcome",
}  # fmt: skip
"""What calls are counted by in every hour, in any combination; and the name of its column."""
BY_SUBJECT = ("user", "session", "tool", "key", "app", "environment")
"""What calls are counted by in every day: one of these at a time, and the day."""
TIMES = ("hour", "day")
_VERSION = "prompt_version"
MEASURES = ("calls", "errors", "input_tokens", "output_tokens", "cached_tokens", "cost_usd", "unpriced_calls",
            "average_ms")  # fmt: skip
SUBJECT_MEASURES = ("calls", "errors", "input_tokens", "output_tokens", "total_tokens", "cost_usd", "unpriced_calls",
                    "first_seen", "last_seen")  # fmt: skip
LONG = 72 * 3_600_000
"""A span of over so many milliseconds is told in days."""
_COST = "CASE WHEN sum(unpriced_calls) < sum(calls) THEN sum(cost_pico_usd * 1.0) / 1e12 END AS cost_usd"
_ERRORS = "sum(CASE WHEN outcome IN ('completed', 'client_gone') THEN 0 ELSE calls END) AS errors"
_SUMS = (
    f"sum(calls) AS calls, {_ERRORS}, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
    f"sum(cached_tokens) AS cached_tokens, {_COST}, sum(unpriced_calls) AS unpriced_calls, "
    "sum(duration_ms_sum) / sum(calls) AS average_ms"
)
_ADDED = {"calls": "", "input_tokens": "", "output_tokens": "", "cached_tokens": "", "cost_pico_usd": " * 1.0",
          "unpriced_calls": "", "duration_ms_sum": ""}  # fmt: skip
"""What rollups hold, and how it is added up: picodollars of a month are more than fits a whole number."""
_SUBJECT_SUMS = (
    "sum(calls) AS calls, sum(errors) AS errors, sum(input_tokens) AS input_tokens, "
    f"sum(output_tokens) AS output_tokens, sum(total_tokens) AS total_tokens, {_COST}, "
    "sum(unpriced_calls) AS unpriced_calls, min(first_seen) AS first_seen, max(last_seen) AS last_seen"
)


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant on until another one, in Unix milliseconds; the hours (days) that they are in are whole."""

    since: int | None = None
    until: int | None = None

    def hours(self) -> tuple[str | None, str | None]:
        """Return the first and the last hour, None where there is no bound."""
        return _text(hour_text, self.since), _text(hour_text, self._last)

    def days(self) -> tuple[str | None, str | None]:
        """Return the first and the last day."""
        return _text(day_text, self.since), _text(day_text, self._last)

    @property
    def is_long(self) -> bool:
        """True where days tell enough; a span without a bound is long."""
        return self.since is None or self.until is None or self.until - self.since > LONG

    @property
    def _last(self) -> int | None:
        return None if self.until is None else max(self.until - 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Sums by some things; ``only`` are values that things must have; the largest ``sort`` first, at most ``top``.

    ``ValueError`` where things are not counted together, or a measure is not counted by them.
    """

    by: tuple[str, ...] = ()
    span: Span = Span()
    only: Only = field(default_factory=dict)
    sort: str = "calls"
    top: int = 100

    def __post_init__(self) -> None:
        named = {*self.by, *self.only}
        if self.subject is not None:
            if beside := sorted(named - {self.subject, "day"}):
                raise ValueError(f"{self.subject} is counted by day only, not with {beside[0]}")
        elif unknown := sorted(named - set(BY_HOUR)):
            raise ValueError(f"{unknown[0]} is not counted together with another one of its kind")
        if self.sort not in (*self.measures, *self.by):
            raise ValueError(f"there is no {self.sort} to sort by; there are: {', '.join((*self.measures, *self.by))}")

    @property
    def subject(self) -> str | None:
        """What calls are counted by in days only, if that is asked for."""
        return next((name for name in (*self.by, *self.only) if name in BY_SUBJECT), None)

    @property
    def measures(self) -> tuple[str, ...]:
        """What is summed."""
        return MEASURES if self.subject is None else SUBJECT_MEASURES


def grouped(wanted: Grouping) -> Question:
    """Return the question for sums by some things."""
    return _by_hour(wanted) if wanted.subject is None else _by_subject(wanted, wanted.subject)


def _by_hour(wanted: Grouping) -> Question:
    named = dict.fromkeys([*wanted.by, *wanted.only])
    columns = dict.fromkeys([*(BY_HOUR[name] for name in named), "outcome", *_ADDED])  # each once
    read = _parts(wanted.span, named)
    rows = " UNION ALL ".join(part.select(columns) for part in read)
    conditions, values = _among((BY_HOUR[name], texts) for name, texts in wanted.only.items())
    bounds = [value for part in read for value in part.values]
    return _grouping(wanted, BY_HOUR, _SUMS, f"({rows}) AS counted", conditions, [*bounds, *values])


def _parts(span: Span, by: Iterable[str]) -> list[Part]:
    return [hours(*span.hours())] if "hour" in by else parts(*span.hours())


def _by_subject(wanted: Grouping, subject: str) -> Question:
    only = {"name" if name == subject else "day": texts for name, texts in wanted.only.items()}
    conditions, values = _within("day", wanted.span.days(), only)
    columns = {subject: "name", "day": "day"}
    return _grouping(
        wanted, columns, _SUBJECT_SUMS, "rollup_daily", ["subject = ?", *conditions], [subject, *values]
    )  # fmt: skip


def _grouping(
    wanted: Grouping,
    columns: Mapping[str, str],
    sums: str,
    table: str,
    conditions: Sequence[str],
    values: Sequence[Any],
) -> Question:
    keys = "".join(f'{columns[name]} AS "{name}", ' for name in wanted.by)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    by = f"GROUP BY {', '.join(str(number + 1) for number in range(len(wanted.by)))}" if wanted.by else ""
    inner = f"SELECT {keys}{sums} FROM {table} {where}{by}"  # noqa: S608 - columns are looked up
    sql = f"SELECT * FROM ({inner}) AS found WHERE calls > 0 {_order(wanted)} LIMIT ?"  # noqa: S608 - ours
    return sql, (*values, wanted.top)


def _order(wanted: Grouping) -> str:
    """The largest first, what is not known last; but time goes on as it does, the newest last."""
    others = "".join(f', "{name}"' for name in wanted.by if name != wanted.sort)
    if wanted.sort in wanted.by:
        return f'ORDER BY "{wanted.sort}"{others}'
    return f"ORDER BY {wanted.sort} IS NULL, {wanted.sort} DESC{others}"


def overall(span: Span, by: Sequence[str], top: int) -> Question:
    """Return the question for sums by each of some things, from one reading of what is counted.

    Rows have ``by`` (what it is that they are summed by) and ``name`` beside the measures: of each the ``top`` that
    most calls had, but all of the times. What is small, the sums by all of them together, is read again and again.
    """
    read = _parts(span, by)
    whole = " UNION ALL ".join(_summed(part, by) for part in read)
    each = " UNION ALL ".join(_one_of(name, top) for name in by)
    return f"WITH whole AS MATERIALIZED ({whole}) {each}", tuple(value for part in read for value in part.values)


def _summed(part: Part, by: Sequence[str]) -> str:
    columns = {name: part.column(BY_HOUR[name]) for name in by}
    keys = ", ".join(f'{column} AS "by_{name}"' for name, column in columns.items())
    added = ", ".join(f"sum({name}{factor}) AS {name}" for name, factor in _ADDED.items())
    apart = ", ".join(dict.fromkeys([*columns.values(), "outcome"]))  # each once: it is what is sorted by
    return f"SELECT {keys}, outcome, {added} FROM {part.table} {part.where}GROUP BY {apart}"  # noqa: S608 - ours


def _one_of(name: str, top: int) -> str:
    inner = f'SELECT \'{name}\' AS "by", "by_{name}" AS name, {_SUMS} FROM whole GROUP BY 2'  # noqa: S608 - ours
    limit = "" if name in TIMES else f"LIMIT {top}"
    return f"SELECT * FROM (SELECT * FROM ({inner}) AS found WHERE calls > 0 ORDER BY calls DESC, name {limit}) AS kept"  # noqa: S608 - ours


def buckets(span: Span, by: str | None = None, names: Sequence[str] = ()) -> Question:
    """Return the question for how many successful calls took up to how long: in all, or by provider or model.

    Rows have ``measure`` (duration or ttft); ``names`` are those that are wanted of ``by``. A long span has whole days,
    which are a small part of its hours to read.
    """
    if span.is_long:
        table, (conditions, values) = "latency_daily", _within("day", span.days())
    else:
        table, (conditions, values) = "latency_histogram", _within("hour", span.hours())
    conditions = ["measure IN ('duration', 'ttft')", *conditions]
    if names:
        conditions.append(f"{BY_HOUR[str(by)]} IN ({', '.join('?' * len(names))})")
        values += names
    name, key = (f"{BY_HOUR[by]} AS name", f"{BY_HOUR[by]}, ") if by else ("'' AS name", "")
    sql = (
        f"SELECT {name}, measure, min(upper_ms) AS upper_ms, sum(calls) AS calls FROM {table} "  # noqa: S608 - ours
        f"WHERE {' AND '.join(conditions)} GROUP BY {key}measure, bucket ORDER BY bucket"
    )
    return sql, tuple(values)


def failures(span: Span, top: int, only: Only | None = None) -> Question:
    """Return the question for kinds of failures, the most frequent first; ``share`` is of their model's calls."""
    conditions, values = _within("day", span.days(), only)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    days, bounds = _within("day", span.days())
    every = f"WHERE {' AND '.join(days)} " if days else ""
    kinds = "provider, model, outcome, http_status, error_type, error_code"
    sql = (
        f"SELECT failed.*, failed.calls * 1.0 / every.calls AS share FROM (SELECT {kinds}, sum(calls) AS calls, "  # noqa: S608 - ours
        f"max(last_seen) AS last_seen, max(CAST(last_id AS TEXT)) AS sample_id FROM failure_daily {where}"
        f"GROUP BY {kinds}) AS failed JOIN (SELECT provider, model, sum(calls) AS calls FROM {DAYS} {every}"
        "GROUP BY provider, model) AS every ON every.provider = failed.provider AND every.model = failed.model "
        "WHERE failed.calls > 0 ORDER BY failed.calls DESC, last_seen DESC, sample_id LIMIT ?"
    )
    return sql, (*values, *bounds, top)


def slowest(limit: int) -> Question:
    """Return the question for the calls that took longest, up to a hundred."""
    return "SELECT * FROM v_slowest ORDER BY duration_ms DESC LIMIT ?", (limit,)


def sessions(span: Span, limit: int, behind: tuple[str, str] | None = None, *, newest_first: bool = True) -> Question:
    """Return the question for sessions by when they were last seen, behind one: (``last_seen``, ``session_id``).

    All sessions are looked at for when that was, and only those of the page are summed up: half of the time.
    """
    conditions, values = _within("day", span.days())
    where = " AND ".join(["subject = 'session'", *conditions])
    sign, direction = ("<", "DESC") if newest_first else (">", "ASC")
    further = f"WHERE (last_seen, name) {sign} (?, ?) " if behind else ""
    page = (
        f"SELECT name FROM (SELECT name, max(last_seen) AS last_seen FROM rollup_daily WHERE {where} GROUP BY name) "  # noqa: S608 - ours
        f"AS seen {further}ORDER BY last_seen {direction}, name {direction} LIMIT ?"
    )
    sql = (
        f"SELECT * FROM (SELECT name AS session_id, {_SUBJECT_SUMS} FROM rollup_daily "  # noqa: S608 - ours
        f"WHERE {where} AND name IN ({page}) GROUP BY name) AS found "
        f"ORDER BY last_seen {direction}, session_id {direction}"
    )
    return sql, (*values, *values, *(behind or ()), limit)


def session(name: str, span: Span = Span()) -> Question:
    """Return the question for one session, or for what it has in a span."""
    conditions, values = _within("day", span.days())
    where = " AND ".join(["subject = 'session'", "name = ?", *conditions])
    return (
        f"SELECT name AS session_id, {_SUBJECT_SUMS} FROM rollup_daily WHERE {where} "  # noqa: S608 - ours
        "GROUP BY name",
        (name, *values),
    )


def _within(
    column: str, bounds: tuple[str | None, str | None], only: Only | None = None
) -> tuple[list[str], list[Any]]:
    """Return the conditions of a span, and that columns have one of their values."""
    found = [(f"{column} {sign} ?", bound) for sign, bound in zip((">=", "<="), bounds, strict=True) if bound]
    conditions, values = _among((only or {}).items())
    return [*(condition for condition, _ in found), *conditions], [*(bound for _, bound in found), *values]


def _among(only: Iterable[tuple[str, Sequence[Text]]]) -> tuple[list[str], list[Any]]:
    found = [_numbered(column, texts) if column == _VERSION else any_text(column, texts) for column, texts in only]
    return [f"({sql})" for sql, _ in found], [value for _, values in found for value in values]


def _numbered(column: str, texts: Sequence[Text]) -> tuple[str, list[Any]]:
    """No version has a number that is none."""
    said = [item.text for item in texts]
    numbers = [int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1 for text in said]
    return f"{column} IN ({', '.join('?' * len(numbers))})", numbers


def _text(written: Any, milliseconds: int | None) -> str | None:
    return None if milliseconds is None else str(written(milliseconds))
