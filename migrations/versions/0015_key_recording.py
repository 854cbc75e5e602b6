"""How much is kept of a key's calls, and what is taken out of their record.

Additive: the previous release does not know these columns, and keeps of such a key's calls what it keeps of all.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
compatible_with = "0001"


def upgrade() -> None:
    word = sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql")
    op.add_column("api_key", sa.Column("recording", word, nullable=True))
    op.add_column("api_key", sa.Column("redaction", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("api_key", "redaction")
    op.drop_column("api_key", "recording")
