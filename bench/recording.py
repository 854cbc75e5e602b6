"""What recording keeps up with: rows a second that are durable in the store, empty and with a million rows in it."""

from __future__ import annotations

import contextlib
import json
import time

from bench.generator import Plan
from bench.relaying import Figures
from bench.targets import DashcamTarget, load
from proxy.store.reading.reader import Reader
from tests.support.dashcam import RunningDashcam
from tests.support.waiting import wait_until

MILLION = 1_000_000
OFFERED = 5000
"""Calls a second: what is hoped for. A gateway asked for more would only take the loader's core."""
_ENDURANCE = 7
"""A load that is to be sustained lasts so much longer than others: vacuums and checkpoints come and go within it."""


def stored(running: RunningDashcam) -> int:
    """Return how many rows the recorder has written."""
    status, body = running.get("/api/v1/recorder")
    return int(json.loads(body)["stored"]) if status == 200 else 0


def catch_up(running: RunningDashcam) -> None:
    """Wait until the backlog is gone, without asking so often that the asking costs."""
    wait_until(running.is_settled, "the backlog is gone", seconds=900, interval=0.2)


def measure(target: DashcamTarget, running: RunningDashcam, seconds: float, label: str) -> Figures:
    """Offer calls at a steady rate, see how long it takes until all are rows; then how fast a backlog is worked off."""
    catch_up(running)
    target.unpin()
    started = time.perf_counter()
    seen = load(Plan(port=target.port, seconds=seconds * _ENDURANCE, rate=OFFERED))
    catch_up(running)
    took = time.perf_counter() - started
    return {
        f"offered_calls_per_s_{label}": seen.calls / seen.seconds,
        f"sustained_rows_per_s_{label}": seen.calls / took,
        f"drained_rows_per_s_{label}": _drain(target, running, seconds),
        f"bytes_on_disk_per_call_{label}": _bytes_per_call(running),
    }


def _drain(target: DashcamTarget, running: RunningDashcam, seconds: float) -> float:
    """Return what the loader does with a backlog when nothing else runs."""
    before = stored(running)
    with target.paused_control():
        seen = load(Plan(port=target.port, seconds=seconds))
    started = time.perf_counter()
    catch_up(running)
    assert stored(running) >= before + seen.calls
    return seen.calls / (time.perf_counter() - started)


def fill(target: DashcamTarget, running: RunningDashcam, label: str, rows: int = MILLION) -> Figures:
    """Bring the store to so many rows through the product itself."""
    started, first = time.perf_counter(), stored(running)
    while (have := stored(running)) < rows:
        load(Plan(port=target.port, calls=min(50_000, rows - have), seconds=600))
        catch_up(running)
    return {f"fill_rows_per_s_{label}": (rows - first) / (time.perf_counter() - started)}


def _bytes_per_call(running: RunningDashcam) -> float:
    with contextlib.closing(Reader(running.database)) as reader:
        found = reader.counts()
    log = sum(path.stat().st_size for path in running.data_dir.glob("dashcam.db-*"))
    return (int(found["bytes"]) + log) / max(1, int(found["interactions"]))
