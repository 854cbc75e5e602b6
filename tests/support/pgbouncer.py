"""A real PgBouncer in transaction mode, in front of any Postgres: two connections to the server for whoever comes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.support.processes import free_port
from tests.support.waiting import wait_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")


@contextlib.contextmanager
def bouncer(program: str, url: str) -> Iterator[str]:
    """Start one in front of a database; gives the address that leads through it."""
    found, port = urlsplit(url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="dashcam-pgbouncer-"))
    folder.chmod(0o755)
    password = f" password={found.password}" if found.password else ""
    (folder / "bouncer.ini").write_text(
        f"[databases]\n* = host={found.hostname} port={found.port} user={found.username}{password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\nserver_login_retry = 1\ndefault_pool_size = 2\nmax_client_conn = 50\n"
    )
    account = ["-u", "nobody"] if os.getuid() == 0 else []
    log = (folder / "log").open("ab")
    process = subprocess.Popen([program, *account, str(folder / "bouncer.ini")], stdout=log, stderr=log)
    log.close()
    through = urlunsplit(found._replace(netloc=f"{found.username}@127.0.0.1:{port}"))
    try:
        wait_until(lambda: _answers(through, process), "pgbouncer answers")
        yield through
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False
