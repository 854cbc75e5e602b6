"""An address of a database: what is one, what it means, and that its password is nowhere to be seen."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.database import DatabaseSettings, check_url, masked, sqlite_at
from proxy.settings.values import Settings

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///calls.db",
        "sqlite:////var/lib/calls.db",
        "postgresql://",
        "postgresql:///calls",
        "postgres://kim@db/calls",
        "postgresql://kim:hunter2@db.example:5432/calls?sslmode=require",
        "postgresql://kim:p%40ss%2Fw%3Ard@[::1]:5432/calls",
        "postgresql://a:1,b:2/calls?target_session_attrs=read-write",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/calls",
    ],
)
def test_what_is_an_address(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("calls.db", "no address"),
        ("/var/lib/calls.db", "no address"),
        ("sqlite://calls.db", "sqlite:///RELATIVE"),
        ("sqlite:///", "sqlite:///RELATIVE"),
        ("mysql://kim:hunter2@db/calls", "SQLite or Postgres"),
        ("postgresql+psycopg2://kim:hunter2@db/calls", "postgresql:// alone"),
        ("postgresql://kim:hunter2 @db/calls", "blanks"),
        ("postgresql://kim:hunt@er2@db/calls", "%XX"),
        ("postgresql://kim:hunt/er2@db/calls", "%XX"),
        ("postgresql://kim:hunt#er2@db/calls", "%XX"),
        ("postgresql://kim:hunter2%zz@db/calls", "%25"),
        ("postgresql://kim:hunter2@db:99999/calls", "HOST:PORT"),
        ("postgresql://kim:hunter2@db:port/calls", "HOST:PORT"),
    ],
)
def test_what_is_none_is_told_without_repeating_it(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        check_url(url)
    assert told in str(caught.value)
    assert "hun" not in str(caught.value)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_no_password_is_shown(password: str) -> None:
    mark = "zq"
    url = f"postgresql://kim:{quote(mark + password, safe='')}@db/calls?sslpassword={quote(mark + password, safe='')}"
    database = DatabaseSettings(url=url)
    check_url(url)
    told = database.scrubbed(f"could not use {mark + password} or {quote(mark + password, safe='')}")
    for text in (database.shown, repr(database), told, masked(url)):
        assert mark not in text
    assert database.shown.startswith("postgresql://kim:***@db/calls")


def test_settings_show_no_password_either() -> None:
    settings = Settings(data_dir="/d", run_dir="/r", database=DatabaseSettings(url=f"postgresql://kim:{SECRET}@db/c"))
    assert SECRET not in repr(settings)


def test_without_an_address_it_is_a_file_in_the_data_folder() -> None:
    settings = Settings(data_dir="/d", run_dir="/r")
    assert (settings.database.path, settings.database.is_postgres) == (Path("/d/dashcam.db"), False)
    assert settings.database.shown == "/d/dashcam.db"
    assert settings.database.for_reading() == settings.database


@pytest.mark.parametrize(
    ("said", "sqlite", "postgres"), [("auto", True, False), ("yes", True, True), ("no", False, False)]
)
def test_who_upgrades(said: str, sqlite: bool, postgres: bool) -> None:
    assert DatabaseSettings(url=sqlite_at("/d").url, auto_migrate=said).is_upgraded_when_opened is sqlite
    assert DatabaseSettings(url="postgres://h/d", auto_migrate=said).is_upgraded_when_opened is postgres


def test_readers_go_to_the_replica() -> None:
    database = DatabaseSettings(url="postgresql://a/d", read_url="postgresql://b/d", statement_timeout=7)
    assert (database.for_reading().url, database.for_reading().statement_timeout) == ("postgresql://b/d", 7)
