"""What comes from outside holds only what JSON and both engines can."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogue.plain import MAX_DEPTH, MAX_PROBLEMS, impurities

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(VALUES)
def test_what_has_no_problem_goes_to_json_and_back(value: Any) -> None:
    if impurities(value) == []:
        assert orjson.loads(orjson.dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"a": [1, math.nan]}, "a.1"),
        ({"a": math.inf}, "a"),
        ({"a": 1 << 63}, "a"),
        ({"a": {"b": "x\0"}}, "a.b"),
        ({"a": "\ud800"}, "a"),
        ({"a\0": 1}, "'a\\x00'"),
        ({5: 1}, "5"),
        ({"a": date(2026, 1, 1)}, "a"),
        ({"a": b"x"}, "a"),
        (nested(MAX_DEPTH + 1), ".".join("0" * (MAX_DEPTH + 1))),
    ],
)
def test_what_cannot_be_kept_is_told_with_its_place(value: Any, field: str) -> None:
    assert [problem.field for problem in impurities(value)] == [field]


def test_what_is_just_deep_enough_is_kept_and_not_everything_is_told() -> None:
    assert impurities(nested(MAX_DEPTH)) == []
    assert len(impurities(["\0"] * 1000)) == MAX_PROBLEMS
