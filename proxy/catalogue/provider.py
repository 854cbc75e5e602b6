"""A provider as it is edited: who serves models, at which address, in which manner.

Its key is no part of it: a sealed key lies in the store for itself, and ``key_env`` names a variable of the server's
environment. What could read files of the server's (certificates) is for the settings file alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from proxy.catalogue.access import LimitsDocument
from proxy.catalogue.fields import Count, Document, LongText
from proxy.settings.fields import (
    HeaderName,
    HeaderValue,
    Kind,
    ModelName,
    OutgoingProxy,
    ProviderName,
    Url,
    VariableName,
)

_SECRET_WORDS = frozenset(
    {"authorization", "auth", "apikey", "key", "cookie", "token", "secret", "password", "passwd", "credential"}
    | {"credentials", "signature", "jwt", "session", "bearer", "pat"}
)
"""A header of such a word holds a key, whoever invented it: here it would lie in plain text, and in every export."""
_SECRET_ENDS = ("token", "secret", "password", "credential", "apikey", "accesskey", "authkey", "privatekey")
"""The same words, run together with another one."""
_OURS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "te", "trailer"}
    | {"upgrade", "keep-alive", "expect", "accept-encoding"}
)


def _headers(values: dict[str, str]) -> dict[str, str]:
    seen: set[str] = set()
    for name in values:
        lower = name.lower()
        words = lower.replace("_", "-").replace(".", "-").split("-")
        is_secret = not _SECRET_WORDS.isdisjoint(words) or any(word.endswith(_SECRET_ENDS) for word in words)
        if is_secret or lower in _OURS or lower.startswith(("x-dashcam-", "proxy-")):
            told = "give the key with its own command, where it is sealed" if is_secret else "leave it out"
            raise ValueError(f"{name} is not for a provider's own headers; {told}")
        if lower in seen:
            raise ValueError(f"{name} is said twice")
        seen.add(lower)
    return values


Headers = Annotated[dict[HeaderName, HeaderValue], Field(max_length=32), AfterValidator(_headers)]
Wait = Annotated[float, Field(gt=0, le=86_400)]


class ProviderDocument(Document):
    """One provider; None is what its kind does. Times are in seconds.

    ``max_tokens`` bounds an answer where nobody else says so. One that is not ``active`` serves nothing.
    """

    name: ProviderName
    kind: Kind
    base_url: Url
    description: LongText = ""
    key_env: Annotated[VariableName, Field(min_length=1, max_length=200)] | None = None
    headers: Headers = Field(default={})
    connect_timeout: Wait | None = None
    first_byte_timeout: Wait | None = None
    idle_timeout: Wait | None = None
    limits: LimitsDocument | None = None
    stream_usage: Literal["inject", "passive"] | None = None
    unstored_metadata: Literal["keep", "send"] | None = None
    gateway_headers: Literal["keep", "send"] | None = None
    on_client_gone: Literal["cancel", "drain"] | None = None
    on_broken_stream: Literal["tell", "abort_only"] | None = None
    proxy: OutgoingProxy | None = None
    proxy_auth_env: Annotated[VariableName, Field(min_length=1, max_length=200)] | None = None
    http2: bool | None = None
    default_model: ModelName | None = None
    max_tokens: Count | None = None
    active: bool = True

    @model_validator(mode="after")
    def _check_http2(self) -> ProviderDocument:
        if self.http2 and not self.base_url.strip().startswith("https://"):
            raise ValueError("http2: true needs an https address: without TLS nobody says that he speaks it")
        return self

    @property
    def key(self) -> str:
        """What it is found by."""
        return self.name
