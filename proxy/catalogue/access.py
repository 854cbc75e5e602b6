"""Who may use Dashcam, as it is edited and shown: limits, proxy keys, admin tokens.

Keys and tokens are no part of the catalogue: what was revoked stays so whatever is rolled back. Their texts are in no
document; the one who makes a key is shown it once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from proxy.catalogue.fields import Count, Depth, Document, Instant, Line, LongText, PatternNames
from proxy.catalogue.retention import RetentionDocument
from proxy.domain.access import Limits
from proxy.settings.fields import ModelName

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
"""What a token allows, each with all before it."""


class LimitsDocument(Document):
    """How much is let through each minute and at once, held by each host for itself; nothing said is no bound."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent: Count | None = None

    def to_domain(self) -> Limits | None:
        """Return the value that the gateway works with; None where nothing is bound."""
        return Limits(**self.model_dump()) if any(self.model_dump().values()) else None


class NewKey(Document):
    """What is said of a proxy key when it is made or changed; ``routes`` are public model names or patterns.

    ``recording`` is how much of its calls is kept at most, ``redaction`` what is taken out of their record beside what
    is taken out of all; ``retention`` is how long what is on record of them is kept.
    """

    owner: Line = ""
    note: LongText = ""
    routes: Annotated[list[ModelName], Field(max_length=200)] = Field(default=[])
    expires_at: Instant | None = None
    limits: LimitsDocument | None = None
    recording: Depth | None = None
    redaction: PatternNames = Field(default=[])
    retention: RetentionDocument | None = None


class KeyDocument(NewKey):
    """A proxy key as it is shown: ``id`` is its public name, ``last4`` the end of its text."""

    id: str
    last4: str
    created_at: Instant
    created_by: Line = ""
    revoked_at: Instant | None = None
    replaces: str | None = None


class NewToken(Document):
    """What is said of an admin token when it is made or changed."""

    owner: Line = ""
    note: LongText = ""
    scope: Scope = "read"
    expires_at: Instant | None = None


class TokenDocument(NewToken):
    """An admin token as it is shown."""

    id: str
    last4: str
    created_at: Instant
    created_by: Line = ""
    revoked_at: Instant | None = None
