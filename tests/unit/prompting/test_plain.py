"""Plain prompts: what is made of them without the engine is what the engine makes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.prompting.checking import read_version
from proxy.prompting.plain import plain_of
from proxy.prompting.problems import RenderingError
from proxy.prompting.rendering import CompiledPrompt
from proxy.prompting.variables import LARGEST_VALUE
from proxy.prompting.version import PromptVersion

PIECES = st.sampled_from(
    [
        "{{ a }}",
        "{{a}}",
        "{{  b}}",
        "{{ c }}",
        "{{ none }}",
        "{",
        "}",
        "{}",
        "{a}",
        "%",
        "%s",
        "%(a)s",
        "#",
        "\r\n",
        "\n",
        " ",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
TEXTS = st.lists(PIECES, max_size=6).map("".join)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(["{{ b }}", "{a}", 7, None])
GIVEN = st.dictionaries(st.sampled_from("abcd"), VALUES)


def version_of(*texts: str, **variables: Any) -> tuple[PromptVersion, bool]:
    declared = {"a": "string", "b": {"default": "B"}, "c": {"required": False}, **variables}
    values = {"messages": [{"role": "user", "content": text, "name": "n"} for text in texts], "variables": declared}
    version, problems = read_version(values)
    return version, not problems


@given(st.lists(TEXTS, min_size=1, max_size=3), GIVEN)
def test_it_is_what_the_engine_makes_of_it(texts: list[str], values: dict[str, Any]) -> None:
    version, is_sound = version_of(*texts)
    if not is_sound:
        return
    prompt = CompiledPrompt(version, "plain@1")
    made = prompt.fill(values)
    if made is not None:
        assert made.messages == prompt.render(values).messages
        assert (made.variables, made.unused) == (values, ())


def test_texts_in_texts_need_no_engine() -> None:
    version, _ = version_of("{Be} {{ a }}, {{b}}{{ c }}.", "{{{ a }}}")
    made = CompiledPrompt(version, "plain@1").fill({"a": "{{ b }}"})
    assert made is not None
    assert [message["content"] for message in made.messages] == ["{Be} {{ b }}, B.", "{{{ b }}}"]
    assert made.messages[0] == {"role": "user", "name": "n", "content": "{Be} {{ b }}, B."}


@pytest.mark.parametrize("text", ["{% if a %}x{% endif %}", "{{ a|upper }}", "{# no #}", "{{ a.b }}", "{{ true }}"])
def test_what_says_more_is_left_to_the_engine(text: str) -> None:
    version, _ = version_of(text)
    assert plain_of(version) is None


@pytest.mark.parametrize("declared", [{"secret": True}, {"type": "number"}, {"max_length": 5}])
def test_so_is_what_must_be_looked_at(declared: dict[str, Any]) -> None:
    version, is_sound = version_of("{{ d }}", d=declared)
    assert is_sound
    assert plain_of(version) is None


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": "x", "z": "y"}, {"a": "x", "b": None}])
def test_so_are_values_that_something_is_to_be_said_of(values: dict[str, Any]) -> None:
    version, _ = version_of("{{ a }}")
    assert CompiledPrompt(version, "plain@1").fill(values) is None


@pytest.mark.parametrize("texts", [("{{ a }}{{ a }}",), ("{{ a }}", "{{ a }}"), ("{{ a }}" * 900,)])
def test_what_is_too_long_is_refused_as_ever_before_it_is_made(texts: tuple[str, ...]) -> None:
    version, _ = version_of(*texts)
    prompt, values = CompiledPrompt(version, "plain@1"), {"a": "x" * (LARGEST_VALUE // 2 + 1)}
    tracemalloc.start()
    assert prompt.fill(values) is None
    assert tracemalloc.get_traced_memory()[1] < LARGEST_VALUE
    tracemalloc.stop()
    with pytest.raises(RenderingError, match="longer than"):
        prompt.render(values)


def test_so_is_what_is_too_long_with_no_value_given() -> None:
    messages = [{"role": "user", "content": "{{ a }}" * 6}] * 2
    variables = {"a": {"default": "x" * (LARGEST_VALUE // 10)}}
    version, problems = read_version({"messages": messages, "variables": variables})
    assert problems == []
    prompt = CompiledPrompt(version, "plain@1")
    assert prompt.fill({}) is None
    with pytest.raises(RenderingError, match="longer than"):
        prompt.render({})
