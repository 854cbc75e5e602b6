"""What a database that another one was copied into is: a copy under way, a complete one, or a record in use.

Additive: the previous release does not look at it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
# The previous release neither knows nor needs it.
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "copy_state",
        sa.Column("id", string(40), nullable=False),
        sa.Column("source", string(500), nullable=False),
        sa.Column("instance", string(40), nullable=False),
        sa.Column("state", string(20), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy_state")),
    )


def downgrade() -> None:
    op.drop_table("copy_state")
