"""What an answer or a request says of that which is billed beside tokens: hosted tools, audio's length, images, text.

Counts as ``Usage`` names them, and a provider's own charge to its last digit. What is not said is left out: absent is
not zero.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from proxy.domain.usage import Usage
from proxy.protocol.jsontext import count, items, mapping, text
from proxy.protocol.usage import milliseconds, says_something

_COST = re.compile(rb'"cost"\s*:\s*(\d{1,9}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?)\s*[,}\]]')
_SPOKEN = frozenset({"transcription", "translation"})


def tool_calls(response: dict[str, Any]) -> dict[str, Any]:
    """Return the calls of hosted tools in a Responses object: what it counts itself, else its output items."""
    output = [mapping(item) for item in items(response.get("output"))]
    kinds = [text(item.get("type")) for item in output]
    searches = count(mapping(mapping(response.get("tool_usage")).get("web_search")).get("num_requests"))
    if searches is None:
        searches = sum(1 for item in output if item.get("type") == "web_search_call" and _is_search(item))
    # One container is one session, however often it is used.
    sessions = {text(item.get("container_id")) for item in output if item.get("type") == "code_interpreter_call"}
    pictures = kinds.count("image_generation_call")
    if not pictures and says_something(mapping(response.get("tool_usage")).get("image_gen")):
        pictures = 1
    found = {
        "web_searches": searches,
        # Billed at another model's prices, which the answer does not name.
        "other_fees": pictures,
        "file_searches": kinds.count("file_search_call"),
        "code_sessions": len(sessions),
    }
    return {name: number for name, number in found.items() if number}


def _is_search(item: dict[str, Any]) -> bool:
    """True for a search; opening a page and looking into it is not billed."""
    return bool(mapping(item.get("action")).get("type", "search") == "search")


def with_quantities(usage: Usage, operation: str, values: dict[str, Any]) -> Usage:
    """Return the usage of an answer that is one object, with what is billed by length or number."""
    if operation in _SPOKEN and usage.audio_ms is None:
        return replace(usage, audio_ms=milliseconds(values.get("duration")))
    if operation == "images":
        drawn = int(says_something(values.get("svg_usage"))) or usage.other_fees
        return replace(usage, images=len(items(values.get("data"))) or None, other_fees=drawn)
    return usage


def spoken_characters(operation: str, request: dict[str, Any]) -> int | None:
    """Return how many characters were to be spoken."""
    said = text(request.get("input")) if operation == "speech" else None
    return None if said is None else len(said)


def with_exact_cost(usage: Usage, data: bytes) -> Usage:
    """Return the usage with its reported charge as it was written, where JSON numbers would round it.

    The last charge in the bytes that is the same number as the one that was read counts.
    """
    known = usage.reported_cost_usd
    if known is None:
        return usage
    written = [match[1].decode() for match in _COST.finditer(data)]
    exact = next((digits for digits in reversed(written) if float(digits) == float(known)), None)
    return usage if exact is None else replace(usage, reported_cost_usd=format(Decimal(exact), "f"))
