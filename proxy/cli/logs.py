"""``dashcam logs`` and ``dashcam tail``: calls in a table, in tab-separated lines or as JSON."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson

from proxy.cli.following import beginnings_of, follow
from proxy.cli.found_texts import lines_of, tell_sealed
from proxy.cli.instants import check_span, instant_of, now
from proxy.cli.table import Table, print_headings, print_tabs
from proxy.cli.terminal import json_text, on_one_line, tokens
from proxy.domain.outcome import Outcome
from proxy.errors import UsageError
from proxy.query.parsing import parse
from proxy.query.words import wanted_of
from proxy.settings.values import Settings
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import Filters, Order
from proxy.store.reading.reader import Reader
from proxy.store.reading.sorting import looks_back_to
from proxy.store.schema.decoding import Row, with_truths
from proxy.store.schema.rows import COLUMNS

_SECONDS = 30.0
"""So long a question may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What to list and how; ``query`` is of the search grammar."""

    query: str = ""
    since: str | None = None
    until: str | None = None
    model: str | None = None
    outcome: str | None = None
    provider: str | None = None
    user: str | None = None
    session: str | None = None
    app: str | None = None
    environment: str | None = None
    prompt: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    limit: int = 20
    fields: str | None = None
    sort: str | None = None
    form: str = "table"
    has_headers: bool = True
    is_utc: bool = False
    follow: bool = False
    starts: bool = False
    view: str | None = None

    @property
    def is_filtered(self) -> bool:
        """True where not every call is asked for."""
        return any(
            (
                self.query.strip(), self.since, self.until, self.model, self.outcome, self.provider,
                self.user, self.session, self.app, self.environment, self.prompt, self.tags, self.metadata,
            )
        )  # fmt: skip


def list_calls(settings: Settings, listing: Listing) -> None:
    """Print what is asked for, the newest last."""
    _refuse_what_excludes_each_other(listing)
    reader = Reader(settings.database, seconds=None if listing.follow else _SECONDS)
    listing = _with_view(listing, reader)
    order = _order(listing)
    columns = tuple(name.strip() for name in listing.fields.split(",")) if listing.fields else None
    check_columns(columns or (), "--fields", ("tokens", *COLUMNS))
    filters = _bounded(_filters(listing, reader), order, reader)
    recorded = reader.recorded()
    rows = list(reversed(reader.list_interactions(filters, listing.limit + 1, order)))
    show = _printer(listing, columns, _below(reader, listing))
    show(rows[-listing.limit :])
    sys.stdout.flush()
    for reason in sorted(reader.sealed):
        print(f"Rows came without their texts: {reason}", file=sys.stderr)
    tell_sealed(reader, filters)
    if listing.form == "table" and sys.stdout.isatty():
        _hint(len(rows), listing)
    if listing.follow:
        follow(recorded, filters, show, beginnings_of(settings, filters) if listing.starts else None)


def _refuse_what_excludes_each_other(listing: Listing) -> None:
    if listing.follow and listing.form == "json":
        raise UsageError("--json is one document, and with --follow it never ends; use --jsonl")
    if listing.starts and not listing.follow:
        raise UsageError("--starts shows calls as they begin, and needs --follow")


def _bounded(filters: Filters, order: Order | None, reader: Reader) -> Filters:
    """Return filters that no order makes look at every call, and say how far back they look."""
    since = None if order is None else looks_back_to(filters, order, reader.answer)
    if order is None or since is None:
        return filters
    told = f"{datetime.fromtimestamp(since / 1000, UTC):%Y-%m-%dT%H:%M}Z"
    print(f"By {order.column} among the latest calls, since {told}; --since looks further back.", file=sys.stderr)
    return replace(filters, since=since)


def _with_view(listing: Listing, reader: Reader) -> Listing:
    """Add what a saved view says; what was typed beside it narrows it, and decides columns and order."""
    if listing.view is None:
        return listing
    from proxy.store.catalogue.views import ONE, missing, view_of

    rows = reader.answer((ONE, (listing.view,)))
    if not rows:
        raise missing(listing.view)
    said = view_of(rows[0]).document
    return replace(
        listing, query=f"{said.query} {listing.query}".strip(), fields=listing.fields or ",".join(said.columns) or None,
        sort=listing.sort or (None if listing.follow else said.sort),
    )  # fmt: skip


def _hint(found: int, listing: Listing) -> None:
    if listing.follow:
        if not found:
            print("Waiting for calls; Ctrl+C ends it.", file=sys.stderr)
    elif not found and listing.is_filtered:
        print("No calls match; every one of the filters must. List all with: dashcam logs", file=sys.stderr)
    elif not found:
        print("No calls yet. Point OPENAI_BASE_URL at Dashcam, or see: dashcam try", file=sys.stderr)
    elif found > listing.limit:
        kind = "More" if listing.sort else "Older"
        print(f"{kind} calls match too. See more with: -n {min(listing.limit * 5, 100_000)}", file=sys.stderr)


def _order(listing: Listing) -> Order | None:
    """Return what --sort says: the largest last, as the newest is, or with a minus the smallest."""
    if listing.sort is None:
        return None
    if listing.follow:
        raise UsageError("--sort needs all calls, and with --follow they never end; choose one")
    column = listing.sort.removeprefix("-")
    check_columns((column,), "--sort", ("tokens", *COLUMNS))
    return Order("total_tokens" if column == "tokens" else column, is_largest_first=column == listing.sort)


def _filters(listing: Listing, reader: Reader) -> Filters:
    outcomes = [item.value for item in Outcome]
    if listing.outcome is not None and listing.outcome not in outcomes:
        meant = suggestion(listing.outcome, outcomes)
        raise UsageError(f"--outcome: {listing.outcome[:80]!r} is none{meant}; use one of {', '.join(outcomes)}")
    since, until = instant_of(listing.since, "--since", reader), instant_of(listing.until, "--until", reader)
    asked = Filters(
        since=since,
        until=until,
        model=listing.model,
        outcome=listing.outcome,
        provider=listing.provider,
        user=listing.user,
        session=listing.session,
        app=listing.app,
        environment=listing.environment,
        prompt=listing.prompt,
        tags=listing.tags,
        metadata=tuple(map(_pair, listing.metadata)),
    )
    filters = filters_of(parse(listing.query).terms, now(), asked)
    check_span(filters.since, filters.until)
    return filters


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"--meta: {text[:80]!r} is no pair; write KEY=VALUE, as in: --meta team=eu")
    return key, value


def check_columns(named: Sequence[str], flag: str, known: Sequence[str]) -> None:
    """Raise ``UsageError`` with what may be meant, and all that there are, when one is no column."""
    unknown = [name for name in named if name not in known]
    if unknown:
        told = ", ".join(f"{on_one_line(name)[:80]}{suggestion(name, known)}" for name in unknown)
        raise UsageError(f"{flag}: {told} is no column; the columns are {', '.join(known)}")


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return which known word may be meant, as a remark in brackets, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _below(reader: Reader, listing: Listing) -> Callable[[Row], Iterable[str]]:
    """Return what stands below a row: the parts of its texts where the words stand that were looked for."""
    wanted = wanted_of(parse(listing.query).terms)
    if wanted is None or not wanted.phrases:
        return lambda _row: ()
    return lambda row: lines_of(reader, row, wanted)


def _values(row: Row, columns: Sequence[str] | None) -> Row:
    """Return what JSON has of a row: all of it, or the columns that were asked for."""
    told = with_truths(row)
    return told if columns is None else {name: tokens(row) if name == "tokens" else told[name] for name in columns}


def _printer(
    listing: Listing, columns: Sequence[str] | None, below: Callable[[Row], Iterable[str]]
) -> Callable[[Sequence[Row]], None]:
    """Return what prints rows; it may be called again for those that come later."""
    if listing.form == "json":
        return lambda rows: print(json_text([_values(row, columns) for row in rows], orjson.OPT_INDENT_2))
    if listing.form == "jsonl":
        return lambda rows: sys.stdout.writelines(json_text(_values(row, columns)) + "\n" for row in rows)
    if sys.stdout.isatty():
        return Table(columns, is_utc=listing.is_utc, has_headers=listing.has_headers, below=below).print
    if listing.has_headers:
        print_headings(columns)
    return lambda rows: print_tabs(rows, columns)
