"""``python -m proxy.supervisor``: what ``dashcam serve`` becomes."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import orjson

from proxy.settings.values import settings_from_mapping
from proxy.supervisor.running import Supervisor


def main() -> None:
    """Run the supervisor to its end."""
    parser = argparse.ArgumentParser(prog="proxy.supervisor")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--locks", required=True, help="descriptors of its folders' locks, with commas")
    parser.add_argument("--temporary", action="store_true", help="for the length of one command")
    given = parser.parse_args()
    run_dir = given.run_dir
    settings = settings_from_mapping(orjson.loads((run_dir / "settings.json").read_bytes()))
    locks = [int(descriptor) for descriptor in given.locks.split(",")]
    for descriptor in locks:
        # The children hold none of them.
        os.set_inheritable(descriptor, False)
    sys.exit(Supervisor(settings, locks, is_temporary=given.temporary).run())


if __name__ == "__main__":
    main()
