"""Feedback on sessions is found by the session: whoever erases calls looks for it once a batch.

Additive: an index, which the previous release neither knows nor needs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
compatible_with = "0001"

OF_SESSION = sa.text("session_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_feedback_session_id", "feedback", ["session_id"], sqlite_where=OF_SESSION, postgresql_where=OF_SESSION
    )


def downgrade() -> None:
    op.drop_index("ix_feedback_session_id", "feedback")
