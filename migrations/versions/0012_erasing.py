"""What was erased: tombstones, what was asked for, and slices of bodies to be looked at again.

Additive: the previous release neither knows nor needs these tables. One that runs beside this release on the same
Postgres brings back what its own spool still has of calls that were erased here: let all hosts be upgraded first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
compatible_with = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
ROW_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def string(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def given(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def maybe(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=True)


def upgrade() -> None:
    op.create_table(
        "tombstone",
        given("id", ID), given("erased_at", INSTANT), maybe("purge", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstone")),
    )  # fmt: skip
    op.create_index("ix_tombstone_purge", "tombstone", ["purge"])
    op.create_table(
        "purge",
        sa.Column("number", ROW_KEY, autoincrement=True, nullable=False),
        given("kind", string(20)), given("aim", sa.JSON()), given("author", string(200)), given("made_at", INSTANT),
        maybe("done_to", ID), given("calls", sa.BigInteger()), maybe("finished_at", INSTANT),
        maybe("settled_at", INSTANT), maybe("key", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_purge")),
    )  # fmt: skip
    op.create_table(
        "loose_slice",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        given("day", string(10)), given("noted", sa.BigInteger()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_loose_slice")),
    )  # fmt: skip
    op.create_index("ix_loose_slice_day", "loose_slice", ["day"])


def downgrade() -> None:
    for name in ("loose_slice", "purge", "tombstone"):
        op.drop_table(name)
