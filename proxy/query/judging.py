"""Whether a call that has only begun is one of those that a query is for: terms held against what is known by then.

What a term asks may not be known before the end: its cost, its outcome, words of its answer. Such terms are
``unjudged``, and a query that has one says nothing of calls that have only begun. The rest means what it means of rows
(``store/filters/terms.py``): a value that is not there is not what is wanted, and is there where that is excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from proxy.query.fields import META, TRUE
from proxy.query.terms import Ago, Moment, Term, Text, Value, Word

KNOWN = {
    "requested": "model_requested", "model": "model", "provider": "provider", "route": "route",
    "operation": "operation", "endpoint": "endpoint", "user": "user_id", "session": "session_id", "trace": "trace_id",
    "app": "app", "environment": "environment", "key": "key_id", "prompt": "prompt_name", "tag": "tags",
    "tool": "tool_names",
}  # fmt: skip
"""Filter → the column that is known as a call begins."""
Facts = Mapping[str, Any]
Test = Callable[[Facts, Value, str | None], bool]


def unjudged(terms: Iterable[Term | Word]) -> tuple[str, ...]:
    """Return which of the terms, as they are written, can only be held against a call that has ended."""
    return tuple(str(term) for term in terms if not _is_judged(term))


def holds(terms: Iterable[Term | Word], facts: Facts, now: int) -> bool:
    """Tell whether all terms hold of a call, all of which can be judged; ``now`` is Unix milliseconds."""
    return all(_holds(term, facts, now) for term in terms)


def _is_judged(term: Term | Word) -> bool:
    if isinstance(term, Word):
        return False
    if term.name == "has":
        return all(isinstance(value, Text) and value.text in KNOWN for value in term.values)
    if term.name == "prompt":
        # What a version is called, the store knows.
        return all(isinstance(value, Text) and _is_plain_prompt(value.text) for value in term.values)
    return term.name in KNOWN or term.name in _OWN


def _is_plain_prompt(reference: str) -> bool:
    wanted = reference.partition("@")[2]
    return not wanted or (wanted.isascii() and wanted.isdigit())


def _holds(term: Term | Word, facts: Facts, now: int) -> bool:
    assert isinstance(term, Term)
    if term.name in ("since", "until"):
        return _is_in_time(term, facts, now)
    test: Test = _OWN.get(term.name) or (lambda facts, value, _key: _matches(value, facts[KNOWN[term.name]]))
    return any(test(facts, value, term.key) for value in term.values) is not term.is_excluded


def _is_in_time(term: Term, facts: Facts, now: int) -> bool:
    value = term.values[0]
    at = now - value.milliseconds if isinstance(value, Ago) else value.milliseconds if isinstance(value, Moment) else 0
    return bool(facts["started_at"] >= at if term.name == "since" else facts["started_at"] < at)


def _matches(value: Value, said: object) -> bool:
    """Compare a text with a column, or with each of those that a column has."""
    assert isinstance(value, Text)
    texts = said if isinstance(said, list) else [said]
    return any(
        text.startswith(value.text) if value.is_open else text == value.text for text in texts if isinstance(text, str)
    )


def _property(facts: Facts, value: Value, key: str | None) -> bool:
    return _matches(value, (facts["metadata"] or {}).get(key))


def _prompt(facts: Facts, value: Value, _key: str | None) -> bool:
    assert isinstance(value, Text)
    name, _, number = value.text.partition("@")
    is_named = _matches(Text(name, value.is_open), facts["prompt_name"])
    return is_named and (not number or facts["prompt_version"] == int(number[:9]))


def _stream(facts: Facts, value: Value, _key: str | None) -> bool:
    assert isinstance(value, Text)
    return bool(facts["is_stream"]) is (value.text == TRUE)


def _identity(facts: Facts, value: Value, _key: str | None) -> bool:
    assert isinstance(value, Text)
    return str(facts["id"]).replace("-", "").startswith(value.text.replace("-", ""))


def _has(facts: Facts, value: Value, _key: str | None) -> bool:
    assert isinstance(value, Text)
    said = facts[KNOWN[value.text]]
    return bool(said) if isinstance(said, list) else said is not None


_OWN: dict[str, Test] = {
    META: _property, "prompt": _prompt, "stream": _stream, "id": _identity, "has": _has,
    "since": lambda *_: True, "until": lambda *_: True,
}  # fmt: skip
