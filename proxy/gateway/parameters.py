"""Which parameters a call is given: by its route, by what is known of the model, by its provider.

What a route forces stands above what the caller says; then come the route's defaults, the model's, and the provider's
bound of an answer's length and its model for requests that name none. Concluded once for a snapshot and a candidate.
"""

from __future__ import annotations

import json

from proxy.domain.model import Model, Parameters
from proxy.domain.provider import Provider
from proxy.domain.route import Route
from proxy.domain.snapshot import Snapshot
from proxy.protocol.parameters import Setting, fitting, names_of
from proxy.protocol.requests import WANTED

_NOT_GIVEN = frozenset({"model", "stream", "stream_options"})
_NAMING = frozenset({"chat", "completions", "responses", "messages"})
"""Operations for which a provider's own model may stand in."""
_MAX_REMEMBERED = 1024


class ParameterBook:
    """The parameters of one snapshot. ``is_empty``: nobody is given any; ``wanted`` is what a body is
    looked through for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._models = {(model.provider, model.name): model for model in snapshot.models}
        self._remembered: dict[tuple[str | None, str, str | None, str], tuple[Setting, ...]] = {}
        said = [parameters for route in snapshot.routes for parameters in (route.defaults, route.forced)]
        said += [model.defaults for model in snapshot.models]
        settings = [setting for parameters in said for setting in _settings(parameters)]
        settings += [setting for provider in snapshot.providers for setting in _of_provider(provider, None)]
        self.wanted = WANTED | names_of(settings)
        self.is_empty = not settings and not any(item.default_model for item in snapshot.providers)

    def __repr__(self) -> str:
        return f"<ParameterBook wanted={len(self.wanted)}>"

    def settings(
        self, route: Route | None, provider: Provider, model: str | None, operation: str
    ) -> tuple[Setting, ...]:
        """Return what a call is given that asks this provider for a model, by the provider's name of it."""
        place = (route.model if route is not None else None, provider.name, model, operation)
        found = self._remembered.get(place)
        if found is None:
            found = self._settings(route, provider, model, operation)
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[place] = found
        return found

    def _settings(
        self, route: Route | None, provider: Provider, model: str | None, operation: str
    ) -> tuple[Setting, ...]:
        known = self._models.get((provider.name, model or provider.default_model or ""))
        found: list[Setting] = []
        if route is not None:
            found += _settings(route.forced, is_forced=True) + _settings(route.defaults)
        if known is not None:
            found += _settings(known.defaults)
        found += _of_provider(provider, known)
        return fitting(found, operation, provider.kind)

    @staticmethod
    def model_for(provider: Provider, operation: str) -> str | None:
        """Return the model that a request is given which names none, or None."""
        return provider.default_model if operation in _NAMING else None


def _settings(parameters: Parameters, *, is_forced: bool = False) -> list[Setting]:
    return [Setting(name, text, is_forced) for name, text in parameters if name not in _NOT_GIVEN]


def _of_provider(provider: Provider, model: Model | None) -> list[Setting]:
    if provider.max_tokens is None:
        return []
    most = model.max_output_tokens if model is not None else None
    return [Setting("max_tokens", json.dumps(min(provider.max_tokens, most or provider.max_tokens)))]
