"""Which call made an answer that others read again, and whether its counts are on record.

A table of its own: the previous release does not know it and counts no read at all.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "made_answer",
        sa.Column("provider", string(100), nullable=False),
        sa.Column("response_id", string(200), nullable=False),
        sa.Column("interaction_id", ID, nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("provider", "response_id"),
    )


def downgrade() -> None:
    op.drop_table("made_answer")
