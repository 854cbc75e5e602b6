"""What each revision since this one means for other releases, and how far its data step has come.

A table of its own: releases before it do not know it and refuse a newer database by themselves.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "schema_revision",
        sa.Column("revision", string(32), nullable=False),
        sa.Column("compatible_with", string(32), nullable=False),
        sa.Column("release", string(32), nullable=False),
        sa.Column("applied_at", INSTANT, nullable=False),
        sa.Column("is_filled", sa.Boolean(), nullable=False),
        sa.Column("filled_to", sa.Text(), nullable=True),
        sa.Column("filled_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_revision")),
    )


def downgrade() -> None:
    op.drop_table("schema_revision")
