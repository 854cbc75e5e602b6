"""Who holds a database: real processes with real locks, found in the kernel's tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.store.upkeep.holders import OPEN, READS, WRITES, holders

_PROGRAM = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(";"):
    database.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.read()
"""


def holding(path: Path, statements: str) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(path), statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize(
    ("statements", "does"),
    [
        ("BEGIN IMMEDIATE", WRITES),
        ("BEGIN;SELECT count(*) FROM interaction", READS),
        ("SELECT 1", OPEN),
        ("PRAGMA locking_mode=EXCLUSIVE;BEGIN EXCLUSIVE", WRITES),
    ],
    ids=["writer", "reader", "open", "exclusive"],
)
def test_a_holder_is_named_with_what_it_does(path: Path, statements: str, does: str) -> None:
    is_told = Path("/proc/locks").exists()
    for pid in holding(path, statements):
        found = [item for item in holders(path) if item.pid == pid]
        assert [(item.does, item.command[:6]) for item in found] == ([(does, "python")] if is_told else [])
    assert holders(path) == []
