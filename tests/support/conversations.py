"""Conversations in the shapes that fill a record: a chat, an agent with tools, retrieval with long context, images.

Each turn is the request and the answer as they go over the wire; what was said before is sent again, as clients do. The
text is Python's own source and documentation, which compresses as what people and programs write. The same seed gives
the same bytes.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import inspect
import random
import ssl
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace

import orjson

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from tests.support.recorded import JSON, SSE, chat_chunks, recorded
from tests.support.spooling import reply

Turn = tuple[bytes, bytes]
"""The bytes of a request and of its answer."""
AGENT_TURNS = 50
MODEL = "gpt-4o-mini"
_MINT = IdentityMint()
_TEXT = "".join(inspect.getsource(module) for module in (argparse, datetime, inspect, ssl, subprocess, zipfile))
_SCHEMA = {"type": "object", "properties": {"path": {"type": "string", "description": "Where."}}, "required": ["path"]}


def chat(chance: random.Random, turns: int = 8) -> Iterator[Turn]:
    """Yield a person's conversation with a streamed answer a turn."""
    messages: list[object] = [{"role": "system", "content": text(chance, 800)}]
    for _ in range(turns):
        messages.append({"role": "user", "content": text(chance, chance.randrange(20, 600))})
        said = text(chance, chance.randrange(100, 1500))
        yield _request(messages, stream=True), chat_chunks(*({"content": part} for part in _tokens(said)))
        messages.append({"role": "assistant", "content": said})


def agent(chance: random.Random, turns: int = AGENT_TURNS) -> Iterator[Turn]:
    """Yield an agent's work with twelve tools: one tool call with its result more at each turn."""
    functions = [
        {"name": f"tool_{number}", "description": text(chance, 400), "parameters": _SCHEMA} for number in range(12)
    ]
    tools = [{"type": "function", "function": function} for function in functions]
    messages: list[object] = [
        {"role": "system", "content": text(chance, 4000)}, {"role": "user", "content": text(chance, 300)}
    ]  # fmt: skip
    for number in range(turns):
        arguments = orjson.dumps({"path": text(chance, 60)}).decode()
        calls = [{"id": f"call_{number}", "type": "function",
                  "function": {"name": functions[number % 12]["name"], "arguments": arguments}}]  # fmt: skip
        asked = {"role": "assistant", "content": None, "tool_calls": calls}
        yield _request(messages, tools=tools), _answered(asked)
        result = {
            "role": "tool",
            "tool_call_id": f"call_{number}",
            "content": text(chance, chance.randrange(300, 6000)),
        }
        messages += [asked, result]


def retrieval(chance: random.Random, turns: int = 10) -> Iterator[Turn]:
    """Yield questions with twenty passages each, of which most questions have some in common."""
    passages = [text(chance, chance.randrange(1500, 3500)) for _ in range(60)]
    system = {"role": "system", "content": text(chance, 1200)}
    for _ in range(turns):
        found = "\n\n".join(f"[{number}] {said}" for number, said in enumerate(chance.sample(passages, 20)))
        asked = {"role": "user", "content": f"{found}\n\nQuestion: {text(chance, 120)}"}
        yield _request([system, asked]), reply(text(chance, 900))


def images(chance: random.Random, turns: int = 4) -> Iterator[Turn]:
    """Yield a conversation about a picture of 200 kB, which is sent again at each turn."""
    picture = f"data:image/png;base64,{base64.b64encode(chance.randbytes(200_000)).decode()}"
    shown = [{"type": "text", "text": text(chance, 60)}, {"type": "image_url", "image_url": {"url": picture}}]
    messages: list[object] = [{"role": "user", "content": shown}]
    for _ in range(turns):
        said = text(chance, 400)
        yield _request(messages), reply(said)
        messages += [{"role": "assistant", "content": said}, {"role": "user", "content": text(chance, 80)}]


SHAPES: dict[str, Callable[[random.Random], Iterator[Turn]]] = {
    "chat": chat, "agent": agent, "retrieval": retrieval, "images": images,
}  # fmt: skip


def stored_as(request: bytes, answer: bytes) -> Entry:
    """Return a turn as the loader hands it to the store, as a call of its own."""
    media = SSE if answer.startswith(b"data:") else JSON
    entry = interpret(recorded(answer, body=request, media=media), cost_of)
    item = replace(entry.interaction, id=id_text(_MINT.mint()))
    return replace(entry, interaction=item, attempts=tuple(replace(a, interaction_id=item.id) for a in entry.attempts))


def text(chance: random.Random, size: int) -> str:
    """Return a piece of text of so many characters."""
    start = chance.randrange(len(_TEXT) - size)
    return _TEXT[start : start + size]


def _tokens(said: str) -> list[str]:
    return [said[at : at + 4] for at in range(0, len(said), 4)]


def _request(messages: list[object], **more: object) -> bytes:
    return orjson.dumps({"model": MODEL, **more, "messages": messages})


def _answered(message: object) -> bytes:
    usage = {"prompt_tokens": 1100, "completion_tokens": 30, "total_tokens": 1130}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    return orjson.dumps({"id": "c-1", "object": "chat.completion", "model": MODEL, "choices": choices, "usage": usage})
