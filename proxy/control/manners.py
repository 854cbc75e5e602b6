"""How a provider is asked by control, for its list of models or whether it answers: where, with what, through whom.

The same as a gateway would: its address and headers, its key where there is one here, its certificates, its outgoing
proxy. How a question is put and what may go wrong is ``fetching``.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx2

from proxy.control.fetching import PLAIN, Manners
from proxy.domain.provider import Provider, key_header
from proxy.settings.access import is_private
from proxy.settings.credentials import read_secret


def may_list(provider: Provider, keys: Mapping[str, bytes]) -> bool:
    """Return True when a provider's list can be had without a key of the client's."""
    return provider.name in keys or provider.is_local or is_private(provider.host)


def list_address(provider: Provider) -> str:
    """Return where its models are listed; Anthropic gives twenty at a time unless asked for more."""
    return f"{provider.base_url}/models" + ("?limit=1000" if provider.kind == "anthropic" else "")


def manners_of(provider: Provider, keys: Mapping[str, bytes]) -> Manners:
    """Return how a provider is asked for its list; ``OSError`` where its certificates cannot be read."""
    verify, proxy = _verify(provider), _outgoing_proxy(provider)
    return Manners(
        _headers(provider, keys), verify, proxy, provider.http2,
        allow_private=provider.allow_private, allow_private_proxy=provider.allow_private_proxy,
    )  # fmt: skip


def _headers(provider: Provider, keys: Mapping[str, bytes]) -> list[tuple[bytes, bytes]]:
    found = list(PLAIN)
    key = keys.get(provider.name)
    if key is not None:
        found.append(key_header(provider, key, list_address(provider).encode()))
    if provider.kind == "anthropic":
        found.append((b"anthropic-version", b"2023-06-01"))
    return found + [(name.encode("latin-1"), value.encode("latin-1")) for name, value in provider.headers]


def _outgoing_proxy(provider: Provider) -> httpx2.Proxy | None:
    if provider.proxy is None:
        return None
    said = read_secret(provider.proxy_auth_env) if provider.proxy_auth_env else None
    user, colon, password = (said or "").partition(":")
    return httpx2.Proxy(provider.proxy, auth=(user, password) if colon else None)


def _verify(provider: Provider) -> ssl.SSLContext | bool:
    if provider.ca_file is None and provider.client_cert is None:
        return True
    context = ssl.create_default_context(cafile=provider.ca_file)
    if provider.client_cert is not None:
        context.load_cert_chain(provider.client_cert, provider.client_key)
    return context
