"""``dashcam search``: calls whose newest question or answer holds some words, the newest first.

It looks through ``interaction_text`` (up to 4 kB of either side) page by page, so that a large record neither holds a
transaction open nor makes anybody wait for ever: after some seconds it says how far it came and how to go on. Upper
and lower case are the same for ASCII letters only.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from proxy.cli.instants import instant_of
from proxy.cli.terminal import has_colours, json_text, local_time, money, on_one_line, paint, short_id
from proxy.errors import UsageError
from proxy.query.excerpts import any_of, excerpt
from proxy.settings.values import Settings
from proxy.store.reading import Reader, Row
from proxy.store.statements import Filters

SECONDS = 10.0
_LONGEST = 200
_SIDES = (("asked", "input_text"), ("answered", "output_text"))
_HEADINGS = ("started_at", "id", "model", "outcome", "asked", "answered")
_IN_PIPE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for: all of the words, each as it is."""

    words: tuple[str, ...]
    since: str | None = None
    until: str | None = None
    model: str | None = None
    limit: int = 20
    form: str = "text"
    has_headers: bool = True
    is_utc: bool = False


def search(settings: Settings, wanted: Search) -> None:
    """Print the calls that match."""
    _check(wanted.words)
    with contextlib.closing(Reader(settings.database)) as reader:
        filters = Filters(
            since=instant_of(wanted.since, "--since", reader), until=instant_of(wanted.until, "--until", reader),
            model=wanted.model,
        )  # fmt: skip
        finder = _Finder(reader, wanted, filters)
        if wanted.form == "json":
            print(json_text(list(finder.rows()), orjson.OPT_INDENT_2))
        else:
            _print(finder, wanted)
    finder.tell()


def _check(words: Sequence[str]) -> None:
    if not any(words):
        raise UsageError("there is nothing to look for; say some words: dashcam search refund")
    if sum(map(len, words)) > _LONGEST:
        raise UsageError(f"more than {_LONGEST} characters to look for; a part of it is enough")


class _Finder:
    """Looks page by page until there is enough, nothing is left, or the time is over."""

    def __init__(self, reader: Reader, wanted: Search, filters: Filters) -> None:
        self._reader, self._wanted, self._filters = reader, wanted, filters
        self._found = 0
        self._stopped_at: Row | None = None
        self._has_more = False

    def rows(self) -> Iterator[Row]:
        deadline, before = time.monotonic() + SECONDS, None
        words = [word for word in self._wanted.words if word]
        while True:
            page = self._reader.search(words, self._filters, before)
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
                self._stopped_at = before
                return

    def tell(self) -> None:
        """Say on standard error what the list does not."""
        if self._stopped_at is not None:
            when = self._stopped_at["started_at"]
            print(f"dashcam: looked back to {when} in {SECONDS:.0f} s; go on with: --until {when}", file=sys.stderr)
        elif not sys.stdout.isatty():
            return
        elif self._has_more:
            print(f"Older calls match too. See more with: -n {min(self._wanted.limit * 5, 100_000)}", file=sys.stderr)
        elif not self._found:
            print("No call's question or answer has these words (its newest turn, up to 4 kB).", file=sys.stderr)


def _print(finder: _Finder, wanted: Search) -> None:
    is_terminal = sys.stdout.isatty()
    if not is_terminal and wanted.has_headers:
        print("\t".join(_HEADINGS))
    width = shutil.get_terminal_size().columns if is_terminal else _IN_PIPE
    pattern = any_of(wanted.words)
    for row in finder.rows():
        sides = [excerpt(on_one_line(row[column] or ""), pattern, width - 12) for _, column in _SIDES]
        if is_terminal:
            _print_call(row, sides, pattern, is_utc=wanted.is_utc)
        else:
            facts = (row["started_at"], row["id"], row["model"] or row["operation"], row["outcome"])
            print("\t".join([*map(on_one_line, facts), *sides]))
        sys.stdout.flush()


def _print_call(row: Row, sides: Sequence[str], pattern: re.Pattern[str], *, is_utc: bool) -> None:
    when = local_time(row["started_at"], is_utc=is_utc)
    name = on_one_line(row["model"] or row["operation"])
    print(f"{paint(short_id(row['id']), 'bold')}  {when}  {name}  {row['outcome']}  {money(row['cost_usd'])}")
    for (name, _), text in zip(_SIDES, sides, strict=True):
        if text:
            print(f"  {paint(f'{name:<8}', 'dim')}  {highlighted(text, pattern)}")


def highlighted(text: str, pattern: re.Pattern[str]) -> str:
    """Return text with the matches painted."""
    return pattern.sub(lambda match: paint(match[0], "match"), text) if has_colours() else text
