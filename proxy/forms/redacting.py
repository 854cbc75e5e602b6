"""What is told over the API without what must not be on record: looked through before anything is made of it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from proxy.catalogue.told_call import Body, ToldCall
from proxy.domain.feedback import Feedback
from proxy.domain.redaction import RedactionRules
from proxy.redaction.bodies import redact_body
from proxy.redaction.fields import redact_target, redact_text, redact_values
from proxy.redaction.own import compiled
from proxy.redaction.patterns import BUILT_IN, UNREADABLE
from proxy.redaction.redactor import Redactor

_WORDS = {
    "model": 200, "error_type": 100, "error_code": 100, "error_message": 500, "client_request_id": 200,
    "session_id": 200, "user_id": 200, "trace_id": 64, "app": 100, "environment": 100,
}  # fmt: skip
"""Texts that somebody else has written, and how long they are on record."""
_OPINION = {"id": 100, "name": 100, "session_id": 200, "words": None, "comment": None}
_LONGEST_TAG, _LONGEST_KEY, _LONGEST_VALUE = 64, 64, 512


@lru_cache(maxsize=32)
def redactor_of(rules: RedactionRules) -> Redactor | None:
    """Return what looks for the patterns of some rules; None where there are none.

    One that cannot be used leaves bodies out, as in the gateway, whose log says which it is.
    """
    if not rules.patterns:
        return None
    known, most = dict(BUILT_IN), rules.max_bytes
    for own in rules.own:
        # What cannot be used is unknown, like any other name.
        with contextlib.suppress(ValueError):
            known[own.name] = compiled(own)
    if unknown := set(rules.patterns) - known.keys():
        most = -1
    return Redactor([known[name] for name in sorted(set(rules.patterns) - unknown)], most)


def redacted(said: ToldCall, redactor: Redactor) -> tuple[ToldCall, Counter[str]]:
    """Return a call as it may be on record, and how often what was found."""
    counts: Counter[str] = Counter()
    changes: dict[str, Any] = {
        name: redact_text(redactor, text, counts)[:longest]
        for name, longest in _WORDS.items()
        if (text := getattr(said, name)) is not None
    }
    changes |= {name: _body(redactor, getattr(said, name), counts) for name in ("request", "response")}
    pairs = redact_values(redactor, said.metadata, counts)
    changes["metadata"] = {key[:_LONGEST_KEY]: value[:_LONGEST_VALUE] for key, value in pairs.items()}
    changes["tags"] = [redact_text(redactor, tag, counts)[:_LONGEST_TAG] for tag in said.tags]
    changes["prompt_variables"] = redact_values(redactor, said.prompt_variables, counts)
    changes["endpoint"] = redact_target(redactor, said.endpoint, counts)
    return said.model_copy(update=changes), counts


def redacted_feedback(item: Feedback, redactor: Redactor | None) -> Feedback:
    """Return feedback as it may be on record; a session is called as the calls that name it are."""
    if redactor is None:
        return item
    changes: dict[str, Any] = {
        name: redact_text(redactor, text, Counter())[:longest]
        for name, longest in _OPINION.items()
        if (text := getattr(item, name)) is not None
    }
    return replace(item, **changes)


def redacted_tags(tags: Iterable[str], redactor: Redactor | None, longest: int = _LONGEST_TAG) -> list[str]:
    """Return tags as they may be on record."""
    if redactor is None:
        return list(tags)
    return [redact_text(redactor, tag, Counter())[:longest] for tag in tags]


def _body(redactor: Redactor, body: Body | None, counts: Counter[str]) -> str | None:
    if body is None:
        return None
    found = redact_body(redactor, body.encode() if isinstance(body, str) else orjson.dumps(body))
    if found is None:
        counts[UNREADABLE] += 1
        return ""
    counts.update(found.counts)
    return found.data.decode("utf-8", "replace")
