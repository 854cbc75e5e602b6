"""What a stream says in pieces, whatever its dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.redaction.flows import Flows
from proxy.redaction.strings import strings_of


def joined(*events: Any) -> list[str]:
    flows = Flows()
    for event in events:
        document = event if isinstance(event, bytes) else json.dumps(event).encode()
        flows.add(json.loads(document), list(strings_of(document)))
    return sorted(flow.text().decode() for flow in flows.joined())


def chat(index: int, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([chat(0, content="a"), chat(1, content="x"), chat(0, content="b"), chat(1, content="y")], ["ab", "xy"]),
        (
            [
                chat(0, tool_calls=[{"index": 0, "function": {"arguments": "1"}}]),
                chat(0, tool_calls=[{"index": 1, "function": {"arguments": "3"}}]),
                chat(0, tool_calls=[{"index": 0, "function": {"arguments": "2"}}]),
                chat(0, tool_calls=[{"index": 1, "function": {"arguments": "4"}}]),
            ],
            ["12", "34"],
        ),
        ([{"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": x} for x in "ab"], ["ab"]),
        ([{"type": "text", "index": 0, "delta": {"type": "text_delta", "text": x}} for x in "ab"], ["ab"]),
        ([{"model": "m", "message": {"role": "assistant", "content": x}} for x in "ab"], ["ab"]),
        ([{"delta": {"index": 0, "content": "a"}}, {"delta": {"content": "b", "index": 0}}], ["ab"]),
        (["a", "b"], ["ab"]),
        ([{"content": "alone"}], []),
    ],
)  # fmt: skip
def test_texts_that_go_on_are_joined(events: list[Any], expected: list[str]) -> None:
    assert joined(*events) == expected


def test_where_a_member_is_said_twice_all_that_is_said_is_joined() -> None:
    assert joined(b'{"x":"a","x":"b"}', b'{"x":"c","x":"d"}') == ["xaxbxcxd"]


def test_a_part_of_a_flow_is_found_in_the_strings_it_goes_through() -> None:
    flows = Flows()
    for text in ("ab", "", "cd", "ef"):
        document = json.dumps({"t": text}).encode()
        flows.add(json.loads(document), list(strings_of(document)))
    (flow,) = flows.joined()
    assert [(token.text, start, end) for token, start, end in flow.parts_between(1, 5)] == [
        (b"ab", 1, 2),
        (b"cd", 0, 2),
        (b"ef", 0, 1),
    ]


def test_what_is_too_deep_is_joined_as_it_comes() -> None:
    deep = b"[" * 500 + b'"a"' + b"]" * 500
    assert joined(deep, deep.replace(b"a", b"b")) == ["ab"]
