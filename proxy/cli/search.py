"""``dashcam search``: calls whose newest question or answer holds some words, the newest first.

What it looks through is ``interaction_text`` (up to 4 kB of either side). Words that few calls have are found by the
index at once. For others it looks back page by page, so that a large record neither holds a transaction open nor makes
anybody wait for ever: after some seconds it says how far it came and how to go on.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import orjson

from proxy.cli.found_texts import SIDES, lines, tell_sealed
from proxy.cli.instants import check_span, instant_of, now
from proxy.cli.terminal import json_text, local_time, money, on_one_line, paint, short_id
from proxy.errors import UsageError
from proxy.query.excerpts import excerpt
from proxy.query.parsing import parse
from proxy.query.words import Wanted, wanted_of
from proxy.settings.values import Settings
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row, with_truths

SECONDS = 10.0
_HEADINGS = ("started_at", "id", "model", "outcome", "asked", "answered")
_IN_PIPE = 388


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for: words and filters of the grammar; one with spaces and nothing of the grammar is a phrase."""

    texts: tuple[str, ...]
    since: str | None = None
    until: str | None = None
    model: str | None = None
    limit: int = 20
    form: str = "text"
    has_headers: bool = True
    is_utc: bool = False


def search(settings: Settings, wanted: Search) -> None:
    """Print the calls that match."""
    terms = parse(" ".join(map(_as_query, wanted.texts))).terms
    words = wanted_of(terms)
    if words is None or not words.phrases:
        raise UsageError("there is no word to look for; say some: dashcam search refund")
    with contextlib.closing(Reader(settings.database)) as reader:
        since, until = instant_of(wanted.since, "--since", reader), instant_of(wanted.until, "--until", reader)
        filters = filters_of(terms, now(), Filters(since=since, until=until, model=wanted.model))
        check_span(filters.since, filters.until)
        finder = _Finder(reader, wanted, filters)
        if wanted.form == "json":
            print(json_text(list(map(with_truths, finder.rows())), orjson.OPT_INDENT_2))
        else:
            _print(finder, wanted, words)
        finder.tell()
        tell_sealed(reader, filters)


def _as_query(text: str) -> str:
    """Quote what was a phrase to the shell, which took its quotes away."""
    is_phrase = any(map(str.isspace, text.strip())) and not any(sign in text for sign in ':"')
    return f'"{text}"' if is_phrase and "\\" not in text else text


class _Finder:
    """Looks page by page until there is enough, nothing is left, or the time is over."""

    def __init__(self, reader: Reader, wanted: Search, filters: Filters) -> None:
        self._reader, self._wanted, self._filters = reader, wanted, filters
        self._found = 0
        self._stopped_at: str | None = None
        self._has_more = False

    def rows(self) -> Iterator[Row]:
        deadline, before = time.monotonic() + SECONDS, None
        while True:
            page = self._reader.search(self._filters, before, self._wanted.limit + 1)
            for row in page.rows:
                if self._found >= self._wanted.limit:
                    self._has_more = True
                    return
                self._found += 1
                yield row
            before = page.next
            if before is None:
                return
            if time.monotonic() > deadline:
                self._stopped_at = before[0]
                return

    def tell(self) -> None:
        """Say on standard error what the list does not."""
        if self._stopped_at is not None:
            told = (
                f"dashcam: looked back to {self._stopped_at} in {SECONDS:.0f} s; go on with: --until {self._stopped_at}"
            )
            print(told, file=sys.stderr)
        elif not sys.stdout.isatty():
            return
        elif self._has_more:
            print(f"Older calls match too. See more with: -n {min(self._wanted.limit * 5, 100_000)}", file=sys.stderr)
        elif not self._found:
            print("No call's question or answer has these words (its newest turn, up to 4 kB).", file=sys.stderr)


def _print(finder: _Finder, wanted: Search, words: Wanted) -> None:
    is_terminal, rows = sys.stdout.isatty(), finder.rows()
    # What cannot be searched says so before anything is printed.
    first = list(islice(rows, 1))
    if not is_terminal and wanted.has_headers:
        print("\t".join(_HEADINGS))
    for row in chain(first, rows):
        if is_terminal:
            _print_call(row, words, is_utc=wanted.is_utc)
        else:
            facts = (row["started_at"], row["id"], row["model"] or row["operation"], row["outcome"])
            sides = [excerpt(on_one_line(row[column] or ""), words.phrases, _IN_PIPE).text for _, column in SIDES]
            print("\t".join([*map(on_one_line, facts), *sides]))
        sys.stdout.flush()


def _print_call(row: Row, words: Wanted, *, is_utc: bool) -> None:
    when = local_time(row["started_at"], is_utc=is_utc)
    name = on_one_line(row["model"] or row["operation"])
    print(f"{paint(short_id(row['id']), 'bold')}  {when}  {name}  {row['outcome']}  {money(row['cost_usd'])}")
    for line in lines(row, words):
        print(line)
