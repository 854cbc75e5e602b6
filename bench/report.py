"""The figures as a table on the terminal and as JSON under ``bench-results/``, with the targets beside them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.relaying import Figures
from proxy import __version__
from tests.support.processes import ROOT

AT_LEAST = {
    "throughput_ratio_to_nginx": 0.22,
    "chunk_cpu_ratio_to_nginx": 0.9,
    "prompted_ratio_to_plain": 0.75,
    "prompted_again_ratio_to_plain": 0.75,
    "prompts_unasked_ratio_to_plain": 0.95,
    "sustained_rows_per_s_empty": 4000,
    "sustained_rows_per_s_million": 4000,
    "sustained_rows_per_s_postgres_empty": 4000,
    "sustained_rows_per_s_postgres_million": 4000,
    "trace_bytes_ratio_raw_to_disk": 20,
    "body_ratio_raw_to_disk_sqlite_agent": 20,
    "body_ratio_raw_to_disk_postgres_agent": 20,
}
AT_MOST = {
    "added_latency_ratio_to_nginx": 1.5,
    "memory_kb_per_idle_stream": 40,
    "worst_stall_ms_beside_10_mb_bodies": 15,
    "start_to_ready_s": 1.5,
    "idle_pss_mb_all_processes": 140,
    "installed_mb": 125,
    "installed_packages": 45,
    "help_s": 0.3,
    "list_page_p95_ms_million": 200,
    "list_page_p95_ms_postgres_million": 200,
    **{
        f"{kind}_p95_ms_{engine}_{size}": 200
        for kind in ("view", "list", "facet", "answer", "search")
        for engine in ("sqlite", "postgres")
        for size in ("10k", "100k", "million")
    },
    "all_sessions_p95_ms_sqlite_million": 1000,
    "all_sessions_p95_ms_postgres_million": 1000,
    "p99_ratio_database_stopped_sqlite": 1.1,
    "p99_ratio_database_stopped_postgres": 1.1,
    "failed_calls": 0,
    "failed_calls_under_faults_sqlite": 0,
    "failed_calls_under_faults_postgres": 0,
    "failed_streams": 0,
    "inject_failed_streams": 0,
    "upload_10_mb_failed": 0,
    "embeddings_batch_failed": 0,
    "prompted_failed": 0,
    "prompted_again_failed": 0,
    "prompts_unasked_failed": 0,
}


def table(figures: Figures) -> str:
    """Return the figures line by line, each with its target where it has one."""
    width = max(map(len, figures))
    return "\n".join(
        f"  {name:<{width}}  {_number(value):>12}  {_verdict(name, value)}".rstrip() for name, value in figures.items()
    )


def _number(value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.3g}"


def _verdict(name: str, value: float | str | None) -> str:
    if not isinstance(value, int | float):
        return ""
    if name in AT_LEAST:
        return f"wanted >= {AT_LEAST[name]:g}   {'reached' if value >= AT_LEAST[name] else 'MISSED'}"
    if name in AT_MOST:
        return f"wanted <= {AT_MOST[name]:g}   {'reached' if value <= AT_MOST[name] else 'MISSED'}"
    return ""


def circumstances() -> dict[str, object]:
    """Return what one has to know to compare two runs."""
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "version": __version__,
        "revision": revision.stdout.strip() or None,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def save(figures: Figures) -> Path:
    """Write the figures; return where."""
    folder = ROOT / "bench-results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({**circumstances(), "figures": figures}, indent=2) + "\n")
    return path
