"""What the settings say, with what the last snapshot had from the store: what serves until the store has been read.

A start, or a control that was started anew, knows the settings at once and the catalogue only when the database is
open. Until then the providers, routes, prompts and keys of the last good snapshot go on, so that a call in the first
second of a restart, or while the database is away for a day, is served as before.
"""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.provider import Provider
from proxy.domain.route import Route
from proxy.domain.snapshot import Snapshot

CATALOGUE = "catalogue"
"""The source of providers that the store has."""
_ECHO = "dashcam"
"""The provider that is in Dashcam itself, and in no snapshot."""


def with_former(
    base: Snapshot, last: Snapshot | None, *, keeps_sealed: bool, found: tuple[Provider, ...] = ()
) -> Snapshot:
    """Return ``base``, the settings' snapshot, with what ``last`` has from the store, and what was ``found`` here.

    What the settings name themselves is theirs. Without ``keeps_sealed`` no key that the store keeps is used.
    """
    kept = _stored_providers(base, last, keeps_sealed=keeps_sealed)
    names = {item.name for item in base.providers + kept}
    providers = base.providers + kept + tuple(item for item in found if item.name not in names)
    if last is None:
        return replace(base, providers=providers)
    stored = tuple(key for key in last.keys if key.is_peppered)
    made = replace(base, providers=providers, keys=base.keys + stored, key_pepper=last.key_pepper)
    if not last.catalogue_revision:
        return made
    taken = {item.model for item in base.routes}
    routes = tuple(item for item in last.routes if item.model not in taken and _leads_somewhere(item, last))
    return replace(
        made,
        providers=providers + tuple(_places(routes, made, last)),
        routes=base.routes + routes,
        models=last.models,
        prompts=last.prompts,
        catalogue_revision=last.catalogue_revision,
    )


def _stored_providers(base: Snapshot, last: Snapshot | None, *, keeps_sealed: bool) -> tuple[Provider, ...]:
    if last is None or not last.catalogue_revision:
        return ()
    kept = (item for item in last.providers if item.source == CATALOGUE and base.provider(item.name) is None)
    return tuple(item if keeps_sealed else replace(item, key_sealed=None) for item in kept)


def _leads_somewhere(route: Route, last: Snapshot) -> bool:
    return any(item.provider == _ECHO or last.provider(item.provider) is not None for item in route.targets)


def _places(routes: tuple[Route, ...], made: Snapshot, last: Snapshot) -> list[Provider]:
    """Return a place, with nobody there, for each provider that routes name and that there is no more.

    What was meant for a server of this machine, which is found again in a moment, is not sent elsewhere meanwhile.
    """
    wanted = dict.fromkeys(item.provider for route in routes for item in route.targets + route.fallbacks)
    gone = (last.provider(name) for name in wanted if made.provider(name) is None)
    return [replace(item, is_away=True, key_env=None, key_sealed=None) for item in gone if item is not None]
