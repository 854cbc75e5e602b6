"""Addresses of providers, as people write them: ``[NAME=]URL``.

No path means the OpenAI-compatible API at ``/v1``; a path that ends in ``/v1`` has its root one step up; any other
path is taken as it is. A name that is a known kind gives that kind, wherever the server listens; else a well-known
host does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from proxy.domain.provider import INJECTING_KINDS, KNOWN_KINDS, UNSTORED_METADATA_KINDS, Provider
from proxy.settings.access import is_loopback

RESERVED = frozenset(
    {"v1", "api", "metrics", "healthz", "readyz", "docs", "assets", "console", "static", "login", "dashcam"}
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
_PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f:@\[\]]+)(?::[0-9]{1,5})?\Z")
_PATH = re.compile(r"[!-~]*\Z")
_HOSTS = {
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "xai",
}
_KEY_ENV = {
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "xai": "XAI_API_KEY",
}


def split_address(url: str) -> tuple[str, str]:
    """Return (base, root) of an address; ``ValueError`` says what is wrong with it, but repeats no secret."""
    text = url.strip()
    parts = urlsplit(text)
    if "@" in (parts.netloc or text):
        raise ValueError("an address must not hold a user or password; name a key variable instead")
    if parts.query or parts.fragment:
        raise ValueError("an address must not have a query or fragment")
    if parts.scheme not in ("http", "https") or not _PLACE.match(parts.netloc):
        raise ValueError(f"{url!r} is no http or https address")
    if parts.port == 0:
        raise ValueError("a port is a number from 1 to 65535")
    # The path goes into request lines as it is; urlsplit has taken out tabs and line breaks without a word.
    if not _PATH.match(parts.path) or len(text.split()) != 1:
        raise ValueError(f"{url!r} must not have blanks, and its path must be ASCII: write anything else as %XX")
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc.lower()}"
    if not path:
        return f"{origin}/v1", origin
    return origin + path, origin + path.removesuffix("/v1")


def leads_home(url: str, port: int, names: Iterable[str] = ()) -> bool:
    """Return True for an address of our own listener, on loopback or under one of the names it answers to."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    own = {name.strip("[]").lower() for name in names}
    return parts.port == port and parts.scheme == "http" and (is_loopback(host) or host in own | {"0.0.0.0", "::"})  # noqa: S104 - compared with


def kind_of(name: str, base_url: str) -> str:
    """Return the kind that a name or a well-known host implies."""
    if name in KNOWN_KINDS:
        return name
    return _HOSTS.get(urlsplit(base_url).hostname or "", "custom")


def check_name(name: str) -> None:
    """Raise ``ValueError`` when a provider cannot be called that."""
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no provider name: use a-z, 0-9, '-' and '_', at most 40")
    if name in RESERVED:
        raise ValueError(f"{name!r} is reserved; choose another name for this provider")


def provider_of(name: str, url: str, **values: object) -> Provider:
    """Return a provider with its kind's manners; ``values`` win. ``ValueError`` says what is wrong."""
    check_name(name)
    base, root = split_address(url)
    kind = str(values.pop("kind", None) or kind_of(name, base))
    if kind not in KNOWN_KINDS:
        raise ValueError(f"kind {kind!r} is not known; use one of {', '.join(KNOWN_KINDS)}")
    made: dict[str, object] = {
        "name": name,
        "kind": kind,
        "base_url": base,
        "root_url": root,
        "key_env": _KEY_ENV.get(kind),
        "stream_usage": "inject" if kind in INJECTING_KINDS else "passive",
        "unstored_metadata": "keep" if kind in UNSTORED_METADATA_KINDS else "send",
    }
    given = {key: value for key, value in values.items() if value is not None}
    return Provider(**{**made, **given})  # type: ignore[arg-type]


def parse_upstreams(texts: list[str]) -> list[tuple[str, str]]:
    """Return (name, url) of ``[NAME=]URL`` texts; nameless ones are named ``upstream``, ``upstream2`` …"""
    found: list[tuple[str, str]] = []
    for text in texts:
        name, equals, url = text.partition("=")
        is_named = bool(equals) and "/" not in name
        default = "upstream" if not found else f"upstream{len(found) + 1}"
        found.append((name.strip(), url.strip()) if is_named else (default, text.strip()))
    return found
