"""What of a Postgres is ours, who else is in it, and how its own tools are told where it is."""

from __future__ import annotations

import re

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

from proxy.settings.database import DatabaseSettings
from proxy.store.engines.partitions import PART
from proxy.store.engines.postgres import Postgres
from proxy.store.filters.text_index import REVISION as TEXT_INDEX
from proxy.store.migrating.revisions import module_of
from proxy.store.schema.tables import metadata

_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
    "dbname": "PGDATABASE", "passfile": "PGPASSFILE", "service": "PGSERVICE", "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL", "channel_binding": "PGCHANNELBINDING", "target_session_attrs": "PGTARGETSESSIONATTRS",
    "gssencmode": "PGGSSENCMODE", "require_auth": "PGREQUIREAUTH",
}  # fmt: skip
_RELATIONS = (
    "SELECT relation.relname, coalesce(parent.relname, relation.relname), relation.relkind = 'v' "
    "FROM pg_class AS relation LEFT JOIN pg_inherits ON inhrelid = relation.oid "
    "LEFT JOIN pg_class AS parent ON parent.oid = inhparent "
    "WHERE relation.relkind IN ('r', 'p', 'v') "
    "AND relation.relnamespace = quote_ident(current_schema())::regnamespace ORDER BY 1"
)
_VIEW = re.compile(r"v_\w+|prompt_history")
_SESSIONS = (
    "SELECT coalesce(host(client_addr), 'this machine'), pid FROM pg_stat_activity "
    "WHERE application_name = 'dashcam' AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY 1, 2"
)


def connection_environment(database: DatabaseSettings) -> dict[str, str]:
    """Return the variables by which libpq's programs find a database; the password is among them."""
    said = {"dbname": "", **conninfo_to_dict(database.url)}
    found = {_VARIABLES[name]: str(value) for name, value in said.items() if name in _VARIABLES}
    return found | {"PGDATABASE": str(said["dbname"] or said.get("user") or "postgres"), "PGAPPNAME": "dashcam copies"}


def our_relations(database: DatabaseSettings) -> list[str]:
    """Return the names of our tables, their months, and our views."""
    ours = {"alembic_version", "text_index", *metadata.tables}
    found = _ask(database, _RELATIONS)
    return [str(name) for name, whole, is_view in found if whole in ours or (is_view and _VIEW.fullmatch(str(name)))]


def drops_of_ours(database: DatabaseSettings) -> str:
    """Return the statements that make room for a copy: views first, then all tables at once.

    What a copy of tables lacks is made: the functions of their triggers.
    """
    found = our_relations(database)
    views = [name for name in found if _VIEW.fullmatch(name)]
    tables = [name for name in found if name not in views and not PART.match(name)]
    said = [f"DROP VIEW {', '.join(views)};"] if views else []
    said += [f"DROP TABLE {', '.join(tables)};"] if tables else []
    said += [f"{statement};" for statement in module_of(TEXT_INDEX).functions()]
    return "".join(f"{statement}\n" for statement in said)


def other_sessions(database: DatabaseSettings) -> list[str]:
    """Return where each session of a Dashcam comes from, but for our own."""
    return [f"{host}, pid {pid}" for host, pid in _ask(database, _SESSIONS)]


def _ask(database: DatabaseSettings, sql: str) -> list[tuple[object, ...]]:
    backend = Postgres(database)
    engine = backend.examiner()
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
    except DBAPIError as error:
        raise backend.unusable(error) from error
    finally:
        engine.dispose()
