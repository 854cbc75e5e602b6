"""pydantic-ai by chat completions and by Responses: always asks for usage, and reads the provider from the URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acting import PROMPT, run
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

KINDS = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}


class Weather(BaseModel):
    """How warm it is."""

    city: str
    degrees: int


def agent(kind: str, base: str, key: str, model: str = "good-model", **more: Any) -> Agent[None, Any]:
    """Return an agent that does not retry."""
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=base, api_key=key, max_retries=0))
    return Agent(KINDS[kind](model, provider=provider), **more)


async def ask(kind: str, base: str, key: str, **more: Any) -> Any:
    """Return output and usage."""
    found = await agent(kind, base, key, **more).run(PROMPT)
    return [found.output, _usage(found)]


def _usage(found: Any) -> Any:
    usage = found.usage() if callable(found.usage) else found.usage
    return [usage.requests, usage.input_tokens, usage.output_tokens, usage.tool_calls]


async def stream(kind: str, base: str, key: str, **more: Any) -> Any:
    """Return the text piece by piece, and the usage."""
    async with agent(kind, base, key, **more).run_stream(PROMPT) as found:
        parts = [part async for part in found.stream_text(delta=True, debounce_by=None)]
        return [parts, _usage(found)]


async def tool(kind: str, base: str, key: str) -> Any:
    """Let the model call a tool and go on with its result."""
    made = agent(kind, base, key)

    @made.tool_plain
    def weather(city: str, degrees: int) -> str:
        """Tell how warm it is."""
        return f"{degrees} in {city}"

    found = await made.run(PROMPT)
    return [found.output, _usage(found)]


def acts(kind: str) -> Mapping[str, Any]:
    """Return the acts of one kind of model."""
    return {
        f"{kind}": lambda base, key: ask(kind, base, key),
        f"{kind} streamed": lambda base, key: stream(kind, base, key),
        f"{kind} with a tool": lambda base, key: tool(kind, base, key),
        f"{kind} structured": lambda base, key: ask(kind, base, key, output_type=Weather),
        f"{kind} not found": lambda base, key: ask(kind, base, key, model="refused-404"),
        f"{kind} too fast": lambda base, key: ask(kind, base, key, model="refused-429"),
        f"{kind} server error": lambda base, key: ask(kind, base, key, model="refused-500"),
    }


run(
    {
        **acts("chat"),
        **acts("responses"),
        "error in a stream": lambda base, key: stream("chat", base, key, model="dies"),
        "cut stream": lambda base, key: stream("chat", base, key, model="cut"),
    }
)
