"""Routes as the settings file says them, checked against the providers that there are.

A route may name a model server of this machine that is not there yet (``ollama``): its place is then held by a provider
that is away, so that what is meant for this machine waits for it and goes nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.settings.addresses import local_root, provider_of
from proxy.settings.presets import FINDABLE, ollama_host

if TYPE_CHECKING:
    from proxy.settings.schema import RouteSection


def routes_of(sections: Sequence[RouteSection], problems: list[str]) -> tuple[Route, ...]:
    """Return the routes in their order; a name that is said twice is a mistake."""
    found: dict[str, Route] = {}
    for number, item in enumerate(sections):
        if item.model in found:
            problems.append(f"routes.{number}.model: {item.model!r} has a route already")
            continue
        targets, fallbacks = (
            tuple(Target(provider=one.provider, model=one.model, weight=one.weight) for one in group)
            for group in (item.targets, item.fallbacks)
        )
        found[item.model] = Route(
            model=item.model, targets=targets, fallbacks=fallbacks, recording=item.recording,
            redaction=tuple(item.redaction),
        )  # fmt: skip
    return tuple(found.values())


def needed_by(routes: Sequence[Route], providers: Collection[Provider], problems: list[str]) -> tuple[Provider, ...]:
    """Return the model servers of this machine that routes name and that are no providers yet."""
    names = {item.name for item in providers}
    wanted = dict.fromkeys(name for _, name in _named(routes) if name in FINDABLE and name not in names)
    found = []
    for name in wanted:
        root = local_root(name, ollama_host())
        if root is None:
            problems.append("environment: OLLAMA_HOST is no address, and a route needs it")
        else:
            found.append(provider_of(name, root, source="found", is_away=True, connect_timeout=2.0))
    return tuple(found)


def names_missing(routes: Sequence[Route], providers: Collection[Provider]) -> list[str]:
    """Return a mistake for each provider that a route names and that is nowhere."""
    names = {item.name for item in providers} | {"dashcam"}
    told = ", ".join(sorted(names))
    return [
        f"{place}: there is no provider {name!r}; there are: {told}"
        for place, name in _named(routes)
        if name not in names
    ]


def _named(routes: Sequence[Route]) -> Iterator[tuple[str, str]]:
    """Yield each provider that is named, with its place in the file."""
    for number, route in enumerate(routes):
        for group, targets in (("targets", route.targets), ("fallbacks", route.fallbacks)):
            for position, target in enumerate(targets):
                yield f"routes.{number}.{group}.{position}.provider", target.provider
