"""Rendering: values are texts and nothing else, what is unknown is an error, and nothing grows without end."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.prompting.grammar import read
from proxy.prompting.problems import RenderingError
from proxy.prompting.template import LARGEST_OUTPUT, Load, Templates, no_partials, syntax_fault, variables_in


def rendered(text: str, load: Load = no_partials, **values: Any) -> str:
    assert read(text).faults == []
    made = Templates({"text": text}, load)
    made.begin()
    return made.render("text", values)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("Hello {{ name }}!\n", {"name": "Ada"}, "Hello Ada!\n"),
        ("  {{ name }}  ", {"name": "<b>&"}, "  <b>&  "),
        ("{{ name }}", {"name": "{{ name }}{% set x %}"}, "{{ name }}{% set x %}"),
        ("{{ a }}{{ b }}{{ c }}{{ d }}", {"a": True, "b": None, "c": 1.5, "d": 7}, "true1.57"),
        ("{{ names|join(', ') }}", {"names": ["a", 1, None]}, "a, 1, null"),
        ("{{ name|join('-') }}{{ nobody|join }}", {"name": "Ada", "nobody": []}, "A-d-a"),
        ("{{ thing|tojson }}", {"thing": {"a": "ü<"}}, '{"a":"ü<"}'),
        ("{% for key, value in pairs|items %}{{ key }}={{ value }};{% endfor %}", {"pairs": {"a": 1}}, "a=1;"),
        ("{% if a is defined and a %}yes{% else %}no{% endif %}", {"a": ""}, "no"),
    ],
)
def test_values_become_text(text: str, values: dict[str, Any], expected: str) -> None:
    assert rendered(text, **values) == expected


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("a\n{{ missing }}", {}, "line 2: a value that is used there is not given"),
        ("{{ a.b }}", {"a": {}}, "no such member"),
        ("{{ a.real }}", {"a": "x"}, "no such member"),
        ("{{ a }}", {"a": [1]}, "say how, with |join"),
        ("{{ a / 0 }}", {"a": 1}, "unable to calculate"),
        ("{% include 'other' %}", {}, "non-existing template 'other'"),
        ("{{ a|tojson|tojson|tojson|tojson|tojson|tojson|tojson }}", {"a": '"' * 100_000}, "longer than 1,048,576"),
        ("{{ a|join(b) }}", {"a": [1] * 9000, "b": "x" * 500_000}, "longer than 1,048,576"),
        ("{% for a in b %}{% for c in b %}x{% endfor %}{% endfor %}", {"b": [1] * 9000}, "too much"),
        ("{% for a in b %}" + "x" * 60_000 + "{% endfor %}", {"b": [1] * 9000}, "too much"),
        ("{{ a }}" * 3, {"a": "x" * (LARGEST_OUTPUT // 2)}, "longer than 1,048,576"),
        ("{{ a|join('-') }}", {"a": "x" * (LARGEST_OUTPUT // 2 + 1)}, "longer than 1,048,576"),
        ("{{ a|tojson }}", {"a": 2**70}, "cannot be written as JSON"),
        ("{{ a|join }}", {"a": 5}, "join takes a list"),
        ("{{ none|join }}", {}, "join takes a list"),
        ("{{ a|join(5) }}", {"a": ["x"]}, "join takes a list"),
        ("{{ a|join('x', 'y') }}", {"a": ["x"]}, "join takes a list"),
        ("{{ a|tojson(2) }}", {"a": ["x"]}, "tojson takes nothing"),
    ],
)
def test_what_cannot_be_rendered_says_why(text: str, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(RenderingError) as caught:
        rendered(text, **values)
    assert reason in caught.value.message


def test_what_is_included_sees_the_values_and_is_bound_alike() -> None:
    assert rendered("{% include 'tone@1' %}.", {"tone@1": "Be {{ tone }}"}.get, tone="kind") == "Be kind."
    with pytest.raises(RenderingError, match="side by side"):
        rendered("{% include 'bad' %}", {"bad": "{{ a ~ a }}"}.get)
    with pytest.raises(RenderingError, match="what it includes goes in a circle"):
        rendered("{% include 'own' %}", {"own": "{% include 'own' %}"}.get)
    with pytest.raises(RenderingError, match="in tone, line 2: a value that is used there is not given"):
        rendered("{% include 'tone' %}", {"tone": "\n{{ missing }}"}.get)
    with pytest.raises(RenderingError, match=r"in many, line 1: .*too much"):
        rendered(
            "{% include 'many' %}",
            {"many": "{% for a in b %}{% for c in b %}x{% endfor %}{% endfor %}"}.get,
            b=[1] * 9000,
        )


def test_output_is_counted_anew_for_each_rendering() -> None:
    made = Templates({"text": "{{ a }}"})
    for _ in range(3):
        made.begin()
        assert made.render("text", {"a": "x" * 900_000}) == "x" * 900_000


def test_what_would_be_too_long_is_refused_before_it_is_made() -> None:
    text, value = "{{ a }}" * 900, "x" * LARGEST_OUTPUT
    assert read(text).faults == []
    for made in (Templates({"text": text}), Templates({"text": text + "{% if a %}{% endif %}"})):
        made.begin()
        tracemalloc.start()
        with pytest.raises(RenderingError, match="longer than 1,048,576"):
            made.render("text", {"a": value})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * LARGEST_OUTPUT


def test_variables_are_told_without_those_of_loops() -> None:
    assert variables_in("{{ a.b }}{% for c in d %}{{ c }}{{ loop.index }}{% endfor %}") == {"a", "d"}


def test_what_the_engine_does_not_take_is_told_with_its_line() -> None:
    assert syntax_fault("fine {{ a }}") is None
    assert "line 2" in (syntax_fault("x\n{% if a %}") or "")


@given(st.text(max_size=200))
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert rendered("<{{ a }}>", a=value) == f"<{value}>"


def test_texts_are_counted_together() -> None:
    made = Templates({"a": "{{ x }}", "b": "{{ x }}!"})
    made.begin()
    half = {"x": "y" * (LARGEST_OUTPUT // 2 + 1)}
    made.render("a", half)
    with pytest.raises(RenderingError, match="longer than"):
        made.render("b", half)
