"""Which way leads to a provider: the client of ``client``, or ``tunnelling`` where the provider asks for it.

The second way is loaded with the first provider that needs it: a gateway without one never pays for it. What was made
for a provider is used on as long as nothing about its way has changed; what is used no more stays until the end, for
the calls that are under way on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from proxy.domain.provider import Provider
from proxy.settings.credentials import read_secret
from proxy.upstream.dialling import Dialler
from proxy.upstream.unusable import UnusableProvider

if TYPE_CHECKING:
    from proxy.upstream.tunnelling import TunnelClient


class Ways:
    """The second ways of one gateway."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._clients: dict[tuple[object, ...], TunnelClient] = {}

    def __repr__(self) -> str:
        return f"<Ways {list(self._clients.values())}>"

    def for_providers(
        self, providers: Iterable[Provider], unusable: Mapping[str, str] | None = None
    ) -> Mapping[str, TunnelClient | UnusableProvider]:
        """Return the clients of those that need the second way, by name; to the ``unusable`` none leads."""
        found: dict[str, TunnelClient | UnusableProvider] = {
            item.name: self._client_of(item) for item in providers if item.proxy is not None or item.http2
        }
        found.update({name: UnusableProvider(reason) for name, reason in (unusable or {}).items()})
        return found

    def _client_of(self, provider: Provider) -> TunnelClient:
        from proxy.upstream.tunnelling import TunnelClient

        key = (
            provider.name, provider.base_url, provider.proxy, provider.proxy_auth_env, provider.http2,
            provider.ca_file, provider.client_cert, provider.client_key, provider.connect_timeout,
        )  # fmt: skip
        if key not in self._clients:
            self._clients[key] = TunnelClient(provider, self._dialler, lambda: credentials_of(provider))
        return self._clients[key]

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.close()


def credentials_of(provider: Provider) -> tuple[str, str] | None:
    """Return user and password for the outgoing proxy, as the variable says them: ``user:password``."""
    said = read_secret(provider.proxy_auth_env) if provider.proxy_auth_env else None
    user, colon, password = (said or "").partition(":")
    return (user, password) if colon else None
