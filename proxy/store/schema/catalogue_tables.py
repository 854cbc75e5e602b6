"""The tables of what is edited while Dashcam runs: the catalogue by noun, who may use it, and who changed what.

Of each document the columns hold what people filter and join by; ``document`` is all of it, and what is read back.
Versions of prompts are rows that never change, their contents lie under the hash of what they say. Keys, tokens and
sealed provider keys are no part of a revision: what was revoked stays so, whatever is rolled back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Text
from sqlmodel import Field, SQLModel

from proxy.store.schema.columns import Instant
from proxy.store.schema.fields import INTEGER, ROW_KEY, key, number, text, whole, word


def document() -> Any:
    """Return the column that holds a whole document."""
    return Field(sa_type=JSON)


def active() -> Any:
    """Return the column that says whether something is in use."""
    return Field(default=True, sa_type=Boolean)


class ProviderRow(SQLModel, table=True):
    """A provider of the catalogue."""

    __tablename__ = "provider"

    name: str = key(40)
    kind: str = word(40)
    base_url: str = Field(sa_type=Text)
    key_env: str | None = text(200)
    active: bool = active()
    document: dict[str, Any] = document()


class ModelRow(SQLModel, table=True):
    """A provider's model of which something is said."""

    __tablename__ = "model"

    provider: str = key(40)
    name: str = key(200)
    display_name: str = word(200)
    context_window: int | None = whole()
    max_output_tokens: int | None = whole()
    shutdown_date: str | None = text(10)
    active: bool = active()
    document: dict[str, Any] = document()


class PriceRuleRow(SQLModel, table=True):
    """A price that was entered or imported; ``price`` holds those that calls were charged at."""

    __tablename__ = "price_rule"

    id: str = key(40)
    provider: str = word(200)
    model: str = word(200)
    tier: str = word(50)
    valid_from: str | None = text(10)
    valid_until: str | None = text(10)
    source: str = word(200)
    document: dict[str, Any] = document()


class RouteRow(SQLModel, table=True):
    """A public model name and who serves it."""

    __tablename__ = "route"

    name: str = key(200)
    prompt: str | None = text(200)
    recording: str | None = text(20)
    active: bool = active()
    document: dict[str, Any] = document()


class PromptTemplateRow(SQLModel, table=True):
    """A stored prompt: what it is for, and how its versions and labels stand."""

    __tablename__ = "prompt_template"

    name: str = key(200)
    goal: str = Field(default="", sa_type=Text)
    category: str = word(200)
    active: bool = active()
    document: dict[str, Any] = document()


class PromptVersionRow(SQLModel, table=True):
    """One version of a prompt, which never changes."""

    __tablename__ = "prompt_version"

    prompt: str = key(200)
    number: int = number()
    name: str | None = text(40)
    sha256: str = word(64)
    author: str = word(200)
    note: str = Field(default="", sa_type=Text)
    made_at: datetime = Field(sa_type=Instant)


class PromptLabelRow(SQLModel, table=True):
    """Which version a label stands for."""

    __tablename__ = "prompt_label"

    prompt: str = key(200)
    label: str = key(40)
    number: int = Field(sa_type=INTEGER)


class PromptContentRow(SQLModel, table=True):
    """What a version or a draft says, under its hash; kept for as long as any revision may name it."""

    __tablename__ = "prompt_content"

    sha256: str = key(64)
    content: dict[str, Any] = document()


class ApiKeyRow(SQLModel, table=True):
    """A proxy key: its digest, never its text."""

    __tablename__ = "api_key"

    id: str = key(40)
    digest: str = word(64)
    last4: str = word(20)
    owner: str = word(200)
    note: str = Field(default="", sa_type=Text)
    routes: list[str] | None = Field(default=None, sa_type=JSON)
    limits: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str = word(200)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    replaces: str | None = text(40)
    recording: str | None = text(20)
    redaction: list[str] | None = Field(default=None, sa_type=JSON)
    retention: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class AdminTokenRow(SQLModel, table=True):
    """A token for the admin API: its digest, never its text."""

    __tablename__ = "admin_token"

    id: str = key(40)
    digest: str = word(64)
    last4: str = word(20)
    scope: str = word(20)
    owner: str = word(200)
    note: str = Field(default="", sa_type=Text)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str = word(200)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class ProviderSecretRow(SQLModel, table=True):
    """A provider's key, sealed for this provider and this address; ``master`` names the key that sealed it."""

    __tablename__ = "provider_secret"

    provider: str = key(40)
    sealed: str = Field(sa_type=Text)
    origin: str = word(300)
    master: str = word(40)
    last4: str = word(20)
    changed_at: datetime = Field(sa_type=Instant)


class DeploymentRow(SQLModel, table=True):
    """What is drawn once for a record and all its hosts, such as the pepper of key digests."""

    __tablename__ = "deployment"

    name: str = key(40)
    value: str = word(200)


class AuditLogRow(SQLModel, table=True):
    """Who did what, when and from where; rows are added and never changed."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_at", "at"), Index("ix_audit_log_noun_object", "noun", "object"))

    number: int | None = Field(default=None, sa_column=Column(ROW_KEY, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=Instant)
    actor: str = word(200)
    source: str = word(100)
    action: str = word(40)
    noun: str = word(40)
    object: str = word(300)
    outcome: str = word(20)
    revision: int | None = Field(default=None, sa_type=BigInteger)
    detail: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class SavedViewRow(SQLModel, table=True):
    """A search under a name."""

    __tablename__ = "saved_view"

    name: str = key(100)
    query: str = Field(sa_type=Text)
    columns: list[str] = Field(sa_type=JSON)
    sort: str | None = text(100)
    note: str = Field(default="", sa_type=Text)
    author: str = word(200)
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
