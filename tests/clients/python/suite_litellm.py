"""LiteLLM's SDK (on httpx, with a chunk parser of its own)."""

from __future__ import annotations

from typing import Any

import litellm
from acting import MESSAGES, TOOL, gathered, run

litellm.suppress_debug_info = True
litellm.telemetry = False


def chat(base: str, key: str, model: str = "good-model", **more: Any) -> Any:
    """Ask; leave out what LiteLLM numbers by itself."""
    found = litellm.completion(
        model=f"openai/{model}", messages=MESSAGES, api_base=base, api_key=key, num_retries=0, max_retries=0, **more
    )
    return found if more.get("stream") else said(found)


def said(found: Any) -> Any:
    """Return what an answer says."""
    return [found.choices[0].model_dump(), found.usage.model_dump(), found.model]


def streamed(base: str, key: str, **more: Any) -> Any:
    """Return what each chunk says."""
    return [
        [[choice.model_dump() for choice in part.choices], getattr(part, "usage", None)]
        for part in chat(base, key, stream=True, **more)
    ]


async def asynchronous(base: str, key: str) -> Any:
    """Stream in a loop."""
    stream = await litellm.acompletion(
        model="openai/good-model", messages=MESSAGES, api_base=base, api_key=key, stream=True
    )
    return [part.choices[0].delta.content for part in await gathered(stream)]


run(
    {
        "chat": chat,
        "stream": streamed,
        "stream with usage": lambda base, key: streamed(base, key, stream_options={"include_usage": True}),
        "tool": lambda base, key: chat(base, key, tools=[TOOL]),
        "tool in a stream": lambda base, key: streamed(base, key, tools=[TOOL]),
        "json": lambda base, key: chat(base, key, response_format={"type": "json_object"}),
        "asynchronous": asynchronous,
        "embedding": lambda base, key: (
            litellm.embedding(model="openai/good-model", input=["a", "b"], api_base=base, api_key=key).data
        ),
        "responses": lambda base, key: (
            litellm.responses(model="openai/good-model", input="hi", api_base=base, api_key=key).output
        ),
        "not found": lambda base, key: chat(base, key, model="refused-404"),
        "too fast": lambda base, key: chat(base, key, model="refused-429"),
        "server error": lambda base, key: chat(base, key, model="refused-500"),
        "error in a stream": lambda base, key: streamed(base, key, model="dies"),
        "cut stream": lambda base, key: streamed(base, key, model="cut"),
    }
)
