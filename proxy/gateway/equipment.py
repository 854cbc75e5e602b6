"""What a gateway's calls are served with, as its snapshot says: keys, routes, prompts, limits, ways to providers.

A snapshot is swapped in whole; calls under way keep what they started with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import structlog

from proxy.domain.identity import IdentityMint
from proxy.domain.snapshot import Snapshot
from proxy.gateway.allowances import Allowances
from proxy.gateway.authentication import KeyIndex
from proxy.gateway.body import BodyReader
from proxy.gateway.breaking import Breakers
from proxy.gateway.echo import EchoUpstream
from proxy.gateway.forwarding import ControlForwarder
from proxy.gateway.guard import Guard
from proxy.gateway.prompts import Prompts
from proxy.gateway.redacting import Redacting
from proxy.gateway.routing import ECHO, Routing
from proxy.gateway.sending import Upstream
from proxy.gateway.traffic import Traffic
from proxy.settings.provider_keys import ProviderKeys
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.spool.tallies import Tallies
from proxy.spool.writer import SpoolWriter
from proxy.upstream.client import UpstreamClient
from proxy.upstream.ways import Ways

_FEW_FILES = 1024

log = structlog.get_logger("gateway")


class EquippedGateway(Traffic):
    """A gateway with what it needs to serve; made once by ``server``."""

    def __init__(
        self,
        settings: Settings,
        snapshot: Snapshot,
        keys: ProviderKeys,
        spool: SpoolWriter,
        upstream: UpstreamClient,
        forwarder: ControlForwarder,
        *,
        gateways: int = 1,
        files: int = _FEW_FILES,
    ) -> None:
        super().__init__(settings, spool, gateways=gateways, files=files)
        self._least_limit = min(self.limits.body_bytes, self.limits.upload_bytes)
        self._bodies = BodyReader(settings.limits, self.ceilings)
        self.upstream = upstream
        self.forwarder = forwarder
        self.echo = EchoUpstream()
        self._ways = Ways(upstream.dialler)
        self._keys = keys
        self._mint = IdentityMint()
        self._without_usage: frozenset[str] = frozenset()
        self.tallies = Tallies(settings.tallies_dir, f"gateway-{spool.worker}-{os.getpid()}")
        self.prompts = Prompts(settings.prompts_dir)
        self._breakers = Breakers(lambda: self.page)
        self.use(snapshot)

    def __repr__(self) -> str:
        return f"<Gateway revision={self.snapshot.revision} in_flight={len(self.exchanges)}>"

    def use(self, snapshot: Snapshot) -> None:
        """Swap in a snapshot; calls under way keep what they started with."""
        self.snapshot = snapshot
        self._keys.use(snapshot.providers)
        if self._keys.unusable:
            log.error("provider_keys_unusable", reasons=dict(self._keys.unusable))
        self.routing = Routing(snapshot, self._keys.found)
        self.echo.listing = self.routing.listing
        self._bodies.wanted = self.routing.parameters.wanted
        self._upstreams: Mapping[str, Upstream] = {
            ECHO.name: self.echo,
            **self._ways.for_providers(snapshot.providers, self._keys.unusable),
        }
        self.prompts.use(snapshot)
        redacting = Redacting(snapshot, self.ceilings)
        self.redacting = redacting if redacting.is_needed else None
        self.guard = Guard(snapshot.allowed_hosts, has_keys=snapshot.requires_key)
        self._index = KeyIndex(snapshot)
        self.allowances = Allowances(snapshot, self.ceilings, self.tallies)
        self.page.set(Page.SNAPSHOT_REVISION, snapshot.revision)

    def look_at_keys(self) -> None:
        """Use the keys of files that have changed; heads that were seen before are composed anew."""
        if self._keys.has_changed():
            self.use(replace(self.snapshot))

    def remember_without_usage(self, provider: str) -> None:
        """This provider refuses the usage option: stop adding it until the next start."""
        self._without_usage |= {provider}
        log.warning("stream_usage_unsupported", provider=provider)

    async def close(self) -> None:
        """Close every connection to upstreams."""
        await self.upstream.close()
        await self._ways.close()
        self.tallies.close()
