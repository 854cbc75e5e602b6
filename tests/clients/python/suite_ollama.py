"""Ollama's own client and dialect: NDJSON, errors that are plain text."""

from __future__ import annotations

from typing import Any

import ollama
from acting import MESSAGES, TOOL, gathered, run


def client(base: str, key: str) -> ollama.Client:
    """Return a client; the root is what stands before ``/v1``."""
    return ollama.Client(host=base.removesuffix("/v1"), headers={"Authorization": f"Bearer {key}"})


def chat(base: str, key: str, model: str = "good-model", **more: Any) -> Any:
    """Ask, streamed or not."""
    found = client(base, key).chat(model=model, messages=MESSAGES, **more)
    return list(found) if more.get("stream") else found


async def asynchronous(base: str, key: str) -> Any:
    """Stream in a loop."""
    made = ollama.AsyncClient(host=base.removesuffix("/v1"), headers={"Authorization": f"Bearer {key}"})
    return await gathered(await made.chat(model="good-model", messages=MESSAGES, stream=True))


run(
    {
        "chat": chat,
        "stream": lambda base, key: chat(base, key, stream=True),
        "tool": lambda base, key: chat(base, key, tools=[TOOL]),
        "generate": lambda base, key: client(base, key).generate(model="good-model", prompt="hi"),
        "generate streamed": lambda base, key: list(
            client(base, key).generate(model="good-model", prompt="hi", stream=True)
        ),
        "embed": lambda base, key: client(base, key).embed(model="good-model", input="hi"),
        "list": lambda base, key: client(base, key).list(),
        "asynchronous": asynchronous,
        "not found": lambda base, key: chat(base, key, model="refused-404"),
        "error in a stream": lambda base, key: chat(base, key, model="dies", stream=True),
    }
)
