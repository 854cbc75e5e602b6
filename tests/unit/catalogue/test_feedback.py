"""Feedback as it is sent: every kind of value becomes a score where it can, and what does not go together is told."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogue.feedback import Kind, NewFeedback, feedback_of
from proxy.catalogue.parsing import parse
from proxy.domain.feedback import FeedbackKind, score_of
from proxy.errors import InvalidError

CALL = "0193a3e2-7b1c-7000-8000-00000000000A"


def made(**values: Any) -> Any:
    return feedback_of(parse(NewFeedback, {"interaction_id": CALL, **values}), "made", "kim")


@pytest.mark.parametrize(
    ("values", "kind", "value", "score"),
    [
        ({"value": True}, "boolean", 1.0, 1.0),
        ({"value": False}, "boolean", 0.0, 0.0),
        ({"value": 0.7}, "number", 0.7, 0.7),
        ({"value": 12}, "number", 12.0, None),
        ({"value": 12, "min": 10, "max": 20}, "number", 12.0, 0.2),
        ({"value": 3, "type": "1-5"}, "1-5", 3.0, 0.5),
        ({"value": 10, "type": "1-10"}, "1-10", 10.0, 1.0),
        ({"value": "helpful", "type": "category"}, "category", None, None),
        ({"value": "It was\nfine"}, "text", None, None),
    ],
)
def test_a_value_becomes_a_score_where_it_can(values: dict[str, Any], kind: str, value: float, score: float) -> None:
    found = made(**values)
    assert (found.kind.value, found.value, found.score) == (kind, value, score)
    assert (found.words is None) == (found.value is not None)
    assert (found.reference, found.id, found.author, found.name) == (CALL.lower(), "made", "kim", "feedback")


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"value": 6, "type": "1-5"}, "value", "from 1 to 5"),
        ({"value": "x", "type": "1-5"}, "value", "a number"),
        ({"value": True, "type": "number"}, "value", "a number"),
        ({"value": 1, "type": "boolean"}, "value", "true or false"),
        ({"value": 1, "type": "text"}, "value", "words"),
        ({"value": "two\nlines", "type": "category"}, "value", "one line"),
        ({"value": 1, "min": 0}, "min", "come together"),
        ({"value": 1, "min": 3, "max": 3}, "min", "less than max"),
        ({"value": 3, "type": "1-5", "min": 0, "max": 9}, "min", "its own bounds"),
        ({"value": 1e300}, "value", "at most"),
        ({"value": 1, "session_id": "s"}, "interaction_id", "one of them"),
        ({"value": 1, "interaction_id": None}, "interaction_id", "one of them"),
        ({"value": 1, "interaction_id": "last"}, "interaction_id", "whole id"),
        ({"value": None}, "value", ""),
        ({"value": []}, "value", ""),
        ({"value": 1, "source": "robot"}, "source", ""),
        ({"value": 1, "stars": 3}, "stars", ""),
        ({"value": 1, "name": ""}, "name", ""),
        ({"value": "a\x00b"}, "value", ""),
    ],
)
def test_what_does_not_go_together_is_told(values: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        made(**values)
    assert caught.value.problems[0].field.startswith(field)
    assert words in caught.value.problems[0].reason


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_score_is_between_nothing_and_one(value: float, low: float, high: float) -> None:
    try:
        score = score_of(value, low, high)
    except ValueError:
        assert not low <= value <= high or low == high
    else:
        assert score is not None
        assert 0 <= score <= 1


def test_every_kind_may_be_said() -> None:
    assert {item.value for item in FeedbackKind} == set(get_args(Kind))
