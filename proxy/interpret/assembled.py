"""An answer put together, as one object: of a stream the bytes do not say at a glance what was answered.

The same object whatever dialect the provider speaks. Texts are whole, halves of characters joined; what was not said is
None. Sound is told by its size, not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.interpret.texts import clean, storable
from proxy.protocol.assembly import Assembly, Choice

_WRITABLE = 2**53
_TEXTS = ("content", "reasoning", "refusal", "transcript")


def as_object(assembly: Assembly | None) -> Mapping[str, object] | None:
    """Return id, model, choices in their order and usage as it came; None where nothing was answered."""
    if assembly is None or not assembly.choices:
        return None
    choices = [_choice(index, assembly.choices[index]) for index in sorted(assembly.choices)]
    return {
        "id": _whole([assembly.response_id or ""]),
        "model": _whole([assembly.model or ""]),
        "choices": choices,
        "usage": storable(assembly.usage_raw),
    }


def _choice(index: int, choice: Choice) -> dict[str, object]:
    calls = [
        {"id": _whole([call.id or ""]), "name": _whole([call.name or ""]), "arguments": _whole(call.arguments) or ""}
        for call in choice.tool_calls
    ]
    return {
        "index": index if abs(index) < _WRITABLE else None,
        **{name: _whole(getattr(choice, name)) for name in _TEXTS},
        "audio_bytes": choice.audio_bytes or None,
        "logprobs": storable(choice.logprobs) or None,
        "tool_calls": calls,
        "finish_reason": _whole([choice.finish_reason or ""]),
    }


def _whole(parts: list[str]) -> str | None:
    text = "".join(parts)
    return clean(text, len(text)) or None
