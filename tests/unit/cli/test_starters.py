"""Every prompt to begin with is sound, says what it is for, and renders with the examples of its variables."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from proxy.cli.starters import load_starter, load_starters, starter_names
from proxy.errors import NotFoundError
from proxy.prompting.checking import read_version
from proxy.prompting.rendering import CompiledPrompt
from tests.unit.cli.conftest import Command


@pytest.mark.parametrize("kind", [None, "openai", "anthropic", "mistral"])
@pytest.mark.parametrize("starter", load_starters(), ids=starter_names())
def test_it_is_sound_and_renders_with_its_examples(starter: dict[str, Any], kind: str | None) -> None:
    version, problems = read_version(starter["content"], kind)
    assert problems == []
    assert {bool(starter[name]) for name in ("name", "goal", "category")} == {True}
    examples = {item.name: item.example for item in version.variables if item.example is not None}
    assert [item.name for item in version.variables if item.example is None and item.default is None] == []
    compiled = CompiledPrompt(version, starter["name"])
    for values in (examples, {item.name: examples[item.name] for item in version.variables if item.is_required}):
        rendered = compiled.render(values)
        text = json.dumps(rendered.messages, ensure_ascii=False)
        assert not re.search(r"\{[{%#]", text)
        assert rendered.unused == ()
    assert all(
        str(examples[name])[:20] in text for name in examples if isinstance(examples[name], str) and name in values
    )


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(NotFoundError, match="no starter"):
        load_starter("../dashcam")


def test_it_is_listed_shown_and_made_ones_own(dashcam: Command) -> None:
    assert [line.split("\t")[0] for line in dashcam("prompts", "starters").lines[1:]] == starter_names()
    shown = dashcam("prompts", "starters", "translate")
    assert ("target:" in shown.out, "--create" in shown.err) == (True, True)
    assert "there is no prompt" in dashcam("prompts", "show", "translate").err
    assert dashcam("prompts", "starters", "translate", "mine").code == 2
    assert "mine@1 saved" in dashcam("prompts", "starters", "translate", "--create", "mine").out
    assert json.loads(dashcam("prompts", "list", "--json").out)[0]["category"] == "text"
    rendered = dashcam("prompts", "render", "mine", "target=German", "text=Hello")
    assert "into German." in rendered.out
    assert "already" in dashcam("prompts", "starters", "translate", "--create", "mine").err
