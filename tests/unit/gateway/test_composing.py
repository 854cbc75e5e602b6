"""A rendered prompt in a request: the template's messages first, and what the client says itself stays."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.composing import Composable, composable, compose
from proxy.gateway.guard import Refusal
from proxy.prompting.rendering import Extras, Rendered
from proxy.protocol.injection import apply
from proxy.protocol.requests import read

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
FLAT = {"type": "json_schema", "name": "a", "schema": {}}
SYSTEM = {"role": "system", "content": "Be brief."}


def rendered(messages: Any = (SYSTEM,), **changes: Any) -> Rendered:
    values = {
        "parameters": {"temperature": 0.2, "model": "gpt", "max_tokens": 9}, "tools": [TOOL],
        "response_format": FORMAT, **changes,
    }  # fmt: skip
    return Rendered(orjson.dumps(messages)[1:-1], Extras(**values), {})


def composed(operation: str, body: bytes, **changes: Any) -> bytes:
    request = composable(operation, body, json.loads(body))
    assert isinstance(request, Composable), request
    made, edits = compose(request, rendered(**changes), read(body)[0])
    assert apply(body, edits) == made.data
    assert made.values is None or orjson.loads(made.data) == orjson.loads(orjson.dumps(made.values))
    assert (made.length, made.facts) == (len(made.data), read(made.data)[0])
    return made.data


def made(operation: str, values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    compact, spelled = orjson.dumps(values), json.dumps(values, indent=1).encode()
    found: dict[str, Any] = json.loads(composed(operation, compact, **changes))
    assert json.loads(composed(operation, spelled, **changes)) == found
    return found


def test_a_chat_gets_messages_and_what_it_does_not_say() -> None:
    own = {"model": "prompt/short", "prompt": {"id": "short"}, "messages": [{"role": "user", "content": "Hi"}]}
    assert made("chat", own) == {
        "model": "gpt", "temperature": 0.2, "max_tokens": 9, "messages": [SYSTEM, {"role": "user", "content": "Hi"}],
        "tools": [TOOL], "response_format": FORMAT,
    }  # fmt: skip


@pytest.mark.parametrize("own", [{"model": "summarise", "messages": []}, {"x": 1, "model": "summarise"}])
def test_a_model_gets_the_name_of_its_route_where_the_body_is_written_anew(own: dict[str, Any]) -> None:
    body = orjson.dumps(own)
    request = composable("chat", body, own)
    assert isinstance(request, Composable)
    request.name = "gpt-x"
    found, edits = compose(request, rendered(), read(body)[0])
    assert apply(body, edits) == found.data
    assert (found.named, found.facts.model) == ("gpt-x", "summarise")
    assert orjson.dumps(found.values) == found.data
    assert json.loads(found.data)["model"] == "gpt-x"
    assert own["model"] == "summarise"


@pytest.mark.parametrize("body", [b'{"messages":[]}', b'{"model":"prompt/short"}', b'{ "model":"summarise"}'])
def test_it_gets_none_where_it_says_none_or_only_names_the_prompt_or_is_edited(body: bytes) -> None:
    request = composable("chat", body, json.loads(body))
    assert isinstance(request, Composable)
    request.name = "gpt-x"
    found, _ = compose(request, rendered(), read(body)[0])
    assert found.named is None
    assert json.loads(found.data)["model"] == ("summarise" if b"summarise" in body else "gpt")


def test_the_record_says_no_conversation_again_wherever_it_stands_in_a_compact_body() -> None:
    talk = [{"role": "user", "content": "what the client says", "x": {"messages": []}}]
    for own in ({"messages": talk, "model": "m", "seed": 1}, {"model": "m", "messages": talk}, {"messages": talk}):
        body = orjson.dumps(own)
        request = composable("chat", body, own)
        assert isinstance(request, Composable)
        found, edits = compose(request, rendered(), read(body)[0])
        assert json.loads(apply(body, edits)) == json.loads(found.data)
        assert json.loads(found.data)["messages"] == [SYSTEM, *talk]
        assert not any("what the client says" in text for _, _, text in edits)


def test_what_the_client_says_stays() -> None:
    own = {
        "model": "mine", "temperature": 1, "tools": [], "response_format": {"type": "text"}, "stream": True,
        "max_completion_tokens": 5, "messages": [],
    }  # fmt: skip
    found = made("chat", own)
    assert {name: found[name] for name in own if name != "messages"} == {
        name: value for name, value in own.items() if name != "messages"
    }
    assert "max_tokens" not in found


def test_a_responses_request_gets_them_in_its_own_words() -> None:
    messages = [
        {"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}},
        ]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
    ]  # fmt: skip
    found = made("responses", {"input": "Hi", "prompt": {"id": "short"}}, messages=messages)
    assert found["input"] == [
        {"role": "user", "content": [
            {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:x", "detail": "auto"},
        ]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"role": "user", "content": "Hi"},
    ]  # fmt: skip
    assert found["tools"] == [{"type": "function", "strict": False, "name": "look", "parameters": {}}]
    assert found["text"] == {"format": {"type": "json_schema", "name": "a", "schema": {}}}
    assert found["max_output_tokens"] == 9
    assert "messages" not in found
    assert "prompt" not in found


@pytest.mark.parametrize("said", ["Hi", [], None])
def test_a_prompt_without_messages_leaves_the_conversation_alone(said: Any) -> None:
    assert made("responses", {"input": said}, messages=[])["input"] == (said or [] if said is None else said)
    assert made("chat", {}, messages=[])["messages"] == []


@pytest.mark.parametrize(("parameters", "model"), [({"model": "gpt"}, "gpt"), ({"temperature": 1}, None), ({}, None)])
def test_a_model_that_only_names_the_prompt_is_the_prompt_s_or_goes(
    parameters: dict[str, Any], model: str | None
) -> None:
    for own in ({"model": "prompt/a"}, {"x": 1, "model": "prompt/a"}, {"model": "prompt/a", "prompt": {}, "x": 1}):
        found = made("chat", own, parameters=parameters, tools=[], response_format=None)
        assert found.get("model") == model
        assert found.get("x") == own.get("x")
        assert "prompt" not in found


@pytest.mark.parametrize(
    ("operation", "body", "param", "told"),
    [
        ("chat", b'{"messages":[],"messages":[]}', "messages", "twice"),
        ("chat", b'{"prompt":{},"x":1,"prompt":{}}', "prompt", "twice"),
        ("chat", b'{"model":"a","model":"b"}', "model", "twice"),
        ("responses", b'{"input":"a", "inp\\u0075t":"b"}', None, "escapes"),
        ("chat", b'{"mess\\u0061ges":[]}', None, "escapes"),
        ("chat", b'{"messages":"Hi"}', "messages", "a list of messages, not string"),
        ("responses", b'{"input":1.5}', "input", "a text or a list of items, not number"),
    ],
)
def test_what_nobody_knows_how_to_read_is_refused(operation: str, body: bytes, param: str | None, told: str) -> None:
    found = composable(operation, body, json.loads(body))
    assert isinstance(found, Refusal)
    assert (found.status, found.code, found.param) == (400, "prompt_body_invalid", param)
    assert told in found.message


ODD = [
    "1.10", "1e400", "-0.0", "123456789012345678901234567890", "1E+2", "NaN", r'"\u00e9\ud800 \/"', '"é"', "[ 1 ,2]",
    '{"a":1,"a":2}', "{ }", "null", '"prompt"', '{"messages":[1.0]}',
]  # fmt: skip
NAMES = ["temperature", "seed", "x", "metadata", "tools", "stop"]
BLANKS = st.sampled_from(["", "", "", " ", "\n\t"])
NOTHING: dict[str, Any] = {"parameters": {}, "tools": [], "response_format": None}
EVERYTHING = {
    "temperature": 0.2, "model": "gpt", "max_tokens": 9, "tools": [TOOL], "response_format": FORMAT
}  # fmt: skip


@st.composite
def members(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Return members as they are written, by name; some stand there twice, few are of a prompt's concern."""
    own = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(ODD)), max_size=5))
    own += draw(st.sampled_from([[], [("model", '"gpt-\\/4"')], [("model", '"prompt/short"')]]))
    own += draw(st.sampled_from([[], [("prompt", '{"id":"short" }')]]))
    said = ["[]", "[ ]", '[{"role":"user","n":1.10}]', "null", r'[1e400 ,"\ud800"]']
    own += draw(st.sampled_from([[], *([("messages", one)] for one in said)]))
    blank = [draw(BLANKS) for _ in range(4)]
    return [
        (name, f'{blank[0]}"{name}"{blank[1]}:{blank[2]}{value}{blank[3]}')
        for name, value in draw(st.permutations(own))
    ]


@given(members(), st.booleans())
def test_what_a_prompt_does_not_concern_leaves_byte_for_byte(written: list[tuple[str, str]], is_full: bool) -> None:
    body = "{" + ",".join(text for _, text in written) + "}"
    found = composed("chat", body.encode(), **({} if is_full else NOTHING)).decode()
    for name, text in written:
        if name == "messages":
            assert text.partition("[")[2] in found
        elif name != "prompt" and '"prompt/short"' not in text:
            assert text in found
    own = json.loads(body)
    own.pop("prompt", None)
    if own.get("model") == "prompt/short":
        del own["model"]
    expected = {**(EVERYTHING if is_full else {}), **own, "messages": [SYSTEM, *(own.get("messages") or [])]}
    # NaN equals nothing, itself neither.
    assert json.dumps(json.loads(found), sort_keys=True) == json.dumps(expected, sort_keys=True)


@pytest.mark.parametrize("said", [None, [{"role": "user", "content": "Hi"}]])
def test_input_may_be_a_list_or_nothing(said: Any) -> None:
    own = {} if said is None else {"input": said}
    assert made("responses", own)["input"] == [SYSTEM, *(said or [])]


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ({}, {"verbosity": "low", "format": FLAT}),
        ({"text": {"verbosity": "high"}}, {"verbosity": "high", "format": FLAT}),
        ({"text": {}}, {"format": FLAT}),
        ({"text": {"format": {"type": "text"}}}, {"format": {"type": "text"}}),
        ({"text": None}, None),
    ],
)
def test_a_format_joins_what_a_responses_request_says_of_its_text(own: dict[str, Any], text: Any) -> None:
    found = made("responses", own, parameters={"verbosity": "low", "reasoning_effort": "low"})
    assert found["text"] == text
    assert found["reasoning"] == {"effort": "low"}
    assert "verbosity" not in found
