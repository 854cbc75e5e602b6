"""Addresses of providers, as people write them: ``[NAME=]URL``.

No path means the OpenAI-compatible API, at ``/v1`` or where the kind has it (``presets``); a path that ends there has
its root above it; any other path is taken as it is. A name that is a known kind gives that kind, wherever the server
listens; else a well-known host does.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from proxy.domain.provider import INJECTING_KINDS, KNOWN_KINDS, UNSTORED_METADATA_KINDS, Provider
from proxy.settings.presets import key_variable, kind_of, paths_of, usual_address

RESERVED = frozenset(
    {"v1", "api", "metrics", "healthz", "readyz", "docs", "assets", "console", "static", "login", "dashcam"}
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
_PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f:@\[\]]+)(?::[0-9]{1,5})?\Z")
_PATH = re.compile(r"[!-~]*\Z")
_OLLAMA_PORT = 11434


def split_address(url: str, usual_path: str = "/v1", below_root: str = "/v1") -> tuple[str, str]:
    """Return (base, root) of an address; ``ValueError`` says what is wrong with it, but repeats no secret.

    ``usual_path`` is meant where the address has no path; ``below_root`` is the end of a path that is not the root's.
    """
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
    base = path or usual_path
    return origin + base, origin + base.removesuffix(below_root if base.endswith(below_root) else "/v1")


def check_name(name: str) -> None:
    """Raise ``ValueError`` when a provider cannot be called that."""
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no provider name: use a-z, 0-9, '-' and '_', at most 40")
    if name in RESERVED:
        raise ValueError(f"{name!r} is reserved; choose another name for this provider")


def provider_of(name: str, url: str, **values: object) -> Provider:
    """Return a provider with its kind's manners; ``values`` win. ``ValueError`` says what is wrong."""
    check_name(name)
    host = urlsplit(url.strip()).hostname if "://" in url else None
    kind = str(values.pop("kind", None) or kind_of(name, host or ""))
    if kind not in KNOWN_KINDS:
        raise ValueError(f"kind {kind!r} is not known; use one of {', '.join(KNOWN_KINDS)}")
    base, root = split_address(url, *paths_of(kind, host or ""))
    made: dict[str, object] = {
        "name": name,
        "kind": kind,
        "base_url": base,
        "root_url": root,
        "key_env": key_variable(kind),
        "stream_usage": "inject" if kind in INJECTING_KINDS else "passive",
        "unstored_metadata": "keep" if kind in UNSTORED_METADATA_KINDS else "send",
    }
    given = {key: value for key, value in values.items() if value is not None}
    if given.get("http2") and not base.startswith("https://"):
        raise ValueError("http2 = true needs an https address: without TLS nobody says that he speaks it")
    return Provider(**{**made, **given})  # type: ignore[arg-type]


def parse_upstreams(texts: list[str]) -> list[tuple[str, str]]:
    """Return (name, url) of ``[NAME=]URL`` texts; nameless ones are named ``upstream``, ``upstream2`` …

    The name of a kind alone stands for its usual address.
    """
    found: list[tuple[str, str]] = []
    for text in texts:
        if usual := usual_address(text.strip()):
            found.append((text.strip(), usual))
            continue
        name, equals, url = text.partition("=")
        is_named = bool(equals) and "/" not in name
        default = "upstream" if not found else f"upstream{len(found) + 1}"
        found.append((name.strip(), url.strip()) if is_named else (default, text.strip()))
    return found


def local_root(kind: str, ollama_host: str) -> str | None:
    """Return the root of a kind's server on this machine, None when ``OLLAMA_HOST`` (as given) means no address."""
    return ollama_root(ollama_host) if kind == "ollama" else split_address(usual_address(kind) or "")[1]


def ollama_root(said: str) -> str | None:
    """Return the address that ``OLLAMA_HOST`` means, as Ollama's own client reads it; None when it means none.

    A server's "all addresses" is this machine to a caller.
    """
    scheme, mark, rest = said.strip().strip("\"'").partition("://")
    scheme, rest = (scheme, rest) if mark else ("http", scheme)
    host_and_port = rest.partition("/")[0]
    host, colon, digits = host_and_port.rpartition(":")
    if not colon or digits.endswith("]"):
        host, digits = host_and_port, ""
    default = _OLLAMA_PORT if not mark else (443 if scheme == "https" else 80)
    number = digits or str(default)
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(host, host)  # noqa: S104
    try:
        return split_address(f"{scheme}://{host}:{number}")[1]
    except ValueError:
        return None
