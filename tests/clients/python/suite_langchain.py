"""LangChain's OpenAI classes, which stop asking for a stream's usage behind a base URL."""

from __future__ import annotations

from typing import Any

from acting import PROMPT, TOOL, gathered, run
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class Weather(BaseModel):
    """How warm it is."""

    city: str
    degrees: int


def model(base: str, key: str, name: str = "good-model", **more: Any) -> ChatOpenAI:
    """Return a chat model that does not retry."""
    return ChatOpenAI(model=name, base_url=base, api_key=key, max_retries=0, **more)


def said(message: Any) -> Any:
    """Return what a message says, without the run's own number."""
    return {name: value for name, value in message.model_dump().items() if name != "id"}


def streamed(base: str, key: str, *more: str, **settings: Any) -> Any:
    """Return what each chunk says."""
    return [said(part) for part in model(base, key, *more, **settings).stream(PROMPT)]


async def asynchronous(base: str, key: str) -> Any:
    """Stream in a loop."""
    return [said(part) for part in await gathered(model(base, key).astream(PROMPT))]


run(
    {
        "chat": lambda base, key: said(model(base, key).invoke(PROMPT)),
        "stream": streamed,
        "stream with usage": lambda base, key: streamed(base, key, stream_usage=True),
        "responses": lambda base, key: said(model(base, key, use_responses_api=True).invoke(PROMPT)),
        "responses streamed": lambda base, key: streamed(base, key, use_responses_api=True),
        "tool": lambda base, key: said(model(base, key).bind_tools([TOOL], tool_choice="weather").invoke(PROMPT)),
        "tool in a stream": lambda base, key: [
            said(part) for part in model(base, key).bind_tools([TOOL]).stream(PROMPT)
        ],
        "structured": lambda base, key: model(base, key).with_structured_output(Weather).invoke(PROMPT),
        "structured by a tool": lambda base, key: (
            model(base, key).with_structured_output(Weather, method="function_calling").invoke(PROMPT)
        ),
        "asynchronous": asynchronous,
        "embedding": lambda base, key: OpenAIEmbeddings(
            model="good-model", base_url=base, api_key=key, check_embedding_ctx_length=False
        ).embed_documents(["a", "b"]),
        "not found": lambda base, key: said(model(base, key, "refused-404").invoke(PROMPT)),
        "too fast": lambda base, key: said(model(base, key, "refused-429").invoke(PROMPT)),
        "server error": lambda base, key: said(model(base, key, "refused-500").invoke(PROMPT)),
        "error in a stream": lambda base, key: streamed(base, key, "dies"),
        "cut stream": lambda base, key: streamed(base, key, "cut"),
    }
)
