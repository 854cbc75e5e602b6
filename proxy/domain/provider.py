"""A provider: who serves models, at which address, with which key and manners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from proxy.domain.access import Limits, limits_from_mapping

LOCAL_KINDS = frozenset({"ollama", "vllm", "llamacpp", "lmstudio", "dashcam"})
"""Kinds that run on the user's own machines: they cost nothing, which is not the same as unpriced."""

INJECTING_KINDS = frozenset({"openai", "ollama", "lmstudio"})
"""Kinds whose streams are asked for usage by default (``stream_usage`` = inject)."""

UNSTORED_METADATA_KINDS = frozenset({"openai"})
"""Kinds that refuse chat completions with ``metadata`` and without ``store`` (``unstored_metadata`` = keep)."""

KNOWN_KINDS = (
    "anthropic",
    "azure",
    "custom",
    "dashcam",
    "deepseek",
    "google",
    "groq",
    "llamacpp",
    "lmstudio",
    "mistral",
    "ollama",
    "openai",
    "openrouter",
    "vllm",
    "xai",
)

INACTIVE = ".is-inactive.invalid"
"""How the address of a provider ends that somebody has switched off; such a name never means anybody (RFC 6761)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider as the gateway needs it; plain values, so that it travels in the snapshot.

    ``base_url`` is what ``/v1/…`` is joined to and ``root_url`` what ``/{name}/…`` is joined to, both without
    a trailing slash. ``key_env`` names the environment variable (or secret file) that holds the key; without
    one the client's own may be passed on (``gateway.admission`` says when). Time-outs are in seconds.
    ``unstored_metadata`` "keep" keeps a chat completion's metadata here unless it is to be stored, "send" leaves it in.
    ``on_broken_stream`` "tell" says in a last event why a stream breaks off, "abort_only" adds nothing to it.
    ``gateway_headers`` "send" passes what speaks to other gateways on, for a provider that is one.

    ``source`` says why it is here: ``configured``; ``catalogue`` (edited while Dashcam runs); ``environment`` (its key
    is in the server's environment); ``found`` (by probing this machine: never handed anybody's credentials).
    ``is_away``: a found one that no longer answers. ``entries`` are the members of its model list as it gave them
    (JSON), empty where they were too large.
    ``proxy`` (an http, https or socks5 address; ``proxy_auth_env`` names the variable with its user:password) and
    ``http2`` choose the second way there (``upstream.tunnelling``). ``allow_private`` is whether its address may be
    private, ``allow_private_proxy`` whether its outgoing proxy's may.

    ``key_sealed`` is a key of the store as it is kept there, opened where it is used. ``default_model`` is asked for
    where a request names none, ``max_tokens`` bounds an answer where nobody else does.
    """

    name: str
    kind: str
    base_url: str
    root_url: str
    key_env: str | None = None
    stream_usage: str = "passive"
    unstored_metadata: str = "send"
    gateway_headers: str = "keep"
    models: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    connect_timeout: float = 5.0
    first_byte_timeout: float = 660.0
    idle_timeout: float = 660.0
    on_client_gone: str = "cancel"
    on_broken_stream: str = "tell"
    allow_private: bool = True
    allow_private_proxy: bool = True
    source: str = "configured"
    is_away: bool = False
    entries: tuple[str, ...] = ()
    proxy: str | None = None
    proxy_auth_env: str | None = None
    http2: bool = False
    key_sealed: str | None = None
    limits: Limits | None = None
    default_model: str | None = None
    max_tokens: int | None = None

    @property
    def is_local(self) -> bool:
        """True when calls cost nothing because the user runs the server."""
        return self.kind in LOCAL_KINDS

    @property
    def host(self) -> str:
        """The host name of the base address."""
        return urlsplit(self.base_url).hostname or ""


def key_header(provider: Provider, key: bytes, path: bytes) -> tuple[bytes, bytes]:
    """Return the header in which a provider wants its key, on this path below its address."""
    native = _NATIVE_HEADERS.get(provider.kind)
    if native is None or (native[1] is not None and native[1] in path):
        return b"Authorization", b"Bearer " + key
    return native[0], key


# A kind's own header, and the part of a path that marks the OpenAI-compatible API beside it, which takes a bearer.
_NATIVE_HEADERS: dict[str, tuple[bytes, bytes | None]] = {
    "azure": (b"api-key", None),
    "anthropic": (b"x-api-key", b"/chat/completions"),
    "google": (b"x-goog-api-key", b"/openai/"),
}
_NAMES = frozenset(item.name for item in fields(Provider))


def provider_from_mapping(values: Mapping[str, object]) -> Provider:
    """Build a provider from decoded JSON, ignoring members of a newer minor version."""
    known: dict[str, object] = {}
    for name, value in values.items():
        if name in _NAMES:
            known[name] = _READERS.get(name, _plain)(value)
    return Provider(**known)  # type: ignore[arg-type]


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _plain(value: object) -> object:
    return value


_READERS: dict[str, Callable[[object], object]] = {
    "models": _frozen,
    "headers": _frozen,
    "entries": _frozen,
    "limits": limits_from_mapping,
}
