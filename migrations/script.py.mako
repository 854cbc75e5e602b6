"""${message}

Additive first: the previous release must be able to read and write the result. No lock for longer than a moment, data
steps in batches, and a test by the name of this revision that carries data through.
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy import Text

${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
# The oldest revision whose programs can go on reading and writing this database: that of the minor series' first release.
compatible_with = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}


# A data step, if there is one; called with the position that it last returned (None at first) until it returns None for it:
#
# def fill(connection, after: str | None, limit: int) -> tuple[int, str | None]:
#     """Say what is filled in. Change up to ``limit`` rows; return how many, and the position to go on from."""
