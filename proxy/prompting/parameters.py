"""The parameters that a prompt or a route may give a request, and their ranges.

Names are OpenAI's. What a kind of provider bounds more closely is refused for it with the range; a parameter that we do
not know is taken where its name can be one, since providers have their own, and its value is left to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from proxy.errors import Problem
from proxy.prompting.variables import type_of

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,63}\Z")
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (0, 100_000),
    "min_p": (0, 1),
    "max_tokens": (1, 10_000_000),
    "max_completion_tokens": (1, 10_000_000),
    "max_output_tokens": (1, 10_000_000),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "n": (1, 128),
    "top_logprobs": (0, 20),
    "seed": (-(2**63), 2**63 - 1),
}
_WHOLE = frozenset(("top_k", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "top_logprobs", "seed"))
_OF_KIND: dict[str, dict[str, tuple[float, float]]] = {
    "anthropic": {"temperature": (0, 1)},
    "mistral": {"temperature": (0, 1.5)},
}
_OTHERS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "stop": (str, list),
    "user": (str,),
    "parallel_tool_calls": (bool,),
    "logprobs": (bool,),
    "store": (bool,),
    "reasoning_effort": (str,),
    "verbosity": (str,),
    "service_tier": (str,),
    "logit_bias": (dict,),
    "metadata": (dict,),
    "reasoning": (dict,),
    "text": (dict,),
}
RESERVED = frozenset(
    ("messages", "input", "instructions", "prompt", "stream", "stream_options", "tools", "functions", "response_format")
)
"""What a request says by other means than a parameter."""


def problems_of(parameters: Mapping[str, Any], field: str, kind: str | None = None) -> list[Problem]:
    """Return what is wrong with parameters, each with its place below ``field``; ``kind`` is the provider's."""
    found = []
    for name, value in parameters.items():
        reason = _fault_of(name, value, kind)
        if reason is not None:
            found.append(Problem(f"{field}.{name[:64]}", reason))
    return found


def _fault_of(name: str, value: object, kind: str | None) -> str | None:
    if name in RESERVED:
        return "is no parameter: the request or the prompt says it"
    if not _NAME.match(name):
        return "cannot be a parameter's name"
    if value is None:
        return "is null; leave it out instead"
    if name in _RANGES:
        return _out_of_range(name, value, kind)
    types = _OTHERS.get(name)
    if types is not None and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        return f"must be {' or '.join(type_of(made()) for made in types)}, not {type_of(value)}"
    return None


def _out_of_range(name: str, value: object, kind: str | None) -> str | None:
    low, high = _OF_KIND.get(kind or "", {}).get(name, _RANGES[name])
    if isinstance(value, bool) or not isinstance(value, int | float) or (name in _WHOLE and not isinstance(value, int)):
        return f"must be a {'whole ' if name in _WHOLE else ''}number, not {type_of(value)}"
    if not low <= value <= high:
        whose = f" for providers of kind {kind}" if kind in _OF_KIND and name in _OF_KIND[kind] else ""
        return f"is {value}; it goes from {low:g} to {high:g}{whose}"
    return None
