"""What Dashcam weighs: start, memory idle and per open stream, and what has to be installed."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.generator import Plan
from bench.processes import memory, tree
from bench.relaying import Figures
from bench.targets import Target, dashcam, start_load
from tests.architecture.advisories import locked
from tests.support.processes import ROOT, clean_environment

STREAMS = 2000


def measure_starts(folder: Path, behind: Target, times: int = 5) -> Figures:
    """Start it a few times on a data folder that exists, and weigh it at rest."""
    ready, weights = [], []
    for number in range(times + 1):
        began = time.perf_counter()
        with dashcam(folder, behind) as (_, running):
            if number:  # the first start makes the database
                ready.append(time.perf_counter() - began)
            if number == times:
                time.sleep(2)
                weights = [memory(pid) for pid in tree(running.pid)]
    return {"start_to_ready_s": statistics.median(ready), "idle_pss_mb_all_processes": sum(weights) / 1e6}


def measure_help(times: int = 5) -> Figures:
    """Time ``dashcam --help``."""
    taken = []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(times):
            began = time.perf_counter()
            command = [sys.executable, "-m", "proxy", "--help"]
            subprocess.run(command, cwd=ROOT, env=clean_environment(Path(home)), capture_output=True, check=True)
            taken.append(time.perf_counter() - began)
    return {"help_s": statistics.median(taken)}


def measure_streams(target: Target) -> Figures:
    """Hold many streams open that say nothing, and see what they weigh in the gateway."""
    assert target.pid is not None
    before = memory(target.pid, "Rss")
    holder = start_load(Plan(port=target.port, connections=STREAMS, hang=True))
    assert holder.stdout is not None
    holder.stdout.readline()
    time.sleep(2)
    after = memory(target.pid, "Rss")
    holder.communicate()
    return {"memory_kb_per_idle_stream": (after - before) / STREAMS / 1024}


def measure_installation() -> Figures:
    """Add up the files of what is locked for running; a package that this machine does not need is left out."""
    sizes = []
    for name, _ in locked((ROOT / "requirements.lock").read_text()):
        with contextlib.suppress(PackageNotFoundError):
            files = (Path(str(file.locate())) for file in distribution(name).files or ())
            sizes.append(sum(path.stat().st_size for path in files if path.is_file()))
    own = sum(path.stat().st_size for path in (ROOT / "proxy").rglob("*") if path.is_file())
    return {"installed_mb": (sum(sizes) + own) / 1e6, "installed_packages": len(sizes) + 1}
