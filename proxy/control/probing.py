"""Model servers on this machine, found by looking: Ollama, LM Studio, vLLM, llama.cpp at their usual ports.

To look is to open a connection and close it again, which no server logs; only one that has just appeared is asked who
it is, and is believed by what it answers, not by its port: a foreign program is never taken for a model server, nor
is another Dashcam. Ollama is looked for where ``OLLAMA_HOST`` says. Nobody's credentials are ever sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.control.listing import Listing, bare_listing, listing_of
from proxy.domain.provider import Provider
from proxy.protocol.jsontext import items, mapping, parse_object, text
from proxy.settings.access import leads_home
from proxy.settings.addresses import local_root, provider_of
from proxy.settings.presets import FINDABLE

KNOCK_SECONDS = 0.5
_OWNERS = {"vllm": ("vllm",), "llamacpp": ("llamacpp",), "lmstudio": ("organization_owner", "lmstudio", "lm-studio")}

Ask = Callable[[str], Awaitable[bytes | None]]
"""Asks a URL; None when there is no good answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server of this kind would be; ``root`` is its address without a path."""

    kind: str
    root: str

    @property
    def socket_address(self) -> tuple[str, int]:
        """What to connect to."""
        parts = urlsplit(self.root)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def places(ollama_host: str, port: int, providers: Sequence[Provider]) -> tuple[Place, ...]:
    """Return where to look: nowhere that is ours (``port``), or that a provider has already.

    ``ollama_host`` is what the variable of that name says.
    """
    taken = {Place("", root_of(item.base_url)).socket_address for item in providers if item.source != "found"}
    found = []
    for kind in FINDABLE:
        root = local_root(kind, ollama_host)
        if root is not None and not leads_home(root, port):
            place = Place(kind, root)
            if not {place.socket_address, ("localhost", place.socket_address[1])} & taken:
                found.append(place)
    return tuple(found)


def root_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def found_provider(place: Place, listing: Listing, names: Sequence[str]) -> Provider:
    """Return a provider for a server that was found; ``names`` are those in use already."""
    name = place.kind if place.kind not in names else f"{place.kind}-local"
    return provider_of(
        name,
        place.root,
        kind=place.kind,
        source="found",
        models=listing.names,
        entries=listing.entries,
        connect_timeout=2.0,
    )


def knock_now(place: Place) -> bool:
    """Return True when somebody listens there, at once: for a command line without an event loop."""
    with contextlib.suppress(OSError), socket.create_connection(place.socket_address, KNOCK_SECONDS / 2):
        return True
    return False


async def knock(place: Place) -> bool:
    """Return True when somebody listens there."""
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(*place.socket_address)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def identify(place: Place, ask: Ask) -> Listing | None:
    """Return the models of the server there, None when it is not of the kind that was looked for."""
    if place.kind == "ollama":
        return await _ollama(place, ask)
    listing = listing_of(await ask(f"{place.root}/v1/models") or b"")
    if listing is None:
        return None
    owners = {text(mapping(parse_object(entry.encode())).get("owned_by")) for entry in listing.entries}
    if owners and owners <= set(_OWNERS[place.kind]):
        return listing
    return listing if place.kind == "lmstudio" and await _is_lmstudio(place, ask) else None


async def _ollama(place: Place, ask: Ask) -> Listing | None:
    """Its own list proves who it is; the OpenAI-compatible one is what clients are shown."""
    tags = mapping(parse_object(await ask(f"{place.root}/api/tags") or b""))
    if not isinstance(tags.get("models"), list):
        return None
    names = [name for item in items(tags["models"]) if (name := text(mapping(item).get("name")))]
    listing = listing_of(await ask(f"{place.root}/v1/models") or b"")
    return listing if listing is not None else bare_listing(names, "library")


async def _is_lmstudio(place: Place, ask: Ask) -> bool:
    """LM Studio's own list tells of each model whether it is loaded."""
    own = mapping(parse_object(await ask(f"{place.root}/api/v0/models") or b""))
    listed = own.get("data")
    return isinstance(listed, list) and all("state" in mapping(item) for item in listed)
