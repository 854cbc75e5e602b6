"""Of a call that has only begun a query tells what it would tell of its row, or that it cannot tell."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.query.fields import FIELDS
from proxy.query.judging import KNOWN, holds, unjudged
from proxy.query.parsing import parse

NOW = 1_795_000_060_000
FACTS: dict[str, Any] = {
    **dict.fromkeys(KNOWN.values()),
    "id": "0199aaaa-0000-7000-8000-000000000001", "started_at": NOW - 60_000, "model": "gpt-5-mini",
    "model_requested": "fast", "user_id": "kim", "tags": ["eu", "beta"], "metadata": {"team": "red"},
    "tool_names": ["search"], "is_stream": True, "prompt_name": "short", "prompt_version": 3, "operation": "chat",
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", True),
        ("model:gpt-5-mini", True),
        ("model:gpt-*", True),
        ("model:GPT-5-mini", False),
        ("model:a,gpt-5-mini", True),
        ("requested:fast user:kim", True),
        ("requested:fast user:lee", False),
        ("-user:kim", False),
        ("-user:lee", True),
        ("session:s", False),
        ("-session:s", True),
        ("tag:eu", True),
        ("tag:be*", True),
        ("-tag:us", True),
        ("tag.team:red", True),
        ("meta.team:blue", False),
        ("meta.other:red", False),
        ("tool:search", True),
        ("tool:sea", False),
        ("stream:yes", True),
        ("stream:no", False),
        ("prompt:short", True),
        ("prompt:short@3", True),
        ("prompt:short@2", False),
        ("prompt:sh*", True),
        ("prompt:other@3", False),
        ("id:0199aaaa", True),
        ("id:0199aaaa-0000-7", True),
        ("id:0199ab", False),
        ("has:user,session", True),
        ("has:session", False),
        ("-has:session", True),
        ("since:2m", True),
        ("since:30s", False),
        ("until:30s", True),
        ("until:2m", False),
    ],
)
def test_what_is_known_is_held_against_the_query(query: str, expected: bool) -> None:
    terms = parse(query).terms
    assert unjudged(terms) == ()
    assert holds(terms, FACTS, NOW) is expected


@pytest.mark.parametrize(
    "query", ["refund", "-refund", "status:ok", "latency:>2s", "has:cost", "has:user,cost", "prompt:short@production"]
)
def test_what_only_the_end_tells_is_not_judged(query: str) -> None:
    assert unjudged(parse(f"user:kim {query}").terms) == (str(parse(query).terms[0]),)


def test_every_filter_is_judged_or_not_and_none_raises() -> None:
    samples = {"STATUS": "ok", "IDENTITY": "0199aaaa", "DURATION": "1s", "TRUTH": "yes", "INSTANT": "1d"}
    for name, field in FIELDS.items():
        value = field.words[0] if field.words else samples.get(field.kind.name, "1")
        terms = parse(f"{name}:{value}").terms
        assert unjudged(terms) or holds(terms, FACTS, NOW) in (True, False)
