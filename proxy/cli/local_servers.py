"""Model servers of this machine, as they are when a command starts: so that the first call finds them already.

A port nobody listens at costs some microseconds; only where somebody does is the event loop and the HTTP client loaded.
Control goes on looking (``control.discovery``); here is only the first look, at most
``discovery.first_look_seconds`` long: something that listens and says nothing must not delay the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from proxy.domain.provider import Provider
from proxy.settings.values import Settings

PATIENCE_SECONDS = 1.5
"""How long the doctor waits before it calls an address silent; an answer is due within milliseconds."""


def with_local_servers(settings: Settings) -> Settings:
    """Return the settings with the servers that answer now among the providers."""
    return with_found(settings, local_servers(settings)[0])


def with_found(settings: Settings, found: Sequence[Provider]) -> Settings:
    """Return the settings with these servers among the providers."""
    kept = [item for item in settings.providers if item.root_url not in {one.root_url for one in found}]
    return replace(settings, providers=(*kept, *found)) if found else settings


def local_servers(settings: Settings, seconds: float | None = None) -> tuple[list[Provider], list[str]]:
    """Return a provider for each server that answers, and the addresses where somebody listens and says nothing.

    Both are empty where they are not to be looked for. ``seconds`` is how long to wait; None: as long as a start may.
    """
    if not settings.discovery.local_servers:
        return [], []
    from proxy.control.probing import knock_now, places
    from proxy.settings.presets import ollama_host

    there = [place for place in places(ollama_host(), settings.server.port, settings.providers) if knock_now(place)]
    if not there:
        return [], []
    import asyncio

    from proxy.control.discovery import look_once

    names = [item.name for item in settings.providers if item.source != "found"]
    found, silent = asyncio.run(look_once(there, names, seconds or settings.discovery.first_look_seconds))
    return found, [place.root for place in silent]
