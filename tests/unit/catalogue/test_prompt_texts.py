"""Prompts from files that people have: each kind is what its name says, and what is wrong says where."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.prompt_texts import read_content_text, read_prompt_texts
from proxy.errors import InvalidError

HI = {"role": "system", "content": "Hi"}
MARKDOWN = b"""---
goal: To be brief.
labels: [production]
metadata: {team: eu}
parameters: {temperature: 0.2}
---
# Brief

Say {{ text }} in {{ tone }} words.
"""


def mistakes(data: bytes, suffix: str) -> list[str]:
    with pytest.raises(InvalidError) as caught:
        read_prompt_texts(data, suffix, "short")
    return [str(problem) for problem in caught.value.problems]


def test_a_text_is_one_system_message_and_its_variables_are_texts() -> None:
    (found,) = read_prompt_texts("\ufeffSay {{ text }}.\r\n".encode(), ".TXT", "short")
    content = {"messages": [{"role": "system", "content": "Say {{ text }}."}], "variables": {"text": "string"}}
    assert found == {"name": "short", "content": content}
    assert read_content_text(b"Say {{ text }}.", ".txt") == (content, [])
    assert read_content_text(b"One.\r\nTwo.", ".txt") == read_content_text(b"One.\nTwo.", ".txt")


def test_the_variables_of_a_loop_are_to_be_declared() -> None:
    assert "declare" in mistakes(b"{% for item in items %}{{ item }}{% endfor %}", ".txt")[0]


def test_markdown_says_the_rest_in_its_front_matter() -> None:
    (found,) = read_prompt_texts(MARKDOWN, ".md", "short")
    content = found.pop("content")
    assert read_content_text(MARKDOWN, ".md") == (content, ["goal", "labels", "metadata"])
    assert found == {"name": "short", "goal": "To be brief.", "labels": ["production"], "metadata": {"team": "eu"}}
    assert content["messages"][0]["content"].startswith("# Brief\n\nSay")
    assert content["parameters"] == {"temperature": 0.2}
    assert sorted(content["variables"]) == ["text", "tone"]
    assert read_prompt_texts(b"# Brief\n---\nx", ".md", "short")[0]["content"]["messages"][0]["content"][0] == "#"
    assert read_prompt_texts(b"---\n---\nx", ".md", "short")[0]["content"]["messages"][0]["content"] == "x"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([HI, {"role": "user", "content": "x"}], ["short"]),
        ({"messages": [HI]}, ["short"]),
        ({"content": {"messages": [HI]}, "goal": "g"}, ["short"]),
        ({"name": "own", "messages": [HI], "goal": "g"}, ["own"]),
        ([{"name": "a", "messages": [HI]}, {"name": "b", "content": {"messages": [HI]}}], ["a", "b"]),
        ({"format": "dashcam-bundle/1", "routes": [1], "prompts": [{"name": "a", "versions": []}]}, ["a"]),
    ],
)
def test_json_and_yaml_hold_a_conversation_a_prompt_or_several(values: object, names: list[str]) -> None:
    found = read_prompt_texts(json.dumps(values).encode(), ".json", "short")
    assert [item["name"] for item in found] == names


def test_a_list_may_say_texts_and_what_they_use_is_declared() -> None:
    listed = [
        {"name": name, member: "Say {{ x }}."}
        for name, member in zip("abc", ("prompt", "text", "content"), strict=True)
    ]
    found = read_prompt_texts(json.dumps(listed).encode(), ".json", "short")
    content = {"messages": [{"role": "system", "content": "Say {{ x }}."}], "variables": {"x": "string"}}
    assert found == [{"name": name, "content": content} for name in "abc"]
    own = [{"name": "a", "text": "{{ x }}", "goal": "g", "variables": {"x": "integer"}, "parameters": {"seed": 1}}]
    (typed,) = read_prompt_texts(json.dumps(own).encode(), ".json", "short")
    assert (typed["goal"], typed["content"]["variables"]) == ("g", {"x": "integer"})
    assert typed["content"]["parameters"] == {"seed": 1}


def test_a_conversation_declares_what_its_messages_use() -> None:
    messages = [{"role": "system", "content": "{{ b }}"}, {"role": "user", "content": "{{ a }}"}]
    (found,) = read_prompt_texts(json.dumps(messages).encode(), ".json", "short")
    assert found["content"]["variables"] == {"a": "string", "b": "string"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Note: be {{ tone }}", "Note: be {{ tone }}"),
        (b"{{ greeting }}: you", "{{ greeting }}: you"),
        (b"[INST] x", "[INST] x"),
        (b"# a comment\nmessages:\n- {role: system, content: Hi}", "Hi"),
        (b'[{"role": "system", "content": "Hi"}]', "Hi"),
        (b'{"messages": [{"role": "system", "content": "Hi"}]}', "Hi"),
        (b"---\nparameters: {seed: 1}\n---\nHi", "Hi"),
    ],
)
def test_what_has_no_name_shows_what_it_is(data: bytes, message: str) -> None:
    assert read_content_text(data, "")[0]["messages"][0]["content"] == message


@pytest.mark.parametrize(
    ("data", "suffix", "told"),
    [
        (b"gr\xfc\xdfe", ".txt", "is no UTF-8 text: invalid start byte at byte 2"),
        (b" \n", ".txt", "holds no text"),
        (b"---\ngoal: [\n---\nx", ".md", "(line "),
        (b"---\ngoal: a\ngoal: b\n---\nx", ".md", "says 'goal' twice (line 3)"),
        (b"---\n- x\n---\nx", ".md", "no object"),
        (b"---\nmessages: []\n---\nx", ".md", "messages: are not said"),
        (b"---\ncolour: red\n---\nx", ".md", "colour: is not a field"),
        (b"---\nparameters: {temperature: 9}\n---\nx", ".md", "content.parameters.temperature: is 9"),
        (b"---\nlabels: production\n---\nx", ".md", "labels: must be a list of labels"),
        (b"[]", ".json", "holds no prompt"),
        (b"[1]", ".json", "0: is no prompt"),
        (b'["Say it", "Say that"]', ".json", "0: is no prompt: each of a list has a name, and messages or a text"),
        (b'[{"name": "a", "text": "x", "prompt": "y"}]', ".json", "content.messages: must be"),
        (b'[{"name": "a", "text": " "}]', ".json", "0.text: holds no text"),
        (b'[{"messages": []}, {"name": "b"}]', ".json", "0.name: is missing"),
        (b'[{"name": "a", "messages": []}, {"name": "b", "content": 1}]', ".json", "a.content.messages: must be"),
        (b"x: &a [1]\ny: [*a]", ".yaml", "y.0: refers to something else (*a)"),
        (b"#" * 9_000_000, ".yaml", "is larger than 8 MB"),
        (b"#" * 9_000_000, ".txt", "is larger than 8 MB"),
    ],
)
def test_what_is_wrong_says_where(data: bytes, suffix: str, told: str) -> None:
    assert told in mistakes(data, suffix)[0]


def test_a_name_that_no_prompt_can_have_is_told() -> None:
    with pytest.raises(InvalidError, match="name: 'Short Text' is no prompt name"):
        read_prompt_texts(b"x", ".txt", "Short Text")


def test_several_prompts_are_no_content() -> None:
    with pytest.raises(InvalidError, match="holds 2 prompts; dashcam prompts import"):
        read_content_text(b'[{"name": "a"}, {"name": "b"}]', ".json")


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from([".txt", ".md", ".json", ""]))
def test_whatever_it_is_it_is_read_or_refused(data: bytes, suffix: str) -> None:
    with contextlib.suppress(InvalidError):
        assert read_prompt_texts(data, suffix, "short")
