"""``dashcam sql`` ends in its time also where SQLite is at one thing that nothing interrupts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.fresh_sqlite import fresh_sqlite

HOURS = "SELECT replace(printf('%.*c', 40000000, 'a'), printf('%.*c', 10000000, 'a') || 'b', '')"


def test_the_program_ends_and_says_why(tmp_path: Path) -> None:
    fresh_sqlite(tmp_path / "data" / "dashcam.db")
    environment = {**os.environ, "DASHCAM_DATA_DIR": str(tmp_path / "data"), "DASHCAM_RUN_DIR": str(tmp_path / "run")}
    command = [sys.executable, "-m", "proxy", "sql", "--seconds", "0.1", HOURS]
    done = subprocess.run(command, env=environment, cwd=Path.cwd(), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"dashcam: no answer within 0.1 s\n  next: narrow it, or give it --seconds\n"
