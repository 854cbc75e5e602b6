"""``dashcam datasette``: what it starts, what it tells Datasette of the record, and what nobody gets to read there."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sqlite3
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.cli.datasette import metadata_of
from proxy.resources import config_folder
from tests.support.checkout import ROOT
from tests.support.entries import an_entry
from tests.support.fresh_sqlite import fresh_sqlite
from tests.unit.cli.conftest import Command, Record

SECRET = ("api_key", "admin_token", "provider_secret", "body_chunk", "interaction_body", "audit_log", "open_call")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Datasette is there; what would be started is kept."""
    program = tmp_path / "bin" / "datasette"
    program.parent.mkdir()
    program.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _name, command: found.append(command))
    return found


def test_it_is_started_read_only_on_this_machine(
    dashcam: Command, record: Record, tmp_path: Path, started: list[list[str]]
) -> None:
    record(an_entry())
    said = dashcam("datasette", "--port", "8002")
    (command,) = started
    assert (said.code, "http://127.0.0.1:8002/" in said.err) == (0, True)
    assert command[1:7] == ["serve", str(tmp_path / "data/dashcam.db"), "--host", "127.0.0.1", "--port", "8002"]
    settings = " ".join(command)
    for name in ("sql_time_limit_ms 1000", "facet_time_limit_ms 200", "allow_download off"):
        assert f"--setting {name}" in settings
    told = orjson.loads(Path(command[command.index("--metadata") + 1]).read_bytes())
    assert list(told["databases"]) == ["dashcam"]
    assert told["databases"]["dashcam"]["tables"]["api_key"] == {"hidden": True}


def test_what_is_missing_is_said(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "there is no database" in dashcam("datasette").err
    record(an_entry())
    monkeypatch.setenv("PATH", str(tmp_path))
    said = dashcam("datasette")
    assert (said.code, "pipx install datasette" in said.err) == (2, True)
    said = dashcam("datasette", "--database-url", "postgresql://nobody@127.0.0.1:1/x")
    assert (said.code, "is in Postgres" in said.err) == (2, True)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every table and view with its columns."""
    path = tmp_path_factory.mktemp("schema") / "dashcam.db"
    fresh_sqlite(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        return {name: [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')] for (name,) in names}


def test_what_is_described_is_there(schema: dict[str, list[str]]) -> None:
    told = metadata_of(Path("x/calls.db"), list(schema))
    assert list(told["databases"]) == ["calls"]
    for name, about in told["databases"]["calls"]["tables"].items():
        named = {*about.get("columns", {}), *about.get("units", {}), *about.get("facets", [])}
        named |= {about[key] for key in ("sort_desc", "label_column") if key in about}
        assert named <= set(schema[name]), name
    views = {name for name in schema if name.startswith("v_")} | {"prompt_history"}
    shown = {name for name, about in told["databases"]["calls"]["tables"].items() if not about.get("hidden")}
    assert views <= shown
    allowed = set(told["plugins"]["dashcam-guard"]["tables"])
    assert shown - views <= allowed <= set(schema)
    assert not allowed & set(SECRET)


def test_its_questions_are_those_of_the_readme() -> None:
    block = re.search(r"```sql\n(-- recent calls\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    wanted = [
        text.strip() for text in re.sub(r"^--.*\n", "", block[1], flags=re.MULTILINE).split(";\n") if text.strip()
    ]
    queries = metadata_of(Path("dashcam.db"), [])["databases"]["dashcam"]["queries"]
    assert [query["sql"] for query in queries.values()] == wanted


class _Datasette:
    """What the plugin asks of Datasette."""

    def plugin_config(self, _name: str) -> dict[str, Any]:
        config: dict[str, Any] = metadata_of(Path("dashcam.db"), [])["plugins"]["dashcam-guard"]
        return config


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The plugin, as Datasette loads it."""
    monkeypatch.setitem(sys.modules, "datasette", types.SimpleNamespace(hookimpl=lambda function: function))
    path = config_folder() / "datasette" / "plugins" / "dashcam_guard.py"
    spec = importlib.util.spec_from_file_location("dashcam_guard", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def guarded(guard: types.ModuleType, record: Record, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    record(an_entry())
    path = f"file:{tmp_path / 'data' / 'dashcam.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as connection:
        guard.prepare_connection(connection, "dashcam", _Datasette())
        yield connection


def test_calls_can_be_read_and_nothing_else(guarded: sqlite3.Connection, schema: dict[str, list[str]]) -> None:
    assert guarded.execute("SELECT count(*) FROM interaction").fetchone() == (1,)
    for name in schema:
        if name.startswith("v_"):
            guarded.execute(f"SELECT * FROM {name}").fetchall()
    for name in SECRET:
        for sql in (f"SELECT * FROM {name}", f"SELECT count(*) FROM {name}", f"SELECT (SELECT 1 FROM {name})"):
            with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"):
                guarded.execute(sql)
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        guarded.execute("ATTACH 'other.db' AS other")


def test_what_comes_later_and_what_the_engine_has_of_its_own_is_not_read(
    guarded: sqlite3.Connection, tmp_path: Path
) -> None:
    """Samples of values, tables of an upgrade, pages: none of it was there, or is a table, when Datasette began."""
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "dashcam.db")) as other:
        other.execute("ANALYZE")
        other.execute("CREATE TABLE later (a)")
    for name in ("sqlite_stat1", "later", "dbstat"):
        with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized|no such table: dbstat"):
            guarded.execute(f"SELECT * FROM {name}")
    assert guarded.execute("SELECT count(*) FROM json_each('[1, 2]')").fetchone() == (2,)
    assert guarded.execute("SELECT count(*) > 0 FROM pragma_table_info('interaction')").fetchone() == (1,)
    assert guarded.execute("SELECT count(*) > 0 FROM sqlite_master").fetchone() == (1,)


@pytest.mark.parametrize(
    ("host", "status"),
    [(b"127.0.0.1:8001", 200), (b"localhost", 200), (b"evil.example:8001", 403), (b"", 403), (b"[", 403)],
)
async def test_only_names_of_this_machine_are_answered(guard: types.ModuleType, host: bytes, status: int) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    await guard.asgi_wrapper(_Datasette())(app)({"type": "http", "headers": [(b"host", host)]}, None, send)
    assert sent[0]["status"] == status
