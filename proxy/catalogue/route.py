"""A route as it is edited: a public model name, who serves it, and what a call by it gets.

A function of an application ("summarise", "classify") is a route: its model, prompt and parameters are assigned here.
A fallback may name another route instead of a provider: then whoever that one has is tried.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from proxy.catalogue.fields import Depth, Document, LongText, Parameters, PatternNames, PromptReference
from proxy.catalogue.retention import RetentionDocument
from proxy.domain.route import WILDCARD
from proxy.settings.fields import ModelName

_RESERVED = ("prompt/", "dashcam/")


def _short_form(value: object) -> object:
    """Read ``PROVIDER`` and ``PROVIDER/MODEL`` as the objects they stand for."""
    if not isinstance(value, str):
        return value
    provider, slash, model = value.partition("/")
    return {"provider": provider, "model": model} if slash else {"provider": provider}


class TargetDocument(Document):
    """One provider; ``model`` is its own name of the model, None the one that was asked for."""

    provider: Annotated[str, Field(min_length=1, max_length=40)]
    model: ModelName | None = None
    weight: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] | None = None


class FallbackDocument(Document):
    """One provider, or all that another route has."""

    provider: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    model: ModelName | None = None
    route: ModelName | None = None

    @model_validator(mode="after")
    def _check_one(self) -> FallbackDocument:
        if (self.provider is None) == (self.route is None):
            raise ValueError("say either a provider or a route")
        if self.route is not None and self.model is not None:
            raise ValueError("model: belongs to a provider; a route says its own")
        return self


Targets = Annotated[list[Annotated[TargetDocument, BeforeValidator(_short_form)]], Field(min_length=1, max_length=32)]
Fallbacks = Annotated[list[Annotated[FallbackDocument, BeforeValidator(_short_form)]], Field(max_length=32)]


class RouteDocument(Document):
    """One public name, or pattern with one ``*``. What is None is as it is said elsewhere.

    ``defaults`` are parameters that a call gets where it does not say them, ``forced`` those it gets whatever it says.
    ``recording`` "meta" keeps facts without contents, "none" nothing; ``redaction`` names what is taken out of the
    record beside what is taken out of all; ``retention`` is how long it is kept.
    """

    name: ModelName
    description: LongText = ""
    targets: Targets
    fallbacks: Fallbacks = Field(default=[])
    defaults: Parameters = Field(default={})
    forced: Parameters = Field(default={})
    prompt: PromptReference | None = None
    prompt_fallback: PromptReference | None = None
    recording: Depth | None = None
    on_client_gone: Literal["cancel", "drain"] | None = None
    redaction: PatternNames = Field(default=[])
    retention: RetentionDocument | None = None
    active: bool = True

    @model_validator(mode="after")
    def _check_names(self) -> RouteDocument:
        if self.name.startswith(_RESERVED):
            raise ValueError(f"name: what begins with {' or '.join(_RESERVED)} has a meaning of its own")
        for model in self.models:
            if WILDCARD in model and WILDCARD not in self.name:
                raise ValueError(f"targets: {model!r} has a '*', and the route's own name has none to put there")
        if self.prompt_fallback is not None and self.prompt is None:
            raise ValueError("prompt_fallback: is for a route that has a prompt")
        if both := sorted(set(self.defaults) & set(self.forced)):
            raise ValueError(f"forced: {', '.join(both)} is in defaults too; what is forced needs no default")
        return self

    @property
    def models(self) -> list[str]:
        """The names of models that it gives."""
        named = [item.model for item in self.targets] + [item.model for item in self.fallbacks]
        return [name for name in named if name is not None]

    @property
    def key(self) -> str:
        """What it is found by."""
        return self.name
