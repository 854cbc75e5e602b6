"""The full-text index, with what it lacks and the triggers that keep texts and index together.

Additive: the previous release goes on writing texts, which the triggers note, and does not look into the index. What is
there already is noted by the data step, the index is filled while Dashcam runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
compatible_with = "0001"

ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
FIRST = "00000000-0000-0000-0000-000000000000"
NOTED = 20_000
"""So many calls are noted in one transaction."""
LAST = (
    "SELECT interaction_id FROM (SELECT interaction_id FROM interaction_text WHERE interaction_id > ? "
    "ORDER BY interaction_id LIMIT ?) AS next ORDER BY interaction_id DESC LIMIT 1"
)
NOTE = (
    "INSERT INTO text_unindexed SELECT interaction_id FROM interaction_text "
    "WHERE interaction_id > ? AND interaction_id <= ? ON CONFLICT DO NOTHING"
)
_COLUMNS = "input_text, output_text"
_FTS = "detail=full, columnsize=0, tokenize='unicode61 remove_diacritics 2'"
_IS_WAITING = "EXISTS (SELECT 1 FROM text_unindexed WHERE interaction_id = {row}.interaction_id)"
_WAITS = f"""
  INSERT INTO text_unindexed (interaction_id) SELECT new.interaction_id WHERE NOT {_IS_WAITING.format(row="new")}
"""
# An index without content takes a text out by being told it: only one that is in it.
_LEAVES = f"""
  INSERT INTO text_index (text_index, rowid, {_COLUMNS}) SELECT 'delete', old.rowid, old.input_text, old.output_text
    WHERE NOT {_IS_WAITING.format(row="old")} AND NOT EXISTS (SELECT 1 FROM text_index_apart WHERE rowid = old.rowid);
  DELETE FROM text_index_apart WHERE rowid = old.rowid;
  INSERT INTO text_leftover (number, deletions, merging) SELECT 1, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM text_leftover);
  UPDATE text_leftover SET deletions = deletions + 1
"""
ON_SQLITE = (
    f"CREATE VIRTUAL TABLE text_index USING fts5({_COLUMNS}, content='', {_FTS})",
    f"CREATE VIRTUAL TABLE text_index_apart USING fts5({_COLUMNS}, {_FTS})",
    """
      CREATE TRIGGER text_index_added AFTER INSERT ON interaction_text BEGIN
        INSERT INTO text_unindexed (interaction_id) VALUES (new.interaction_id); END
    """,
    f"CREATE TRIGGER text_index_changed AFTER UPDATE ON interaction_text BEGIN {_LEAVES}; {_WAITS}; END",
    f"""
      CREATE TRIGGER text_index_removed AFTER DELETE ON interaction_text BEGIN {_LEAVES};
        DELETE FROM text_unindexed WHERE interaction_id = old.interaction_id; END
    """,
)
# Statements, not rows: a batch of the loader is one.
_BODY = """
  CREATE OR REPLACE FUNCTION text_index_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
  AS $$ BEGIN {statements} RETURN NULL; END $$
"""
_TRIGGER = """
  CREATE TRIGGER text_index_{name} AFTER {event} ON interaction_text REFERENCING {tables}
  FOR EACH STATEMENT EXECUTE FUNCTION text_index_{name}()
"""
GONE_FROM_INDEX = "DELETE FROM text_index WHERE interaction_id IN (SELECT interaction_id FROM gone);"
GONE_FROM_WAITING = "DELETE FROM text_unindexed WHERE interaction_id IN (SELECT interaction_id FROM gone);"
_NEW = "INSERT INTO text_unindexed SELECT interaction_id FROM fresh ORDER BY 1 ON CONFLICT DO NOTHING;"
_EVENTS = {
    "added": ("INSERT", "NEW TABLE AS fresh", _NEW),
    "changed": ("UPDATE", "OLD TABLE AS gone NEW TABLE AS fresh", GONE_FROM_INDEX + _NEW),
    "removed": (
        "DELETE", "OLD TABLE AS gone", GONE_FROM_INDEX + GONE_FROM_WAITING,
    ),
}  # fmt: skip
# It is short, and all that is in it comes and goes.
_RESTLESS = "autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000"


def upgrade() -> None:
    op.create_table(
        "text_unindexed",
        sa.Column("interaction_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("interaction_id", name=op.f("pk_text_unindexed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "text_leftover",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("deletions", sa.BigInteger(), nullable=False),
        sa.Column("merging", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_text_leftover")),
    )
    if op.get_bind().dialect.name == "postgresql":
        on_postgres()
        return
    for statement in ON_SQLITE:
        op.execute(statement)


def on_postgres() -> None:
    op.execute(f"ALTER TABLE text_unindexed SET ({_RESTLESS})")
    op.execute(
        "CREATE TABLE text_index (interaction_id uuid NOT NULL, words tsvector NOT NULL, "
        "CONSTRAINT pk_text_index PRIMARY KEY (interaction_id)) PARTITION BY RANGE (interaction_id)"
    )
    op.execute("CREATE TABLE text_index_default PARTITION OF text_index DEFAULT")
    op.execute("CREATE INDEX ix_text_index_words ON text_index USING gin (words)")
    for statement in functions():
        op.execute(statement)
    for name, (event, tables, _) in _EVENTS.items():
        op.execute(_TRIGGER.format(name=name, event=event, tables=tables))


def functions() -> list[str]:
    """Return what makes the functions of the triggers on Postgres: a copy of our tables lacks them."""
    return [_BODY.format(name=name, statements=statements) for name, (_, _, statements) in _EVENTS.items()]


def fill(connection: sa.Connection, after: str | None, _rows: int) -> tuple[int, str | None]:
    """The calls that are there are noted as lacking in the index, in the order of their ids."""
    behind = after or FIRST
    last = connection.exec_driver_sql(LAST, (behind, NOTED)).scalar()
    if last is None:
        return 0, None
    return connection.exec_driver_sql(NOTE, (behind, str(last))).rowcount, str(last)


def downgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for name in _EVENTS:
        op.execute(f"DROP TRIGGER text_index_{name}{' ON interaction_text' if is_postgres else ''}")
        if is_postgres:
            op.execute(f"DROP FUNCTION text_index_{name}()")
    op.execute("DROP TABLE text_index")
    op.drop_table("text_unindexed")
    op.drop_table("text_leftover")
    if not is_postgres:
        op.execute("DROP TABLE text_index_apart")
