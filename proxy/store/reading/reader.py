"""Questions to the store, read-only: for the command line, the admin API and the loader's start.

Here are those about many calls; lists never touch a body. Those about one call are in ``one_call``, those about the
record itself in ``standing``; ``access`` is how each of them is put.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from proxy.query.terms import Word
from proxy.store.catalogue.names import names_beginning
from proxy.store.contents.sealed_until import sealed_until
from proxy.store.engines.partitions import bounded
from proxy.store.filters import largest, text_index
from proxy.store.filters.statements import (
    Filters,
    Order,
    Section,
    conditions_of,
    counting,
    listing,
    listing_largest,
    looked_through,
    looking,
    models_beginning,
    section,
    slice_of,
    with_texts,
)
from proxy.store.filters.terms import LABEL
from proxy.store.reading.following import Recorded
from proxy.store.reading.one_call import CallReader
from proxy.store.reading.standing import StandingReader
from proxy.store.schema.columns import day_text
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import COLUMNS
from proxy.store.schema.sealing import check_searchable

PAGE = 500
"""So many calls are looked through in one transaction of a search."""
_RARE = 2000
"""Up to so many calls with a label are looked up one by one; where there are more, the newest calls have it soon."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Rows with ``input_text`` and ``output_text`` that match, the newest first; ``next`` is behind where to go on."""

    rows: list[Row]
    next: tuple[str, str] | None


class Reader(CallReader, StandingReader):
    """Answers all of them, about one store."""

    def sealed_among(self, filters: Filters) -> str | None:
        """Return until which day calls may be sealed that words are not looked for in, None where all is looked at."""
        if not any(isinstance(term, Word) for term in filters.terms):
            return None
        day = sealed_until(self._rows)
        is_behind = day is not None and filters.since is not None and day < day_text(filters.since)
        return None if is_behind else day

    def list_interactions(self, filters: Filters, limit: int, order: Order | None = None) -> list[Row]:
        """Return rows, the newest first, or as ``order`` says."""
        is_rare, filters = self._has_rare_label(filters), self._settled(filters)
        question = None if order is None else listing_largest(filters, limit, order, has_rare_label=is_rare)
        if question is not None and len(rows := self._rows(*question)) == limit:
            return rows
        return self._rows(*listing(filters, limit, order, has_rare_label=is_rare))

    def section(self, filters: Filters, part: Section, limit: int, columns: Sequence[str]) -> list[Row]:
        """Return columns of a part of the list, in the part's order."""
        is_rare = self._has_rare_label(filters)
        return self._rows(*section(self._settled(filters), part, limit, columns, has_rare_label=is_rare))

    def count(self, filters: Filters, most: int) -> int:
        """Return how many calls there are, up to ``most``."""
        found = text_index.counted(filters, self._rows, most, is_postgres=self._database.is_postgres)
        if found is not None:
            return found
        is_rare = self._has_rare_label(filters)
        return int(self._rows(*counting(self._settled(filters), most, has_rare_label=is_rare))[0]["calls"])

    def place(self, identity: str) -> tuple[str, str] | None:
        """Return where a call stands in the order of time, by its whole id; None where it is not on record."""
        found = self._rows("SELECT started_at, id FROM interaction WHERE id = ?", (identity,))
        return _place(found[0]) if found else None

    def search(self, filters: Filters, before: tuple[str, str] | None, limit: int) -> SearchPage:
        """Return the next calls behind a place (None: from the newest) whose texts hold the words among the filters.

        Where many calls have them, the texts of the next ``PAGE`` calls are looked through: there may be none among
        these.
        """
        is_rare, filters = self._has_rare_label(filters), self._settled(filters)
        if filters.has_rare_texts:
            part = Section(below=before)
            rows = self._rows(*with_texts(section(filters, part, limit, COLUMNS, has_rare_label=is_rare)))
            return SearchPage(rows, _place(rows[-1]) if len(rows) == limit else None)
        assert filters.texts is not None, "no word is asked for"
        places = self._rows(*looking(filters, before, PAGE, "started_at, id"))
        rows = self._rows(*looked_through(looking(filters, before, PAGE), filters.texts))
        return SearchPage(rows, _place(places[-1]) if len(places) == PAGE else None)

    def slice_after(self, identity: str, filters: Filters, limit: int) -> list[Row]:
        """Return rows in the order of their ids, beginning behind one; each with the address it was last sent to."""
        return self._rows(*slice_of(identity, self._settled(filters), limit))

    def recorded(self) -> Recorded:
        """Return what gives the calls that are recorded from now on."""
        settled = partial(self._settled, may_be_rare=False)
        return Recorded(self._rows, settled, has_row_numbers=not self._database.is_postgres)

    def unpriced(self, filters: Filters) -> list[Row]:
        """Return calls without a price by provider and model: calls, tokens, when the last one was; the most first.

        ``uncounted`` are those that reported nothing to be priced: no price can be their lack.
        """
        conditions, values = conditions_of(self._settled(filters))
        where = " AND ".join(["cost_status = 'unpriced'", *conditions])
        sql = (
            "SELECT provider, model, service_tier, count(*) AS calls, "  # noqa: S608 - conditions are ours
            "sum(CASE WHEN input_tokens IS NULL AND output_tokens IS NULL AND quantities IS NULL THEN 1 ELSE 0 END) "
            "AS uncounted, "
            "coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens, "
            f"max(started_at) AS last_seen FROM interaction WHERE {where} GROUP BY 1, 2, 3 ORDER BY calls DESC, 1, 2"
        )
        return self._rows(sql, tuple(values))

    def summary(self, since: int, until: int | None = None) -> Row:
        """Return calls, errors, tokens and cost of a span of time (Unix milliseconds)."""
        conditions, values = conditions_of(self._settled(Filters(since=since, until=until)))
        sql = (
            "SELECT count(*) AS calls, "  # noqa: S608 - conditions are ours
            "coalesce(sum(CASE WHEN success THEN 0 ELSE 1 END), 0) AS errors, "
            "coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens, "
            "sum(cost_pico_usd) AS cost_pico_usd, "
            "coalesce(sum(CASE WHEN cost_pico_usd IS NULL THEN 1 ELSE 0 END), 0) AS unpriced "
            f"FROM interaction WHERE {' AND '.join(conditions)}"
        )
        return self._rows(sql, tuple(values))[0]

    def models(self, beginning: str, limit: int) -> list[str]:
        """Return names of models on record that begin so, by leaps through the index."""
        return [str(row["name"]) for row in self._rows(*models_beginning(beginning, limit))]

    def catalogue_names(self, noun: str, beginning: str, limit: int) -> list[str]:
        """Return names of the catalogue's documents of a noun, or of keys, that begin so."""
        return [str(row["name"]) for row in self._rows(names_beginning(noun), (len(beginning), beginning, limit))]

    def _settled(self, filters: Filters, *, may_be_rare: bool = True) -> Filters:
        """Return filters with what this engine needs to know: bounds of ids, and what words mean."""
        check_searchable(self._database, filters.terms)
        is_postgres = self._database.is_postgres
        within = largest.named(bounded(filters), self._rows) if is_postgres else filters
        return text_index.resolved(within, self._rows, is_postgres=is_postgres, may_be_rare=may_be_rare)

    def _has_rare_label(self, filters: Filters) -> bool:
        sql = f"SELECT count(*) AS calls FROM ({LABEL} LIMIT ?) AS labelled"  # noqa: S608 - ours
        return any(self._rows(sql, (*label, _RARE + 1))[0]["calls"] <= _RARE for label in filters.labels())


def _place(row: Row) -> tuple[str, str]:
    return row["started_at"], row["id"]
