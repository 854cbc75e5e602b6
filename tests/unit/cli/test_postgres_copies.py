"""What a script of Postgres' tools becomes before a server reads it."""

from __future__ import annotations

from proxy.cli.postgres_copies import for_any_server

NEWER = b"SET transaction_timeout = 0;\n"
REST = b"SET client_encoding = 'UTF8';\nCOPY public.note (text) FROM stdin;\n" + NEWER + b"\\.\n"


def test_a_setting_that_an_older_server_does_not_know_is_set_where_it_is_known() -> None:
    made = for_any_server(b"--\n-- dump\n--\n\nSET lock_timeout = 0;\n" + NEWER + REST)
    beginning = b"--\n-- dump\n--\n\nSET lock_timeout = 0;\nSELECT set_config(name, '0', false) FROM pg_settings "
    assert made == beginning + b"WHERE name = 'transaction_timeout';\n" + REST


def test_what_older_tools_write_stays_and_so_does_what_anybody_has_said() -> None:
    script = b"SET lock_timeout = 0;\n" + REST
    assert for_any_server(script) == script
