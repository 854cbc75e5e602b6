"""What is billed beside tokens, and the history of rows that were priced or interpreted again.

Additive: a new column that may be empty and a new table; the previous release reads and writes the rest as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def string(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("interaction", sa.Column("quantities", sa.JSON(), nullable=True))
    op.create_table(
        "amendment",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("interaction_id", ID, nullable=False),
        sa.Column("amended_at", INSTANT, nullable=False),
        sa.Column("command", string(20), nullable=False),
        sa.Column("reason", string(200), nullable=False),
        sa.Column("cost_pico_usd_before", sa.BigInteger(), nullable=True),
        sa.Column("cost_pico_usd_after", sa.BigInteger(), nullable=True),
        sa.Column("price_id_before", string(40), nullable=True),
        sa.Column("price_id_after", string(40), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_amendment")),
    )
    op.create_index("ix_amendment_interaction_id", "amendment", ["interaction_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_amendment_interaction_id", table_name="amendment")
    op.drop_table("amendment")
    op.drop_column("interaction", "quantities")
