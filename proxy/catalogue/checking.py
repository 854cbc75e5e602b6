"""The catalogue as a whole: what each document refers to is there, names are free, and addresses lead outward.

Everything that is wrong is told at once. What only the contents of prompts can tell (``proxy.prompting``) is told in
``proxy.catalogue.contents``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from proxy.catalogue.addresses import reason_against
from proxy.catalogue.catalogue import Catalogue, place_of
from proxy.catalogue.fields import split_reference
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument
from proxy.catalogue.surroundings import Surroundings
from proxy.domain.provider import KNOWN_KINDS
from proxy.domain.route import WILDCARD
from proxy.errors import Problem
from proxy.prompting.parameters import problems_of
from proxy.redaction.own import reasons_against as reasons_against_patterns
from proxy.settings.access import leads_home
from proxy.settings.presets import FINDABLE, is_usual_variable

ECHO = "dashcam"
"""The provider that is in Dashcam itself."""


def checked(catalogue: Catalogue, surroundings: Surroundings) -> list[Problem]:
    """Return all that is wrong with a catalogue, in the order of its nouns; empty when it can be used."""
    found = [
        *_of_providers(catalogue, surroundings),
        *_of_models(catalogue, surroundings),
        *_of_prices(catalogue, surroundings),
        *_of_routes(catalogue, surroundings),
    ]
    return list(dict.fromkeys(found))


# -- providers ----------------------------------------------------------------------------------------------


def _of_providers(catalogue: Catalogue, surroundings: Surroundings) -> Iterator[Problem]:
    for name, provider in sorted(catalogue.providers.items()):
        place = place_of("providers", name)
        origin = surroundings.origin(name)
        if origin in ("file", "environment"):
            where = "the settings file" if origin == "file" else "the server's environment"
            yield Problem(f"{place}.name", f"{where} has a provider of this name; choose another one")
        for field, url in (("base_url", provider.base_url), ("proxy", provider.proxy)):
            if url and (reason := reason_against(url, surroundings.allow_private)):
                yield Problem(f"{place}.{field}", reason)
        if leads_home(provider.base_url, surroundings.port, surroundings.hosts):
            yield Problem(f"{place}.base_url", "is this Dashcam's own address: every call would come back to us")
        yield from _of_outgoing_proxy(provider, place, surroundings)
        yield from _of_variables(provider, place, surroundings.key_prefixes)


def _of_outgoing_proxy(provider: ProviderDocument, place: str, surroundings: Surroundings) -> Iterator[Problem]:
    if provider.proxy is None:
        return
    if leads_home(provider.proxy, surroundings.port, surroundings.hosts):
        yield Problem(f"{place}.proxy", "is this Dashcam's own address, and Dashcam is no outgoing proxy")
    if not provider.base_url.strip().startswith("https://"):
        # Whoever may change a provider, but not its key, would be shown the key by a proxy of theirs.
        yield Problem(
            f"{place}.proxy",
            "could read the key, since the address is http; give an https base_url, or write this provider into the "
            "settings file",
        )


def _of_variables(provider: ProviderDocument, place: str, prefixes: Sequence[str]) -> Iterator[Problem]:
    """Refuse variables that the catalogue must not read: it could send any secret of the server's anywhere."""
    for field, variable in (("key_env", provider.key_env), ("proxy_auth_env", provider.proxy_auth_env)):
        if variable is None or variable.startswith(tuple(prefixes)):
            continue
        if field == "key_env" and is_usual_variable(variable, provider.kind, provider.base_url):
            continue
        told = " or ".join(f"{prefix}…" for prefix in prefixes) or "no variable at all"
        yield Problem(
            f"{place}.{field}",
            f"{variable} is not for providers of the catalogue; name {told} (admin.key_prefixes), or give the key",
        )


# -- models -------------------------------------------------------------------------------------------------


def _of_models(catalogue: Catalogue, surroundings: Surroundings) -> Iterator[Problem]:
    for key, model in sorted(catalogue.models.items()):
        place = place_of("models", key)
        if not is_provider(key[0], catalogue, surroundings):
            yield Problem(f"{place}.provider", _no_provider(key[0], catalogue, surroundings))
        yield from problems_of(model.defaults, f"{place}.defaults", kind_of(key[0], catalogue, surroundings))


def is_provider(name: str, catalogue: Catalogue, surroundings: Surroundings) -> bool:
    """Tell whether a name means a provider: the catalogue's, the settings', or one that may be found here."""
    return name in catalogue.providers or name in FINDABLE or surroundings.origin(name) is not None


def kind_of(name: str, catalogue: Catalogue, surroundings: Surroundings) -> str | None:
    """Return the kind of the provider that a name means, None where there is none."""
    found = catalogue.providers.get(name)
    return surroundings.kind(name) or (found.kind if found else name if name in FINDABLE else None)


def kinds_of(route: RouteDocument, catalogue: Catalogue, surroundings: Surroundings) -> list[str]:
    """Return the kinds of the providers that a route names, each once."""
    names = [item.provider for item in route.targets] + [item.provider for item in route.fallbacks if item.provider]
    kinds = (kind_of(name, catalogue, surroundings) for name in names)
    return list(dict.fromkeys(kind for kind in kinds if kind is not None))


def _no_provider(name: str, catalogue: Catalogue, surroundings: Surroundings) -> str:
    there = sorted({*catalogue.providers, *(item.name for item in surroundings.providers)})
    return f"there is no provider {name!r}; " + (f"there are: {', '.join(there[:20])}" if there else "add it first")


# -- prices -------------------------------------------------------------------------------------------------


def _of_prices(catalogue: Catalogue, surroundings: Surroundings) -> Iterator[Problem]:
    groups: dict[tuple[str, str, str], list[PriceDocument]] = {}
    for key, price in sorted(catalogue.prices.items()):
        is_there = not price.provider or price.provider in KNOWN_KINDS
        if not is_there and not is_provider(price.provider, catalogue, surroundings):
            yield Problem(
                f"{place_of('prices', key)}.provider", f"{price.provider!r} is no provider and no kind of one"
            )
        groups.setdefault((price.provider, price.model, price.tier), []).append(price)
    for group in groups.values():
        yield from _overlaps(group)


def _overlaps(group: list[PriceDocument]) -> Iterator[Problem]:
    """Tell of prices of the same thing that hold on the same day."""
    ordered = sorted(group, key=lambda price: price.valid_from.isoformat() if price.valid_from else "")
    for former, price in pairwise(ordered):
        if former.valid_until is None or price.valid_from is None or price.valid_from < former.valid_until:
            since = former.valid_from.isoformat() if former.valid_from else "always"
            yield Problem(
                f"{place_of('prices', price.key)}.valid_from",
                f"overlaps the price of {former.model!r}, tier {former.tier}, that holds from {since} "
                f"({former.key}); let that one end with valid_until where this one begins",
            )


# -- routes -------------------------------------------------------------------------------------------------


def _of_routes(catalogue: Catalogue, surroundings: Surroundings) -> Iterator[Problem]:
    for name, route in sorted(catalogue.routes.items()):
        place = place_of("routes", name)
        if surroundings.has_route(name):
            yield Problem(f"{place}.name", "the settings file has a route of this name; choose another one")
        yield from _of_targets(route, place, catalogue, surroundings)
        for field, reference in (("prompt", route.prompt), ("prompt_fallback", route.prompt_fallback)):
            if reference and (reason := reason_against_reference(reference, catalogue)):
                yield Problem(f"{place}.{field}", reason)
        for kind in kinds_of(route, catalogue, surroundings):
            yield from problems_of(route.defaults, f"{place}.defaults", kind)
            yield from problems_of(route.forced, f"{place}.forced", kind)
        for position, reason in reasons_against_patterns(route.redaction, surroundings.patterns):
            yield Problem(f"{place}.redaction.{position}", reason)
        if circle := circle_of(name, catalogue):
            yield Problem(f"{place}.fallbacks", f"goes in a circle: {' → '.join(circle)}")


def _of_targets(
    route: RouteDocument, place: str, catalogue: Catalogue, surroundings: Surroundings
) -> Iterator[Problem]:
    named = [(f"targets.{position}", item.provider) for position, item in enumerate(route.targets)]
    named += [
        (f"fallbacks.{position}", item.provider) for position, item in enumerate(route.fallbacks) if item.provider
    ]
    for field, provider in named:
        if provider != ECHO and not is_provider(provider, catalogue, surroundings):
            yield Problem(f"{place}.{field}.provider", _no_provider(provider, catalogue, surroundings))
    for position, item in enumerate(route.fallbacks):
        if item.route and (reason := _reason_against_route(item.route, route, catalogue)):
            yield Problem(f"{place}.fallbacks.{position}.route", reason)


def _reason_against_route(name: str, route: RouteDocument, catalogue: Catalogue) -> str | None:
    other = catalogue.routes.get(name)
    if other is None:
        return f"there is no route {name!r} in the catalogue"
    if WILDCARD not in route.name and any(WILDCARD in model for model in other.models):
        return f"the route {name!r} puts what its '*' stands for into a model's name, and this one has no '*'"
    return None


def circle_of(name: str, catalogue: Catalogue) -> list[str] | None:
    """Return the way from a route back to itself, None when there is none."""
    ways, seen = [[name]], {name}
    while ways:
        way = ways.pop()
        route = catalogue.routes.get(way[-1])
        for item in route.fallbacks if route else ():
            if item.route == name:
                return [*way, name]
            if item.route and item.route not in seen:
                seen.add(item.route)
                ways.append([*way, item.route])
    return None


def reason_against_reference(reference: str, catalogue: Catalogue) -> str | None:
    """Return why a reference to a prompt (name@label …) leads nowhere, None when it leads to a version."""
    name, wanted = split_reference(reference)
    prompt = catalogue.prompts.get(name)
    if prompt is None:
        return f"there is no prompt {name!r}"
    if prompt.version(wanted) is not None:
        return None
    if not prompt.versions:
        return f"the prompt {name!r} has no version yet"
    return f"the prompt {name!r} has no version, name or label {wanted!r}"
