"""Alembic's entry: knows the tables' metadata and the connection it is given, nothing else."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from proxy.store.partitions import PART
from proxy.store.tables import metadata

config = context.config


def is_ours(item, name, kind, reflected, other) -> bool:
    return not (kind == "table" and (name.startswith("sqlite_") or PART.match(name)))


def run(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_object=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


given = config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(config.get_main_option("sqlalchemy.url") or "sqlite:///dashcam.db").begin() as opened:
        run(opened)
