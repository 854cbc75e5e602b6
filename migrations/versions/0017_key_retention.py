"""How long what is on record of a key's calls is kept.

Additive: the previous release does not know this column, and keeps such a key's calls as long as all.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
compatible_with = "0001"


def upgrade() -> None:
    op.add_column("api_key", sa.Column("retention", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("api_key", "retention")
