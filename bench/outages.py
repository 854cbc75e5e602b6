"""What the path feels when others fail: the database stopped, control killed again and again; then the catching up.

The same open load runs in turn with everything in order and with each fault, a few times over; the best run of each
counts, since what else the machine does only ever slows a run down.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from bench.databases import Fault
from bench.generator import Plan, Seen
from bench.recording import catch_up, stored
from bench.relaying import ROUNDS, Figures
from bench.targets import DashcamTarget, load
from tests.support.dashcam import RunningDashcam
from tests.support.waiting import wait_until

RATE, CONNECTIONS = 500, 16
KILL_EVERY_SECONDS = 1.0


@contextlib.contextmanager
def dying_control(running: RunningDashcam) -> Iterator[None]:
    """Kill control with -9 once a second meanwhile."""
    leaving = threading.Event()

    def kill() -> None:
        while not leaving.wait(KILL_EVERY_SECONDS):
            running.kill("proxy.control")

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()
        wait_until(lambda: running.get("/api/v1/recorder")[0] == 200, "control is there again")


def measure(
    target: DashcamTarget, running: RunningDashcam, seconds: float, stopped_database: Fault, label: str
) -> Figures:
    """Return the 99th percentile of a call's latency under each fault against that without, and the catching up."""
    catch_up(running)
    target.unpin()
    faults: dict[str, Fault] = {
        "normal": contextlib.nullcontext,
        "database_stopped": stopped_database,
        "control_killed": lambda: dying_control(running),
    }
    seen: dict[str, list[Seen]] = {name: [] for name in faults}
    for _ in range(ROUNDS):
        for name, fault in faults.items():
            with fault():
                seen[name].append(load(Plan(port=target.port, seconds=seconds, rate=RATE, connections=CONNECTIONS)))
            catch_up(running)
    p99 = {name: min(run.p99_us for run in runs) for name, runs in seen.items()}
    return {
        f"p99_us_normal_{label}": p99["normal"],
        f"p99_ratio_database_stopped_{label}": p99["database_stopped"] / p99["normal"],
        f"p99_ratio_control_killed_{label}": p99["control_killed"] / p99["normal"],
        f"failed_calls_under_faults_{label}": sum(run.failed for runs in seen.values() for run in runs),
    } | _after_outage(target, running, seconds, stopped_database, label)


def _after_outage(
    target: DashcamTarget, running: RunningDashcam, seconds: float, stopped_database: Fault, label: str
) -> Figures:
    """Load with the database stopped; see how soon its return is noticed and how fast the rest then goes in."""
    before = stored(running)
    with stopped_database():
        seen = load(Plan(port=target.port, seconds=seconds))
    back = time.perf_counter()
    wait_until(lambda: stored(running) > before, "the first row after the outage", seconds=60, interval=0.02)
    resumed = time.perf_counter()
    catch_up(running)
    took = time.perf_counter() - resumed
    return {
        f"resumed_after_outage_s_{label}": resumed - back,
        f"drained_after_outage_rows_per_s_{label}": seen.calls / took,
    }
