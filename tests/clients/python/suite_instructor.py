"""instructor: tool and JSON modes, partial objects from streams, asking again when something is missing."""

from __future__ import annotations

from typing import Any

import instructor
from acting import MESSAGES, run
from openai import OpenAI
from pydantic import BaseModel


class Weather(BaseModel):
    """How warm it is."""

    city: str
    degrees: int


def ask(base: str, key: str, mode: instructor.Mode, model: str = "good-model", **more: Any) -> Any:
    """Return the object, asking again once where it is not whole."""
    client = instructor.from_openai(OpenAI(base_url=base, api_key=key, max_retries=0), mode=mode)
    return client.chat.completions.create(
        model=model, messages=MESSAGES, response_model=Weather, max_retries=more.pop("max_retries", 1), **more
    )


def partial(base: str, key: str, model: str = "good-model") -> Any:
    """Return the object as it grows."""
    client = instructor.from_openai(OpenAI(base_url=base, api_key=key, max_retries=0))
    parts = client.chat.completions.create_partial(model=model, messages=MESSAGES, response_model=Weather)
    return [part.model_dump() for part in parts]


run(
    {
        "tools": lambda base, key: ask(base, key, instructor.Mode.TOOLS),
        "json": lambda base, key: ask(base, key, instructor.Mode.JSON),
        "json schema": lambda base, key: ask(base, key, instructor.Mode.JSON_SCHEMA),
        "asked again": lambda base, key: ask(base, key, instructor.Mode.TOOLS, model="forgetful", max_retries=2),
        "partial": partial,
        "not found": lambda base, key: ask(base, key, instructor.Mode.TOOLS, model="refused-404"),
        "error in a stream": lambda base, key: partial(base, key, model="dies"),
        "cut stream": lambda base, key: partial(base, key, model="cut"),
    }
)
