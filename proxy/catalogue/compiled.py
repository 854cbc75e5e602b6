"""From documents to the values that the gateway works with: what the settings say, and the catalogue beside it.

A checked catalogue compiles without loss. One that was checked against other settings compiles too: what the settings
have by the same name wins, and a warning says so, since a start must not fail by what was edited before. Who is not
active serves nothing; where nobody else is left for a name, a place that leads nowhere is kept for it, so that a call
which was meant for one provider never goes to another because of a switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import orjson
from pydantic import JsonValue

from proxy.catalogue.addresses import is_allowed
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.model import ModelDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument
from proxy.catalogue.surroundings import Surroundings
from proxy.domain.model import Model, Parameters
from proxy.domain.prompt import PublishedPrompt
from proxy.domain.provider import INACTIVE, Provider
from proxy.domain.route import WILDCARD, Route, Target
from proxy.pricing.overrides import Overrides, ranked
from proxy.protocol.listing import bare_entry
from proxy.settings.addresses import provider_of
from proxy.settings.presets import is_usual_variable, key_variable
from proxy.settings.routes import needed_by

SOURCE = "catalogue"
_PLAIN = (
    *("connect_timeout", "first_byte_timeout", "idle_timeout", "stream_usage", "unstored_metadata", "gateway_headers"),
    *("on_client_gone", "on_broken_stream", "proxy", "proxy_auth_env", "http2", "default_model", "max_tokens"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What belongs into a snapshot, that of the settings included; ``warnings`` are for the log."""

    providers: tuple[Provider, ...]
    routes: tuple[Route, ...]
    models: tuple[Model, ...]
    prompts: tuple[PublishedPrompt, ...]
    warnings: tuple[str, ...] = ()


def compiled(catalogue: Catalogue, surroundings: Surroundings, sealed: Mapping[str, str] | None = None) -> Compiled:
    """Return the gateway's values; ``sealed`` are the sealed keys of providers by name."""
    warnings: list[str] = []
    routes = surroundings.routes + tuple(_routes(catalogue, surroundings, warnings))
    providers = _providers(catalogue, surroundings, sealed or {}, warnings)
    named = {item.provider for route in routes for item in route.targets + route.fallbacks}
    there = {item.name for item in providers}
    nowhere = tuple(_nowhere(item) for name, item in sorted(catalogue.providers.items()) if name in named - there)
    providers += nowhere
    providers += needed_by(routes, providers, warnings)
    return Compiled(
        providers=tuple(with_models(item, catalogue) for item in providers),
        routes=routes,
        models=tuple(_model(item) for _, item in sorted(catalogue.models.items()) if item.active and _says(item)),
        prompts=tuple(
            item.published() for _, item in sorted(catalogue.prompts.items()) if item.active and item.versions
        ),
        warnings=tuple(warnings),
    )


def own_prices(catalogue: Catalogue) -> Overrides:
    """Return the catalogue's prices as pricing's rules, the most specific first."""
    prices = [price for _, price in sorted(catalogue.prices.items())]
    return ranked(
        # By its own key, so that a change of one price does not make others of all.
        replace(price.to_override(number), source=SOURCE, version=price.key)
        for number, price in enumerate(prices, 1)
    )


# -- providers ----------------------------------------------------------------------------------------------


def _providers(
    catalogue: Catalogue, surroundings: Surroundings, sealed: Mapping[str, str], warnings: list[str]
) -> tuple[Provider, ...]:
    """Return those of the settings, then the catalogue's, then those found here whose names are free."""
    configured = tuple(item for item in surroundings.providers if item.source != "found")
    taken = {item.name for item in configured}
    edited = []
    for name, document in sorted(catalogue.providers.items()):
        if name in taken:
            warnings.append(f"provider {name} of the catalogue is not used: the settings have one of this name")
        elif document.active:
            edited.append(compiled_provider(document, surroundings, sealed.get(name)))
    taken |= set(catalogue.providers)
    found = tuple(item for item in surroundings.providers if item.source == "found" and item.name not in taken)
    return configured + tuple(edited) + found


def compiled_provider(document: ProviderDocument, surroundings: Surroundings, sealed: str | None = None) -> Provider:
    """Return the provider of a document, with its sealed key where it has one.

    A key of the environment is only ever meant where the document names its variable, or where the address is the
    kind's own.
    """
    said = document.model_dump(include=set(_PLAIN), exclude_none=True)
    provider = provider_of(document.name, document.base_url, kind=document.kind, source=SOURCE, **said)
    usual = key_variable(document.kind) or ""
    usual_here = usual if is_usual_variable(usual, document.kind, document.base_url) else None
    return replace(
        provider,
        key_env=None if sealed else document.key_env or usual_here,
        key_sealed=sealed,
        headers=tuple(document.headers.items()),
        limits=document.limits.to_domain() if document.limits else None,
        allow_private=_may_be_private(provider.base_url, surroundings),
        allow_private_proxy=_may_be_private(provider.proxy or "", surroundings),
    )


def _may_be_private(url: str, surroundings: Surroundings) -> bool:
    return is_allowed(urlsplit(url).hostname or "", surroundings.allow_private)


def _nowhere(document: ProviderDocument) -> Provider:
    url = f"http://{document.name.replace('_', '-').strip('-')}{INACTIVE}"
    there = provider_of(document.name, url, kind=document.kind, source=SOURCE, is_away=True, connect_timeout=1.0)
    return replace(there, key_env=None, allow_private=False)


def with_models(provider: Provider, catalogue: Catalogue) -> Provider:
    """Return the provider with the catalogue's models among its own, and without those that are not active."""
    known = [item for _, item in sorted(catalogue.models.items()) if item.provider == provider.name]
    if not known or provider.is_away:
        return provider
    has_entries = len(provider.entries) == len(provider.models)
    entries = provider.entries if has_entries else tuple(bare_entry(name, provider.name) for name in provider.models)
    listed = dict(zip(provider.models, entries, strict=True))
    for item in known:
        if item.active:
            listed.setdefault(item.name, bare_entry(item.name, provider.name))
        else:
            listed.pop(item.name, None)
    return replace(provider, models=tuple(listed), entries=tuple(listed.values()))


def _says(document: ModelDocument) -> bool:
    return bool(document.defaults) or document.max_output_tokens is not None


def _model(document: ModelDocument) -> Model:
    return Model(
        provider=document.provider,
        name=document.name,
        defaults=parameters_of(document.defaults),
        max_output_tokens=document.max_output_tokens,
    )


def parameters_of(values: Mapping[str, JsonValue]) -> Parameters:
    """Return parameters as the gateway writes them: each value as JSON text."""
    return tuple((name, orjson.dumps(value).decode()) for name, value in sorted(values.items()))


# -- routes -------------------------------------------------------------------------------------------------


def _routes(catalogue: Catalogue, surroundings: Surroundings, warnings: list[str]) -> Iterator[Route]:
    """Yield whole names first, then patterns, of which the one that says more is tried first."""
    for name, document in sorted(catalogue.routes.items(), key=lambda item: (WILDCARD in item[0], -len(item[0]), item)):
        if surroundings.has_route(name):
            warnings.append(f"route {name} of the catalogue is not used: the settings have one of this name")
        elif document.active:
            yield _route(document, catalogue)


def _route(document: RouteDocument, catalogue: Catalogue) -> Route:
    targets = tuple(Target(provider=item.provider, model=item.model, weight=item.weight) for item in document.targets)
    fallbacks = tuple(_fallbacks(document, catalogue, {document.name}))
    active = tuple(item for item in targets if _is_active(item, catalogue))
    others = tuple(item for item in fallbacks if _is_active(item, catalogue))
    if not active:
        # With nobody active the first place is kept, and leads nowhere.
        active, others = (others or targets[:1]), ()
    return Route(
        model=document.name,
        targets=active,
        fallbacks=others,
        defaults=parameters_of(document.defaults),
        forced=parameters_of(document.forced),
        prompt=document.prompt,
        prompt_fallback=document.prompt_fallback,
        recording=document.recording,
        on_client_gone=document.on_client_gone,
        redaction=tuple(document.redaction),
    )


def _fallbacks(document: RouteDocument, catalogue: Catalogue, seen: set[str]) -> Iterator[Target]:
    """Yield the fallbacks, with all that a route has in its place; each route once."""
    for item in document.fallbacks:
        if item.provider is not None:
            yield Target(provider=item.provider, model=item.model)
        elif item.route not in seen and (other := catalogue.routes.get(item.route or "")):
            seen.add(other.name)
            yield from (Target(provider=one.provider, model=one.model) for one in other.targets)
            yield from _fallbacks(other, catalogue, seen)


def _is_active(target: Target, catalogue: Catalogue) -> bool:
    provider = catalogue.providers.get(target.provider)
    return provider is None or provider.active
