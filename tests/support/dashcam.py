"""The installed program as processes: ``dashcam serve`` on a free port with folders of its own.

Nothing is imported from the package under test except the store's reader, which is how bodies are read back; whatever
else a test wants to know it asks over HTTP, the command line, or SQL, as a user would.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from prometheus_client.parser import text_string_to_metric_families

from proxy.settings.database import DatabaseSettings, sqlite_at
from tests.support.processes import ROOT, children, clean_environment, end, free_port, is_alive, kill
from tests.support.waiting import wait_until

Row = dict[str, Any]
TOLD_LINES = 40
TABLES = "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"


class RunningDashcam:
    """One instance: its address, its folders, its processes, and what it has on record.

    ``unclosed`` are all whose end nobody has asked for yet.
    """

    unclosed: ClassVar[dict[int, RunningDashcam]] = {}

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        output: int | None = None,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / "serve.log"
        self._arguments = arguments
        self._output = output
        self._sockets = tempfile.TemporaryDirectory(prefix="dc-")  # socket paths are limited to about 100 bytes
        self.run_root = Path(self._sockets.name)
        # What happens to run on the tests' machine is none of their business, unless a test says so.
        alone = {"XDG_RUNTIME_DIR": self._sockets.name, "DASHCAM_DISCOVERY__LOCAL_SERVERS": "false"}
        self.environment = clean_environment(folder, {**alone, **(environment or {})})
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<RunningDashcam {self.url} pid={self._process and self._process.pid} log={self.log_path}>"

    # life

    def start(self) -> RunningDashcam:
        """Start it and wait until it is ready."""
        self.unclosed[id(self)] = self
        command = [sys.executable, "-m", "proxy", "serve", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._arguments], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=self._output or log, stderr=self._output or log,
            )  # fmt: skip
        wait_until(self.is_ready, f"{self!r} is ready", seconds=30)
        return self

    def is_ready(self) -> bool:
        """Tell whether the gateway says so; a process that has ended never will."""
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"dashcam serve ended with {code}:\n{self.log_path.read_text()}"
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def stop(self, seconds: float = 45.0) -> int:
        """End it as a service manager would; return its exit code."""
        if self._process is None:
            return 0
        below = children(self._process.pid)
        code = end(self._process, seconds)
        wait_until(lambda: not any(is_alive(pid) for pid in below), f"the children of {self!r} are gone")
        return code

    def wait(self, seconds: float = 45.0) -> int:
        """Wait until it has left; return its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def close(self) -> None:
        """Stop it, and remove what is not in the test's folder."""
        self.stop()
        self._sockets.cleanup()
        self.unclosed.pop(id(self), None)

    def last_words(self) -> str:
        """Return what it said last."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-TOLD_LINES:])

    # processes

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    def pids(self, module: str) -> list[int]:
        """Return the children that run a module, such as ``proxy.gateway``."""
        return [pid for pid, command in children(self.pid).items() if module in command]

    def kill(self, module: str) -> list[int]:
        """kill -9 the children that run a module; return their pids."""
        found = self.pids(module)
        for pid in found:
            kill(pid)
        return found

    def kill_everything(self) -> None:
        """kill -9 all processes in the same instant."""
        assert self._process is not None
        below = list(children(self.pid))
        for pid in (self.pid, *below):
            kill(pid)
        self._process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in below), "all processes are gone")

    def kill_supervisor(self) -> None:
        """kill -9 it alone; its children finish what they have begun and leave."""
        assert self._process is not None
        below = list(children(self.pid))
        kill(self.pid)
        self._process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in below), "the children have left", seconds=45)

    def signal(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    # what it says

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return status and body of one GET, with the admin token if there is one; ``OSError`` if nobody listens."""
        token = self.environment.get("DASHCAM_ADMIN_TOKEN")
        known = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers={**known, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def ledger(self) -> dict[str, Any]:
        """Return the recorder's account of itself."""
        body = wait_until(lambda: self._answer_of("/api/v1/recorder"), "/api/v1/recorder is there")
        found: dict[str, Any] = json.loads(body)
        return found

    def _answer_of(self, path: str) -> bytes:
        """Return what control says, nothing while it is starting: the gateway is ready before it."""
        status, body = self.get(path)
        return body if status == 200 else b""

    def is_settled(self) -> bool:
        """Tell whether everything accepted is accounted for; while control restarts nobody can say."""
        try:
            status, body = self.get("/api/v1/recorder")
        except OSError:
            return False
        ledger = json.loads(body) if status == 200 else {}
        return bool(ledger.get("sources")) and ledger["pending"] == 0 and bool(ledger["balanced"])

    def settle(self, seconds: float = 30.0) -> None:
        """Wait until every accepted call is a row."""
        try:
            wait_until(self.is_settled, "every call is on record", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.get('/api/v1/recorder')}\n{self.log()}") from error

    def samples(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """Return what /metrics says: name -> labels -> value."""
        text = wait_until(lambda: self._answer_of("/metrics"), "/metrics is there")
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return found

    def log(self) -> str:
        """Return what it has printed."""
        return self.log_path.read_text(errors="replace")

    def cli(self, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run the command line against this instance's folders."""
        environment = {**self.environment, "DASHCAM_DATA_DIR": str(self.data_dir)}
        return subprocess.run(
            [sys.executable, "-m", "proxy", *arguments],
            cwd=self.folder, env=environment, input=stdin, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    # what it has on record

    @property
    def database(self) -> DatabaseSettings:
        """Where it records."""
        url = self.environment.get("DASHCAM_DATABASE_URL")
        return DatabaseSettings(url=url) if url else sqlite_at(self.database_path)

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "dashcam.db"

    def query(self, sql: str, *values: object) -> list[Row]:
        """Ask the database, read-only, with the standard library's driver; a Postgres through ours."""
        if self.database.is_postgres:
            return self._query_postgres(sql, values)
        connection = sqlite3.connect(f"file:{self.database_path}?mode=ro", uri=True, timeout=10)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def _query_postgres(self, sql: str, values: tuple[object, ...]) -> list[Row]:
        from proxy.store.engines.engine import backend_of

        engine = backend_of(self.database).reader()
        try:
            with engine.begin() as connection:
                return [dict(row) for row in connection.exec_driver_sql(sql, values).mappings()]
        finally:
            engine.dispose()

    def rows(self, settle: bool = True) -> list[Row]:
        """Return all interactions, oldest first, once every call is on record."""
        if settle:
            self.settle()
        return self.query("select * from interaction order by id")

    def row(self, **columns: object) -> Row:
        """Return the one interaction with these values."""
        self.settle()
        terms = " and ".join(f"{name} = ?" for name in columns)
        found = self.query(f"select * from interaction where {terms}", *columns.values())
        assert len(found) == 1, f"{len(found)} rows with {columns}: {found}"
        return found[0]

    def assert_sound(self) -> None:
        """Fail where the database says of itself that it is damaged; a Postgres by reading all of it."""
        if self.database.is_postgres:
            for row in self.query(TABLES):
                self.query(f'select count(t.*) from "{row["relname"]}" t')
            return
        assert self.query("pragma integrity_check") == [{"integrity_check": "ok"}]
        assert self.query("pragma foreign_key_check") == []

    def body(self, identity: str, side: str) -> bytes:
        """Return the kept bytes of a request or an answer."""
        from proxy.store.reading.reader import Reader

        reader = Reader(self.database)
        try:
            found = reader.body(identity, side)
            assert found is not None
            return found.content
        finally:
            reader.close()


__all__ = ["ROOT", "Row", "RunningDashcam"]
