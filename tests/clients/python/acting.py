"""What the suites here share: each runs its acts against two servers and prints what came of them as JSON.

A suite is a program of its own, run as ``python suite_NAME.py DIRECTLY THROUGH`` in the environment of ``python.lock``
or ``aider.lock``. An act takes an address (that of ``/v1``) and a key; what it returns, or the error it raises, is its
result. The keys tell the upstream who came which way.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any

Act = Callable[[str, str], Any]

PROMPT = "How warm is it in Oslo?"
MESSAGES = [{"role": "user", "content": PROMPT}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "description": "It", "parameters": PARAMETERS}}


async def gathered(stream: AsyncIterable[Any]) -> list[Any]:
    """Return what an asynchronous stream gives."""
    return [item async for item in stream]


def run(acts: Mapping[str, Act]) -> None:
    """Run every act against both servers, one call after the other."""
    ways = {"directly": (sys.argv[1], "sk-directly"), "through": (sys.argv[2], "sk-through")}
    found = {way: {name: _result(act, *where) for name, act in acts.items()} for way, where in ways.items()}
    json.dump(found, sys.stdout, default=_plain)


def _result(act: Act, base: str, key: str) -> Any:
    try:
        result = act(base, key)
        return asyncio.run(result) if inspect.iscoroutine(result) else result
    except Exception as error:  # whatever a client raises is its answer
        return {"error": type(error).__name__, "status": getattr(error, "status_code", None), "text": str(error)}


def _plain(value: Any) -> Any:
    for name in ("model_dump", "dict"):
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)
