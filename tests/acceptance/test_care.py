"""The database is looked after, copied and brought back while calls go on; whatever lies in its place, none is lost."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.processes import ROOT
from tests.support.schemas import folder_with
from tests.support.waiting import wait_until


def call(dashcam: RunningDashcam, times: int = 1) -> None:
    """Make calls to the built-in model; each must be answered."""
    asked = {"model": "dashcam/echo", "messages": [{"role": "user", "content": "hello"}]}
    for _ in range(times):
        request = urllib.request.Request(
            f"{dashcam.url}/v1/chat/completions", json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def done(made: subprocess.CompletedProcess[bytes]) -> dict[str, object]:
    assert made.returncode == 0, made.stderr.decode()
    found: dict[str, object] = json.loads(made.stdout)
    return found


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter) -> RunningDashcam:
    running = start_dashcam()
    call(running, 5)
    running.settle()
    return running


@pytest.mark.parametrize("task", ["analyze", "optimize", "compact"])
def test_a_running_server_does_the_writing(dashcam: RunningDashcam, task: str) -> None:
    found = done(dashcam.cli("db", task, "--json"))
    assert (found["task"], found["is_whole"]) == (task, True)
    assert f"task={task}" in dashcam.log()
    call(dashcam)
    dashcam.settle()
    assert list((dashcam.data_dir / "errands").iterdir()) == []
    assert dashcam.cli("db", "check").returncode == 0


def test_metrics_are_read_by_people(dashcam: RunningDashcam) -> None:
    table = dashcam.cli("metrics").stdout.decode()
    assert "dashcam_requests_total\tmodel=dashcam/echo operation=chat outcome=completed" in table
    assert dashcam.cli("metrics", "--raw").stdout.startswith(b"# HELP dashcam_requests_total")
    (found,) = json.loads(dashcam.cli("metrics", "--database", "--json").stdout)
    assert found["calls"] == len(dashcam.rows())


def test_its_status_is_told_to_scripts(dashcam: RunningDashcam) -> None:
    said = dashcam.cli("status", "--json")
    found = json.loads(said.stdout)
    assert (said.returncode, found["state"], found["mode"], found["last_error"]) == (0, "up", "process", None)
    assert found["database"] == str(dashcam.database_path)
    assert found["accepted"] == found["stored"] == len(dashcam.rows())
    assert found["uptime_seconds"] > 0


def test_a_copy_is_made_under_load_and_brought_back_when_stopped(start_dashcam: Starter) -> None:
    dashcam = start_dashcam()
    call(dashcam, 3)
    dashcam.settle()
    copy = done(dashcam.cli("db", "backup", "copy.db", "--json"))
    assert copy["calls"] == 3
    call(dashcam, 2)
    dashcam.settle()
    refused = dashcam.cli("db", "restore", "copy.db", "--yes")
    assert refused.returncode == 6
    assert f"(pid {dashcam.pid})" in refused.stderr.decode()
    dashcam.stop()
    found = done(dashcam.cli("db", "restore", "copy.db", "--yes", "--json"))
    dashcam.start()
    call(dashcam)
    assert len(dashcam.rows()) == 4
    with sqlite3.connect(str(found["aside"])) as aside:
        assert aside.execute("SELECT count(*) FROM interaction").fetchone() == (5,)
    aside.close()


def text(path: Path) -> None:
    path.write_text("this is no database")


def folder(path: Path) -> None:
    path.mkdir()


def other(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE moz_places (id INTEGER)")
    database.close()


def scrambled(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)


IN_PLACE = {
    "a text": (text, "is no SQLite database", "next: move it away"),
    "a folder": (folder, "is a folder, and the database should be there", "next: move it away"),
    "another program's": (other, "is another program's: it has a table moz_places", "next: choose another data folder"),
    "scrambled": (scrambled, "cannot be used", "next: bring back a copy: dashcam db restore FILE"),
}


@pytest.mark.parametrize(("make", "words", "advice"), IN_PLACE.values(), ids=IN_PLACE)
def test_whatever_lies_in_the_databases_place_is_told_and_left_and_no_call_is_lost(
    tmp_path: Path, make: Callable[[Path], None], words: str, advice: str
) -> None:
    dashcam = RunningDashcam(tmp_path)
    dashcam.data_dir.mkdir(mode=0o700)
    make(dashcam.database_path)
    before = None if dashcam.database_path.is_dir() else dashcam.database_path.read_bytes()
    try:
        dashcam.start()
        call(dashcam, 2)
        wait_until(lambda: words in str(dashcam.ledger()["last_error"]), "the ledger says why")
        found = dashcam.cli("doctor", "--offline").stdout.decode()
        assert words in found
        assert advice in found
        assert before is None or dashcam.database_path.read_bytes() == before
        dashcam.database_path.rename(dashcam.database_path.with_name("moved-away"))
        assert len(dashcam.rows()) == 2
        assert dashcam.log().count("store_unusable") <= 3
    finally:
        dashcam.close()


def stopped(start_dashcam: Starter) -> RunningDashcam:
    """An instance with three calls on record that was stopped."""
    dashcam = start_dashcam()
    call(dashcam, 3)
    dashcam.settle()
    dashcam.stop()
    return dashcam


def alter(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(sql)
    database.close()


def test_a_table_that_was_altered_by_hand_is_named_and_calls_wait(start_dashcam: Starter) -> None:
    dashcam = stopped(start_dashcam)
    alter(dashcam.database_path, "ALTER TABLE interaction DROP COLUMN quantities")
    dashcam.start()
    call(dashcam, 2)
    wait_until(lambda: "no column quantities" in str(dashcam.ledger()["last_error"]), "the ledger says why")
    assert dashcam.cli("db", "check").returncode == 7
    alter(dashcam.database_path, "ALTER TABLE interaction ADD COLUMN quantities JSON")
    assert len(dashcam.rows()) == 5


def test_a_damaged_page_stops_nothing_and_a_copy_mends_it(start_dashcam: Starter) -> None:
    dashcam = start_dashcam()
    call(dashcam, 3)
    dashcam.settle()
    done(dashcam.cli("db", "backup", "copy.db", "--json"))
    dashcam.stop()
    content = bytearray(dashcam.database_path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    dashcam.database_path.write_bytes(content)
    dashcam.start()
    call(dashcam, 2)
    wait_until(lambda: "malformed" in str(dashcam.ledger()["last_error"]), "the ledger says why")
    found = dashcam.cli("doctor", "--offline")
    assert found.returncode == 7
    assert "dashcam db restore FILE" in found.stdout.decode()
    dashcam.stop()
    assert dashcam.cli("db", "restore", "copy.db", "--yes").returncode == 0
    dashcam.start()
    assert len(dashcam.rows()) == 5
    assert dashcam.cli("db", "check").returncode == 0


@pytest.fixture
def held(start_dashcam: Starter) -> Iterator[tuple[RunningDashcam, int]]:
    """An instance whose database another program has locked for writing."""
    dashcam = start_dashcam()
    call(dashcam)
    dashcam.settle()
    program = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1],isolation_level=None); c.execute('BEGIN IMMEDIATE'); "
    program += "print('ready',flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(dashcam.database_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    yield dashcam, process.pid
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def test_the_doctor_names_who_holds_the_lock(held: tuple[RunningDashcam, int]) -> None:
    dashcam, pid = held
    call(dashcam)
    wait_until(lambda: "locked" in str(dashcam.ledger()["last_error"]), "the ledger says why", seconds=30)
    found = json.loads(dashcam.cli("doctor", "--offline", "--json").stdout)
    locks = [item for item in found if item["subject"] == "database lock"]
    assert [(item["ok"], f"(pid {pid}) writes to it" in item["detail"]) for item in locks] == [(False, True)]
    assert locks[0]["next"] == f"end it: kill {pid}"


FILLS = """
compatible_with = '0001'
def upgrade():
    op.add_column('interaction', sa.Column('visits', sa.Integer(), nullable=False, server_default='0'))
"""
UPGRADE = """
import sys
from pathlib import Path
from proxy.settings.database import sqlite_at
from proxy.store.migrating.migration import How, upgrade
print(upgrade(sqlite_at(sys.argv[1]), How(folder=Path(sys.argv[2]))).after)
"""


def test_this_release_goes_on_with_a_database_that_the_next_one_has_upgraded(
    start_dashcam: Starter, tmp_path: Path
) -> None:
    dashcam = stopped(start_dashcam)
    head = json.loads(dashcam.cli("db", "info", "--json").stdout)["revision"]
    following = f"{int(head) + 1:04d}"
    migrations = folder_with(tmp_path, {f"{following}_visits": FILLS})
    command = [sys.executable, "-c", UPGRADE, str(dashcam.database_path), str(migrations)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == following
    dashcam.start()
    call(dashcam, 2)
    assert [row["visits"] for row in dashcam.rows()] == [0] * 5
    assert dashcam.cli("db", "check").returncode == 0
    assert dashcam.cli("recost").returncode == 0
    dashcam.stop()
    alter(dashcam.database_path, f"UPDATE schema_revision SET compatible_with = '{following}'")
    dashcam.start()
    call(dashcam)
    wait_until(lambda: "works with programs from revision" in str(dashcam.ledger()["last_error"]), "it is refused")
    dashcam.signal(signal.SIGTERM)
    dashcam.wait()
    assert dashcam.query("select count(*) as calls from interaction") == [{"calls": 5}]


def test_calls_get_into_the_index_while_it_runs(dashcam: RunningDashcam) -> None:
    call(dashcam)
    dashcam.settle()
    wait_until(lambda: dashcam.query("select 1 from text_unindexed limit 1") == [], "the index lacks nothing")
    assert "hello" in dashcam.cli("search", "hello", "--no-headers", "-n", "1").stdout.decode()
    assert json.loads(dashcam.cli("db", "info", "--json").stdout)["not_indexed"] == 0
