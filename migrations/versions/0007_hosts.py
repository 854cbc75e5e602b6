"""Several hosts: who is there, who leads, when what was done periodically, and the configuration they share.

Additive: the previous release knows none of these tables and needs none of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def string(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def word(name: str, length: int) -> sa.Column:
    return sa.Column(name, string(length), nullable=False)


def instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, INSTANT, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "instance",
        word("id", 40),
        word("holder", 40),
        word("host", 255),
        word("place", 500),
        word("version", 50),
        instant("started_at"),
        instant("seen_at"),
        instant("left_at", nullable=True),
        sa.Column("clock_ahead_ms", sa.Float(), nullable=False),
        sa.Column("config_revision", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=True),
        sa.Column("pending_bytes", sa.BigInteger(), nullable=True),
        sa.Column("oldest_pending_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "leader",
        word("name", 40),
        word("instance", 40),
        word("holder", 40),
        instant("since"),
        instant("until"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leader")),
    )
    op.create_table(
        "periodic_run",
        word("name", 60),
        word("instance", 40),
        instant("began_at"),
        instant("ended_at"),
        instant("next_at"),
        sa.Column("result", string(300), nullable=True),
        sa.Column("failure", string(300), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_periodic_run")),
    )
    op.create_table(
        "config_revision",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        word("kind", 40),
        word("sha256", 64),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("form", string(12), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        word("author", 200),
        instant("made_at"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_config_revision")),
    )
    op.create_index("ix_config_revision_kind_number", "config_revision", ["kind", "number"])


def downgrade() -> None:
    for table in ("config_revision", "periodic_run", "leader", "instance"):
        op.drop_table(table)
