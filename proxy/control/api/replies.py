"""What is answered, for the description: documents with what is told beside them, what was done, questions' answers.

Nothing is made of these classes: handlers answer plain values, and a test holds each answer against its description.
So what would validate them is not built before somebody asks for the description.
Members may be missing where ``fields`` leaves them out, or where somebody else than the catalogue says what there is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from proxy.catalogue.access import KeyDocument, TokenDocument
from proxy.catalogue.model import ModelDocument
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.prompt import DraftHead, PromptDocument, VersionHead
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument

# -- documents as they are shown ----------------------------------------------------------------------------


class StoredKey(BaseModel, defer_build=True):
    """What may be known of a sealed key; one that was given for another address does not fit, and is not used."""

    last4: str
    changed_at: datetime
    fits: bool


class Provider(ProviderDocument, defer_build=True):
    """A provider; origin is catalogue, file, environment or found."""

    id: str
    origin: str
    stored_key: StoredKey | None


class Model(ModelDocument, defer_build=True):
    """A model; its id is provider/name."""

    id: str


class Price(PriceDocument, defer_build=True):
    """A price; its id is made of what it is for."""

    id: str


class Route(RouteDocument, defer_build=True):
    """A route; origin is catalogue or file."""

    id: str
    origin: str


class Prompt(PromptDocument, defer_build=True):
    """A prompt with its use; last_used is when the last call began, of one that is gone its hour.

    last_output comes with include=last_output only, and reading it is audited.
    """

    id: str
    calls: int
    calls_by_version: dict[str, int]
    last_used: datetime | None
    last_call: str | None
    last_output: str | None


class PromptRow(BaseModel, defer_build=True):
    """A prompt in a list: latest is the number of its newest version, versions how many there are.

    last_used is when the hour of its last call began; one prompt says the instant.
    """

    id: str
    name: str
    goal: str
    description: str
    category: str
    tags: list[str]
    metadata: dict[str, Any]
    active: bool
    labels: dict[str, int]
    protected_labels: list[str]
    latest: int | None
    versions: int
    has_draft: bool
    calls: int
    last_used: datetime | None


class VersionRow(VersionHead, defer_build=True):
    """A version in a list; its id is its number."""

    id: str


class Version(VersionHead, defer_build=True):
    """A version with what it says."""

    content: dict[str, Any]


class Draft(DraftHead, defer_build=True):
    """What is being written."""

    content: dict[str, Any]


class MadeKey(KeyDocument, defer_build=True):
    """A proxy key that was just made: its text is shown this once."""

    key: str


class MadeToken(TokenDocument, defer_build=True):
    """An admin token that was just made: its text is shown this once."""

    token: str


# -- what was done ------------------------------------------------------------------------------------------


class Named(BaseModel, defer_build=True):
    """The name of what was changed."""

    name: str


class Deleted(BaseModel, defer_build=True):
    """The name of what is gone."""

    deleted: str


class DeletedProvider(Deleted, defer_build=True):
    """A provider that is gone, and how many models went with it."""

    models: int


class OfProvider(BaseModel, defer_build=True):
    """The provider whose key was stored or forgotten."""

    provider: str


class Sealed(BaseModel, defer_build=True):
    """The providers whose keys were sealed anew."""

    providers: list[str]


class Labelled(BaseModel, defer_build=True):
    """A label, and the version that it stands for now."""

    name: str
    label: str
    version: int


class SavedVersion(BaseModel, defer_build=True):
    """The version that was saved, or that says this already (is_new is false)."""

    name: str
    version: int | None
    sha256: str
    is_new: bool


class SavedDraft(BaseModel, defer_build=True):
    """The draft that was saved."""

    name: str
    sha256: str


class Change(BaseModel, defer_build=True):
    """What happened to one document; fields of one that changed are told with what they said before and after."""

    noun: str
    name: str
    title: str = Field(default="", description="What people call it; older revisions have none.")
    kind: Literal["added", "removed", "changed"]
    fields: list[dict[str, Any]]


class Changes(BaseModel, defer_build=True):
    """What a change of many things did, or, with dry_run, would do."""

    changes: list[Change]
    dry_run: bool


class Difference(BaseModel, defer_build=True):
    """What going back from one revision to another would change."""

    from_: int = Field(alias="from")
    to: int
    changes: list[Change]


class RevisionRow(BaseModel, defer_build=True):
    """A revision: kind is catalogue, access or prices; reason says more where there is more."""

    id: str
    number: int
    kind: str
    author: str
    made_at: datetime
    reason: str
    changes: list[Change]


class Revision(BaseModel, defer_build=True):
    """A revision of the catalogue with all that it holds."""

    number: int
    author: str
    made_at: datetime
    reason: str
    changes: list[Change]
    catalogue: dict[str, Any]


class Deed(BaseModel, defer_build=True):
    """A row of the audit log: who did what to what, when, from where, and how it ended."""

    id: str
    number: int
    at: datetime
    actor: str
    source: str
    action: str
    noun: str
    object: str
    outcome: Literal["done", "refused", "failed"]
    revision: int | None
    detail: dict[str, Any] | None


# -- questions ----------------------------------------------------------------------------------------------


class Tested(BaseModel, defer_build=True):
    """What came of asking a provider: ok, or in one word why not; its time in milliseconds, never its body."""

    provider: str
    result: str
    status: int | None
    latency_ms: float
    models: int | None
    hint: str | None


class Synced(BaseModel, defer_build=True):
    """Models that a provider lists, and those that were not described before."""

    provider: str
    listed: int
    added: list[str]


class LeftOut(BaseModel, defer_build=True):
    """What could not be taken: where it stands, and why."""

    field: str
    reason: str


class ImportedPrices(BaseModel, defer_build=True):
    """Prices of a file: how many it has, how many could not be taken (the first with reasons), how many changed."""

    origin: str
    prices: int
    skipped: int
    left_out: list[LeftOut]
    changed: int
    dry_run: bool


class Names(BaseModel, defer_build=True):
    """How many, and the first of them."""

    count: int
    models: list[str]


class RefreshedPrices(BaseModel, defer_build=True):
    """New published prices, and what they change by name."""

    origin: str
    version: str
    sha256: str
    providers: int
    models: int
    is_new: bool
    added: Names
    removed: Names
    changed: Names
    dry_run: bool


class Rendered(BaseModel, defer_build=True):
    """What a call would send: the version that was rendered, the body, values that nothing asked for."""

    prompt: str
    body: dict[str, Any]
    unused: list[str]
