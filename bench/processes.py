"""Pin processes to cores and weigh them: CPU time and memory as the kernel counts them (Linux; elsewhere nothing)."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.processes import children

_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")

IS_PINNING = hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1
CORES = sorted(os.sched_getaffinity(0)) if IS_PINNING else [0]
MEASURED, OTHERS = {CORES[0]}, set(CORES[1:]) or {CORES[0]}
"""The core of what is measured, and the cores of everything else."""


def pin(pid: int, cores: set[int]) -> None:
    """Let a process with all its threads run on these cores only."""
    if not IS_PINNING:
        return
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for child in children(pid):
        found += tree(child)
    return found


def cpu_us(pid: int) -> float:
    """Return the CPU time a process has used, in microseconds; nanosecond-exact where the scheduler tells."""
    tasks = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
    if tasks:
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e3
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK_US


def memory(pid: int, name: str = "Pss") -> int:
    """Return a process's memory in bytes: ``Pss`` (shared pages divided among their users) or ``Rss``."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
