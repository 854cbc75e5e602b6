"""``python -m bench``: run the measures one after the other, print the table, save the JSON."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import (
    bodies,
    databases,
    footprint,
    outages,
    prompted,
    reading,
    recording,
    relaying,
    report,
    shapes,
    storing,
    targets,
)
from bench.databases import HAS_POSTGRES, Store
from bench.processes import IS_PINNING
from bench.relaying import Figures
from bench.targets import DashcamTarget, Target
from tests.support.dashcam import RunningDashcam


def parse_arguments() -> argparse.Namespace:
    """Read what to measure."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure Dashcam on this machine.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each load runs (3)")
    parser.add_argument(
        "--million", action="store_true", help="measure recording and reading with a million rows in the store too"
    )
    parser.add_argument("--folder", type=Path, help="where to put the data folders (a temporary folder)")
    parser.add_argument("--only", nargs="+", choices=list(_PARTS), help="measure these parts only")
    return parser.parse_args()


def measure(folder: Path, seconds: float, parts: list[str], *, million: bool) -> Figures:
    """Run the measures of the parts that are wanted."""
    figures: Figures = {}
    with targets.upstream() as direct:
        for part in parts:
            say(f"{part} …")
            figures |= _PARTS[part](folder, direct, seconds, million)
    return figures


def _footprint(folder: Path, direct: Target, _seconds: float, _million: bool) -> Figures:
    figures = footprint.measure_installation() | footprint.measure_help()
    return figures | footprint.measure_starts(folder / "start", direct)


def _relaying(folder: Path, direct: Target, seconds: float, _million: bool) -> Figures:
    with (
        targets.nginx(folder / "nginx", direct) as theirs,
        targets.dashcam(folder / "relay", direct) as (ours, _),
    ):
        return relaying.measure(direct, ours, theirs, seconds)


def _shapes(folder: Path, direct: Target, seconds: float, _million: bool) -> Figures:
    with (
        targets.nginx(folder / "nginx-shapes", direct) as theirs,
        targets.dashcam(folder / "shapes", direct) as (ours, _),
    ):
        return shapes.measure(ours, theirs, seconds)


def _prompted(folder: Path, direct: Target, seconds: float, _million: bool) -> Figures:
    with (
        targets.dashcam(folder / "plain", direct) as (plain, _),
        targets.dashcam(folder / "prompted", direct) as (published, running),
    ):
        prompted.publish(running, folder / "prompted")
        return prompted.measure(plain, published, running, seconds)


def _streams(folder: Path, direct: Target, _seconds: float, _million: bool) -> Figures:
    with targets.dashcam(folder / "streams", direct) as (ours, _):
        return footprint.measure_streams(ours)


def _recording(folder: Path, direct: Target, seconds: float, million: bool) -> Figures:
    with targets.dashcam(folder / "record", direct) as (ours, running):
        return storing.measure_trace(ours, running) | _recorded(ours, running, seconds, "", million=million)


def _recording_postgres(folder: Path, direct: Target, seconds: float, million: bool) -> Figures:
    with (
        databases.postgres() as store,
        targets.dashcam(folder / "record-postgres", direct, environment=store.environment) as (ours, running),
    ):
        return _recorded(ours, running, seconds, "postgres_", million=million)


def _recorded(ours: DashcamTarget, running: RunningDashcam, seconds: float, label: str, *, million: bool) -> Figures:
    figures = recording.measure(ours, running, seconds * 2, f"{label}empty")
    if million:
        say("filling the store with a million rows …")
        label = f"{label}million"
        figures |= recording.fill(ours, running, label)
        figures |= recording.measure(ours, running, seconds * 2, label)
        figures |= storing.measure_list(running, label)
    return figures


def _bodies(folder: Path, _direct: Target, _seconds: float, _million: bool) -> Figures:
    with databases.sqlite_file(folder / "bodies") as store:
        return bodies.measure(store, "sqlite")


def _bodies_postgres(_folder: Path, _direct: Target, _seconds: float, _million: bool) -> Figures:
    with databases.postgres_database() as store:
        return bodies.measure(store, "postgres")


def _reading(folder: Path, _direct: Target, _seconds: float, million: bool) -> Figures:
    with databases.sqlite_file(folder / "reading") as store:
        return reading.measure(store, "sqlite", million=million)


def _reading_postgres(_folder: Path, _direct: Target, _seconds: float, million: bool) -> Figures:
    with databases.postgres_database() as store:
        return reading.measure(store, "postgres", million=million)


def _outages(folder: Path, direct: Target, seconds: float, _million: bool) -> Figures:
    return _with_faults(folder / "outages", direct, seconds, databases.SQLITE)


def _outages_postgres(folder: Path, direct: Target, seconds: float, _million: bool) -> Figures:
    with databases.postgres() as store:
        return _with_faults(folder / "outages-postgres", direct, seconds, store)


def _with_faults(folder: Path, direct: Target, seconds: float, store: Store) -> Figures:
    with targets.dashcam(folder, direct, environment=store.environment) as (ours, running):
        return outages.measure(ours, running, seconds, store.stopped(running), store.name)


_PARTS = {
    "footprint": _footprint,
    "relaying": _relaying,
    "shapes": _shapes,
    "prompted": _prompted,
    "streams": _streams,
    "recording": _recording,
    "bodies": _bodies,
    "reading": _reading,
    "outages": _outages,
    "recording_postgres": _recording_postgres,
    "bodies_postgres": _bodies_postgres,
    "reading_postgres": _reading_postgres,
    "outages_postgres": _outages_postgres,
}


def say(line: str) -> None:
    """Tell how far we are."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, save."""
    arguments = parse_arguments()
    if not IS_PINNING:
        say("This system cannot pin processes to cores, or has one only: ratios will be rougher.")
    if not HAS_POSTGRES:
        say("There is no Postgres server for this system (make dev brings one): nothing is measured of it.")
    with tempfile.TemporaryDirectory(prefix="dashcam-bench-", dir=arguments.folder) as folder:
        parts = [part for part in arguments.only or _PARTS if HAS_POSTGRES or not part.endswith("_postgres")]
        figures = measure(Path(folder), arguments.seconds, parts, million=arguments.million)
    print(report.table(figures))
    say(f"saved as {report.save(figures)}")


if __name__ == "__main__":
    main()
