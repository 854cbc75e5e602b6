"""Which operation a path is: one table, longest match first.

A path is taken below a provider's base (``/chat/completions``) or root (``/v1/chat/completions``,
``/openai/deployments/NAME/chat/completions``, ``/api/chat``): only its end decides, so that every mount point
means the same. What the table does not know is ``other``: still relayed and recorded by its facts.
"""

from __future__ import annotations

from functools import lru_cache

GENERATING = frozenset({"chat", "completions", "responses", "ollama_chat", "ollama_generate"})
"""Operations whose answer is text that was generated, and therefore assembled."""

INJECTABLE = frozenset({"chat", "completions"})
"""Operations whose streams report usage only when asked (``stream_options.include_usage``)."""

_POST_ENDINGS = {
    "/chat/completions": "chat",
    "/completions": "completions",
    "/responses": "responses",
    "/responses/compact": "responses_compact",
    "/responses/input_tokens": "input_tokens",
    "/decisions": "decisions",
    "/embeddings": "embeddings",
    "/moderations": "moderations",
    "/images/generations": "images",
    "/images/edits": "images",
    "/images/variations": "images",
    "/audio/transcriptions": "transcription",
    "/audio/translations": "translation",
    "/audio/speech": "speech",
    "/batches": "batches",
    "/files": "files",
    "/api/chat": "ollama_chat",
    "/api/generate": "ollama_generate",
    "/api/embed": "ollama_embed",
}

_SEGMENTS = {
    "models": "models",
    "files": "files",
    "uploads": "files",
    "batches": "batches",
    "vector_stores": "vector_stores",
    "conversations": "conversations",
    "responses": "responses_read",
    "completions": "completions_read",
    "videos": "videos",
    "threads": "threads",
    "fine_tuning": "fine_tuning",
    "organization": "organization",
}


@lru_cache(maxsize=4096)
def operation_of(method: str, path: str) -> str:
    """Return the operation word for a method and a decoded path."""
    path = path.rstrip("/")
    if method == "POST":
        for start in _tail_starts(path):
            operation = _POST_ENDINGS.get(path[start:])
            if operation is not None:
                return operation
    return next((_SEGMENTS[part] for part in path.split("/") if part in _SEGMENTS), "other")


def _tail_starts(path: str) -> list[int]:
    """Where the last two segments and the last one start: the table's keys are that long, longest first."""
    last = path.rfind("/")
    if last < 0:
        return []
    previous = path.rfind("/", 0, last)
    return [previous, last] if previous >= 0 else [last]
