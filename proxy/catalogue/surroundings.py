"""What a catalogue is checked against: what the settings and this machine have already, and what is allowed in them.

What stands in the settings file or follows from the environment cannot be edited and has its names for itself. What was
found on this machine gives way to the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.domain.provider import Provider
from proxy.domain.route import Route
from proxy.settings.values import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """``providers`` are all that there are without the catalogue, those found on this machine among them.

    ``allow_private`` are hosts and networks (CIDR) that a catalogue's addresses may lead to although they are private;
    ``key_prefixes`` are what a variable must begin with to be named in a catalogue. ``patterns`` are the user's own of
    redaction. ``port`` and ``hosts`` are our own.
    """

    providers: tuple[Provider, ...] = ()
    routes: tuple[Route, ...] = ()
    allow_private: tuple[str, ...] = ()
    key_prefixes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    port: int = 0
    hosts: tuple[str, ...] = ()

    def origin(self, name: str) -> str | None:
        """Return where a provider of that name is from ("file", "environment", "found"), None where there is none."""
        source = next((item.source for item in self.providers if item.name == name), None)
        return "file" if source == "configured" else source

    def kind(self, name: str) -> str | None:
        """Return the kind of a provider of that name, None where there is none."""
        return next((item.kind for item in self.providers if item.name == name), None)

    def has_route(self, name: str) -> bool:
        """Return True for a route of the settings file."""
        return any(item.model == name for item in self.routes)


def surroundings_of(settings: Settings, found: tuple[Provider, ...] = ()) -> Surroundings:
    """Return what the settings say, with the providers that were ``found`` on this machine."""
    names = {item.name for item in settings.providers}
    return Surroundings(
        providers=settings.providers + tuple(item for item in found if item.name not in names),
        routes=settings.routes,
        allow_private=settings.admin.allow_private_upstreams,
        key_prefixes=settings.admin.key_prefixes,
        patterns=tuple(item.name for item in settings.redaction.own),
        port=settings.server.port,
        hosts=(settings.server.host, *settings.server.allowed_hosts),
    )
