"""Databases that are wrong, closed, full, altered or damaged, in front of the running program, on both engines.

Whatever is wrong: calls are answered, ``/readyz`` stays green, the log says it once a minute, ``dashcam doctor`` says
what it is and what to do, nothing that is there is changed, and once it is mended every call is on record.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tempfile
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from tests.support.dashcam import RunningDashcam
from tests.support.means import require
from tests.support.rollups import ask
from tests.support.small_disk import fill_up, small_disk
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.postgres import Databases

Start = Callable[[str], RunningDashcam]
SECRET = "not-the-password"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an instance whose database is at an address."""
    started: list[RunningDashcam] = []

    def begin(url: str) -> RunningDashcam:
        started.append(RunningDashcam(tmp_path / str(len(started)), environment={"DASHCAM_DATABASE_URL": url}))
        started[-1].folder.mkdir()
        return started[-1].start()

    yield begin
    for dashcam in started:
        dashcam.close()


@pytest.fixture
def server(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)


def call(dashcam: RunningDashcam, times: int = 2) -> None:
    """Call the built-in model; each call is answered."""
    asked = {"model": "dashcam/echo", "messages": [{"role": "user", "content": "hello " * 500}]}
    for _ in range(times):
        request = urllib.request.Request(
            f"{dashcam.url}/v1/chat/completions", json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def other(database: DatabaseSettings, *, user: str | None = None, port: int | None = None, name: str = "") -> str:
    """Return a database's address with another user, port or name."""
    said = urlsplit(database.url)
    netloc = f"{user or said.username}@{said.hostname}:{port or said.port}"
    return urlunsplit(said._replace(netloc=netloc, path=f"/{name}" if name else said.path))


def admin(database: DatabaseSettings, *statements: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def told(dashcam: RunningDashcam, words: str, advice: str) -> None:
    """See that it serves, says what is wrong where one looks, and what to do; and says it once a minute."""
    wait_until(lambda: words in str(dashcam.ledger()["last_error"]), f"the ledger says {words!r}")
    assert dashcam.get("/readyz")[0] == 200
    found = dashcam.cli("doctor", "--offline", "--json")
    assert found.returncode == 7
    said = [item for item in json.loads(found.stdout) if item["subject"] in ("database", "recorder")]
    assert any(words in item["detail"] and advice in str(item["next"]) for item in said), said
    lines = [line for line in dashcam.log().splitlines() if words in line]
    events = sorted(line.split("]", 1)[1].split()[0] for line in lines)
    # Once each: the loader, and the thread that looks after a Postgres.
    assert len(events) == len(set(events)), lines
    assert {"loading_paused", "store_unusable"} & set(events), lines
    assert SECRET not in dashcam.log() + found.stdout.decode()


@contextmanager
def asking_for_passwords(database: DatabaseSettings) -> Iterator[str]:
    """Let the server ask a new user for a password; give its name."""
    require("Postgres of our own")
    (path,) = ask(database, "SHOW hba_file")[0]
    name = f"guarded_{uuid.uuid4().hex[:8]}"
    admin(database, f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    rules = Path(path).read_text()
    Path(path).write_text(f"host all {name} 127.0.0.1/32 scram-sha-256\n{rules}")
    admin(database, "SELECT pg_reload_conf()")
    wait_until(lambda: ask(database, f"SELECT 1 FROM pg_hba_file_rules WHERE '{name}' = ANY(user_name)"), "it counts")
    try:
        yield name
    finally:
        Path(path).write_text(rules)
        admin(database, "SELECT pg_reload_conf()", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


NOWHERE = {
    "a closed port": ({"port": 1}, "cannot be reached", "dashcam doctor"),
    "a wrong name": ({"name": "nothere"}, "is not there", "createdb nothere"),
    "a wrong password": ({}, "does not let us in", "PGPASSWORD"),
}


@pytest.mark.parametrize(("change", "words", "advice"), NOWHERE.values(), ids=NOWHERE)
def test_an_address_that_leads_nowhere(
    start: Start, server: DatabaseSettings, change: dict[str, object], words: str, advice: str
) -> None:
    with asking_for_passwords(server) if not change else nullcontext("") as guarded:
        user = None if change else f"{guarded}:{SECRET}"
        dashcam = start(other(server, user=user, **change))  # type: ignore[arg-type]
        call(dashcam)
        told(dashcam, words, advice)
        check = dashcam.cli("db", "check").stdout.decode()
        assert check.count(words) == 1
        dashcam.stop()
    dashcam.environment["DASHCAM_DATABASE_URL"] = server.url
    dashcam.start()
    dashcam.settle()
    assert ask(server, "SELECT count(*) FROM interaction") == [(2,)]


@dataclass(frozen=True)
class Trouble:
    """What is done to a database, what undoes it, and what is to be read meanwhile."""

    harm: str
    remedy: str
    words: str
    advice: str


@dataclass
class Stored:
    """How many calls must be there."""

    dashcam: RunningDashcam
    database: DatabaseSettings
    calls: int = field(default=0)

    def call(self, times: int = 2) -> None:
        call(self.dashcam, times)
        self.calls += times

    def settle(self) -> None:
        self.dashcam.settle()
        assert ask(self.database, "SELECT count(*) FROM interaction") == [(self.calls,)]
        assert ask(self.database, "SELECT count(*) FROM quarantine") == [(0,)]


POSTGRES = (
    Trouble("REVOKE INSERT ON interaction FROM {user}", "GRANT INSERT ON interaction TO {user}",
            "refuses us a right: permission denied for table interaction", "TO {user}"),
    Trouble("ALTER ROLE {user} SET default_transaction_read_only = on",
            "ALTER ROLE {user} RESET default_transaction_read_only", "is read-only", "primary"),
    Trouble("ALTER TABLE attempt RENAME TO mine", "ALTER TABLE mine RENAME TO attempt",
            "does not have our tables", "dashcam db"),
    Trouble("ALTER TABLE interaction RENAME top_p TO mine", "ALTER TABLE interaction RENAME mine TO top_p",
            "has tables that are not as ours", "dashcam db check"),
    Trouble("ALTER TABLE interaction ADD CONSTRAINT mine CHECK (model <> 'dashcam/echo') NOT VALID",
            "ALTER TABLE interaction DROP CONSTRAINT mine", "violates check constraint", "dashcam db check"),
)  # fmt: skip


def test_a_postgres_that_is_closed_or_altered(start: Start, server: DatabaseSettings) -> None:
    user = f"limited_{uuid.uuid4().hex[:8]}"
    rights = "GRANT ALL ON ALL TABLES IN SCHEMA public TO {0}", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {0}"
    admin(server, f"CREATE ROLE {user} LOGIN", *(item.format(user) for item in rights))
    anew = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"
    try:
        stored = Stored(start(other(server, user=user)), server)
        stored.call(1)
        stored.settle()
        for trouble in POSTGRES:
            admin(server, trouble.harm.format(user=user), anew)
            stored.call()
            told(stored.dashcam, trouble.words, trouble.advice.format(user=user))
            admin(server, trouble.remedy.format(user=user), anew)
            stored.settle()
        stored.dashcam.stop()
    finally:
        admin(server, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


@contextmanager
def small_tablespace(postgres: Databases, folder: Path) -> Iterator[DatabaseSettings]:
    """Give a database on a small disk, on a server of our own."""
    with small_disk(folder / "disk", 24):
        shutil.chown(folder / "disk", "nobody")
        name = f"small_{uuid.uuid4().hex[:8]}"
        server = postgres.named("postgres")
        admin(server, f"CREATE TABLESPACE {name} LOCATION '{folder / 'disk'}'")
        admin(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' TABLESPACE {name}")
        try:
            yield postgres.named(name)
        finally:
            postgres.drop(postgres.named(name))
            admin(server, f"DROP TABLESPACE {name}")


def test_a_postgres_that_is_full(start: Start, postgres: Databases) -> None:
    require("Postgres of our own", "linux", "root", "mount")
    with tempfile.TemporaryDirectory(prefix="dashcam-small-") as folder:
        Path(folder).chmod(0o755)
        with small_tablespace(postgres, Path(folder)) as database:
            stored = Stored(start(database.url), database)
            assert stored.dashcam.cli("db", "migrate").returncode == 0
            stored.call(1)
            stored.settle()
            filler = fill_up(Path(folder) / "disk")
            stored.call(40)
            told(stored.dashcam, "has no room left", "free space on its server")
            filler.unlink()
            stored.settle()
            stored.dashcam.stop()


SQLITE = (
    Trouble("CREATE UNIQUE INDEX mine ON interaction (model)", "DROP INDEX mine",
            "was altered by hand: UNIQUE constraint failed", "dashcam db check"),
    Trouble("ALTER TABLE interaction_text RENAME TO mine", "ALTER TABLE mine RENAME TO interaction_text",
            "no such table", "dashcam db check"),
    Trouble("CREATE TRIGGER mine BEFORE INSERT ON interaction BEGIN SELECT RAISE(ABORT, 'not here'); END",
            "DROP TRIGGER mine", "was altered by hand: not here", "dashcam db check"),
)  # fmt: skip


def test_a_file_that_is_altered_full_or_read_only(start: Start, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 4):
        database = DatabaseSettings(url=f"sqlite:///{disk}/dashcam.db")
        stored = Stored(start(database.url), database)
        stored.call(1)
        stored.settle()
        for trouble in SQLITE:
            by_hand(database, trouble.harm)
            stored.call()
            told(stored.dashcam, trouble.words, trouble.advice)
            by_hand(database, trouble.remedy)
            stored.settle()
        filler = fill_up(disk)
        stored.call(40)
        told(stored.dashcam, "has no room left", f"free some space on the disk of {disk}")
        filler.unlink()
        stored.settle()
        stored.dashcam.stop()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        stored.dashcam.start()
        stored.call()
        told(stored.dashcam, "takes no changes: it is mounted read-only", "mount it writable")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        stored.settle()
        stored.dashcam.stop()


def by_hand(database: DatabaseSettings, statement: str) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute(statement)


def test_a_page_that_spoils_while_it_runs_costs_no_call(start: Start, tmp_path: Path) -> None:
    database = DatabaseSettings(url=f"sqlite:///{tmp_path}/dashcam.db")
    stored = Stored(start(database.url), database)
    stored.call(20)
    stored.settle()
    copy = tmp_path / "copy.db"
    assert stored.dashcam.cli("db", "backup", str(copy)).returncode == 0
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = connection.execute("SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'interaction'").fetchall()
    with database.path.open("r+b") as file:
        for (root,) in roots:
            file.seek((root - 1) * size)
            file.write(b"\xa5" * size)
    before = database.path.read_bytes()
    stored.call()
    told(stored.dashcam, "is damaged", "dashcam db restore FILE")
    found = stored.dashcam.cli("db", "check")
    assert (found.returncode, found.stdout.count(b"database disk image is malformed")) == (7, 1)
    assert database.path.read_bytes() == before
    stored.dashcam.stop()
    assert stored.dashcam.cli("db", "restore", str(copy), "--yes").returncode == 0
    (aside,) = tmp_path.glob("dashcam.db.aside-*")
    assert aside.read_bytes() == before
    stored.dashcam.start()
    stored.settle()
