"""Feedback: what people and programs think of calls; and calls found by the id that their caller gave them.

Additive: the previous release neither knows nor needs this table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
WAITING = sa.text("interaction_id IS NULL AND reference IS NOT NULL")
OWN = sa.text("client_request_id IS NOT NULL")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def given(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def maybe(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=True)


def upgrade() -> None:
    op.create_table(
        "feedback",
        given("id", string(100)), maybe("reference", string(36)), maybe("interaction_id", ID),
        maybe("session_id", string(200)), given("name", string(100)), given("kind", string(20)),
        maybe("value", sa.Float()), maybe("words", sa.Text()), maybe("low", sa.Float()), maybe("high", sa.Float()),
        maybe("score", sa.Float()), maybe("comment", sa.Text()), given("source", string(20)),
        given("author", string(200)), given("created_at", INSTANT), given("updated_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )  # fmt: skip
    op.create_index("ix_feedback_interaction_id", "feedback", ["interaction_id"])
    op.create_index("ix_feedback_created_at", "feedback", ["created_at"])
    op.create_index("ix_feedback_reference", "feedback", ["reference"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_index(
        "ix_interaction_client_request_id", "interaction", ["client_request_id"], sqlite_where=OWN, postgresql_where=OWN
    )


def downgrade() -> None:
    op.drop_index("ix_interaction_client_request_id", "interaction")
    op.drop_table("feedback")
