"""What prompts were last rendered to, for calls that give the same values again.

Most applications fill a prompt in with what seldom changes, their own name or a tone: what was made of it is used again
instead of being made anew. Bounded in number and size; what had a secret value is never kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.prompting.rendering import CompiledPrompt, Rendered

_MOST = 256
_LONGEST_KEY, _LONGEST_TEXT = 1024, 32 * 1024
"""Bytes of the values that a rendering is kept by, and of its messages: 8 MB of texts at most."""


class Renderings:
    """Of one snapshot; nobody changes what it returns."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], Rendered] = {}

    def __repr__(self) -> str:
        return f"<Renderings kept={len(self._kept)}>"

    def clear(self) -> None:
        """Forget them: what prompts include may have changed."""
        self._kept.clear()

    def render(self, prompt: CompiledPrompt, given: Mapping[str, Any]) -> Rendered:
        """Return a prompt with these values; ``RenderingError`` as it says."""
        key = prompt.title, orjson.dumps(given)
        found = self._kept.get(key)
        if found is None:
            found = prompt.render(given)
            if len(key[1]) <= _LONGEST_KEY and not found.has_secret and len(found.said) <= _LONGEST_TEXT:
                if len(self._kept) >= _MOST:
                    self._kept.clear()
                self._kept[key] = found
        return found
