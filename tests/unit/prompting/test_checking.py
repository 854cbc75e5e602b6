"""A version is read with all its mistakes at once, each with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.prompting.checking import cycle_of, includes_of, read_version
from proxy.prompting.version import ENGINE, canonical, texts_of

GOOD: dict[str, Any] = {
    "engine": ENGINE,
    "messages": [
        {"role": "system", "content": "You are {{ tone }}. {% include 'style@production' %}"},
        {"placeholder": "history"},
        {"role": "user", "content": [{"type": "text", "text": "{{ question }}"}], "name": "ada"},
    ],
    "parameters": {"temperature": 0.2},
    "tools": [{"type": "function", "function": {"name": "look"}}],
    "response_format": {"type": "json_object"},
    "variables": {
        "tone": {"type": "string", "default": "kind"},
        "history": {"type": "messages", "required": False},
        "question": {"type": "string", "max_length": 50},
    },
}


def problems(**changes: Any) -> list[str]:
    _, found = read_version({**GOOD, **changes})
    return [str(problem) for problem in found]


def test_a_good_version_survives_json_and_has_one_hash() -> None:
    version, found = read_version(GOOD)
    assert found == []
    again, _ = read_version(version.to_mapping())
    assert again == version
    reordered, _ = read_version(dict(reversed(GOOD.items())))
    assert reordered.sha256 == version.sha256


def test_a_change_of_one_letter_is_another_version() -> None:
    version, _ = read_version(GOOD)
    other, _ = read_version({**GOOD, "parameters": {"temperature": 0.3}})
    assert other.sha256 != version.sha256


def test_templates_are_found_at_their_places() -> None:
    version, _ = read_version(GOOD)
    assert list(texts_of(version)) == ["messages[0].content", "messages[2].content[0].text"]
    assert includes_of(version) == ["style@production"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"messages": []}, "messages: must be a list of at least one message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role: must be one of"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content: must be a text or a list"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0].content[0]: must be"),
        ({"messages": [{"role": "user", "content": "x", "id": 1}]}, "messages[0].id: is not known"),
        ({"messages": [{"placeholder": "x", "role": "user"}]}, "messages[0]: a placeholder is the name"),
        ({"messages": [{"placeholder": "tone"}]}, "messages[0].placeholder: 'tone' is no variable of type messages"),
        ({"messages": [{"role": "user", "content": "{{ who }}"}]}, "uses 'who', which is not declared"),
        ({"messages": [{"role": "user", "content": "{{ history }}"}]}, "only a placeholder can"),
        ({"messages": [{"role": "user", "content": "\n{{ tone ~ tone }}"}]}, "line 2: ~ joins values"),
        ({"messages": [{"role": "user", "content": "{% if tone %}"}]}, "line 1: syntax error"),
        ({"parameters": {"temperature": 5}}, "parameters.temperature: is 5"),
        ({"parameters": []}, "parameters: must be an object, not list"),
        ({"tools": [{"name": "look"}]}, "tools[0]: must be an object such as"),
        ({"response_format": {"type": "xml"}}, "response_format.type: must be"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema: must be"),
        ({"variables": ["tone"]}, "variables: must be an object"),
        ({"engine": "jinja2"}, "engine: is 'jinja2'"),
        ({"model": "gpt-4o"}, "model: is not known; there are engine"),
        ({"tools": [{"type": "function", "a": 2**70}]}, "JSON has none for"),
        ({"tools": [{"type": "function", "a": "x" * 600_000}]}, "at most 524,288 are allowed"),
    ],
)
def test_a_mistake_has_its_place_and_reason(changes: dict[str, Any], told: str) -> None:
    assert any(told in problem for problem in problems(**changes)), problems(**changes)


def test_all_mistakes_are_told_at_once() -> None:
    told = problems(engine="x", parameters={"top_p": 2}, messages=[{"role": "x", "content": 1}])
    assert len(told) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, JSON)))
def test_anything_is_read_or_told(values: object) -> None:
    version, found = read_version(values)
    assert found or canonical(version.to_mapping())


def test_a_circle_of_includes_is_told_with_its_members() -> None:
    graph = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": [], "e": ["f"], "f": ["e"], "g": ["g"], "h": ["e"]}
    assert cycle_of("a", graph.__getitem__) is None
    assert cycle_of("e", graph.__getitem__) == ["e", "f", "e"]
    assert cycle_of("g", graph.__getitem__) == ["g", "g"]
    assert cycle_of("h", graph.__getitem__) == ["e", "f", "e"]
