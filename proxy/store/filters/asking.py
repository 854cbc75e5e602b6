"""From a query of the search grammar to the store's filters, with what else was asked for.

Times become the filters' own, so that ids are bounded as well where the store is cut by them; tags and properties
become the labels that are looked up first where they are rare.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from proxy.query.fields import META
from proxy.query.terms import Ago, Moment, Operator, Term, Text, Value, Word
from proxy.store.filters.statements import Filters

_LABELS = ("tag", META)


def filters_of(terms: Iterable[Term | Word], now: int, asked: Filters | None = None) -> Filters:
    """Return filters that hold where all terms do, and what was ``asked`` for; ``now`` is Unix milliseconds."""
    filters = asked or Filters()
    rest: list[Term | Word] = []
    for term in terms:
        if isinstance(term, Term) and term.name in ("since", "until"):
            filters = _within(filters, term, now)
        elif isinstance(term, Term) and _is_label(term):
            filters = _labelled(filters, term)
        else:
            rest.append(term)
    return replace(filters, terms=(*filters.terms, *rest))


def _within(filters: Filters, term: Term, now: int) -> Filters:
    """Of several beginnings the latest counts, of several ends the earliest."""
    at = _instant(term.values[0], now)
    if term.name == "since":
        return replace(filters, since=at if filters.since is None else max(filters.since, at))
    return replace(filters, until=at if filters.until is None else min(filters.until, at))


def _instant(value: Value, now: int) -> int:
    if isinstance(value, Ago):
        return max(0, now - value.milliseconds)
    assert isinstance(value, Moment)
    return value.milliseconds


def _is_label(term: Term) -> bool:
    (value, *others) = term.values
    is_plain = isinstance(value, Text) and not value.is_open and not others and term.operator is Operator.IS
    return is_plain and term.name in _LABELS and not term.is_excluded


def _labelled(filters: Filters, term: Term) -> Filters:
    value = term.values[0]
    assert isinstance(value, Text)
    if term.key is None:
        return replace(filters, tags=(*filters.tags, value.text))
    return replace(filters, metadata=(*filters.metadata, (term.key, value.text)))
