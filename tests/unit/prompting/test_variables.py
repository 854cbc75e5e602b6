"""Variables: declared with a type, filled for each call, and never recorded where they are secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Problem
from proxy.prompting.problems import VariableInvalidError, VariableMissingError
from proxy.prompting.variables import (
    LARGEST_VALUE,
    MOST_PARTS,
    REDACTED,
    TYPES,
    Variable,
    filled,
    recorded,
    variable_from,
    variable_mapping,
)

NAME = Variable(name="name")
TONE = Variable(name="tone", is_required=False, default="kind")
NOTE = Variable(name="note", is_required=False)


def test_values_are_filled_in_with_defaults_and_nothing() -> None:
    assert filled([NAME, TONE, NOTE], {"name": "Ada"}) == {"name": "Ada", "tone": "kind", "note": ""}


def test_a_missing_one_is_named() -> None:
    with pytest.raises(VariableMissingError, match="'name' is missing") as caught:
        filled([NAME], {"name": None})
    assert caught.value.variable == "name"


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        (NAME, 1, "must be a string, not an integer"),
        (Variable(name="a", type="integer"), True, "must be an integer, not a boolean"),
        (Variable(name="a", type="number"), "1", "must be a number, not a string"),
        (Variable(name="a", type="list"), {}, "must be a list, not an object"),
        (Variable(name="a", type="messages"), ["hi"], "list of messages"),
        (Variable(name="a", max_length=2), "abc", "has 3 characters, and at most 2"),
        (Variable(name="a", type="list", max_length=1), [1, 2], "has 2 members"),
        (NAME, "x" * (LARGEST_VALUE + 1), "too large together"),
        (Variable(name="a", type="list"), [1] * (MOST_PARTS + 1), "too large together"),
    ],
)
def test_a_value_that_it_cannot_have_is_refused(variable: Variable, value: Any, reason: str) -> None:
    with pytest.raises(VariableInvalidError, match=reason):
        filled([variable], {variable.name: value})


def test_what_is_secret_or_unknown_is_not_recorded() -> None:
    given_values = {"name": "Ada", "token": "s3cret", "other": "x"}
    assert recorded(given_values, frozenset(("name",))) == {"name": "Ada", "token": REDACTED, "other": REDACTED}


@pytest.mark.parametrize(
    ("name", "values", "field"),
    [
        ("1a", {}, "variables.1a"),
        ("loop", {}, "variables.loop"),
        ("a", 5, "variables.a"),
        ("a", {"type": "text"}, "variables.a.type"),
        ("a", {"typ": "string"}, "variables.a.typ"),
        ("a", {"required": "yes"}, "variables.a.required"),
        ("a", {"max_length": 0}, "variables.a.max_length"),
        ("a", {"max_length": True}, "variables.a.max_length"),
        ("a", {"type": "integer", "default": "x"}, "variables.a.default"),
        ("a", {"example": 5}, "variables.a.example"),
    ],
)
def test_a_bad_declaration_is_told_with_its_place(name: str, values: object, field: str) -> None:
    problems: list[Problem] = []
    variable_from(name, values, f"variables.{name}", problems)
    assert [problem.field for problem in problems] == [field]


@given(
    st.builds(
        Variable,
        name=st.just("a"),
        type=st.sampled_from(TYPES),
        is_required=st.booleans(),
        max_length=st.none() | st.integers(1, 100),
        is_secret=st.booleans(),
        description=st.text(max_size=10),
    )
)
def test_a_declaration_survives_json(variable: Variable) -> None:
    problems: list[Problem] = []
    assert variable_from("a", variable_mapping(variable), "a", problems) == variable
    assert problems == []
