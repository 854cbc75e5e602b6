"""``python -m proxy`` and the installed command ``dashcam``: hands over to the command line."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line; imports stay inside so that ``--help`` is quick."""
    # What is imported lives to the end: to look through it again and again is a tenth of what a command takes.
    gc.set_threshold(300_000, 50, 100)
    from proxy.cli.app import run_main

    run_main()


if __name__ == "__main__":
    main()
