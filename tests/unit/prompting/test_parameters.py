"""Parameters: in their ranges, of their type, and none that a request says by other means."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.prompting.parameters import problems_of


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": 0, "top_p": 1.0, "max_tokens": 1, "seed": -5},
        {"model": "gpt-4o", "stop": ["a"], "parallel_tool_calls": False, "reasoning": {"effort": "low"}},
        {"num_ctx": 4096, "something.new": {"a": 1}},
    ],
)
def test_what_a_provider_can_take_is_taken(parameters: dict[str, Any]) -> None:
    assert problems_of(parameters, "parameters") == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("temperature", 2.1, "goes from 0 to 2"),
        ("temperature", "1", "must be a number, not string"),
        ("temperature", True, "must be a number, not boolean"),
        ("top_p", -0.1, "goes from 0 to 1"),
        ("max_tokens", 1.5, "must be a whole number"),
        ("max_tokens", 0, "goes from 1"),
        ("stop", 5, "must be string or list, not integer"),
        ("store", 1, "must be boolean"),
        ("stream", True, "is no parameter"),
        ("messages", [], "is no parameter"),
        ("seed", None, "leave it out"),
        ("a b", 1, "cannot be a parameter's name"),
    ],
)
def test_the_rest_is_refused_with_the_reason(name: str, value: object, reason: str) -> None:
    (problem,) = problems_of({name: value}, "parameters")
    assert problem.field == f"parameters.{name}"
    assert reason in problem.reason


def test_a_kind_of_provider_may_have_a_range_of_its_own() -> None:
    assert problems_of({"temperature": 1.5}, "parameters", "openai") == []
    (problem,) = problems_of({"temperature": 1.5}, "parameters", "anthropic")
    assert "from 0 to 1 for providers of kind anthropic" in problem.reason
