"""``python -m proxy.gateway``: started by the supervisor with a listening socket to inherit."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """Read what the supervisor says."""
    parser = argparse.ArgumentParser(prog="proxy.gateway")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent-fd", type=int, required=True)
    parser.add_argument("--gateways", type=int, default=1, help="how many share the ceilings")
    return parser.parse_args()


def main() -> None:
    """Run one gateway."""
    arguments = parse_arguments()
    # What is imported lives to the end: to look through it meanwhile is a part of the start.
    gc.disable()
    # structlog loads it where it is installed, with a highlighter, for tracebacks in colours, which are not ours: a
    # tenth of the start.
    sys.modules["rich"] = None  # type: ignore[assignment]
    from proxy.gateway.process import run

    gc.enable()
    run(arguments)


if __name__ == "__main__":
    main()
