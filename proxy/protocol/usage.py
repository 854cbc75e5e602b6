"""Token counts out of any dialect's usage object.

Rules: cached, cache-write and audio counts are parts of the input total, reasoning is part of the output total. xAI
*adds* its reasoning tokens to the completion tokens, which shows in its total. Absent is not zero, null is not
zero. The raw object is kept beside the counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from proxy.domain.outcome import UsageSource
from proxy.domain.usage import NO_USAGE, Usage
from proxy.protocol.jsontext import count, mapping

_MAX_COST = 1_000_000
_MAX_SECONDS = 10_000_000


def read_usage(raw: object) -> Usage:
    """Return normalised counts of a usage object; ``NO_USAGE`` when it says nothing."""
    if not isinstance(raw, dict) or not raw:
        return NO_USAGE
    inputs = _details(raw, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    outputs = _details(raw, "completion_tokens_details", "output_tokens_details", "output_token_details")
    asked = _first(raw, "prompt_tokens", "input_tokens", "prompt_eval_count")
    said = _first(raw, "completion_tokens", "output_tokens", "eval_count")
    total = count(raw.get("total_tokens"))
    reasoning = count(outputs.get("reasoning_tokens"))
    if asked is None and said is None and total is None:
        return Usage(raw=raw, audio_ms=_audio_ms(raw))
    if "cache_read_input_tokens" in raw or "cache_creation_input_tokens" in raw:
        # Anthropic's dialect counts what it cached beside the input, not in it.
        inputs = {"cached_tokens": raw.get("cache_read_input_tokens"), **_written(raw), **inputs}
        asked = (asked or 0) + (count(inputs["cached_tokens"]) or 0) + (count(inputs["cache_write_tokens"]) or 0)
    if None not in (asked, said, total, reasoning) and reasoning and total == asked + said + reasoning:  # type: ignore[operator]
        said = said + reasoning  # type: ignore[operator]
    if total is None and asked is not None and said is not None:
        # Anthropic and Ollama leave the sum to their readers; without it their calls would be missing in sums of it.
        total = asked + said
    return Usage(
        input_tokens=asked,
        output_tokens=said,
        total_tokens=total,
        cached_tokens=_cached(raw, inputs),
        cache_write_tokens=count(inputs.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        input_audio_tokens=count(inputs.get("audio_tokens")),
        output_audio_tokens=count(outputs.get("audio_tokens")),
        input_image_tokens=count(inputs.get("image_tokens")),
        output_image_tokens=count(outputs.get("image_tokens")),
        **_rarer(raw, inputs),
        source=UsageSource.REPORTED,
        reported_cost_usd=_cost(raw.get("cost")),
        raw=raw,
    )


def read_timings(timings: object) -> Usage:
    """Return counts from llama.cpp's ``timings``: exact, and there without being asked for."""
    values = mapping(timings)
    new, cached, said = count(values.get("prompt_n")), count(values.get("cache_n")), count(values.get("predicted_n"))
    if new is None or said is None:
        return NO_USAGE
    asked = new + (cached or 0)
    return Usage(
        input_tokens=asked,
        output_tokens=said,
        total_tokens=asked + said,
        cached_tokens=cached,
        source=UsageSource.UPSTREAM_TIMINGS,
        raw={"timings": values},
    )


def _cached(raw: Mapping[str, Any], inputs: Mapping[str, Any]) -> int | None:
    """Return the cached count, from the details or (DeepSeek, Moonshot) from beside the totals."""
    found = count(inputs.get("cached_tokens", raw.get("cached_tokens")))
    return _first(raw, "prompt_cache_hit_tokens") if found is None else found


def _rarer(raw: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts that few answers have, where they are said: this is asked for every call."""
    found: dict[str, Any] = {}
    if "cached_tokens_details" in inputs:
        details = mapping(inputs["cached_tokens_details"])
        found["cached_audio_tokens"] = count(details.get("audio_tokens"))
        found["cached_image_tokens"] = count(details.get("image_tokens"))
    if "cache_write_tokens_details" in inputs:
        found["cache_write_12h_tokens"] = count(mapping(inputs["cache_write_tokens_details"]).get("ttl_12h_tokens"))
    if "cache_creation" in raw:
        found["cache_write_1h_tokens"] = count(mapping(raw["cache_creation"]).get("ephemeral_1h_input_tokens"))
    if "server_tool_use" in raw:
        found["web_searches"] = count(mapping(raw["server_tool_use"]).get("web_search_requests")) or None
    if "num_sources_used" in raw:
        found["other_fees"] = count(raw["num_sources_used"]) or None
    if "seconds" in raw or "prompt_audio_seconds" in raw:
        found["audio_ms"] = _audio_ms(raw)
    return found


def _audio_ms(raw: Mapping[str, Any]) -> int | None:
    """Return how much audio was billed by its length: a transcription's seconds, or (Mistral) those of a prompt."""
    seconds = raw.get("seconds") if raw.get("type") == "duration" else raw.get("prompt_audio_seconds")
    return milliseconds(seconds)


def milliseconds(seconds: object) -> int | None:
    """Return a number of seconds (or its text) as whole milliseconds; None for what no recording can be."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return None
    try:
        found = Decimal(str(seconds)[:40])
    except InvalidOperation:
        return None
    return round(found * 1000) if found.is_finite() and 0 <= found < _MAX_SECONDS else None


def _written(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"cache_write_tokens": raw.get("cache_creation_input_tokens")}


def says_something(usage: object) -> bool:
    """False for none and for the zeros that some servers put on every chunk before the real counts come."""
    parts = list(mapping(usage).values())
    # Not by recursion: an object may be nested as deeply as a reader of JSON bears, which is deeper than Python calls.
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            parts += part.values()
        elif part:
            return True
    return False


def merge(earlier: dict[str, Any] | None, later: object) -> dict[str, Any] | None:
    """Return the newest usage object, with members that only an earlier one had filled in; ``earlier`` is changed.

    A copy for each of a hundred thousand events would take minutes where they make it ever longer.
    """
    if not isinstance(later, dict) or not later:
        return earlier
    if not earlier:
        return later
    earlier.update({name: value for name, value in later.items() if value is not None})
    return earlier


def _details(raw: Mapping[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        found = raw.get(name)
        if isinstance(found, dict):
            return found
    return {}


def _first(values: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        found = count(values.get(name))
        if found is not None:
            return found
    return None


def _cost(value: object) -> str | None:
    """Return a provider's own charge as decimal text; a JSON float is taken by its shortest spelling."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(value if isinstance(value, int) else str(value)[:40])
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount < _MAX_COST:
        return None
    # Beyond a pico-dollar nothing is stored, and "1e-999999" must not become a million characters.
    return format(amount if amount.adjusted() > -20 else Decimal(0), "f")
