"""``python -m bench``: run the measures one after the other, print the table, save the JSON."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import footprint, recording, relaying, report, targets
from bench.processes import IS_PINNING
from bench.relaying import Figures


def parse_arguments() -> argparse.Namespace:
    """Read what to measure."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure Dashcam on this machine.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each load runs (3)")
    parser.add_argument("--million", action="store_true", help="measure recording with a million rows in the store too")
    parser.add_argument("--folder", type=Path, help="where to put the data folders (a temporary folder)")
    return parser.parse_args()


def measure(folder: Path, seconds: float, million: bool) -> Figures:
    """Run all measures."""
    figures: Figures = {}
    with targets.upstream() as direct:
        say("installation, --help, start, memory at rest …")
        figures |= footprint.measure_installation() | footprint.measure_help()
        figures |= footprint.measure_starts(folder / "start", direct)
        say("relaying …")
        with (
            targets.nginx(folder / "nginx", direct) as theirs,
            targets.dashcam(folder / "relay", direct) as (ours, _),
        ):
            figures |= relaying.measure(direct, ours, theirs, seconds)
        say("idle streams …")
        with targets.dashcam(folder / "streams", direct) as (ours, _):
            figures |= footprint.measure_streams(ours)
        say("recording …")
        with targets.dashcam(folder / "record", direct) as (ours, running):
            figures |= recording.measure(ours, running, seconds * 2, "empty")
            if million:
                say("filling the store with a million rows …")
                figures |= recording.fill(ours, running)
                figures |= recording.measure(ours, running, seconds * 2, "million")
    return figures


def say(line: str) -> None:
    """Tell how far we are."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, save."""
    arguments = parse_arguments()
    if not IS_PINNING:
        say("This system cannot pin processes to cores, or has one only: ratios will be rougher.")
    with tempfile.TemporaryDirectory(prefix="dashcam-bench-", dir=arguments.folder) as folder:
        figures = measure(Path(folder), arguments.seconds, arguments.million)
    print(report.table(figures))
    say(f"saved as {report.save(figures)}")


if __name__ == "__main__":
    main()
