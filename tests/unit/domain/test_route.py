"""Routes: what a pattern matches, and that they travel."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.route import Route, Target, route_from_mapping

TARGET = Target(provider="p")


def route(model: str) -> Route:
    return Route(model=model, targets=(TARGET,))


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("fast", "fast", ""),
        ("fast", "fast2", None),
        ("*", "anything", "anything"),
        ("gpt-*", "gpt-5", "5"),
        ("gpt-*", "gpt-", ""),
        ("gpt-*", "gp", None),
        ("a*a", "a", None),
        ("a*a", "aa", ""),
        ("groq/*", "groq/x/y", "x/y"),
        ("*:free", "m:free", "m"),
    ],
)
def test_what_a_name_matches(pattern: str, name: str, matched: str | None) -> None:
    assert route(pattern).match(name) == matched


@given(st.text(), st.text(), st.text())
def test_what_stands_for_the_wildcard_is_what_is_between(before: str, middle: str, after: str) -> None:
    if "*" not in before + after:
        assert route(f"{before}*{after}").match(before + middle + after) == middle


def test_a_route_survives_json_and_members_of_a_newer_release_are_ignored() -> None:
    made = Route(
        model="m*",
        targets=(Target(provider="a", model="x*", weight=3), Target(provider="b")),
        fallbacks=(Target(provider="c"),),
    )
    values = json.loads(json.dumps(asdict(made)))
    values["newer"] = values["targets"][0]["newer"] = 1
    assert route_from_mapping(values) == made
