"""Alembic's entry: knows the tables' metadata and the connection it is given, and notes each revision that is applied.

With a connection in the attributes it works on that, within its transaction; offline (``--sql``) it only prints.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from proxy.store.engines.partitions import PART
from proxy.store.migrating.compatibility import note_revision
from proxy.store.schema.tables import metadata

config = context.config


def is_ours(item, name, kind, reflected, other) -> bool:
    # The full-text index is each engine's own: no table of ours says it.
    return not (kind == "table" and (name.startswith(("sqlite_", "text_index")) or PART.match(name)))


def remember(*, step, **_more) -> None:
    """Whoever runs us may want to know how far it went."""
    config.attributes.setdefault("applied", []).append(step.up_revision_id)


def run(**where) -> None:
    context.configure(
        target_metadata=metadata,
        compare_type=True,
        include_object=is_ours,
        on_version_apply=[note_revision, remember],
        **where,
    )
    with context.begin_transaction():
        context.run_migrations()


given = config.attributes.get("connection")
if context.is_offline_mode():
    run(dialect_name=config.attributes.get("dialect", "sqlite"), literal_binds=True)
elif given is not None:
    run(connection=given, render_as_batch=given.dialect.name == "sqlite")
else:
    with create_engine(config.get_main_option("sqlalchemy.url") or "sqlite:///dashcam.db").begin() as opened:
        run(connection=opened, render_as_batch=opened.dialect.name == "sqlite")
