"""The catalogue: providers, models, prices, routes and prompts, keys and tokens, who changed what.

Additive: the previous release knows none of these tables and needs none of them; ``interaction.prompt_variables`` may
be empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
ROW_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def word(name: str, length: int) -> sa.Column:
    return sa.Column(name, string(length), nullable=False)


def maybe(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=True)


def given(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def table(name: str, *columns: sa.Column, key: tuple[str, ...]) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")))


def upgrade() -> None:
    op.add_column("interaction", maybe("prompt_variables", sa.JSON()))
    nouns()
    prompts()
    access()
    table(
        "audit_log",
        sa.Column("number", ROW_KEY, autoincrement=True, nullable=False),
        given("at", INSTANT), word("actor", 200), word("source", 100), word("action", 40), word("noun", 40),
        word("object", 300), word("outcome", 20), maybe("revision", sa.BigInteger()), maybe("detail", sa.JSON()),
        key=("number",),
    )  # fmt: skip
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_index("ix_audit_log_noun_object", "audit_log", ["noun", "object"])


def nouns() -> None:
    table(
        "provider",
        word("name", 40), word("kind", 40), given("base_url", sa.Text()), maybe("key_env", string(200)),
        given("active", sa.Boolean()), given("document", sa.JSON()),
        key=("name",),
    )  # fmt: skip
    table(
        "model",
        word("provider", 40), word("name", 200), word("display_name", 200), maybe("context_window", WHOLE),
        maybe("max_output_tokens", WHOLE), maybe("shutdown_date", string(10)), given("active", sa.Boolean()),
        given("document", sa.JSON()),
        key=("provider", "name"),
    )  # fmt: skip
    table(
        "price_rule",
        word("id", 40), word("provider", 200), word("model", 200), word("tier", 50), maybe("valid_from", string(10)),
        maybe("valid_until", string(10)), word("source", 200), given("document", sa.JSON()),
        key=("id",),
    )  # fmt: skip
    table(
        "route",
        word("name", 200), maybe("prompt", string(200)), maybe("recording", string(20)), given("active", sa.Boolean()),
        given("document", sa.JSON()),
        key=("name",),
    )  # fmt: skip


def prompts() -> None:
    table(
        "prompt_template",
        word("name", 200), given("goal", sa.Text()), word("category", 200), given("active", sa.Boolean()),
        given("document", sa.JSON()),
        key=("name",),
    )  # fmt: skip
    table(
        "prompt_version",
        word("prompt", 200), given("number", WHOLE), maybe("name", string(40)), word("sha256", 64), word("author", 200),
        given("note", sa.Text()), given("made_at", INSTANT),
        key=("prompt", "number"),
    )  # fmt: skip
    table(
        "prompt_label",
        word("prompt", 200), word("label", 40), given("number", WHOLE),
        key=("prompt", "label"),
    )  # fmt: skip
    table("prompt_content", word("sha256", 64), given("content", sa.JSON()), key=("sha256",))


def access() -> None:
    table(
        "api_key",
        word("id", 40), word("digest", 64), word("last4", 20), word("owner", 200), given("note", sa.Text()),
        maybe("routes", sa.JSON()), maybe("limits", sa.JSON()), maybe("expires_at", INSTANT),
        given("created_at", INSTANT), word("created_by", 200), maybe("revoked_at", INSTANT),
        maybe("replaces", string(40)),
        key=("id",),
    )  # fmt: skip
    table(
        "admin_token",
        word("id", 40), word("digest", 64), word("last4", 20), word("scope", 20), word("owner", 200),
        given("note", sa.Text()), maybe("expires_at", INSTANT), given("created_at", INSTANT), word("created_by", 200),
        maybe("revoked_at", INSTANT),
        key=("id",),
    )  # fmt: skip
    table(
        "provider_secret",
        word("provider", 40), given("sealed", sa.Text()), word("origin", 300), word("master", 40), word("last4", 20),
        given("changed_at", INSTANT),
        key=("provider",),
    )  # fmt: skip
    table("deployment", word("name", 40), word("value", 200), key=("name",))


def downgrade() -> None:
    for name in (
        "audit_log", "deployment", "provider_secret", "admin_token", "api_key", "prompt_content", "prompt_label",
        "prompt_version", "prompt_template", "route", "price_rule", "model", "provider",
    ):  # fmt: skip
        op.drop_table(name)
    op.drop_column("interaction", "prompt_variables")
