"""A call as another program tells of it that made the call itself: what it asked and was answered, or facts alone.

Fields are called as the columns of the record. What is left out is read from the request and the answer, as of a call
that went through the proxy; what is said counts instead.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StrictBool

from proxy.catalogue.fields import Document, Instant, Line, Tag
from proxy.domain.outcome import Outcome

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_LONGEST_MS = 31 * 86_400_000
MOST = 1000
"""So many calls may be told at once."""


def _own_id(text: str) -> str:
    if not _UUID.match(text.lower()):
        raise ValueError("an id is a UUIDv7: 36 characters")
    return text.lower()


def _path(text: str) -> str:
    if not re.fullmatch(r"/[!-~]{0,499}", text):
        raise ValueError("a path begins with /, and has no blanks")
    return text


Milliseconds = Annotated[float, Field(ge=0, le=_LONGEST_MS)]
Tokens = Annotated[int, Field(ge=0, lt=10**9, strict=True)]
Short = Annotated[Line, Field(max_length=100)]
Body = dict[str, JsonValue] | Annotated[str, Field(max_length=16 * 1024 * 1024)]
"""JSON as it was sent, or a text: a stream's events, byte for byte."""


class ToldCall(Document):
    """A call that did not pass through the proxy. Given the same id again it is not recorded again.

    An id is a UUIDv7 made within a day of started_at. provider is a name that is configured here, or a known kind such
    as openai: without one there is no price. cost_usd and token counts are facts where nothing else tells them; what
    the answer says of usage is read without them. record: meta keeps no bodies and texts.
    """

    id: Annotated[str, AfterValidator(_own_id)] | None = None
    started_at: Instant | None = None
    duration_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    provider: Short | None = None
    method: Annotated[str, Field(pattern=r"^[A-Z]{3,16}$")] = "POST"
    endpoint: Annotated[str, AfterValidator(_path)] = "/v1/chat/completions"
    model: Line | None = None
    is_stream: StrictBool = False
    request: Body | None = None
    response: Body | None = None
    http_status: Annotated[int, Field(ge=100, le=599, strict=True)] | None = None
    outcome: Outcome | None = None
    error_type: Short | None = None
    error_code: Short | None = None
    error_message: Annotated[str, Field(max_length=500)] | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    cost_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    client_request_id: Line | None = None
    session_id: Line | None = None
    user_id: Line | None = None
    trace_id: Annotated[Line, Field(max_length=64)] | None = None
    app: Short | None = None
    environment: Short | None = None
    tags: Annotated[list[Tag], Field(max_length=32)] = Field(default=[])
    metadata: Annotated[
        dict[Annotated[Line, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=32)
    ] = Field(default={})
    prompt_name: Line | None = None
    prompt_version: Annotated[int, Field(ge=1, lt=2**31, strict=True)] | None = None
    prompt_label: Short | None = None
    prompt_variables: dict[str, JsonValue] | None = None
    record: Literal["full", "meta"] = "full"

    def facts(self, *names: str) -> dict[str, Any]:
        """Return those of these fields that say something."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ToldCalls(Document):
    """Calls, the first one first; all of them are recorded, or none."""

    interactions: Annotated[list[ToldCall], Field(min_length=1, max_length=MOST)]
