"""A prompt as it is edited: what it is for, which versions there are, and which label stands for which.

Here are the heads of versions only. The contents lie apart, each under the SHA-256 of what it says
(``proxy.prompting`` knows what they mean), so that a catalogue stays small and a version can never change.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, model_validator

from proxy.catalogue.fields import (
    Count,
    Document,
    Instant,
    Label,
    Line,
    LongText,
    PromptName,
    PromptReference,
    Sha256,
    Tag,
    VersionName,
)
from proxy.domain.prompt import LATEST, PublishedPrompt, PublishedVersion


class VersionHead(Document):
    """One immutable version: ``name`` is such as "1.1", ``copied_from`` such as "greeting@7"."""

    number: Count
    name: VersionName | None = None
    sha256: Sha256
    author: Line = ""
    note: LongText = ""
    made_at: Instant
    copied_from: PromptReference | None = None


class DraftHead(Document):
    """What is being written and serves nobody; ``based_on`` is the number it began from."""

    sha256: Sha256
    author: Line = ""
    saved_at: Instant
    based_on: Count | None = None


class PromptDocument(Document):
    """One prompt. ``labels`` are label → number; a protected one is moved by an admin only.

    One that is not ``active`` cannot be asked for.
    """

    name: PromptName
    goal: LongText = ""
    description: LongText = ""
    category: Line = ""
    tags: Annotated[list[Tag], Field(max_length=50)] = Field(default=[])
    metadata: Annotated[dict[str, JsonValue], Field(max_length=64)] = Field(default={})
    active: bool = True
    labels: Annotated[dict[Label, Count], Field(max_length=50)] = Field(default={})
    protected_labels: Annotated[list[Label], Field(max_length=50)] = Field(default=[])
    draft: DraftHead | None = None
    versions: Annotated[list[VersionHead], Field(max_length=10_000)] = Field(default=[])

    @model_validator(mode="after")
    def _check_versions(self) -> PromptDocument:
        numbers = [item.number for item in self.versions]
        if numbers != sorted(set(numbers)):
            raise ValueError("versions: the numbers are not ascending, or one is there twice")
        names = [item.name for item in self.versions if item.name is not None]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"versions: two have the name {twice[0]!r}")
        if both := sorted(set(names) & {*self.labels, *self.protected_labels, LATEST}):
            raise ValueError(f"versions: {', '.join(both)} is the name of a version and a label")
        for label, number in self.labels.items():
            if number not in numbers:
                raise ValueError(f"labels.{label}: there is no version {number}")
        return self

    @property
    def key(self) -> str:
        """What it is found by."""
        return self.name

    @property
    def latest(self) -> VersionHead | None:
        """The version with the highest number."""
        return self.versions[-1] if self.versions else None

    def version(self, wanted: str) -> VersionHead | None:
        """Return what a label, number or name stands for, as the gateway finds it; "" is what nothing said means."""
        found = self.published().find(wanted)
        return next((item for item in self.versions if found is not None and item.number == found.number), None)

    def published(self) -> PublishedPrompt:
        """Return how the gateway finds the versions."""
        versions = tuple(
            PublishedVersion(number=item.number, sha256=item.sha256, name=item.name) for item in self.versions
        )
        return PublishedPrompt(name=self.name, versions=versions, labels=tuple(sorted(self.labels.items())))
