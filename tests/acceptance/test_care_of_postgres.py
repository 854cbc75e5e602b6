"""``dashcam db`` in front of a real Postgres, with its own tools for copies, beside a running server and without."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from tests.support.dashcam import RunningDashcam
from tests.support.postgres import newest_programs
from tests.support.rollups import ask
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture
def database(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.empty()
    yield made
    postgres.drop(made)


@pytest.fixture
def dashcam(database: DatabaseSettings, tmp_path: Path) -> Iterator[RunningDashcam]:
    """An instance that nobody has started, and a path on which Postgres' tools are."""
    path = f"{newest_programs()}:{os.environ['PATH']}"
    made = RunningDashcam(tmp_path, environment={"DASHCAM_DATABASE_URL": database.url, "PATH": path})
    yield made
    made.close()


def call(dashcam: RunningDashcam) -> None:
    asked = {"model": "dashcam/echo", "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(
        f"{dashcam.url}/v1/chat/completions", json.dumps(asked).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def said(made: subprocess.CompletedProcess[bytes], code: int = 0) -> str:
    assert made.returncode == code, made.stderr.decode()
    return (made.stdout if code == 0 else made.stderr).decode()


def calls_in(database: DatabaseSettings) -> int:
    return int(ask(database, "SELECT count(*) FROM interaction")[0][0])


def test_a_postgres_is_migrated_by_hand_looked_after_and_copied(
    dashcam: RunningDashcam, database: DatabaseSettings, tmp_path: Path
) -> None:
    dashcam.start()
    call(dashcam)
    wait_until(lambda: "has none of our tables yet" in str(dashcam.ledger()["last_error"]), "the ledger says why")
    script = said(dashcam.cli("db", "migrate", "--dry-run"))
    assert "PARTITION BY RANGE (id)" in script
    assert "CREATE TABLE schema_revision" in script
    assert "is at revision" in said(dashcam.cli("db", "migrate"))
    dashcam.settle()
    assert calls_in(database) == 1
    assert "no problems" in said(dashcam.cli("db", "check"))
    for task in ("analyze", "optimize", "compact"):
        assert json.loads(said(dashcam.cli("db", task, "--json")))["is_whole"]
    found = json.loads(said(dashcam.cli("db", "stats", "--json")))
    assert {item["name"]: item["rows"] for item in found["tables"]}["interaction"] == 1
    assert "newest 20 calls" in said(dashcam.cli("db", "performance"))
    assert json.loads(said(dashcam.cli("db", "backup", "copy.dump", "--json")))["path"] == "copy.dump"
    call(dashcam)
    dashcam.settle()
    assert "a running Dashcam has the database" in said(dashcam.cli("db", "restore", "copy.dump", "--yes"), 6)
    dashcam.stop()
    brought = json.loads(said(dashcam.cli("db", "restore", "copy.dump", "--yes", "--json")))
    assert calls_in(database) == 1
    for name in ("added", "changed", "removed"):
        ask(database, f"DROP FUNCTION text_index_{name}() CASCADE")
    said(dashcam.cli("db", "restore", brought["aside"], "--yes"))
    assert calls_in(database) == 2
    triggers = (
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'text_index%' AND tgrelid = 'interaction_text'::regclass"
    )
    assert ask(database, triggers) == [(3,)]
    dashcam.start()
    call(dashcam)
    dashcam.settle()
    assert calls_in(database) == 3


def test_a_copy_that_cannot_be_brought_back_changes_nothing(
    dashcam: RunningDashcam, database: DatabaseSettings
) -> None:
    said(dashcam.cli("db", "migrate"))
    said(dashcam.cli("db", "backup", "copy.dump"))
    (dashcam.folder / "text.dump").write_text("no copy")
    assert "is no copy of our tables" in said(dashcam.cli("db", "restore", "text.dump", "--yes"), 1)
    whole = (dashcam.folder / "copy.dump").read_bytes()
    (dashcam.folder / "half.dump").write_bytes(whole[: len(whole) - 200])
    ask(database, "CREATE VIEW mine AS SELECT count(*) AS calls FROM interaction")
    refused = said(dashcam.cli("db", "restore", "copy.dump", "--yes"), 1)
    assert "because other objects depend on them" in refused
    assert ask(database, "SELECT calls FROM mine") == [(0,)]


def test_a_sealed_copy_comes_back_whole_or_not_at_all(dashcam: RunningDashcam, database: DatabaseSettings) -> None:
    dashcam.environment["DASHCAM_MASTER_KEY"] = "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA"
    dashcam.environment["DASHCAM_MAINTENANCE__SEAL_BACKUPS"] = "true"
    said(dashcam.cli("db", "migrate"))
    ask(database, "INSERT INTO quarantine (source, segment, \"offset\", reason, quarantined_at) "
                  "VALUES ('s', 1, 0, 'a word of ours', now())")  # fmt: skip
    made = json.loads(said(dashcam.cli("db", "backup", "copy.sealed", "--json")))
    copy = dashcam.folder / "copy.sealed"
    whole = copy.read_bytes()
    assert (made["bytes"], len(made["sealed_with"])) == (len(whole), 16)
    assert b"PGDMP" not in whole
    assert copy.stat().st_mode & 0o777 == 0o600
    ask(database, "DELETE FROM quarantine")
    copy.write_bytes(whole[:-1])
    assert "was cut off or changed" in said(dashcam.cli("db", "restore", "copy.sealed", "--yes"), 1)
    assert ask(database, "SELECT reason FROM quarantine") == []
    copy.write_bytes(whole)
    # What it takes the place of is sealed for its sake.
    del dashcam.environment["DASHCAM_MAINTENANCE__SEAL_BACKUPS"]
    brought = json.loads(said(dashcam.cli("db", "restore", "copy.sealed", "--yes", "--json")))
    assert brought["aside"].endswith(".dump.sealed")
    assert ask(database, "SELECT reason FROM quarantine") == [("a word of ours",)]
    assert {item.name for item in dashcam.folder.iterdir() if item.is_file()} >= {"copy.sealed"}
    assert [item for item in dashcam.data_dir.rglob("*") if item.is_file() and b"PGDMP" in item.read_bytes()] == []
    (dashcam.folder / "file.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    refused = said(dashcam.cli("db", "restore", "file.db", "--yes"), 1)
    assert "is a copy of a SQLite database, and the database here is a Postgres" in refused


def test_without_the_tools_it_is_said_what_to_install(dashcam: RunningDashcam) -> None:
    said(dashcam.cli("db", "migrate"))
    dashcam.environment["PATH"] = "/nowhere"
    assert "pg_dump is not installed here" in said(dashcam.cli("db", "backup"), 1)


def test_the_doctor_names_the_session_that_holds_a_lock(dashcam: RunningDashcam, database: DatabaseSettings) -> None:
    said(dashcam.cli("db", "migrate"))
    with psycopg.connect(database.url, application_name="somebody") as holder:
        holder.execute("LOCK TABLE interaction IN EXCLUSIVE MODE")
        found = json.loads(dashcam.cli("doctor", "--offline", "--json").stdout)
        pid = holder.info.backend_pid
    (lock,) = [item for item in found if item["subject"] == "database lock"]
    assert f"somebody of postgres (pid {pid}) holds ExclusiveLock on table interaction" in lock["detail"]
    assert lock["next"] == f"end it: SELECT pg_terminate_backend({pid})"
