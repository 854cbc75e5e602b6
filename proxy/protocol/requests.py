"""What the gateway must know of a request in order to route it: model, stream, usage options. No more.

Small bodies are parsed whole; large ones were looked at in slices by ``scanner``. A body that is no JSON object is
*opaque*: it is still relayed, the provider decides about it. Everything else a request says is read later, by
``interpret``, from the recorded bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from proxy.protocol.scanner import TopLevelScanner
from proxy.protocol.scanning import scan

WANTED = frozenset({b"model", b"stream", b"stream_options", b"metadata", b"store", b"prompt"})
MAX_MODEL_LENGTH = 256


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """``include_usage`` is what the client said: True, False, or None when it said nothing.

    ``usage_options`` is True when ``stream_options`` stands in the body at all, also as null. ``unstored_metadata`` is
    True when there is ``metadata`` other than null, and ``store`` is not true. ``is_json``: it is
    plain JSON, which can be edited. ``model_at`` is where a form says its model (offset, length), if in one place only.
    ``prompt`` is the id that an object ``prompt`` says, empty where it says none or is too long to be looked at.
    """

    model: str | None = None
    is_stream: bool = False
    include_usage: bool | None = None
    usage_options: bool = False
    unstored_metadata: bool = False
    is_json: bool = False
    model_at: tuple[int, int] | None = None
    prompt: str | None = None


OPAQUE = RequestFacts()


def read(body: bytes) -> tuple[RequestFacts, dict[str, Any] | None]:
    """Return the facts of a small body, and all that it says where it is an object that orjson takes.

    What orjson refuses (huge numbers, lone surrogates) is looked at by the scanner.
    """
    if not body:
        return OPAQUE, None
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return facts_of_scan(scan(body, WANTED)), None
    return (facts_of_values(values), values) if isinstance(values, dict) else (OPAQUE, None)


def facts_of_values(values: dict[str, Any]) -> RequestFacts:
    """Return the facts of an object that says these values."""
    unstored = values.get("metadata") is not None and values.get("store") is not True
    present = "stream_options" in values
    prompt = _id_of(values["prompt"]) if "prompt" in values else None
    return _facts(values.get("model"), values.get("stream"), values.get("stream_options"), present, unstored, prompt)


def facts_of_scan(scanner: TopLevelScanner) -> RequestFacts:
    """Read the same facts off a finished scan."""
    return facts_of_members(scanner) if scanner.is_sound else OPAQUE


def facts_of_members(scanner: TopLevelScanner) -> RequestFacts:
    """Read them off the members that a scan has found so far."""
    values = {}
    for name, member in scanner.members.items():
        try:
            values[name] = orjson.loads(member.raw) if member.raw is not None else None
        except orjson.JSONDecodeError:
            values[name] = None
    members = scanner.members
    present = b"stream_options" in members
    unstored = b"metadata" in members and members[b"metadata"].raw != b"null" and values.get(b"store") is not True
    said, prompt = members.get(b"prompt"), None
    if said is not None and (said.raw is None or said.raw.startswith(b"{")):
        prompt = _id_of(values[b"prompt"] or {})
    model, stream, options = (values.get(name) for name in (b"model", b"stream", b"stream_options"))
    return _facts(model, stream, options, present, unstored, prompt)


def named_facts(model: str | None, *, is_stream: bool, model_at: tuple[int, int] | None = None) -> RequestFacts:
    """Return what a body says that is no JSON."""
    if model is None or not 0 < len(model) <= MAX_MODEL_LENGTH:
        model = model_at = None
    return RequestFacts(model, is_stream, model_at=model_at) if model or is_stream else OPAQUE


def _id_of(prompt: object) -> str | None:
    """Return the id that a member ``prompt`` says; None for one that is no object, such as a text."""
    if not isinstance(prompt, dict):
        return None
    said = prompt.get("id")
    if said is None:
        said = prompt.get("prompt_id")
    return said if isinstance(said, str) and len(said) <= MAX_MODEL_LENGTH else ""


def _facts(
    model: object, stream: object, options: object, present: bool, unstored: bool, prompt: str | None
) -> RequestFacts:
    include = options.get("include_usage") if isinstance(options, dict) else None
    name = model if isinstance(model, str) and 0 < len(model) <= MAX_MODEL_LENGTH else None
    return _made(name, stream is True, include if isinstance(include, bool) else None, present, unstored, prompt)


@lru_cache(maxsize=512)
def _made(
    model: str | None,
    is_stream: bool,
    include_usage: bool | None,
    usage_options: bool,
    unstored: bool,
    prompt: str | None,
) -> RequestFacts:
    """Make the facts; a few of them serve nearly all calls."""
    return RequestFacts(model, is_stream, include_usage, usage_options, unstored, is_json=True, prompt=prompt)
