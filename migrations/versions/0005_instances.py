"""Whose counters and whose ledger: on Postgres several hosts write, and each has its own.

Additive: a row without an instance is that of the one writer a SQLite file has, so the previous release goes on as
before; its statement that adds to a counter meets the new key with the instance left empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("spool_position", sa.Column("instance", string(40), server_default="", nullable=False))
    rebuild("INSERT INTO metric_total (family, labels, value) SELECT family, labels, value FROM earlier_total",
            sa.Column("instance", string(40), server_default="", nullable=False))  # fmt: skip


def downgrade() -> None:
    rebuild("INSERT INTO metric_total (family, labels, value) SELECT family, labels, sum(value) FROM earlier_total "
            "GROUP BY family, labels")  # fmt: skip
    op.drop_column("spool_position", "instance")


def rebuild(carry: str, *more: sa.Column) -> None:
    """Make the table anew with another key: SQLite cannot change one, and the table is small."""
    op.rename_table("metric_total", "earlier_total")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE earlier_total DROP CONSTRAINT pk_metric_total")
    op.create_table(
        "metric_total",
        *more,
        sa.Column("family", string(100), nullable=False),
        sa.Column("labels", string(500), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(*[item.name for item in more], "family", "labels", name=op.f("pk_metric_total")),
    )
    op.execute(carry)
    op.drop_table("earlier_total")
