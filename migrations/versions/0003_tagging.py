"""The caller's own id of a call, and which repetition of it an SDK says it is.

Two columns that may be empty: the previous release reads and writes the table as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.add_column("interaction", sa.Column("client_request_id", TEXT, nullable=True))
    op.add_column("interaction", sa.Column("retry_count", INTEGER, nullable=True))


def downgrade() -> None:
    op.drop_column("interaction", "retry_count")
    op.drop_column("interaction", "client_request_id")
