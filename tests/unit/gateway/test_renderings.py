"""A rendering is used again for the same values, never for others, and never kept where it must not be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.renderings import Renderings
from proxy.prompting.checking import read_version
from proxy.prompting.problems import VariableMissingError
from proxy.prompting.rendering import CompiledPrompt

VALUES = st.fixed_dictionaries({"name": st.sampled_from(["a", "b", "1"]) | st.text("ab", max_size=3)})


def prompt(text: str = "Hi {{ name }}", **variable: Any) -> CompiledPrompt:
    content = {"messages": [{"role": "user", "content": text}], "variables": {"name": {"type": "string", **variable}}}
    version, problems = read_version(content)
    assert problems == []
    return CompiledPrompt(version, "short@1")


@given(st.lists(VALUES, max_size=400))
def test_whatever_came_before_the_values_decide(values: list[dict[str, Any]]) -> None:
    kept, made = Renderings(), prompt()
    for one in values:
        assert kept.render(made, one) == made.render(one)


def test_the_same_values_give_the_same_rendering_until_it_is_forgotten() -> None:
    kept, made = Renderings(), prompt()
    first = kept.render(made, {"name": "Ada"})
    assert kept.render(made, {"name": "Ada"}) is first
    kept.clear()
    assert kept.render(made, {"name": "Ada"}) is not first


@pytest.mark.parametrize(
    ("text", "variable", "value"),
    [("{{ name }}", {"secret": True}, "s3cret"), ("{{ name }}", {}, "x" * 2000), ("x" * 40_000, {}, "a")],
)
def test_what_is_secret_or_long_is_not_kept(text: str, variable: dict[str, Any], value: str) -> None:
    kept, made = Renderings(), prompt(text, **variable)
    assert kept.render(made, {"name": value}) is not kept.render(made, {"name": value})


def test_there_is_an_end_to_what_is_kept() -> None:
    kept, made = Renderings(), prompt()
    for number in range(1000):
        kept.render(made, {"name": str(number)})
    assert repr(kept) in {f"<Renderings kept={count}>" for count in range(257)}


def test_what_cannot_be_rendered_cannot_be_the_second_time_either() -> None:
    kept, made = Renderings(), prompt()
    for _ in range(2):
        with pytest.raises(VariableMissingError, match="short@1"):
            kept.render(made, {})
