"""The whole program on a real Postgres: it serves without it, stores exactly once, reads back, hides its password."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import openai
import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.postgres import PostgresServer
from tests.support.processes import children
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until_async

if TYPE_CHECKING:
    from tests.support.postgres import Databases

SECRET = "s3cret/of#ours"


@pytest.fixture(scope="module")
def database(postgres: Databases) -> Iterator[DatabaseSettings]:
    """A database with our tables, and a password in its address."""
    made = postgres.migrated()
    found = urlsplit(made.url)
    place = f"{found.username}:{found.password or quote(SECRET, safe='')}@{found.hostname}:{found.port}"
    yield replace(made, url=urlunsplit(found._replace(netloc=place)))
    postgres.drop(made)


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, oracle: str, database: DatabaseSettings) -> RunningDashcam:
    """An instance that records into it, with a few calls on record."""
    environment = {"DASHCAM_DATABASE_URL": database.url, "OPENAI_API_KEY": "sk-x"}
    running = start_dashcam("--upstream", f"openai={oracle}/v1", environment=environment)
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="sk-dummy", max_retries=0)
    for number in range(3):
        client.chat.completions.create(
            model="gpt-4o-mini", max_tokens=5, messages=[{"role": "user", "content": f"Needle {number}"}],
            extra_headers={"x-dashcam-tags": "eu", "x-dashcam-user": "kim"},
        )  # fmt: skip
    running.settle()
    return running


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("logs",), "gpt-4o-mini"),
        (("logs", "--json", "--tag", "eu", "--user", "kim", "--since", "1h", "--model", "gpt-*"), "gpt-4o-mini"),
        (("logs", "--sort", "duration_ms", "--since", "last-1"), "completed"),
        (("show", "last"), "Needle 2"),
        (("show", "last", "--json"), "Needle 2"),
        (("show", "last", "--raw", "--request"), "Needle 2"),
        (("search", "needle", "1"), "Needle"),
        (("prices", "unpriced"), ""),
        (("recost",), ""),
        (("reinterpret",), ""),
        (("recost", "--yes", "--json"), "written"),
        (("db", "info"), "dashcam_test"),
        (("db", "path"), "postgresql://"),
        (("config", "show"), "database.url\tpostgresql://postgres:***@"),
        (("doctor", "--offline"), "3 calls"),
    ],
)
def test_every_command_reads_it_and_none_shows_the_password(
    dashcam: RunningDashcam, arguments: tuple[str, ...], told: str
) -> None:
    done = dashcam.cli(*arguments)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout.decode()
    for secret in (SECRET, quote(SECRET, safe="")):
        assert secret.encode() not in done.stdout + done.stderr


def test_the_password_is_nowhere_a_person_or_a_log_looks(dashcam: RunningDashcam) -> None:
    secrets = (SECRET, quote(SECRET, safe=""))
    assert not [secret for secret in secrets if secret in dashcam.log()]
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (dashcam.pid, *children(dashcam.pid))]
    assert not [secret for secret in secrets for command in commands if secret.encode() in command]
    holding = [
        path
        for folder in (dashcam.data_dir, dashcam.run_root)
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
    assert [(path.name, path.stat().st_mode & 0o777) for path in holding] == [("settings.json", 0o600)]


def test_tail_shows_a_call_as_it_is_recorded(dashcam: RunningDashcam) -> None:
    environment = {**dashcam.environment, "DASHCAM_DATA_DIR": str(dashcam.data_dir)}
    command = [sys.executable, "-m", "proxy", "tail", "--jsonl", "--fields", "user_id,model_requested"]
    following = subprocess.Popen(command, cwd=dashcam.folder, env=environment, stdout=subprocess.PIPE)
    assert following.stdout is not None
    for _ in range(3):
        said = json.loads(following.stdout.readline())
        assert (said.keys(), said["user_id"]) == ({"user_id", "model_requested"}, "kim")
    client = openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-dummy", max_retries=0)
    client.chat.completions.create(model="gpt-new", max_tokens=5, messages=[{"role": "user", "content": "Now"}])
    assert json.loads(following.stdout.readline())["model_requested"] == "gpt-new"
    following.send_signal(signal.SIGINT)
    following.wait(10)
    following.stdout.close()


def doctors(dashcam: RunningDashcam, subject: str) -> dict[str, object]:
    said = json.loads(dashcam.cli("doctor", "--offline", "--json").stdout)
    return next(item for item in said if item["subject"] == subject)


async def test_without_its_database_it_serves_and_later_everything_is_stored_once(
    start_dashcam: Starter, oracle: str
) -> None:
    server = PostgresServer()
    try:
        environment = {"DASHCAM_DATABASE_URL": server.url(password=quote(SECRET, safe="")), "OPENAI_API_KEY": "sk-x"}
        dashcam = await asyncio.to_thread(start_dashcam, "--upstream", f"openai={oracle}/v1", environment=environment)
        load = Load(dashcam.url)
        async with load.running():
            await load.progress()
            assert dashcam.get("/readyz")[0] == 200
            found = await asyncio.to_thread(doctors, dashcam, "database")
            assert (found["ok"], "cannot be reached" in str(found["detail"])) == (False, True)
            assert "dashcam doctor" in str(found["next"])
            await asyncio.to_thread(server.start)
            await wait_until_async(lambda: "db migrate" in dashcam.log(), "the missing tables are told")
            assert dashcam.get("/readyz")[0] == 200
            await asyncio.to_thread(upgrade, dashcam.database)
            await wait_until_async(lambda: dashcam.ledger()["stored"], "calls are stored")
            for _ in range(2):
                await asyncio.to_thread(server.stop)
                await load.progress()
                await wait_until_async(lambda: dashcam.ledger()["last_error"], "the trouble is told")
                assert dashcam.get("/readyz")[0] == 200
                await asyncio.to_thread(server.start)
                await load.progress()
        assert [call for call in load.calls if not call.is_finished] == []
        assert await asyncio.to_thread(assert_nothing_lost, dashcam, load) == {"completed": len(load.calls)}
        await asyncio.to_thread(assert_rollups_equal_the_rows, dashcam.database)
        assert dashcam.log().count("cannot be reached") <= 8
        assert SECRET not in dashcam.log()
        await asyncio.to_thread(dashcam.close)
    finally:
        server.remove()


def test_without_the_driver_it_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "psycopg").mkdir()
    (tmp_path / "psycopg" / "__init__.py").write_text("raise ImportError('No module named psycopg')\n")
    environment = {"PYTHONPATH": str(tmp_path), "DASHCAM_DATABASE_URL": "postgresql://db.invalid/calls"}
    dashcam = RunningDashcam(tmp_path, environment=environment)
    try:
        for arguments in (("serve", "--port", str(dashcam.port)), ("logs",)):
            done = dashcam.cli(*arguments)
            assert done.returncode == 1
            assert b"Postgres needs the driver psycopg" in done.stderr
            assert b"-m pip install 'psycopg[binary]" in done.stderr
    finally:
        dashcam.close()


def test_a_wrong_address_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    dashcam = RunningDashcam(tmp_path)
    try:
        for url in (f"postgresql://kim:{SECRET}@db/calls", "mysql://kim:s3cret@db/calls", "calls.db"):
            done = dashcam.cli("serve", "--database-url", url)
            assert (done.returncode, b"database.url" in done.stderr) == (4, True)
            assert b"s3cret" not in done.stderr
    finally:
        dashcam.close()
