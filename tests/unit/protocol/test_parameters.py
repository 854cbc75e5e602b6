"""Parameters get into a request by the smallest edit, and what is forced is what every reader of it finds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.injection import apply
from proxy.protocol.parameters import LENGTH, Setting, fitting, names_of, parameter_edits
from proxy.protocol.scanning import scan

NAMES = st.sampled_from(["temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"])
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
SETTINGS = st.lists(
    st.builds(Setting, name=NAMES, text=VALUES.map(json.dumps), is_forced=st.booleans()),
    unique_by=lambda item: "length" if item.name in LENGTH else item.name,
    max_size=4,
)
BODIES = st.dictionaries(NAMES | st.sampled_from(["model", "messages", "x"]), VALUES, max_size=6)


def given_to(body: bytes, *settings: Setting) -> bytes | None:
    edits = parameter_edits(scan(body, names_of(settings)), settings)
    return None if edits is None else apply(body, edits)


def made_with(body: dict[str, Any], settings: list[Setting]) -> dict[str, Any]:
    """Return what a request would say that is made with these parameters, and not edited."""
    wanted = dict(body)
    for setting in settings:
        names = LENGTH if setting.name in LENGTH else (setting.name,)
        said = [name for name in names if name in body]
        for name in (said or [setting.name]) if setting.is_forced or not said else ():
            wanted[name] = json.loads(setting.text)
    return wanted


@given(BODIES, SETTINGS, st.sampled_from([None, 1, "\t"]))
def test_the_sent_request_says_what_a_made_one_would(
    body: dict[str, Any], settings: list[Setting], indent: Any
) -> None:
    sent = given_to(json.dumps(body, indent=indent).encode(), *settings)
    assert sent is not None
    assert json.loads(sent) == made_with(body, settings)
    for setting in settings:
        names = LENGTH if setting.name in LENGTH else (setting.name,)
        said = [name for name in names if name in body]
        found = {json.dumps(json.loads(sent)[name]) for name in (said or [setting.name])}
        if setting.is_forced or not said:
            assert found == {json.dumps(json.loads(setting.text))}
        else:
            assert found == {json.dumps(body[name]) for name in said}


def test_every_other_byte_stays() -> None:
    body = b'{ "a":1.0,\n "temperature" : 0.70 , "b":"\\u00e9 \\/" }'
    forced, default = Setting("temperature", "0.2", is_forced=True), Setting("seed", "7")
    assert given_to(body, forced, default) == b'{"seed":7, "a":1.0,\n "temperature" : 0.2 , "b":"\\u00e9 \\/" }'
    assert given_to(b" { } ", default) == b' {"seed":7 } '


def test_what_is_forced_replaces_every_mention_and_none_below_the_top() -> None:
    body = b'{"temperature":1,"x":{"temperature":3},"temperature":2}'
    sent = given_to(body, Setting("temperature", "0", is_forced=True))
    assert sent == b'{"temperature":0,"x":{"temperature":3},"temperature":0}'


@pytest.mark.parametrize("body", [b'{"\\u0074emperature":1}', b"[]", b"no json", b"", b'{"a":1'])
def test_what_could_hide_a_mention_can_be_given_nothing_by_force(body: bytes) -> None:
    assert given_to(body, Setting("temperature", "0", is_forced=True)) is None
    sent = given_to(body, Setting("temperature", "0"))
    assert sent == (b'{"temperature":0,' + body[1:] if body.startswith(b'{"\\') else body)


@pytest.mark.parametrize(
    ("operation", "kind", "name"),
    [
        ("chat", "openai", "max_completion_tokens"),
        ("chat", "groq", "max_tokens"),
        ("completions", "openai", "max_tokens"),
        ("responses", "openai", "max_output_tokens"),
        ("messages", "anthropic", "max_tokens"),
    ],
)
def test_the_bound_of_an_answer_has_the_name_that_its_endpoint_knows(operation: str, kind: str, name: str) -> None:
    settings = (Setting("max_tokens", "5"), Setting("max_output_tokens", "9"), Setting("seed", "1"))
    assert fitting(settings, operation, kind) == (Setting(name, "5"), Setting("seed", "1"))


def test_what_an_endpoint_cannot_take_is_not_given_to_it() -> None:
    settings = (Setting("max_tokens", "5"), Setting("dimensions", "8"))
    assert fitting(settings, "embeddings", "openai") == (Setting("dimensions", "8"),)
    for operation in ("files", "ollama_chat", "models", "other"):
        assert fitting(settings, operation, "openai") == ()
