"""What an export says of a call, without what was asked and answered: for imports where no content is to be kept.

What is left is what the record has of a call that was recorded so here: facts, tags and the words of errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.domain.outcome import ContentState

TEXTS = ("input_preview", "output_preview", "prompt_variables")
"""Columns that hold texts of a call."""
_BESIDE = ("input_text", "output_text", "request_body", "response_body")


def has_texts(values: Mapping[str, Any]) -> bool:
    """Tell whether anything that was asked or answered is said of a call."""
    return any(values.get(name) for name in (*TEXTS, *_BESIDE))


def facts_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call, which an export says, by its facts alone; its content is ``off``, as it was never kept here."""
    kept = {name: value for name, value in values.items() if name not in (*TEXTS, *_BESIDE)}
    return kept | {"content_state": ContentState.OFF.value}
