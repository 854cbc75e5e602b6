"""Model servers of this machine, as they are when a command starts: so that the first call finds them already.

A port nobody listens at costs some microseconds; only where somebody does is the event loop and the HTTP client loaded.
Control goes on looking (``control.discovery``); here is only the first look, at most two seconds long.
"""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.provider import Provider
from proxy.settings.values import Settings


def with_local_servers(settings: Settings) -> Settings:
    """Return the settings with the servers that answer now among the providers."""
    found = local_servers(settings)
    kept = [item for item in settings.providers if item.root_url not in {one.root_url for one in found}]
    return replace(settings, providers=(*kept, *found)) if found else settings


def local_servers(settings: Settings) -> list[Provider]:
    """Return a provider for each server that answers, none where they are not to be looked for."""
    if not settings.discovery.local_servers:
        return []
    from proxy.control.probing import knock_now, places
    from proxy.settings.presets import ollama_host

    there = [place for place in places(ollama_host(), settings.server.port, settings.providers) if knock_now(place)]
    if not there:
        return []
    import asyncio

    from proxy.control.discovery import look_once

    names = [item.name for item in settings.providers if item.source != "found"]
    return asyncio.run(look_once(there, names))
