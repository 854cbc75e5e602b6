"""What recording keeps up with: rows a second that are durable in the store, empty and with a million rows in it."""

from __future__ import annotations

import json
import time

from bench.generator import Plan
from bench.relaying import Figures
from bench.targets import Target, load
from tests.support.dashcam import RunningDashcam
from tests.support.waiting import wait_until

MILLION = 1_000_000


def stored(running: RunningDashcam) -> int:
    """Return how many rows the recorder has written."""
    status, body = running.get("/api/v1/recorder")
    return int(json.loads(body)["stored"]) if status == 200 else 0


def catch_up(running: RunningDashcam) -> None:
    """Wait until the backlog is gone."""
    wait_until(running.is_settled, "the backlog is gone", seconds=900)


def measure(target: Target, running: RunningDashcam, seconds: float, label: str) -> Figures:
    """Offer calls as fast as they go through, then see how long it takes until all are rows.

    *Sustained* is calls over the whole time, *drained* what the loader does once it has its core to itself.
    """
    catch_up(running)
    before, started = stored(running), time.perf_counter()
    seen = load(Plan(port=target.port, seconds=seconds))
    offered = time.perf_counter()
    written = stored(running) - before
    catch_up(running)
    ended = time.perf_counter()
    left = seen.calls - written
    return {
        f"offered_calls_per_s_{label}": seen.calls / seen.seconds,
        f"sustained_rows_per_s_{label}": seen.calls / (ended - started),
        f"drained_rows_per_s_{label}": left / (ended - offered) if left > 1000 else None,
        f"bytes_on_disk_per_call_{label}": _bytes_per_call(running),
    }


def fill(target: Target, running: RunningDashcam, rows: int = MILLION) -> Figures:
    """Bring the store to so many rows through the product itself."""
    started, first = time.perf_counter(), stored(running)
    while (have := stored(running)) < rows:
        load(Plan(port=target.port, calls=min(50_000, rows - have), seconds=600))
        catch_up(running)
    return {"fill_rows_per_s": (rows - first) / (time.perf_counter() - started)}


def _bytes_per_call(running: RunningDashcam) -> float:
    (row,) = running.query("select count(*) as calls from interaction")
    size = sum(path.stat().st_size for path in running.data_dir.glob("dashcam.db*"))
    return size / max(1, int(row["calls"]))
