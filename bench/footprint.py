"""What Dashcam weighs: start, memory idle and per open stream, and what has to be installed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.generator import Plan
from bench.processes import memory, tree
from bench.relaying import Figures
from bench.targets import Target, dashcam, start_load
from tests.support.processes import ROOT, clean_environment

STREAMS = 2000
_OWN = "dashcam"


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
    """Add up the files of what a plain installation brings, and of what the extra ``postgres`` adds to it."""
    plain, whole = installed(), installed("postgres")
    return {
        "installed_mb": _megabytes(plain),
        "installed_packages": len(plain),
        "installed_mb_with_postgres": _megabytes(whole),
        "installed_packages_with_postgres": len(whole),
    }


def installed(*extras: str) -> set[str]:
    """Return the names of what Dashcam with these extras needs on this machine, itself included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    waiting = [part for line in own for part in _parts(line, "")]
    found: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in found:
            found.add((name, extra))
            waiting += [part for line in distribution(name).requires or () for part in _parts(line, extra)]
    return {_OWN} | {name for name, _ in found}


def _parts(line: str, extra: str) -> list[tuple[str, str]]:
    """Return a requirement as (name, extra), once for each extra and for none; nothing where it does not apply here."""
    needed = Requirement(line)
    if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
        return []
    return [(canonicalize_name(needed.name), more) for more in ("", *needed.extras)]


def _megabytes(names: set[str]) -> float:
    files = [Path(str(file.locate())) for name in names - {_OWN} for file in distribution(name).files or ()]
    files += (ROOT / "proxy").rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6
