"""Who and what a call belongs to: user, session, trace, app, tags and metadata, out of headers and body.

Headers win over the body's ``metadata``, which wins over OpenAI's own fields. The same limits hold for all of them;
what is beyond is left out of the columns, and stands in the recorded body as it came. Members of ``metadata`` that name
a column (``user_id``, ``session_id`` …) fill it as well as staying what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from proxy.interpret.texts import clean
from proxy.protocol.jsontext import count, mapping, text
from proxy.protocol.tagging import LIMITS, MAX_KEY, MAX_TAG, MAX_VALUE, Tagging, read_headers

_FROM_METADATA = {
    "user_id": "user", "user": "user", "_user": "user", "session_id": "session", "session": "session",
    "trace_id": "trace", "app": "app", "environment": "environment",
}  # fmt: skip
_SAYING = frozenset(
    ("metadata", "safety_identifier", "user", "conversation", "prompt_cache_key", "previous_response_id")
)
"""Members of a request that say whose it is; most have none of them."""
_MAX_CLIENT_ID = 200
_MAX_RETRY = 1000
_HEX = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Tags:
    """Column values; ``client_id`` is the caller's own id of the call, ``retry`` which repetition an SDK says it is.

    ``retention`` is how many seconds the caller lets it be kept.
    """

    user_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    app: str | None = None
    environment: str | None = None
    client_id: str | None = None
    retry: int | None = None
    retention: int | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def tags_of(headers: Iterable[tuple[str, str]], body: Mapping[str, Any]) -> Tags:
    """Return the tags of a call from its recorded headers (lower-case names) and its request, read as JSON.

    They may be those of other calls as well: nobody changes them.
    """
    pairs = tuple(headers)
    return _of_headers(pairs) if _SAYING.isdisjoint(body) else _read(pairs, body)


@lru_cache(maxsize=64)
def _of_headers(pairs: tuple[tuple[str, str], ...]) -> Tags:
    """Return those of a call whose body says nothing of it: an application sends the same headers again and again."""
    return _read(pairs, {})


def _read(pairs: tuple[tuple[str, str], ...], body: Mapping[str, Any]) -> Tags:
    first = dict(reversed(pairs))
    found = read_headers(pairs)
    if found.fields or not _SAYING.isdisjoint(body):
        _read_metadata(body.get("metadata"), found)
        _read_fields(body, found)
    _say(found, "app", first.get("x-title"))
    said = found.fields
    return Tags(
        user_id=clean(said.get("user"), LIMITS["user"]),
        session_id=clean(said.get("session"), LIMITS["session"]),
        trace_id=_trace_id(first.get("traceparent")) or clean(said.get("trace"), LIMITS["trace"]),
        app=clean(said.get("app"), LIMITS["app"]),
        environment=clean(said.get("environment"), LIMITS["environment"]),
        client_id=found.call_id or clean(first.get("x-client-request-id"), _MAX_CLIENT_ID),
        retry=_retry(first.get("x-stainless-retry-count")),
        retention=found.retention,
        tags=tuple(dict.fromkeys(clean(word, MAX_TAG) or "" for word in found.tags)),
        metadata={clean(key, MAX_KEY) or "": clean(value, MAX_VALUE) or "" for key, value in found.metadata.items()},
    )


def _say(found: Tagging, name: str, value: object) -> None:
    if isinstance(value, str):
        found.say(name, value)


def _read_metadata(metadata: object, found: Tagging) -> None:
    for key, value in mapping(metadata).items():
        if key in _FROM_METADATA:
            _say(found, _FROM_METADATA[key], value)
        if key == "tags":
            words = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else ()
            found.tag(word for word in words if isinstance(word, str))
        found.describe(key, value)


def _read_fields(body: Mapping[str, Any], found: Tagging) -> None:
    """OpenAI's fields; what has no column of its own becomes metadata."""
    _say(found, "user", body.get("safety_identifier"))
    _say(found, "user", body.get("user"))
    conversation = body.get("conversation")
    _say(found, "session", mapping(conversation).get("id", conversation))
    for key, name in (("session_path", "path"), ("session_name", "session_name")):
        if name in found.fields:
            found.describe(key, found.fields[name])
    for key in ("prompt_cache_key", "previous_response_id"):
        if (said := text(body.get(key))) is not None:
            found.describe(key, said)


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    is_valid = len(parts) >= 4 and len(parts[1]) == 32 and set(parts[1]) <= _HEX and parts[1].strip("0")
    return parts[1] if is_valid else None


def _retry(said: str | None) -> int | None:
    """Return which repetition it is, 0 for the first try; None where no SDK says."""
    number = count(int(said)) if said is not None and said.isascii() and said.isdigit() and len(said) < 9 else None
    return number if number is not None and number <= _MAX_RETRY else None
