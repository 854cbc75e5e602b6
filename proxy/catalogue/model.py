"""A model of a provider as it is edited: what it can, how much it takes, what a call of it gets by default."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.catalogue.fields import Count, Document, Line, LongText, Parameters
from proxy.domain.route import WILDCARD
from proxy.settings.fields import ModelName, ProviderName

Capability = Literal[
    "audio_input",
    "audio_output",
    "chat",
    "completions",
    "embeddings",
    "image_input",
    "image_output",
    "json_schema",
    "moderation",
    "reasoning",
    "responses",
    "speech",
    "tools",
    "transcription",
    "video_output",
]


def _whole(name: str) -> str:
    if WILDCARD in name:
        raise ValueError("a model is one model: a '*' is for routes and prices")
    return name


def _once(values: list[Capability]) -> list[Capability]:
    return sorted(set(values))


class ModelDocument(Document):
    """One model; ``name`` is the provider's own name of it, tokens are counted as it counts them.

    ``defaults`` are parameters that a call gets where it does not say them. One that is not ``active`` is not listed.
    """

    provider: ProviderName
    name: Annotated[ModelName, AfterValidator(_whole)]
    display_name: Line = ""
    description: LongText = ""
    capabilities: Annotated[list[Capability], AfterValidator(_once)] = Field(default=[])
    context_window: Count | None = None
    max_output_tokens: Count | None = None
    defaults: Parameters = Field(default={})
    active: bool = True
    shutdown_date: date | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What it is found by."""
        return self.provider, self.name
