"""llama.cpp's own dialect (``/completion``, ``/infill``): text in ``content``, counts in ``timings``, streamed or not.

A stream is unnamed events; the last one has ``stop`` true, why it stopped, and the counts. ``tokens_cached`` there is
the length of the context afterwards, not what was read from a cache: that is ``timings.cache_n``.
"""

from __future__ import annotations

from typing import Any

from proxy.protocol.assembly import Assembly, read_error
from proxy.protocol.jsontext import count, parse_object, text
from proxy.protocol.sse import Event
from proxy.protocol.usage import read_timings, read_usage

_REASONS = {"eos": "stop", "word": "stop", "limit": "length", "none": "stop"}


def assemble_events(events: list[Event]) -> Assembly:
    """Assemble a stream."""
    assembly = Assembly()
    for event in events:
        values = parse_object(event.data)
        if values is None:
            assembly.pass_over(event)
            continue
        if _take(assembly, values) and assembly.first_token_end is None:
            assembly.first_token_end = event.end
    return assembly


def assemble_whole(values: dict[str, Any]) -> Assembly:
    """Assemble an answer that came as one JSON object."""
    assembly = Assembly()
    _take(assembly, values)
    assembly.is_terminal = True
    return assembly


def _take(assembly: Assembly, values: dict[str, Any]) -> bool:
    """Take one object; True when it said something."""
    assembly.error = read_error(values) or assembly.error
    assembly.model = text(values.get("model")) or assembly.model
    index = values.get("index")
    choice = assembly.choice(index if isinstance(index, int) else 0)
    said = text(values.get("content"))
    choice.content += [said] if said else []
    if values.get("stop") is True:
        assembly.is_terminal = True
        kind = text(values.get("stop_type"))
        choice.finish_reason = _REASONS.get(kind or "", kind or "stop")
        _take_usage(assembly, values)
    return said is not None


def _take_usage(assembly: Assembly, values: dict[str, Any]) -> None:
    assembly.usage = read_timings(values.get("timings"))
    asked, written = count(values.get("tokens_evaluated")), count(values.get("tokens_predicted"))
    if assembly.usage.raw is None and asked is not None and written is not None:
        assembly.usage = read_usage({"input_tokens": asked, "output_tokens": written})
    assembly.usage_raw = dict(assembly.usage.raw) if assembly.usage.raw else None
