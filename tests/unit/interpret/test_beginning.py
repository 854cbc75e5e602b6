"""What is told of a call as it begins is what its row says at the end, where nothing came between."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.domain.recording import CallEnd, CallStart, PromptFact, RecordedCall
from proxy.interpret.beginning import beginning_of
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from tests.support.spooling import a_start, question

IDENTITY = bytes.fromhex("0199aaaa00007000800000000000000a")
STARTS = [
    a_start(),
    a_start(
        route="fast", sent_model="gpt-5", key_id="key_1", is_stream=True, request_bytes=7,
        prompt=PromptFact(name="short", version=3, label="production"),
        request_headers=(("x-dashcam-user", "kim"), ("x-dashcam-tags", "eu,beta"), ("x-dashcam-session", "s\0")),
    ),
    a_start(model=None, provider="", target="/openai/deployments/mine/chat/completions?api-version=1"),
]  # fmt: skip
BODIES = [
    question(user="lee", metadata={"team": "red"}, temperature=0.5, max_tokens=9, tools=[{"function": {"name": "f"}}]),
    b"",
    b"no json",
    orjson.dumps(["a list"]),
]


def row_of(start: CallStart, body: bytes) -> Interaction:
    end = CallEnd(outcome=Outcome.COMPLETED, ended_ns=1)
    call = RecordedCall(id=IDENTITY, start=start, request=body, head=None, pieces=(), end=end)
    return interpret(call, cost_of).interaction


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("body", BODIES)
def test_it_says_what_the_row_will_say(start: CallStart, body: bytes) -> None:
    told, row = beginning_of(IDENTITY, start, body), row_of(start, body)

    def plain(value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value

    assert told == {name: plain(getattr(row, name)) for name in told}


def test_no_text_of_the_request_is_in_it() -> None:
    assert "Say hi" not in str(beginning_of(IDENTITY, a_start(), question("Say hi")))
