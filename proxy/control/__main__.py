"""``python -m proxy.control``: started by the supervisor."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """Read what the supervisor says."""
    parser = argparse.ArgumentParser(prog="proxy.control")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--parent-fd", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    """Run control."""
    arguments = parse_arguments()
    # What is imported lives to the end: to look through it meanwhile costs a fifth of the start, and afterwards more.
    gc.disable()
    # structlog loads it where it is installed, with a highlighter, for tracebacks in colours, which are not ours.
    sys.modules["rich"] = None  # type: ignore[assignment]
    from proxy.control.process import run

    gc.freeze()
    # A batch is tens of thousands of values that live for a moment: the collector's usual pace costs a tenth of them.
    gc.set_threshold(100_000, 50, 100)
    gc.enable()
    run(arguments.run_dir, arguments.parent_fd)


if __name__ == "__main__":
    main()
