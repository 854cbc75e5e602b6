"""What may be asked for of the record: a query of the search grammar, and each of its filters by its own name.

``?q=status:error latency:>2s&user=kim&metadata[team]=eu``: all must hold, and a mistake in one of them is told with its
place and with what there is. Behind a filter's name stands what stands behind its colon in the grammar.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from proxy.control.api.parameters import ANY_KEY, ParameterError
from proxy.query.fields import FIELDS, META
from proxy.query.parsing import QueryError, parse, parse_filter
from proxy.query.terms import Term, Text, Word
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import Filters

QUERY = "q"
_METADATA = "metadata"
FILTERS = (*FIELDS, f"{_METADATA}{ANY_KEY}")
ABOUT = {field.name: f"{field.about}." for field in FIELDS.values()} | {
    f"{_METADATA}{ANY_KEY}": "The value of a property, by its key."
}
"""What each key means, for the description."""
_LONGEST_KEY = 100


def filters_in(query: Mapping[str, str]) -> Filters:
    """Return what a request's query asks for; ``ParameterError`` says what of it cannot be understood."""
    filters = filters_of(terms_in(query), time.time_ns() // 1_000_000)
    _check_span(filters.since, filters.until)
    return filters


def terms_in(query: Mapping[str, str]) -> tuple[Term | Word, ...]:
    """Return the same as terms, all of which must hold."""
    terms: list[Term | Word] = list(parsed(query[QUERY])) if QUERY in query else []
    for name, text in query.items():
        if name in FIELDS:
            terms.append(_filter(name, name, text))
        elif name.startswith(f"{_METADATA}["):
            key = name[len(_METADATA) + 1 : -1]
            if len(key) > _LONGEST_KEY:
                raise ParameterError(_METADATA, f"has a key of more than {_LONGEST_KEY} characters")
            terms.append(_filter(name, f"{META}.{key}", text))
    return tuple(terms)


def instants_in(query: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the instants that ``since`` and ``until`` name, in Unix milliseconds, the earlier one first."""
    since, until = _instant_in(query, "since"), _instant_in(query, "until")
    _check_span(since, until)
    return since, until


def texts_in(query: Mapping[str, str], names: Iterable[str]) -> dict[str, list[Text]]:
    """Return what a request's query says of some names, as their filters take it; what is no filter, as it is."""
    said = {name: query[name] for name in names if name in query}
    found = {name: _filter(name, name, text).values if name in FIELDS else (Text(text),) for name, text in said.items()}
    return {name: [value for value in values if isinstance(value, Text)] for name, values in found.items()}


def _check_span(since: int | None, until: int | None) -> None:
    if since is not None and until is not None and until <= since:
        raise ParameterError(
            "until", "is not after since: no call can lie between them", hint="since is the earlier one"
        )


def _instant_in(query: Mapping[str, str], name: str) -> int | None:
    if name not in query:
        return None
    found = filters_of([_filter(name, name, query[name])], time.time_ns() // 1_000_000)
    return found.since if name == "since" else found.until


def parsed(text: str) -> tuple[Term | Word, ...]:
    """Return the terms of a query; ``ParameterError`` says where it cannot be understood."""
    try:
        return parse(text).terms
    except QueryError as error:
        raise ParameterError(QUERY, error.message.removeprefix("the query "), hint=error.hint) from error


def _filter(parameter: str, name: str, text: str) -> Term:
    try:
        return parse_filter(name, text)
    except QueryError as error:
        reason = error.reason.removeprefix(f"{name}: ")
        raise ParameterError(parameter, f"cannot be understood: {reason}", hint=error.hint) from error
