"""Filters for slow and dear calls, of which an index knows (``terms.INDEXED_FROM``), as Postgres is told them.

Its planner guesses how many calls are above a bound from a hundred samples. Where it believes in thousands that are not
there, it looks for them from the newest call on, to the end of the record: 0.4 s at a million rows. So they are counted
first, and few are named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from proxy.query.terms import Term
from proxy.store.filters.statements import Condition, Filters
from proxy.store.filters.terms import condition_of, is_of_largest

FEW = 20_000
Ask = Callable[[str, Sequence[Any]], list[dict[str, Any]]]


def named(filters: Filters, ask: Ask) -> Filters:
    """Return filters in which those that few calls meet are conditions that name them."""
    found = {term: few for term in filters.terms if isinstance(term, Term) and (few := _few(term, ask)) is not None}
    rest = tuple(term for term in filters.terms if term not in found)
    return replace(filters, terms=rest, others=(*filters.others, *found.values())) if found else filters


def _few(term: Term, ask: Ask) -> Condition | None:
    if not is_of_largest(term):
        return None
    condition, values = condition_of(term)
    ids = f"SELECT id FROM interaction AS large WHERE {condition}"  # noqa: S608 - ours
    counted = f"SELECT count(*) AS calls FROM ({ids} LIMIT ?) AS found"  # noqa: S608
    if ask(counted, (*values, FEW + 1))[0]["calls"] > FEW:
        return None
    return Condition(f"id = ANY(ARRAY({ids}))", tuple(values))
